//! What can be set: limits, rates, and a switch for each thing AWS does not say.

mod assume;
mod behaviour;

pub use assume::{AssumeError, Assumption};
pub use behaviour::{
    AbsentVersion, Behaviour, DeltaPolicy, EmptyToken, InFlightScope, IntegerRange,
    NullInArrayObject, NullInArrayText, RestDelete, RestError, Retained, SigningName,
};

use core::time::Duration;
use shadow_proto::TopicPrefix;

/// How the service behaves. `Settings::default()` is as close to AWS as is known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// What stands before `/things/…` in every topic; default `$aws`.
    pub prefix: TopicPrefix,
    /// Sizes and depths.
    pub limits: Limits,
    /// How many requests a thing may make; default: as many as it likes.
    pub rate: Option<Rate>,
    /// In which order the messages of one request are published.
    pub order: MessageOrder,
    /// How long the version of a deleted shadow is remembered; default 48 hours.
    pub tombstone: Duration,
    /// The open questions of the protocol.
    pub behaviour: Behaviour,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: TopicPrefix::default(),
            limits: Limits::default(),
            rate: None,
            order: MessageOrder::default(),
            tombstone: Duration::from_secs(48 * 60 * 60),
            behaviour: Behaviour::default(),
        }
    }
}

/// Sizes and depths (AWS IoT quotas).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of compact JSON in desired and reported together, after the merge; default 8192.
    pub max_document_bytes: usize,
    /// Levels in a section of a request; default 8. Whatever is set, 62 is the most.
    pub max_depth: usize,
    /// Bytes of a request's payload; default 128 KiB, at which AWS's broker closes the
    /// connection. Here a larger one is answered with 413, unread.
    pub max_payload_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_document_bytes: 8 * 1024,
            max_depth: 8,
            max_payload_bytes: 128 * 1024,
        }
    }
}

/// A token bucket per thing; beyond it requests are refused with 429.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Rate {
    /// Requests a second in the long run.
    pub per_second: u32,
    /// Requests at once after a pause.
    pub burst: u32,
}

impl Rate {
    /// AWS's quota: 20 shadow requests a second for each thing.
    pub const AWS: Self = Self::new(20, 20);

    /// A rate; zero counts as one.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// In which order the messages of one request are published. AWS promises none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum MessageOrder {
    /// Accepted, documents, delta. The default.
    #[default]
    Fixed,
    /// A different order each time, all drawn from this seed: for tests of clients.
    Shuffled {
        /// Equal seeds give equal orders.
        seed: u64,
    },
}
