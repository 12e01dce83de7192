//! Merging a patch into a section: JSON Merge Patch (RFC 7386), stamps included.

use crate::{
    document::{Document, Patch, Section},
    request::State,
    settings::{Behaviour, NullInArrayObject},
    value::{Object, Value},
};
use alloc::{boxed::Box, vec::Vec};
use shadow_proto::Timestamp;

type Member = (Box<str>, Value<Timestamp>);

/// The document of `version` that an update makes of `old`, or of nothing.
pub(crate) fn document(
    old: Option<&Document>,
    state: State,
    version: u64,
    behaviour: &Behaviour,
) -> Document {
    let none = Object::new();
    let old = |section| old.map_or(&none, |old| old.raw(section));
    let (desired, reported) = state.into_patches();
    Document::new(
        section(old(Section::Desired), desired, behaviour),
        section(old(Section::Reported), reported, behaviour),
        version,
    )
}

/// A section after `patch`. Leaves that the patch names carry the patch's stamps, all others
/// keep theirs. The old section is not touched, so a refused update needs no undoing.
fn section(old: &Object<Timestamp>, patch: Patch, behaviour: &Behaviour) -> Object<Timestamp> {
    match patch {
        Patch::Leave => old.clone(),
        Patch::Clear => Object::new(),
        Patch::Merge(patch) => object(old, patch, behaviour),
    }
}

/// Walks both sorted lists once: linear in old and patch, however they interleave.
fn object(
    old: &Object<Timestamp>,
    patch: Object<Timestamp>,
    behaviour: &Behaviour,
) -> Object<Timestamp> {
    let mut merged: Vec<Member> = Vec::with_capacity(old.len() + patch.len());
    let mut kept = old.members().iter().peekable();
    for (name, value) in patch.into_members() {
        while let Some(before) = kept.next_if(|(key, _)| *key < name) {
            merged.push(before.clone());
        }
        let stored = kept.next_if(|(key, _)| *key == name);
        let result = member(stored.map(|(_, stored)| stored), value, behaviour);
        merged.extend(result.map(|value| (name, value)));
    }
    merged.extend(kept.cloned());
    Object::from_sorted(merged)
}

/// One member that the patch names; `None` removes it.
fn member(
    stored: Option<&Value<Timestamp>>,
    patch: Value<Timestamp>,
    behaviour: &Behaviour,
) -> Option<Value<Timestamp>> {
    match (stored, patch) {
        (_, patch) if patch.is_null() => None,
        (Some(Value::Object(stored)), Value::Object(patch)) => {
            let merged = object(stored, patch, behaviour);
            let emptied = merged.is_empty() && !stored.is_empty();
            (!emptied || behaviour.keep_emptied_objects).then_some(Value::Object(merged))
        }
        (_, patch) => fresh(patch, behaviour),
    }
}

/// A value that replaces whatever was there: nulls in objects are instructions, not data.
fn fresh(value: Value<Timestamp>, behaviour: &Behaviour) -> Option<Value<Timestamp>> {
    match value {
        Value::Object(object) => {
            let explicit = object.is_empty();
            let members = object.into_members().into_iter();
            let kept = members.filter(|(_, value)| !value.is_null());
            let kept: Vec<Member> = kept
                .filter_map(|(name, value)| Some((name, fresh(value, behaviour)?)))
                .collect();
            let keep = explicit || !kept.is_empty() || behaviour.keep_null_objects;
            keep.then(|| Value::Object(Object::from_sorted(kept)))
        }
        Value::Array(elements) => Some(Value::Array(match behaviour.null_in_array_object {
            NullInArrayObject::Keep | NullInArrayObject::Reject => elements,
            NullInArrayObject::Drop => elements.into_iter().map(without_nulls).collect(),
        })),
        leaf @ Value::Leaf(..) => Some(leaf),
    }
}

/// An element of an array, less the null members of its objects.
fn without_nulls(value: Value<Timestamp>) -> Value<Timestamp> {
    match value {
        Value::Object(object) => {
            let members = object.into_members().into_iter();
            let kept = members.filter(|(_, value)| !value.is_null());
            let kept = kept.map(|(name, value)| (name, without_nulls(value)));
            Value::Object(Object::from_sorted(kept.collect()))
        }
        Value::Array(elements) => Value::Array(elements.into_iter().map(without_nulls).collect()),
        leaf @ Value::Leaf(..) => leaf,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    fn parse(text: &str, stamp: u64) -> Object<Timestamp> {
        let value = Value::parse(text, Timestamp::from_seconds(stamp)).unwrap();
        value.as_object().unwrap().clone()
    }

    fn merge(old: &str, patch: &str, behaviour: &Behaviour) -> String {
        section(&parse(old, 1), Patch::Merge(parse(patch, 2)), behaviour).to_string()
    }

    #[test]
    fn json_merge_patch() {
        for (old, patch, new) in [
            ("{}", "{}", "{}"),
            (r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":2}"#),
            (r#"{"b":1}"#, r#"{"a":2,"c":3}"#, r#"{"a":2,"b":1,"c":3}"#),
            (r#"{"a":1,"b":2}"#, r#"{"a":null}"#, r#"{"b":2}"#),
            (r#"{"a":1}"#, r#"{"b":null}"#, r#"{"a":1}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{}}"#, r#"{"a":{"b":1}}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":null}}"#, r#"{"a":{}}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, r#"{"a":[3]}"#),
            (r#"{"a":1}"#, r#"{"a":{}}"#, r#"{"a":{}}"#),
            (r#"{"a":1}"#, r#"{"a":{"b":null}}"#, r#"{"a":{}}"#),
            (
                "{}",
                r#"{"a":{"b":{"c":null},"d":1}}"#,
                r#"{"a":{"b":{},"d":1}}"#,
            ),
            ("{}", r#"{"a":[{"b":null}]}"#, r#"{"a":[{"b":null}]}"#),
        ] {
            assert_eq!(
                merge(old, patch, &Behaviour::default()),
                new,
                "{old} {patch}"
            );
        }
    }

    #[test]
    fn the_switches() {
        let behaviour = Behaviour {
            keep_emptied_objects: false,
            keep_null_objects: false,
            null_in_array_object: NullInArrayObject::Drop,
            ..Behaviour::default()
        };
        for (old, patch, new) in [
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":null}}"#, "{}"),
            (r#"{"a":{}}"#, r#"{"a":{"b":null}}"#, r#"{"a":{}}"#),
            ("{}", r#"{"a":{"b":{"c":null},"d":1}}"#, r#"{"a":{"d":1}}"#),
            ("{}", r#"{"a":{"b":{"c":null}},"d":{}}"#, r#"{"d":{}}"#),
            (
                "{}",
                r#"{"a":[{"b":null},[{"c":null,"d":0}]]}"#,
                r#"{"a":[{},[{"d":0}]]}"#,
            ),
        ] {
            assert_eq!(merge(old, patch, &behaviour), new, "{old} {patch}");
        }
    }

    #[test]
    fn stamps_of_leaves_the_patch_does_not_name_stay() {
        let old = parse(r#"{"a":1,"b":{"c":2,"d":3}}"#, 1);
        let patch = Patch::Merge(parse(r#"{"b":{"c":2}}"#, 2));
        let mut mirror = crate::mirror::Mirror::default();
        mirror.object(&section(&old, patch, &Behaviour::default()));
        assert_eq!(
            mirror.metadata,
            r#"{"a":{"timestamp":1},"b":{"c":{"timestamp":2},"d":{"timestamp":1}}}"#
        );
    }
}
