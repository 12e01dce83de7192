//! The other side of the Device Shadow protocol: a shadow service for demos, for tests, and
//! for sites without AWS.
//!
//! [`Service`] is sans-IO: a request's topic, payload and time go in, the messages to publish
//! come out. It reads no clock, opens no socket and spawns no thread, so a simulation can own
//! it and a server can put any broker, any HTTP library and any store around it.
//!
//! It is meant to be faithful: what works against it works against AWS IoT. What AWS neither
//! documents nor was seen to do is a switch in [`Behaviour`], with the default that the
//! evidence supports best. The scenarios in `vectors/examples.json` say what is expected, with
//! their sources; the feature `vectors` gives them to other tests.
//!
//! A document is kept as the text that is sent of it, with an index of its members: an update is
//! read without copying, and what it leaves alone is copied as it is, numbers as they were written.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;
#[cfg(any(feature = "local", feature = "store"))]
extern crate std;

mod delta;
mod document;
mod error;
mod fault;
#[cfg(feature = "store")]
mod file_store;
mod limits;
mod list;
#[cfg(feature = "local")]
pub mod local;
mod merge;
mod parse;
mod random;
mod record;
mod reply;
mod request;
mod said;
mod service;
mod settings;
mod sheet;
mod stamps;
mod store;
mod time;
mod value;
#[cfg(feature = "vectors")]
pub mod vectors;
mod write;

pub use delta::Delta;
pub use document::{Document, Record, Section, Tombstone};
pub use error::{Rejection, ShadowError};
pub use fault::{AnswerFate, Delivery, Fate, Faults, Refusal};
#[cfg(feature = "store")]
pub use file_store::{FileStore, OpenError};
pub use list::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE};
pub use parse::ParseError;
pub use record::DecodeError;
pub use reply::{Answer, Handled, Ignored, Outgoing, Page};
pub use service::Service;
pub use settings::{
    AbsentVersion, AssumeError, Assumption, Behaviour, DeltaPolicy, EmptyToken, InFlightScope,
    IntegerRange, Limits, MessageOrder, NullInArrayObject, NullInArrayText, Rate, RestDelete,
    RestError, Retained, Settings, SigningName,
};
pub use shadow_proto;
pub use store::{After, MemoryStore, Store, StoreError};
pub use time::UnixTime;
pub use value::{MAX_NESTING, Number, NumberEquality, Object, Scalar, Value};
