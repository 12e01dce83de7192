//! Two patches of a section as one: JSON Merge Patch (RFC 7396), except that nulls are kept,
//! since the service has yet to act on them.

use crate::json::{Json, Text, is_object};
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;
use serde::{
    Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// What `after` does on top of `before`, both objects. `None` if they nest deeper than
/// [`MAX_DEPTH`], far beyond what the service takes.
pub(super) fn merge(before: &Json, after: &Json) -> Option<Json> {
    let mut merged = String::with_capacity(before.as_str().len() + after.as_str().len());
    write_merged(&mut merged, before.as_raw(), after.as_raw(), MAX_DEPTH)?;
    Json::from_text(&merged).ok()
}

const MAX_DEPTH: u32 = 32;

fn write_merged(out: &mut String, before: &RawValue, after: &RawValue, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let (before, after) = (members(before)?, members(after)?);
    let mut first = true;
    let mut write_key = |out: &mut String, key: &str| {
        out.push(if core::mem::take(&mut first) {
            '{'
        } else {
            ','
        });
        out.push_str(&serde_json::to_string(key).ok()?);
        out.push(':');
        Some(())
    };
    for (key, value) in &before {
        write_key(out, key)?;
        match find(&after, key) {
            None => out.push_str(value.get()),
            Some(newer) if is_object(value) && is_object(newer) => {
                write_merged(out, value, newer, depth)?;
            }
            Some(newer) => out.push_str(newer.get()),
        }
    }
    for (key, value) in after.iter().filter(|(key, _)| find(&before, key).is_none()) {
        write_key(out, key)?;
        out.push_str(value.get());
    }
    out.push_str(if first { "{}" } else { "}" });
    Some(())
}

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

fn find<'a>(members: &Members<'a>, key: &str) -> Option<&'a RawValue> {
    members
        .iter()
        .find(|(other, _)| other == key)
        .map(|(_, value)| *value)
}

/// The members of an object; of those with the same name, the last.
fn members(object: &RawValue) -> Option<Members<'_>> {
    struct MembersVisitor;

    impl<'de> Visitor<'de> for MembersVisitor {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
            let mut members = Members::new();
            while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                match members.iter_mut().find(|(other, _)| *other == key) {
                    Some(member) => member.1 = value,
                    None => members.push((key, value)),
                }
            }
            Ok(members)
        }
    }

    serde_json::Deserializer::from_str(object.get())
        .deserialize_map(MembersVisitor)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_kept_and_newer_values_win() {
        for (before, after, merged) in [
            (r#"{}"#, r#"{}"#, r#"{}"#),
            (
                r#"{"a":1,"b":2}"#,
                r#"{"b":null,"c":3}"#,
                r#"{"a":1,"b":null,"c":3}"#,
            ),
            (r#"{"a":null}"#, r#"{"a":1}"#, r#"{"a":1}"#),
            (
                r#"{"a":{"b":1,"c":2}}"#,
                r#"{"a":{"c":null}}"#,
                r#"{"a":{"b":1,"c":null}}"#,
            ),
            (r#"{"a":{"b":1}}"#, r#"{"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":1}"#, r#"{"a":{"b":2}}"#, r#"{"a":{"b":2}}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, r#"{"a":[3]}"#),
            (r#"{"\u0061":1.50}"#, r#"{"a":1e400}"#, r#"{"a":1e400}"#),
        ] {
            let (before, after) = (
                Json::from_text(before).unwrap(),
                Json::from_text(after).unwrap(),
            );
            assert_eq!(merge(&before, &after).unwrap().as_str(), merged);
        }
    }

    #[test]
    fn too_deep_is_not_merged() {
        let deep = Json::from_text(&(r#"{"a":"#.repeat(100) + "1" + &"}".repeat(100))).unwrap();
        assert_eq!(merge(&deep, &deep), None);
    }
}
