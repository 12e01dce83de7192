//! From bytes to messages, in one pass.

use super::{
    DecodeError, DeleteAccepted, Delta, Documents, ErrorCode, GetAccepted, Message, Rejected,
    Request, Sections, Snapshot, UpdateAccepted, Version,
};
use crate::{
    TopicKind,
    field::Field,
    json::{Text, is_null, is_object},
    time::Timestamp,
};
use alloc::{borrow::Cow, string::ToString};
use core::fmt;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

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
    let sectioned = matches!(kind, TopicKind::GetAccepted | TopicKind::UpdateAccepted);
    let mut envelope = Envelope::default();
    envelope.read(text, sectioned)?;
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
    /// In its place, where it is read as such at once.
    sections: Option<Field<Sections<'a>>>,
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
        let state = self.sections()?;
        Ok(Message::Request(Request {
            state,
            version: self.version,
            client_token: self.client_token,
        }))
    }

    fn get_accepted(self) -> Result<Message<'a>, DecodeError> {
        let state = match self.sections()? {
            Field::Absent => return Err(DecodeError::Missing("state")),
            Field::Null => return Err(DecodeError::NotAnObject("state")),
            Field::Value(state) => state,
        };
        Ok(Message::GetAccepted(GetAccepted {
            state,
            metadata: self.metadata,
            version: self.version.ok_or(DecodeError::Missing("version"))?,
            timestamp: self.timestamp,
            client_token: self.client_token,
        }))
    }

    fn update_accepted(self) -> Result<Message<'a>, DecodeError> {
        let state = self.sections()?;
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
    let mut envelope = Envelope::default();
    envelope.read(raw.get(), true)?;
    let state = envelope.sections()?.into_value();
    let version = envelope.version.ok_or(DecodeError::Missing("version"))?;
    Ok(Snapshot {
        state: state.unwrap_or_default(),
        metadata: envelope.metadata,
        version,
    })
}

impl<'a> Envelope<'a> {
    /// `sectioned` says that its state is sections, as a rule: then they are found in the same pass.
    fn read(&mut self, text: &'a str, sectioned: bool) -> Result<(), DecodeError> {
        if sectioned {
            if self.read_members(text, true).is_ok() {
                return Ok(());
            }
            // The state is something else, or it is no JSON at all: which of both, and what is wrong, is said below.
            *self = Self::default();
        }
        self.read_members(text, false).map_err(json_error)
    }

    fn read_members(&mut self, text: &'a str, sectioned: bool) -> Result<(), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = Members {
            envelope: self,
            sectioned,
        };
        deserializer.deserialize_map(members)?;
        deserializer.end()
    }

    fn sections(&self) -> Result<Field<Sections<'a>>, DecodeError> {
        if let Some(sections) = self.sections {
            return Ok(sections);
        }
        Ok(match self.state {
            None => Field::Absent,
            Some(raw) if is_null(raw) => Field::Null,
            Some(raw) if is_object(raw) => {
                Field::Value(serde_json::from_str(raw.get()).map_err(json_error)?)
            }
            Some(_) => return Err(DecodeError::NotAnObject("state")),
        })
    }
}

/// Reads the members into an envelope in its place: it is large, and would be copied at each step.
struct Members<'e, 'a> {
    envelope: &'e mut Envelope<'a>,
    sectioned: bool,
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            envelope,
            sectioned,
        } = self;
        while let Some(key) = map.next_key()? {
            match key {
                Key::State if sectioned => {
                    let sections = map.next_value::<Option<Sections<'de>>>()?;
                    envelope.sections = Some(sections.map_or(Field::Null, Field::Value));
                }
                Key::State => envelope.state = Some(map.next_value()?),
                Key::Metadata => envelope.metadata = Some(map.next_value()?),
                Key::Version => {
                    envelope.version = map.next_value::<Option<u64>>()?.map(Version);
                }
                Key::Timestamp => {
                    let seconds = map.next_value::<Option<u64>>()?;
                    envelope.timestamp = seconds.map(Timestamp::from_seconds);
                }
                Key::ClientToken => {
                    let token = map.next_value::<Option<Text<'de>>>()?;
                    envelope.client_token = token.map(|Text(token)| token);
                }
                Key::Previous => envelope.previous = Some(map.next_value()?),
                Key::Current => envelope.current = Some(map.next_value()?),
                Key::Code => envelope.code = map.next_value()?,
                Key::Message => {
                    let message = map.next_value::<Option<Text<'de>>>()?;
                    envelope.message = message.map(|Text(message)| message);
                }
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The name of a member of an envelope.
enum Key {
    State,
    Metadata,
    Version,
    Timestamp,
    ClientToken,
    Previous,
    Current,
    Code,
    Message,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            #[inline]
            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "state" => Key::State,
                    "metadata" => Key::Metadata,
                    "version" => Key::Version,
                    "timestamp" => Key::Timestamp,
                    "clientToken" => Key::ClientToken,
                    "previous" => Key::Previous,
                    "current" => Key::Current,
                    "code" => Key::Code,
                    "message" => Key::Message,
                    _ => Key::Other,
                })
            }
        }

        deserializer.deserialize_identifier(KeyVisitor)
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
    fn of_members_with_the_same_name_the_last_counts() {
        let payload = r#"{"state":1e999,"state":{"reported":{"a":1},"desired":7},"version":1}"#;
        let Message::GetAccepted(answer) =
            decode(TopicKind::GetAccepted, payload.as_bytes()).unwrap()
        else {
            panic!()
        };
        assert_eq!(answer.state.reported.value().unwrap().get(), r#"{"a":1}"#);
        let state = r#"{"state":{"reported":{"a":1}},"state":[{}],"version":1}"#;
        for kind in [TopicKind::GetAccepted, TopicKind::UpdateAccepted] {
            assert_eq!(fails(kind, state), DecodeError::NotAnObject("state"));
        }
        let payload = r#"{"state":{"reported":{"a":1}},"state":null,"version":1}"#;
        let null = fails(TopicKind::GetAccepted, payload);
        assert_eq!(null, DecodeError::NotAnObject("state"));
        let decoded = decode(TopicKind::UpdateAccepted, payload.as_bytes());
        let Message::UpdateAccepted(answer) = decoded.unwrap() else {
            panic!()
        };
        assert!(answer.state.is_null());
        let missing = fails(TopicKind::GetAccepted, r#"{"version":1}"#);
        assert_eq!(missing, DecodeError::Missing("state"));
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
        let levels = if cfg!(miri) { 1_000 } else { 200_000 };
        let mut payload = alloc::string::String::from(r#"{"version":1,"state":{"a":"#);
        payload.push_str(&"[".repeat(levels));
        payload.push_str(&"]".repeat(levels));
        payload.push_str("}}");
        assert!(decode(TopicKind::UpdateDelta, payload.as_bytes()).is_ok());
    }
}
