//! What can be set: limits, rates, and a switch for each thing AWS does not say.

use crate::value::NumberEquality;
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

/// A switch for each open question of the protocol. The defaults follow AWS's documentation,
/// then recorded behaviour of AWS, then Greengrass, then the simplest rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Behaviour {
    /// Whether arrays count as levels of nesting; default yes.
    pub arrays_are_levels: bool,
    /// Whether deleting takes a version of its own: a document deleted at 2 comes back as 4
    /// (default), else as 3.
    pub delete_takes_version: bool,
    /// What `version` is compared with where there is no document.
    pub absent_version: AbsentVersion,
    /// Whether an object stays, empty, when nulls removed its last member; default yes.
    pub keep_emptied_objects: bool,
    /// Whether a new object whose members are all null is stored as `{}`; default yes, else it
    /// is not stored.
    pub keep_null_objects: bool,
    /// What happens to a null member of an object inside an array.
    pub null_in_array_object: NullInArrayObject,
    /// Which numbers are equal in a delta; default by value.
    pub numbers: NumberEquality,
    /// Whether duplicate member names are refused (in `state`, or of the members that mean
    /// something); default no: the last wins.
    pub refuse_duplicate_members: bool,
    /// Whether an invalid client token that is a string is echoed; default no.
    pub echo_invalid_token: bool,
    /// Whether the token of a request refused with 429 is echoed; default yes.
    pub echo_throttled_token: bool,
    /// What an empty client token is.
    pub empty_token: EmptyToken,
    /// When a delta is published.
    pub delta: DeltaPolicy,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            arrays_are_levels: true,
            delete_takes_version: true,
            absent_version: AbsentVersion::default(),
            keep_emptied_objects: true,
            keep_null_objects: true,
            null_in_array_object: NullInArrayObject::default(),
            numbers: NumberEquality::default(),
            refuse_duplicate_members: false,
            echo_invalid_token: false,
            echo_throttled_token: true,
            empty_token: EmptyToken::default(),
            delta: DeltaPolicy::default(),
        }
    }
}

/// What an update's `version` is compared with where there is no document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum AbsentVersion {
    /// The counter: 0 where there never was a document, one more than the last version within
    /// 48 hours of a deletion. The default.
    #[default]
    Counter,
    /// Nothing equals it: any version is a conflict.
    Conflict,
    /// It is not compared.
    Ignored,
}

/// What happens to a null member of an object inside an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum NullInArrayObject {
    /// It is stored. The default.
    #[default]
    Keep,
    /// It is left out.
    Drop,
    /// The request is refused, as for a null element.
    Reject,
}

/// What an empty client token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum EmptyToken {
    /// A token: it is echoed. The default.
    #[default]
    Echo,
    /// As if there were none.
    Ignore,
    /// Invalid: 400.
    Reject,
}

/// When a delta is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DeltaPolicy {
    /// With every accepted update while there is a difference. The default.
    #[default]
    EveryUpdate,
    /// Only when the difference is another one than before the update.
    WhenChanged,
}
