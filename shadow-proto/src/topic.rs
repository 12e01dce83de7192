//! The eleven topics of a shadow. The only place that spells them.
//!
//! AWS IoT developer guide, "Device Shadow MQTT topics":
//! <https://docs.aws.amazon.com/iot/latest/developerguide/device-shadow-mqtt.html>

mod kind;

pub use kind::{Operation, TopicKind};

use crate::name::{self, NameError, ShadowId, TopicPrefix};
use alloc::{boxed::Box, string::String};
use core::fmt;

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
    #[inline]
    pub fn parse(topic: &'a str) -> Option<Self> {
        Self::parse_rest(topic.strip_prefix("$aws")?)
    }

    /// Reads a topic that begins with another prefix. `None`: it is not a shadow topic.
    #[must_use]
    pub fn parse_with(prefix: &TopicPrefix, topic: &'a str) -> Option<Self> {
        Self::parse_rest(topic.strip_prefix(prefix.as_str())?)
    }

    fn parse_rest(rest: &'a str) -> Option<Self> {
        // From the end, for most topics of other services differ there: what is not ours costs
        // a few comparisons, whatever its length.
        let (rest, kind) = TopicKind::split_off(rest)?;
        let rest = rest.strip_prefix("/things/")?;
        let classic = rest.strip_suffix("/shadow");
        if let Some(thing) = classic.filter(|thing| name::is_thing(thing)) {
            return Some(Self {
                thing,
                shadow: None,
                kind,
            });
        }
        Self::parse_named(rest, kind)
    }

    #[inline(never)]
    fn parse_named(rest: &'a str, kind: TopicKind) -> Option<Self> {
        // The grammar is unambiguous: the level after `shadow` is `name` for a named shadow and
        // the operation otherwise, so that a shadow may be called `get`, or `shadow`.
        let (rest, shadow) = rest.split_at_checked(last_slash(rest.as_bytes())?)?;
        let thing = rest.strip_suffix("/shadow/name")?;
        let shadow = shadow.strip_prefix('/')?;
        let legal = name::is_thing(thing) && name::is_shadow(shadow);
        legal.then_some(Self {
            thing,
            shadow: Some(shadow),
            kind,
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

/// Where the last slash is; looks at eight bytes at a time.
fn last_slash(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_be_bytes([1; 8]);
    const SLASHES: u64 = u64::from_be_bytes([b'/'; 8]);
    let mut end = bytes.len();
    let mut words = bytes.rchunks_exact(8);
    for word in words.by_ref() {
        let word = u64::from_be_bytes(word.try_into().ok()?) ^ SLASHES;
        // The lowest bit that is left belongs to the lowest byte that is zero; what a borrow adds
        // lies above it. The lowest byte is the last one.
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return Some(end - 1 - zeros.trailing_zeros() as usize / 8);
        }
        end -= 8;
    }
    words.remainder().iter().rposition(|byte| *byte == b'/')
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
            ShadowId::named("shadow", "shadow").unwrap(),
            ShadowId::classic("shadow").unwrap(),
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
        let long_shadow = format!("$aws/things/t/shadow/name/{}/get", "s".repeat(65));
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
            "$aws/things/t/shadow/name/s$/get/x",
            "$aws/things/t/shadow/name/s/t/get",
            "$aws/things/t/x/shadow/get",
            "$aws/things/shadow/get",
            "$aws/things/t/shadow/nameget",
            "$aws/things/t/shadow/names/s/get",
            "$aws/things/t/shadow/name/é/get",
            "$aws/things/tshadow/get",
            "/things/t/shadow/get",
            "$AWS/things/t/shadow/get",
            "$aws/things/t/jobs/notify",
            &long,
            &long_shadow,
        ] {
            assert_eq!(Topic::parse(topic), None, "{topic}");
        }
    }

    #[test]
    fn the_last_slash_is_found_wherever_it_is() {
        for length in 0..40 {
            for at in 0..length {
                // The neighbours of a slash among the bytes are where a borrow would show.
                for filler in [b'0', b'.', 0, 0xff, b'/' ^ 0x80] {
                    let mut bytes = alloc::vec![filler; length];
                    bytes[at] = b'/';
                    assert_eq!(last_slash(&bytes), Some(at));
                    bytes[0] = b'/';
                    assert_eq!(last_slash(&bytes), Some(at));
                    bytes[0] = filler;
                    bytes[at] = filler;
                    assert_eq!(last_slash(&bytes), None);
                }
            }
        }
    }
}
