//! The REST data plane: get, update, delete and list over HTTPS, without IO.
//!
//! For programs that have no MQTT connection: a back end that changes one value, a command line, a
//! device that must not be pushed off by a second client of its own id. The service does the same
//! with a request as over MQTT, and everybody who is subscribed hears of it.
//!
//! A [`RestRequest`] says what to send and reads the answer; [`RestOptions`] says where to and how
//! to sign in. An adapter's HTTP client does the rest.

mod answer;
mod error;
mod options;
mod request;

pub use answer::{Deleted, ShadowPage};
pub use error::RestError;
pub use options::{RestOptions, SignedRest};
pub use request::{ListOptions, RestRequest};
