//! The messages of the protocol, borrowed from their bytes.
//!
//! [`decode`] reads the message of any of the eleven topics in one pass and copies nothing: the
//! sections of a document stay slices that are known to be valid JSON. The
//! [`Client`](crate::Client) uses it, and so can a fleet back end that receives the messages of
//! many things through a wildcard subscription.
//!
//! Unknown members are ignored, of members with the same name the last counts, and `null` stands
//! for an absent member wherever the service gives it no other meaning.

mod decode;

pub use decode::decode;

use crate::{field::Field, time::Timestamp};
use alloc::{borrow::Cow, boxed::Box};
use core::fmt;
use serde_json::value::RawValue;

/// The version of a shadow's document: grows by one with every accepted update.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(u64);

impl Version {
    /// Version `number`.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The code of a rejection; the numbers are HTTP's. A server may use codes not named here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ErrorCode(u16);

impl ErrorCode {
    /// 400: the request is not as it should be.
    pub const BAD_REQUEST: Self = Self(400);
    /// 401: who asks is not known.
    pub const UNAUTHORIZED: Self = Self(401);
    /// 403: who asks may not.
    pub const FORBIDDEN: Self = Self(403);
    /// 404: there is no such shadow.
    pub const NOT_FOUND: Self = Self(404);
    /// 409: the request's version is not the stored one.
    pub const CONFLICT: Self = Self(409);
    /// 413: the document would grow too large.
    pub const PAYLOAD_TOO_LARGE: Self = Self(413);
    /// 415: the payload is not UTF-8.
    pub const UNSUPPORTED_ENCODING: Self = Self(415);
    /// 429: too many requests in flight or a second.
    pub const TOO_MANY_REQUESTS: Self = Self(429);
    /// 500: the service failed.
    pub const INTERNAL_FAILURE: Self = Self(500);

    /// The code with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message on one of a shadow's topics.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// What a client asks: on `get`, `update` or `delete`.
    Request(Request<'a>),
    /// `get/accepted`.
    GetAccepted(GetAccepted<'a>),
    /// `update/accepted`.
    UpdateAccepted(UpdateAccepted<'a>),
    /// `delete/accepted`.
    DeleteAccepted(DeleteAccepted<'a>),
    /// `get/rejected`, `update/rejected` or `delete/rejected`.
    Rejected(Rejected<'a>),
    /// `update/delta`.
    Delta(Delta<'a>),
    /// `update/documents`.
    Documents(Documents<'a>),
}

/// The parts of a document's state, each absent, null or a JSON value.
///
/// ```
/// use shadow_proto::{Field, TopicKind, wire};
///
/// let payload = br#"{"state":{"desired":{"color":"teal"},"reported":null}}"#;
/// let wire::Message::Request(request) = wire::decode(TopicKind::Update, payload)? else {
///     unreachable!("that is what is published there")
/// };
/// let Field::Value(wire::Sections { desired, reported, delta, .. }) = request.state else {
///     unreachable!("it has a state")
/// };
/// assert_eq!(desired.value().map(|json| json.get()), Some(r#"{"color":"teal"}"#));
/// assert!(matches!((reported, delta), (Field::Null, Field::Absent)));
/// # Ok::<(), wire::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Sections<'a> {
    /// What the application wants.
    pub desired: Field<&'a RawValue>,
    /// What the device says.
    pub reported: Field<&'a RawValue>,
    /// Where the two differ; only in an answer to get.
    pub delta: Field<&'a RawValue>,
}

/// A request as a client publishes it. An empty payload is a request without members.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The state of an update; null clears the whole document.
    pub state: Field<Sections<'a>>,
    /// The version an update insists on.
    pub version: Option<Version>,
    /// The token that the answer will carry.
    pub client_token: Option<Cow<'a, str>>,
}

/// The answer to an accepted get: the whole document.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GetAccepted<'a> {
    /// The sections, with the delta if there is one.
    pub state: Sections<'a>,
    /// When each value was last set.
    pub metadata: Option<&'a RawValue>,
    /// The document's version.
    pub version: Version,
    /// When the service answered.
    pub timestamp: Option<Timestamp>,
    /// The request's token.
    pub client_token: Option<Cow<'a, str>>,
}

/// The answer to an accepted update: what was in the request, not the whole document.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpdateAccepted<'a> {
    /// The request's state; null if it cleared the whole document.
    pub state: Field<Sections<'a>>,
    /// When the values of `state` were set: now.
    pub metadata: Option<&'a RawValue>,
    /// The new version.
    pub version: Version,
    /// When the service accepted it.
    pub timestamp: Option<Timestamp>,
    /// The request's token.
    pub client_token: Option<Cow<'a, str>>,
}

/// The answer to an accepted delete.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeleteAccepted<'a> {
    /// The version of the document that was deleted.
    pub version: Option<Version>,
    /// When the service deleted it.
    pub timestamp: Option<Timestamp>,
    /// The request's token.
    pub client_token: Option<Cow<'a, str>>,
}

/// The answer to a request that changed nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rejected<'a> {
    /// Why. Match on this, never on the message.
    pub code: ErrorCode,
    /// Why, for people; empty if the service gave none.
    pub message: Cow<'a, str>,
    /// When; real rejections have been seen without.
    pub timestamp: Option<Timestamp>,
    /// The request's token; absent when the service could not read the request.
    pub client_token: Option<Cow<'a, str>>,
}

/// The desired values that differ from the reported ones.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delta<'a> {
    /// The desired values, not wrapped in a section.
    pub state: &'a RawValue,
    /// When each of these desired values was set.
    pub metadata: Option<&'a RawValue>,
    /// The document's version.
    pub version: Version,
    /// When the service published it.
    pub timestamp: Option<Timestamp>,
    /// The token of the update that caused it.
    pub client_token: Option<Cow<'a, str>>,
}

/// The document before and after an accepted update.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Documents<'a> {
    /// Before; `None` if the update created the shadow.
    pub previous: Option<Snapshot<'a>>,
    /// After.
    pub current: Snapshot<'a>,
    /// When the service accepted the update.
    pub timestamp: Option<Timestamp>,
    /// The token of the update.
    pub client_token: Option<Cow<'a, str>>,
}

/// One side of [`Documents`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot<'a> {
    /// Its sections, without delta.
    pub state: Sections<'a>,
    /// When each value was last set.
    pub metadata: Option<&'a RawValue>,
    /// Its version.
    pub version: Version,
}

/// Why bytes are not the message their topic promises.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The payload is larger than the configured limit and was not looked at.
    TooLarge {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload is not JSON, or a member has another type than it should.
    Json(Box<str>),
    /// A member that the message cannot do without is missing.
    Missing(&'static str),
    /// A member that should be an object is not one.
    NotAnObject(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { length, max } => {
                write!(f, "the payload has {length} bytes, at most {max} are read")
            }
            Self::NotUtf8 => f.write_str("the payload is not UTF-8"),
            Self::Json(error) => f.write_str(error),
            Self::Missing(member) => write!(f, "the member `{member}` is missing"),
            Self::NotAnObject(member) => write!(f, "the member `{member}` is not an object"),
        }
    }
}

impl core::error::Error for DecodeError {}
