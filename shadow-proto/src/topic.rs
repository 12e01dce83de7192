//! The eleven topics of a shadow. The only place that spells them.
//!
//! AWS IoT developer guide, "Device Shadow MQTT topics":
//! <https://docs.aws.amazon.com/iot/latest/developerguide/device-shadow-mqtt.html>

use crate::name::{self, NameError, ShadowId, TopicPrefix};
use alloc::{boxed::Box, string::String};
use core::fmt;

/// What a client can ask of a shadow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the service has three operations, a fourth would break every match"
)]
pub enum Operation {
    /// Ask for the whole document.
    Get,
    /// Merge a partial document.
    Update,
    /// Remove the shadow.
    Delete,
}

impl Operation {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Get, Self::Update, Self::Delete];

    /// The topic level: `get`, `update` or `delete`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The topic a request of this operation is published to.
    #[must_use]
    pub const fn request(self) -> TopicKind {
        match self {
            Self::Get => TopicKind::Get,
            Self::Update => TopicKind::Update,
            Self::Delete => TopicKind::Delete,
        }
    }

    /// The topic an accepted request is answered on.
    #[must_use]
    pub const fn accepted(self) -> TopicKind {
        match self {
            Self::Get => TopicKind::GetAccepted,
            Self::Update => TopicKind::UpdateAccepted,
            Self::Delete => TopicKind::DeleteAccepted,
        }
    }

    /// The topic a rejected request is answered on.
    #[must_use]
    pub const fn rejected(self) -> TopicKind {
        match self {
            Self::Get => TopicKind::GetRejected,
            Self::Update => TopicKind::UpdateRejected,
            Self::Delete => TopicKind::DeleteRejected,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of a shadow's eleven topics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new topic must break every match"
)]
pub enum TopicKind {
    /// `get`, published by clients.
    Get,
    /// `get/accepted`.
    GetAccepted,
    /// `get/rejected`.
    GetRejected,
    /// `update`, published by clients.
    Update,
    /// `update/accepted`.
    UpdateAccepted,
    /// `update/rejected`.
    UpdateRejected,
    /// `update/delta`.
    UpdateDelta,
    /// `update/documents`.
    UpdateDocuments,
    /// `delete`, published by clients.
    Delete,
    /// `delete/accepted`.
    DeleteAccepted,
    /// `delete/rejected`.
    DeleteRejected,
}

impl TopicKind {
    /// All eleven.
    pub const ALL: [Self; 11] = [
        Self::Get,
        Self::GetAccepted,
        Self::GetRejected,
        Self::Update,
        Self::UpdateAccepted,
        Self::UpdateRejected,
        Self::UpdateDelta,
        Self::UpdateDocuments,
        Self::Delete,
        Self::DeleteAccepted,
        Self::DeleteRejected,
    ];

    /// The last one or two levels, such as `update/delta`.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetAccepted => "get/accepted",
            Self::GetRejected => "get/rejected",
            Self::Update => "update",
            Self::UpdateAccepted => "update/accepted",
            Self::UpdateRejected => "update/rejected",
            Self::UpdateDelta => "update/delta",
            Self::UpdateDocuments => "update/documents",
            Self::Delete => "delete",
            Self::DeleteAccepted => "delete/accepted",
            Self::DeleteRejected => "delete/rejected",
        }
    }

    /// The topic kind whose [`suffix`](Self::suffix) is `suffix`.
    #[must_use]
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix.as_bytes() {
            b"get" => Self::Get,
            b"get/accepted" => Self::GetAccepted,
            b"get/rejected" => Self::GetRejected,
            b"update" => Self::Update,
            b"update/accepted" => Self::UpdateAccepted,
            b"update/rejected" => Self::UpdateRejected,
            b"update/delta" => Self::UpdateDelta,
            b"update/documents" => Self::UpdateDocuments,
            b"delete" => Self::Delete,
            b"delete/accepted" => Self::DeleteAccepted,
            b"delete/rejected" => Self::DeleteRejected,
            _ => return None,
        })
    }

    /// The operation this topic belongs to.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Get | Self::GetAccepted | Self::GetRejected => Operation::Get,
            Self::Update
            | Self::UpdateAccepted
            | Self::UpdateRejected
            | Self::UpdateDelta
            | Self::UpdateDocuments => Operation::Update,
            Self::Delete | Self::DeleteAccepted | Self::DeleteRejected => Operation::Delete,
        }
    }

    /// Whether clients publish to it (`get`, `update`, `delete`); the service publishes to the
    /// other eight.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Get | Self::Update | Self::Delete)
    }
}

/// A parsed shadow topic, borrowed from the text. One that exists is legal: its names are.
///
/// Parsing allocates nothing. A fleet back end that holds a wildcard or shared subscription
/// decodes any message with this and [`wire`](crate::wire).
///
/// ```
/// use shadow_proto::{Topic, TopicKind};
///
/// let topic = Topic::parse("$aws/things/lamp/shadow/name/config/update/delta").unwrap();
/// assert_eq!((topic.thing(), topic.shadow()), ("lamp", Some("config")));
/// assert_eq!(topic.kind(), TopicKind::UpdateDelta);
/// assert_eq!(topic.to_string(), "$aws/things/lamp/shadow/name/config/update/delta");
/// assert!(Topic::parse("$aws/things/lamp/jobs/notify").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Topic<'a> {
    thing: &'a str,
    shadow: Option<&'a str>,
    kind: TopicKind,
}

impl<'a> Topic<'a> {
    /// Reads a topic that begins with `$aws`. `None`: it is not a shadow topic.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        Self::parse_rest(topic.strip_prefix("$aws")?)
    }

    /// Reads a topic that begins with another prefix. `None`: it is not a shadow topic.
    #[must_use]
    pub fn parse_with(prefix: &TopicPrefix, topic: &'a str) -> Option<Self> {
        Self::parse_rest(topic.strip_prefix(prefix.as_str())?)
    }

    fn parse_rest(rest: &'a str) -> Option<Self> {
        // The grammar is unambiguous: the level after `shadow` is `name` for a named shadow
        // and the operation otherwise, so that a shadow may be called `get`.
        let rest = rest.strip_prefix("/things/")?;
        let (thing, rest) = take_name(rest, name::MAX_THING_NAME, name::is_thing_byte)?;
        let rest = rest.strip_prefix("shadow/")?;
        let (shadow, rest) = match rest.strip_prefix("name/") {
            None => (None, rest),
            Some(rest) => {
                let (shadow, rest) = take_name(rest, name::MAX_SHADOW_NAME, name::is_shadow_byte)?;
                (Some(shadow), rest)
            }
        };
        Some(Self {
            thing,
            shadow,
            kind: TopicKind::from_suffix(rest)?,
        })
    }

    /// The topic of `kind` of the shadow `id`.
    #[must_use]
    pub fn new(id: &'a ShadowId, kind: TopicKind) -> Self {
        Self {
            thing: id.thing(),
            shadow: id.shadow(),
            kind,
        }
    }

    /// The thing's name.
    #[must_use]
    pub const fn thing(&self) -> &'a str {
        self.thing
    }

    /// The shadow's name; `None` for the classic shadow.
    #[must_use]
    pub const fn shadow(&self) -> Option<&'a str> {
        self.shadow
    }

    /// Which of the shadow's topics it is.
    #[must_use]
    pub const fn kind(&self) -> TopicKind {
        self.kind
    }

    /// The shadow, owned.
    ///
    /// # Errors
    /// None in fact: the names of a parsed topic are legal.
    pub fn shadow_id(&self) -> Result<ShadowId, NameError> {
        ShadowId::new(self.thing, self.shadow)
    }

    /// The whole topic with `prefix`, in one allocation.
    #[must_use]
    pub fn spell(&self, prefix: &TopicPrefix) -> Box<str> {
        spell(prefix.as_str(), self.thing, self.shadow, self.kind.suffix())
    }
}

/// The topic with the prefix `$aws`.
impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/things/{}/shadow/", TopicPrefix::AWS, self.thing)?;
        if let Some(shadow) = self.shadow {
            write!(f, "name/{shadow}/")?;
        }
        f.write_str(self.kind.suffix())
    }
}

/// The filter that takes both answers of `operation`, such as `…/shadow/get/+`.
///
/// Not for updates: there it would take deltas and documents too.
pub(crate) fn both_answers(prefix: &TopicPrefix, id: &ShadowId, operation: Operation) -> Box<str> {
    let suffix = match operation {
        Operation::Get => "get/+",
        Operation::Update => "update/+",
        Operation::Delete => "delete/+",
    };
    spell(prefix.as_str(), id.thing(), id.shadow(), suffix)
}

fn spell(prefix: &str, thing: &str, shadow: Option<&str>, suffix: &str) -> Box<str> {
    let name = shadow.map_or(0, |shadow| shadow.len() + "name//".len());
    let length =
        prefix.len() + "/things/".len() + thing.len() + "/shadow/".len() + name + suffix.len();
    let mut topic = String::with_capacity(length);
    topic.push_str(prefix);
    topic.push_str("/things/");
    topic.push_str(thing);
    topic.push_str("/shadow/");
    if let Some(shadow) = shadow {
        topic.push_str("name/");
        topic.push_str(shadow);
        topic.push('/');
    }
    topic.push_str(suffix);
    debug_assert_eq!(topic.len(), length, "the length was foreseen");
    topic.into_boxed_str()
}

/// Splits a legal name and the slash after it off the front.
fn take_name(text: &str, max: usize, legal: fn(u8) -> bool) -> Option<(&str, &str)> {
    let end = text.bytes().take(max + 1).position(|byte| !legal(byte))?;
    if end == 0 || text.as_bytes().get(end) != Some(&b'/') {
        return None;
    }
    Some((text.get(..end)?, text.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};

    #[test]
    fn every_topic_is_read_back() {
        let custom = TopicPrefix::new("site/1").unwrap();
        for id in [
            ShadowId::classic("t:_-1").unwrap(),
            ShadowId::named("t", "get").unwrap(),
            ShadowId::named("name", "$x").unwrap(),
            ShadowId::named(&"t".repeat(128), &"s".repeat(64)).unwrap(),
        ] {
            for kind in TopicKind::ALL {
                let topic = Topic::new(&id, kind);
                let text = topic.to_string();
                assert_eq!(Topic::parse(&text), Some(topic));
                assert_eq!(*topic.spell(&TopicPrefix::default()), text);
                assert_eq!(topic.shadow_id().unwrap(), id);
                let other = topic.spell(&custom);
                assert_eq!(Topic::parse_with(&custom, &other), Some(topic));
                assert_eq!(Topic::parse(&other), None);
                assert_eq!(TopicKind::from_suffix(kind.suffix()), Some(kind));
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let long = format!("$aws/things/{}/shadow/get", "t".repeat(129));
        for topic in [
            "",
            "$aws",
            "$aws/things//shadow/get",
            "$aws/things/t/shadow",
            "$aws/things/t/shadow/",
            "$aws/things/t/shadow/get/",
            "$aws/things/t/shadow/get/accepted/x",
            "$aws/things/t/shadow/delta",
            "$aws/things/t/shadow/name/get",
            "$aws/things/t/shadow/name//get",
            "$aws/things/t/shadow/name/s",
            "$aws/things/t/shadow/update/deltas",
            "$aws/things/t$/shadow/get",
            "$aws/things/é/shadow/get",
            "$AWS/things/t/shadow/get",
            "$aws/things/t/jobs/notify",
            &long,
        ] {
            assert_eq!(Topic::parse(topic), None, "{topic}");
        }
    }
}
