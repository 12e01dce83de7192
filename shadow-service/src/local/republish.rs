//! Messages on ordinary topics that become shadow requests: what a rule does on AWS.
//!
//! The service ignores last wills on shadow topics, as AWS's does. AWS advises to register the
//! will on an ordinary topic and to let a rule republish it; there being no rules engine here,
//! this does that much of one. (AWS IoT developer guide, "Using shadows in apps and services".)
//!
//! A device that says `connected: false` in its will can be left with it for ever: after a
//! quick reconnect, the will of the old session may come after the new session has said
//! `connected: true`. The recipe is to give each session a member of its own. On connecting
//! with session id `s7`, a device reports `{"sessions": {"s7": true}}` and registers the will
//! `{"state": {"reported": {"sessions": {"s7": null}}}}`: whenever that will comes, it removes
//! what it belongs to and nothing else, and the device is connected while `sessions` has a
//! member.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::{fmt, str::FromStr};
use shadow_proto::{Topic, TopicPrefix};
use tokio::task::JoinSet;
use transport_tokio::{Messages, MqttQos, ShadowClient, SubscribeFailure};

/// A filter, and the shadow topic that messages matching it go to.
///
/// What the first `+` of the filter matches takes the place of the first `+` of the topic, and
/// so on.
///
/// ```
/// # #[cfg(feature = "client")] {
/// use shadow_service::local::republish::Rule;
///
/// let rule: Rule = "presence/+=$aws/things/+/shadow/update".parse()?;
/// let topic = rule.apply("presence/lamp");
/// assert_eq!(topic.as_deref(), Some("$aws/things/lamp/shadow/update"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    filter: Vec<String>,
    topic: Vec<String>,
}

impl Rule {
    /// A rule.
    ///
    /// # Errors
    /// [`RuleError`] if `filter` is not a filter of plain levels and `+`, or `topic` cannot
    /// become a request topic under any prefix.
    pub fn new(filter: &str, topic: &str) -> Result<Self, RuleError> {
        let levels = |text: &str| text.split('/').map(ToOwned::to_owned).collect::<Vec<_>>();
        let rule = Self {
            filter: levels(filter),
            topic: levels(topic),
        };
        let plain = |level: &String| level == "+" || !level.contains(['+', '#', '\0']);
        if filter.is_empty() || !rule.filter.iter().all(plain) {
            return Err(RuleError::Filter);
        }
        let wildcards = |levels: &[String]| levels.iter().filter(|level| *level == "+").count();
        if wildcards(&rule.topic) > wildcards(&rule.filter) {
            return Err(RuleError::Captures);
        }
        let sample = rule.fill(core::iter::repeat("t"));
        match sample.as_deref().and_then(request_prefix) {
            Some(_) => Ok(rule),
            None => Err(RuleError::Topic),
        }
    }

    /// The filter to subscribe to.
    #[must_use]
    pub fn filter(&self) -> String {
        self.filter.join("/")
    }

    /// The request topic for a message on `topic`; `None` if the filter does not match, or a
    /// captured level is not a legal name.
    #[must_use]
    pub fn apply(&self, topic: &str) -> Option<String> {
        let levels: Vec<&str> = topic.split('/').collect();
        let pairs = || self.filter.iter().zip(&levels);
        let matches = levels.len() == self.filter.len()
            && pairs().all(|(filter, level)| filter == "+" || filter == level);
        if !matches {
            return None;
        }
        let captured = pairs().filter(|(filter, _)| *filter == "+");
        let request = self.fill(captured.map(|(_, level)| *level))?;
        request_prefix(&request).is_some().then_some(request)
    }

    fn fill<'a>(&self, mut captured: impl Iterator<Item = &'a str>) -> Option<String> {
        let levels = self.topic.iter().map(|level| match level.as_str() {
            "+" => captured.next(),
            plain => Some(plain),
        });
        let levels: Option<Vec<&str>> = levels.collect();
        Some(levels?.join("/"))
    }
}

/// `FILTER=TOPIC`.
impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        // Names of things and shadows have no `=`, filters may.
        let (filter, topic) = text.rsplit_once('=').ok_or(RuleError::Form)?;
        Self::new(filter, topic)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.filter.join("/"), self.topic.join("/"))
    }
}

/// Why a text is not a [`Rule`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RuleError {
    /// It is not `FILTER=TOPIC`.
    Form,
    /// The filter is empty, or has a wildcard other than whole levels of `+`.
    Filter,
    /// The topic has more `+` than the filter.
    Captures,
    /// The topic is not that of a shadow request.
    Topic,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "expected FILTER=TOPIC",
            Self::Filter => "the filter must be of plain levels and `+`",
            Self::Captures => "the topic has more `+` than the filter",
            Self::Topic => {
                "the topic must be that of a shadow request, such as \
                            $aws/things/+/shadow/update"
            }
        })
    }
}

impl core::error::Error for RuleError {}

/// What stands before `/things/` in the topic of a request.
fn request_prefix(topic: &str) -> Option<TopicPrefix> {
    let (prefix, _) = topic.split_once("/things/")?;
    let prefix = TopicPrefix::new(prefix).ok()?;
    let parsed = Topic::parse_with(&prefix, topic)?;
    parsed.kind().is_request().then_some(prefix)
}

/// Follows `rules` on the connection of `client`, until dropped.
pub(crate) async fn follow(
    client: &ShadowClient,
    rules: Vec<Rule>,
) -> Result<JoinSet<()>, SubscribeFailure> {
    let mut following = JoinSet::new();
    for rule in rules {
        let messages = client.subscribe(&rule.filter(), MqttQos::AtLeastOnce);
        let messages = messages.await?;
        following.spawn(republish(client.clone(), rule, messages));
    }
    Ok(following)
}

async fn republish(client: ShadowClient, rule: Rule, mut messages: Messages) {
    while let Some(message) = messages.next().await {
        let Ok(message) = message else { continue };
        // A rule sees what is published, not what a broker kept.
        if message.retain {
            continue;
        }
        let Some(topic) = rule.apply(&message.topic) else {
            tracing::warn!(
                name: "service.not_republished", topic = %message.topic,
                "not republished: it names no thing"
            );
            continue;
        };
        let sent = client.publish(topic, message.payload, MqttQos::AtLeastOnce);
        if let Err(failure) = sent.detach() {
            let text = format!("not republished: {failure}");
            tracing::warn!(name: "service.not_republished", topic = %message.topic, "{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn levels_are_captured_in_order() {
        for (rule, topic, request) in [
            (
                "presence/+=$aws/things/+/shadow/update",
                "presence/lamp",
                Some("$aws/things/lamp/shadow/update"),
            ),
            (
                "+/+/gone=$aws/things/+/shadow/name/+/delete",
                "lamp/cfg/gone",
                Some("$aws/things/lamp/shadow/name/cfg/delete"),
            ),
            (
                "a=b/+=site/1/things/+/shadow/get",
                "a=b/lamp",
                Some("site/1/things/lamp/shadow/get"),
            ),
            (
                "all=$aws/things/hub/shadow/update",
                "all",
                Some("$aws/things/hub/shadow/update"),
            ),
            ("p/+=$aws/things/+/shadow/update", "p/lä", None),
            ("p/+=$aws/things/+/shadow/update", "p/", None),
            ("p/+=$aws/things/+/shadow/update", "p/a/b", None),
            ("p/+=$aws/things/+/shadow/update", "q/a", None),
        ] {
            let parsed: Rule = rule.parse().unwrap();
            assert_eq!(parsed.apply(topic).as_deref(), request, "{rule} {topic}");
            assert_eq!(parsed.to_string(), rule);
        }
    }

    #[test]
    fn bad_rules_are_refused() {
        for (rule, error) in [
            ("presence/+", RuleError::Form),
            ("=$aws/things/t/shadow/update", RuleError::Filter),
            ("p/#=$aws/things/t/shadow/update", RuleError::Filter),
            ("p/a+=$aws/things/t/shadow/update", RuleError::Filter),
            ("p=$aws/things/+/shadow/update", RuleError::Captures),
            ("p/+=$aws/things/+/shadow/update/delta", RuleError::Topic),
            ("p/+=$aws/things/a+/shadow/update", RuleError::Topic),
            ("p/+=things/+/shadow/update", RuleError::Topic),
            ("p/+=elsewhere/+", RuleError::Topic),
        ] {
            assert_eq!(rule.parse::<Rule>(), Err(error), "{rule}");
        }
    }
}
