//! The messages of the protocol, borrowed from their bytes.
//!
//! [`decode`] reads the message of any of the eleven topics in one pass and copies nothing: the
//! sections of a document stay slices that are known to be valid JSON. The
//! [`Client`](crate::Client) uses it, and so can a fleet back end that receives the messages of
//! many things through a wildcard subscription.
//!
//! Unknown members are ignored, of members with the same name the last counts, and `null` stands
//! for an absent member wherever the service gives it no other meaning.

use crate::{
    TopicKind,
    field::Field,
    json::{Text, is_null, is_object},
    time::Timestamp,
};
use alloc::{borrow::Cow, boxed::Box, string::ToString};
use core::fmt;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
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

/// Reads the message that was published to a topic of `kind`.
///
/// ```
/// use shadow_proto::{TopicKind, wire::{self, Message}};
///
/// let payload = br#"{"state":{"color":"red"},"version":7,"timestamp":1767225600}"#;
/// let Message::Delta(delta) = wire::decode(TopicKind::UpdateDelta, payload)? else { panic!() };
/// assert_eq!(delta.state.get(), r#"{"color":"red"}"#);
/// assert_eq!(delta.version.number(), 7);
/// # Ok::<(), wire::DecodeError>(())
/// ```
///
/// # Errors
/// [`DecodeError`] if the payload is not such a message. The input is never recursed into, so no
/// depth of nesting exhausts the stack.
pub fn decode(kind: TopicKind, payload: &[u8]) -> Result<Message<'_>, DecodeError> {
    if kind.is_request() && payload.is_empty() {
        let state = Field::Absent;
        return Ok(Message::Request(Request {
            state,
            version: None,
            client_token: None,
        }));
    }
    // One check of the whole is several times cheaper than one for each string.
    let text = core::str::from_utf8(payload).map_err(|_| DecodeError::NotUtf8)?;
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(json_error)?;
    match kind {
        TopicKind::Get | TopicKind::Update | TopicKind::Delete => envelope.request(),
        TopicKind::GetAccepted => envelope.get_accepted(),
        TopicKind::UpdateAccepted => envelope.update_accepted(),
        TopicKind::DeleteAccepted => Ok(Message::DeleteAccepted(DeleteAccepted {
            version: envelope.version,
            timestamp: envelope.timestamp,
            client_token: envelope.client_token,
        })),
        TopicKind::GetRejected | TopicKind::UpdateRejected | TopicKind::DeleteRejected => {
            envelope.rejected()
        }
        TopicKind::UpdateDelta => envelope.delta(),
        TopicKind::UpdateDocuments => envelope.documents(),
    }
}

fn json_error(error: serde_json::Error) -> DecodeError {
    DecodeError::Json(error.to_string().into_boxed_str())
}

/// The members of all messages together, so that one pass serves every topic.
#[derive(Default)]
struct Envelope<'a> {
    state: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    version: Option<Version>,
    timestamp: Option<Timestamp>,
    client_token: Option<Cow<'a, str>>,
    previous: Option<&'a RawValue>,
    current: Option<&'a RawValue>,
    code: Option<u16>,
    message: Option<Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    fn request(self) -> Result<Message<'a>, DecodeError> {
        let state = sections_field(self.state)?;
        Ok(Message::Request(Request {
            state,
            version: self.version,
            client_token: self.client_token,
        }))
    }

    fn get_accepted(self) -> Result<Message<'a>, DecodeError> {
        let state = self.state.ok_or(DecodeError::Missing("state"))?;
        Ok(Message::GetAccepted(GetAccepted {
            state: sections(state)?,
            metadata: self.metadata,
            version: self.version.ok_or(DecodeError::Missing("version"))?,
            timestamp: self.timestamp,
            client_token: self.client_token,
        }))
    }

    fn update_accepted(self) -> Result<Message<'a>, DecodeError> {
        let state = sections_field(self.state)?;
        if state.is_absent() {
            return Err(DecodeError::Missing("state"));
        }
        Ok(Message::UpdateAccepted(UpdateAccepted {
            state,
            metadata: self.metadata,
            version: self.version.ok_or(DecodeError::Missing("version"))?,
            timestamp: self.timestamp,
            client_token: self.client_token,
        }))
    }

    fn rejected(self) -> Result<Message<'a>, DecodeError> {
        Ok(Message::Rejected(Rejected {
            code: ErrorCode(self.code.ok_or(DecodeError::Missing("code"))?),
            message: self.message.unwrap_or_default(),
            timestamp: self.timestamp,
            client_token: self.client_token,
        }))
    }

    fn delta(self) -> Result<Message<'a>, DecodeError> {
        let state = self.state.ok_or(DecodeError::Missing("state"))?;
        if !is_object(state) {
            return Err(DecodeError::NotAnObject("state"));
        }
        Ok(Message::Delta(Delta {
            state,
            metadata: self.metadata,
            version: self.version.ok_or(DecodeError::Missing("version"))?,
            timestamp: self.timestamp,
            client_token: self.client_token,
        }))
    }

    fn documents(self) -> Result<Message<'a>, DecodeError> {
        let current = self.current.ok_or(DecodeError::Missing("current"))?;
        Ok(Message::Documents(Documents {
            previous: match self.previous {
                Some(previous) if !is_null(previous) => Some(snapshot(previous)?),
                Some(_) | None => None,
            },
            current: snapshot(current)?,
            timestamp: self.timestamp,
            client_token: self.client_token,
        }))
    }
}

fn snapshot(raw: &RawValue) -> Result<Snapshot<'_>, DecodeError> {
    let envelope: Envelope<'_> = serde_json::from_str(raw.get()).map_err(json_error)?;
    let state = match envelope.state {
        Some(state) if !is_null(state) => sections(state)?,
        Some(_) | None => Sections::default(),
    };
    let version = envelope.version.ok_or(DecodeError::Missing("version"))?;
    Ok(Snapshot {
        state,
        metadata: envelope.metadata,
        version,
    })
}

fn sections_field(raw: Option<&RawValue>) -> Result<Field<Sections<'_>>, DecodeError> {
    Ok(match raw {
        None => Field::Absent,
        Some(raw) if is_null(raw) => Field::Null,
        Some(raw) => Field::Value(sections(raw)?),
    })
}

fn sections(raw: &RawValue) -> Result<Sections<'_>, DecodeError> {
    if !is_object(raw) {
        return Err(DecodeError::NotAnObject("state"));
    }
    serde_json::from_str(raw.get()).map_err(json_error)
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvelopeVisitor;

        impl<'de> Visitor<'de> for EnvelopeVisitor {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(Text(key)) = map.next_key()? {
                    match &*key {
                        "state" => envelope.state = Some(map.next_value()?),
                        "metadata" => envelope.metadata = Some(map.next_value()?),
                        "version" => {
                            envelope.version = map.next_value::<Option<u64>>()?.map(Version);
                        }
                        "timestamp" => {
                            let seconds = map.next_value::<Option<u64>>()?;
                            envelope.timestamp = seconds.map(Timestamp::from_seconds);
                        }
                        "clientToken" => {
                            let token = map.next_value::<Option<Text<'de>>>()?;
                            envelope.client_token = token.map(|Text(token)| token);
                        }
                        "previous" => envelope.previous = Some(map.next_value()?),
                        "current" => envelope.current = Some(map.next_value()?),
                        "code" => envelope.code = map.next_value()?,
                        "message" => {
                            let message = map.next_value::<Option<Text<'de>>>()?;
                            envelope.message = message.map(|Text(message)| message);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(envelope)
            }
        }

        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

impl<'de> Deserialize<'de> for Sections<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SectionsVisitor;

        impl<'de> Visitor<'de> for SectionsVisitor {
            type Value = Sections<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of desired, reported and delta")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sections<'de>, A::Error> {
                let mut sections = Sections::default();
                while let Some(Text(key)) = map.next_key()? {
                    let section = match &*key {
                        "desired" => &mut sections.desired,
                        "reported" => &mut sections.reported,
                        "delta" => &mut sections.delta,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let raw: &'de RawValue = map.next_value()?;
                    *section = if is_null(raw) {
                        Field::Null
                    } else {
                        Field::Value(raw)
                    };
                }
                Ok(sections)
            }
        }

        deserializer.deserialize_map(SectionsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(kind: TopicKind, payload: &str) -> DecodeError {
        decode(kind, payload.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            fails(TopicKind::UpdateDelta, r#"{"version":1}"#),
            DecodeError::Missing("state")
        );
        assert_eq!(
            fails(TopicKind::UpdateDelta, r#"{"state":{}}"#),
            DecodeError::Missing("version")
        );
        assert_eq!(
            fails(TopicKind::GetRejected, "{}"),
            DecodeError::Missing("code")
        );
        assert_eq!(
            fails(TopicKind::UpdateDocuments, "{}"),
            DecodeError::Missing("current")
        );
        let state = r#"{"state":1,"version":1}"#;
        assert_eq!(
            fails(TopicKind::GetAccepted, state),
            DecodeError::NotAnObject("state")
        );
        assert_eq!(
            decode(TopicKind::Get, b"\xff").unwrap_err(),
            DecodeError::NotUtf8
        );
        assert!(matches!(
            fails(TopicKind::GetAccepted, "[]"),
            DecodeError::Json(_)
        ));
        assert!(matches!(
            fails(TopicKind::DeleteAccepted, "{} {}"),
            DecodeError::Json(_)
        ));
    }

    #[test]
    fn versions_are_integers() {
        for version in ["1.0", "-1", "\"1\"", "1e0", "18446744073709551616"] {
            let payload = alloc::format!(r#"{{"state":{{}},"version":{version}}}"#);
            assert!(
                matches!(
                    fails(TopicKind::UpdateDelta, &payload),
                    DecodeError::Json(_)
                ),
                "{version}"
            );
        }
    }

    #[test]
    fn absent_null_and_value_are_told_apart() {
        let payload = br#"{"state":{"desired":null,"reported":{"a":1}},"version":1}"#;
        let Message::UpdateAccepted(answer) = decode(TopicKind::UpdateAccepted, payload).unwrap()
        else {
            panic!()
        };
        let Field::Value(state) = answer.state else {
            panic!()
        };
        assert!(state.desired.is_null());
        assert_eq!(state.reported.value().unwrap().get(), r#"{"a":1}"#);
        assert!(state.delta.is_absent());
        let payload = br#"{"state":null,"version":1}"#;
        let Message::UpdateAccepted(answer) = decode(TopicKind::UpdateAccepted, payload).unwrap()
        else {
            panic!()
        };
        assert!(answer.state.is_null());
    }

    #[test]
    fn escaped_members_and_tokens_are_read() {
        let payload = br#"{"\u0063ode":404,"message":"a\nb","clientToken":"\u00e9"}"#;
        let Message::Rejected(rejected) = decode(TopicKind::GetRejected, payload).unwrap() else {
            panic!()
        };
        assert_eq!(rejected.code, ErrorCode::NOT_FOUND);
        assert_eq!(rejected.message, "a\nb");
        assert_eq!(rejected.client_token.as_deref(), Some("é"));
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let mut payload = alloc::string::String::from(r#"{"version":1,"state":{"a":"#);
        payload.push_str(&"[".repeat(200_000));
        payload.push_str(&"]".repeat(200_000));
        payload.push_str("}}");
        assert!(decode(TopicKind::UpdateDelta, payload.as_bytes()).is_ok());
    }
}
