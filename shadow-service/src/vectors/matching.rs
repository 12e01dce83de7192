//! Patterns against what was seen.

use super::{Alternative, START, VectorError};
use crate::{
    reply::Outgoing,
    value::{Number, NumberEquality, Object, Scalar, Value},
};
use alloc::{collections::BTreeMap, format, string::ToString, vec::Vec};
use shadow_proto::{ShadowId, Timestamp, Topic, TopicKind};

/// A message that was seen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// The shadow it is about.
    pub shadow: ShadowId,
    /// Which of its topics.
    pub kind: TopicKind,
    /// Its payload.
    pub value: Value,
}

impl Seen {
    /// Reads a message under `$aws`.
    ///
    /// # Errors
    /// [`VectorError`] if it is not a shadow's or not JSON.
    pub fn new(topic: &str, payload: &str) -> Result<Self, VectorError> {
        let parsed = Topic::parse(topic);
        let parsed = parsed.ok_or_else(|| VectorError::new(format!("unknown topic {topic}")))?;
        let value = Value::parse(payload);
        Ok(Self {
            shadow: parsed
                .shadow_id()
                .map_err(|error| VectorError::new(error.to_string()))?,
            kind: parsed.kind(),
            value: value.map_err(|error| VectorError::new(format!("{topic}: {error}")))?,
        })
    }

    /// Reads what a service gave back.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn all(messages: &[Outgoing]) -> Result<Vec<Self>, VectorError> {
        let messages = messages.iter();
        messages
            .map(|message| Self::new(&message.topic, &message.payload))
            .collect()
    }
}

/// What `@tN` stands for. A time that was not [`set`](Self::set) may be any, and is learnt
/// where it first occurs: for tests against a clock that they do not control.
#[derive(Clone, Debug, Default)]
pub struct Times {
    steps: BTreeMap<u64, u64>,
}

impl Times {
    /// No time is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Step `step` happened at `time`.
    pub fn set(&mut self, step: u64, time: Timestamp) {
        self.steps.insert(step, time.seconds());
    }

    /// When step `step` happened, if it is known.
    #[must_use]
    pub fn get(&self, step: u64) -> Option<Timestamp> {
        self.steps.get(&step).copied().map(Timestamp::from_seconds)
    }
}

impl Alternative {
    /// Whether `seen` are exactly the messages of this alternative, in any order, and
    /// `document` is the stored document (JSON text of state, metadata and version).
    ///
    /// # Errors
    /// [`VectorError`] that names the first disagreement. `times` has learnt nothing then.
    pub fn check(
        &self,
        shadow: &ShadowId,
        seen: &[Seen],
        document: Option<&str>,
        times: &mut Times,
    ) -> Result<(), VectorError> {
        let mut learnt = self.check_messages(shadow, seen, times.clone())?;
        let actual = document.map(Value::parse).transpose();
        let actual = actual.map_err(|error| VectorError::new(error.to_string()))?;
        match (&self.document, &actual) {
            (None, None) => {}
            (Some(pattern), Some(actual)) => matches(pattern, actual, &mut learnt, "document")?,
            (expected, actual) => {
                let words = |there: bool| if there { "a document" } else { "no document" };
                return Err(VectorError::new(format!(
                    "expected {}, found {}",
                    words(expected.is_some()),
                    words(actual.is_some())
                )));
            }
        }
        *times = learnt;
        Ok(())
    }

    /// The same for a harness that cannot see the stored document: the times after it.
    ///
    /// # Errors
    /// [`VectorError`] that names the first disagreement.
    pub fn check_messages(
        &self,
        shadow: &ShadowId,
        seen: &[Seen],
        mut times: Times,
    ) -> Result<Times, VectorError> {
        if let Some(other) = seen.iter().find(|message| message.shadow != *shadow) {
            let text = format!("a message of another shadow, {}", other.shadow);
            return Err(VectorError::new(text));
        }
        let suffixes = |kinds: &mut dyn Iterator<Item = TopicKind>| {
            let mut kinds: Vec<&str> = kinds.map(TopicKind::suffix).collect();
            kinds.sort_unstable();
            kinds.join(", ")
        };
        let expected = suffixes(&mut self.messages.iter().map(|(kind, _)| *kind));
        let found = suffixes(&mut seen.iter().map(|message| message.kind));
        if expected != found {
            let text = format!("expected [{expected}], found [{found}]");
            return Err(VectorError::new(text));
        }
        // No step publishes twice to one topic, so the topic says which belongs to which.
        for (kind, pattern) in &self.messages {
            let message = seen.iter().find(|message| message.kind == *kind);
            let actual = message.map(|message| &message.value);
            let actual = actual.ok_or_else(|| VectorError::new(kind.suffix()))?;
            let (pattern, actual) = if *kind == TopicKind::UpdateDocuments {
                (
                    &without_null_previous(pattern),
                    &without_null_previous(actual),
                )
            } else {
                (pattern, actual)
            };
            matches(pattern, actual, &mut times, kind.suffix())?;
        }
        Ok(times)
    }
}

/// A missing `previous` says the same as one that is null.
fn without_null_previous(value: &Value) -> Value {
    let Some(object) = value.as_object() else {
        return value.clone();
    };
    let members = object.iter();
    let members = members.filter(|(name, value)| *name != "previous" || !value.is_null());
    let members = members.map(|(name, value)| (name.into(), value.clone()));
    Value::Object(Object::from_members(members.collect()))
}

fn matches(
    pattern: &Value,
    actual: &Value,
    times: &mut Times,
    path: &str,
) -> Result<(), VectorError> {
    let differ = || VectorError::new(format!("{path}: expected {pattern}, found {actual}"));
    match (pattern, actual) {
        (Value::Leaf(Scalar::String(text)), actual) => match placeholder(text) {
            Placeholder::None if pattern == actual => Ok(()),
            Placeholder::Any if actual.as_str().is_some() => Ok(()),
            Placeholder::Time(step) => {
                let time = actual.as_u64().ok_or_else(differ)?;
                if *times.steps.entry(step).or_insert(time) == time {
                    Ok(())
                } else {
                    Err(differ())
                }
            }
            Placeholder::None | Placeholder::Any => Err(differ()),
        },
        (Value::Array(patterns), Value::Array(actuals)) if patterns.len() == actuals.len() => {
            let mut pairs = patterns.iter().zip(actuals).enumerate();
            pairs.try_for_each(|(at, (p, a))| matches(p, a, times, &format!("{path}[{at}]")))
        }
        (Value::Object(patterns), Value::Object(actuals)) if patterns.len() == actuals.len() => {
            patterns.iter().try_for_each(|(name, pattern)| {
                let actual = actuals.get(name).ok_or_else(differ)?;
                matches(pattern, actual, times, &format!("{path}.{name}"))
            })
        }
        (pattern, actual) if pattern.same(actual, NumberEquality::ByValue) => Ok(()),
        _ => Err(differ()),
    }
}

/// A pattern with times that count from [`START`], and some text for `@any`.
pub(super) fn fill(pattern: &Value) -> Value {
    match pattern {
        Value::Leaf(Scalar::String(text)) => match placeholder(text) {
            Placeholder::None => pattern.clone(),
            Placeholder::Any => Value::Leaf(Scalar::String("any text".into())),
            Placeholder::Time(step) => {
                let number = Number::from_checked(&(START + step).to_string());
                Value::Leaf(Scalar::Number(number))
            }
        },
        Value::Leaf(..) => pattern.clone(),
        Value::Array(elements) => Value::Array(elements.iter().map(fill).collect()),
        Value::Object(object) => {
            let members = object
                .iter()
                .map(|(name, value)| (name.into(), fill(value)));
            Value::Object(Object::from_members(members.collect()))
        }
    }
}

enum Placeholder {
    None,
    Any,
    Time(u64),
}

fn placeholder(text: &str) -> Placeholder {
    if text == "@any" {
        return Placeholder::Any;
    }
    let step = text.strip_prefix("@t").and_then(|step| step.parse().ok());
    step.map_or(Placeholder::None, Placeholder::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_learnt_and_then_hold() {
        let pattern = Value::parse(r#"["@t1","@t2","@t1","@any",1]"#).unwrap();
        let check = |text: &str| {
            let actual = Value::parse(text).unwrap();
            matches(&pattern, &actual, &mut Times::new(), "").is_ok()
        };
        assert!(check(r#"[5,6,5,"x",1.0]"#));
        assert!(!check(r#"[5,6,7,"x",1]"#));
        assert!(!check(r#"[5,6,5,7,1]"#));
        assert!(!check(r#"["5",6,5,"x",1]"#));
        assert!(!check(r#"[5,6,5,"x"]"#));
        let filled = fill(&pattern).to_string();
        assert_eq!(filled, r#"[1767225601,1767225602,1767225601,"any text",1]"#);
    }
}
