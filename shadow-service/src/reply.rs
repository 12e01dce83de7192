//! What the service gives back.

use crate::error::ShadowError;
use alloc::{boxed::Box, string::String, vec::Vec};
use shadow_proto::{Operation, ShadowId};

/// A message to publish, at QoS 1 and without RETAIN.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Outgoing {
    /// Where to.
    pub topic: Box<str>,
    /// JSON text.
    pub payload: String,
}

impl Outgoing {
    pub(crate) const fn new(topic: Box<str>, payload: String) -> Self {
        Self { topic, payload }
    }
}

/// An accepted operation.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The accepted document: what the `accepted` topic and a REST body carry.
    pub body: String,
    /// The version it speaks of: the stored one, or that of the document deleted.
    pub version: u64,
    /// What other subscribers learn of it besides the accepted document: documents, then the
    /// delta if there is one. Empty but for updates.
    pub events: Vec<Outgoing>,
}

/// An MQTT request that was served.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Handled {
    /// The shadow it was about.
    pub shadow: ShadowId,
    /// What it asked for.
    pub operation: Operation,
    /// The version of the answer, or why the request was rejected.
    pub outcome: Result<u64, ShadowError>,
    /// What to publish, in this order. Never empty.
    pub messages: Vec<Outgoing>,
}

/// A message that is no request: nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ignored {
    /// The topic is not a shadow's.
    NotAShadowTopic,
    /// The topic is one the service itself publishes to.
    NotARequest,
}

impl core::fmt::Display for Ignored {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotAShadowTopic => "not a shadow topic",
            Self::NotARequest => "a shadow topic that carries no requests",
        })
    }
}

impl core::error::Error for Ignored {}

/// One page of the named shadows of a thing.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The names, in order.
    pub names: Vec<String>,
    /// What to ask the next page with; `None` on the last.
    pub next_token: Option<String>,
    /// The REST body.
    pub body: String,
}
