//! What desired has and reported lacks.

use crate::{
    mirror::Mirror,
    value::{NumberEquality, Object, Value},
    write::{self, Members},
};
use alloc::{string::String, vec::Vec};
use shadow_proto::Timestamp;

/// The difference between two sections, never empty: a view of desired, so that its metadata
/// is desired's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delta<'a> {
    members: Vec<(&'a str, Part<'a>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part<'a> {
    /// Reported lacks it, or holds something else.
    Whole(&'a Value<Timestamp>),
    /// Both hold an object, and something in it differs.
    Inner(Delta<'a>),
}

impl<'a> Delta<'a> {
    /// Compares desired with reported: linear in both.
    pub(crate) fn between(
        desired: &'a Object<Timestamp>,
        reported: &Object<Timestamp>,
        numbers: NumberEquality,
    ) -> Option<Self> {
        let mut members = Vec::new();
        let mut reported = reported.members().iter().peekable();
        for (name, wanted) in desired.iter() {
            // Both are sorted by name, so one pass finds every partner.
            while reported.next_if(|(key, _)| **key < *name).is_some() {}
            let is = reported.next_if(|(key, _)| **key == *name);
            let part = match (wanted, is.map(|(_, value)| value)) {
                (Value::Object(wanted), Some(Value::Object(is))) => {
                    Self::between(wanted, is, numbers).map(Part::Inner)
                }
                (wanted, Some(is)) if wanted.same(is, numbers) => None,
                (wanted, Some(_) | None) => Some(Part::Whole(wanted)),
            };
            members.extend(part.map(|part| (name, part)));
        }
        (!members.is_empty()).then_some(Self { members })
    }

    /// Whether two deltas ask for the same.
    pub(crate) fn same(&self, other: &Delta<'_>, numbers: NumberEquality) -> bool {
        let same = |((k, a), (l, b)): (&(&str, Part<'_>), &(&str, Part<'_>))| {
            k == l
                && match (a, b) {
                    (Part::Whole(a), Part::Whole(b)) => a.same(b, numbers),
                    (Part::Inner(a), Part::Inner(b)) => a.same(b, numbers),
                    (Part::Whole(_), Part::Inner(_)) | (Part::Inner(_), Part::Whole(_)) => false,
                }
        };
        self.members.len() == other.members.len()
            && self.members.iter().zip(&other.members).all(same)
    }

    /// The delta as JSON text, not wrapped in `desired`.
    pub(crate) fn write_state(&self, out: &mut String) {
        let mut members = Members::open(out);
        for (name, part) in &self.members {
            let out = members.name(name);
            match part {
                Part::Whole(value) => write::value(out, value),
                Part::Inner(delta) => delta.write_state(out),
            }
        }
        members.close();
    }

    /// The delta, and its metadata: desired's times, however old.
    pub(crate) fn mirror(&self, out: &mut Mirror) {
        out.open();
        for (name, part) in &self.members {
            out.name(name);
            match part {
                Part::Whole(value) => out.value(value),
                Part::Inner(delta) => delta.mirror(out),
            }
        }
        out.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Object<Timestamp> {
        let value = Value::parse(text, Timestamp::from_seconds(5)).unwrap();
        value.as_object().unwrap().clone()
    }

    fn delta(desired: &str, reported: &str) -> Option<String> {
        let (desired, reported) = (parse(desired), parse(reported));
        let delta = Delta::between(&desired, &reported, NumberEquality::ByValue)?;
        let mut text = String::new();
        delta.write_state(&mut text);
        Some(text)
    }

    #[test]
    fn differences() {
        for (desired, reported, expected) in [
            ("{}", r#"{"a":1}"#, None),
            (r#"{"a":1}"#, r#"{"a":1.0,"b":2}"#, None),
            (r#"{"a":1}"#, "{}", Some(r#"{"a":1}"#)),
            (r#"{"a":1}"#, r#"{"a":true}"#, Some(r#"{"a":1}"#)),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, Some(r#"{"a":1}"#)),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, Some(r#"{"a":[1,2]}"#)),
            (r#"{"a":[1,{"b":2}]}"#, r#"{"a":[1.0,{"b":2e0}]}"#, None),
            (r#"{"a":{}}"#, r#"{"a":{"b":1}}"#, None),
            (r#"{"a":{}}"#, "{}", Some(r#"{"a":{}}"#)),
            (r#"{"a":{}}"#, r#"{"a":[]}"#, Some(r#"{"a":{}}"#)),
            (
                r#"{"a":{"b":1,"c":{"d":2}},"e":3}"#,
                r#"{"a":{"b":1,"c":{"d":3}},"e":3}"#,
                Some(r#"{"a":{"c":{"d":2}}}"#),
            ),
            (
                r#"{"a":0,"m":1,"z":2}"#,
                r#"{"b":0,"m":1,"y":2}"#,
                Some(r#"{"a":0,"z":2}"#),
            ),
        ] {
            assert_eq!(
                delta(desired, reported).as_deref(),
                expected,
                "{desired} {reported}"
            );
        }
    }
}
