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

/// What an update makes of a document.
pub(crate) struct Merged {
    pub(crate) document: Document,
    /// The document is what the update said and nothing else, as when a device reports all it
    /// has: whatever is written of one holds for the other.
    pub(crate) verbatim: bool,
}

/// The document of `version` that an update makes of `old`, or of nothing.
pub(crate) fn document(
    old: Option<&Document>,
    state: State,
    version: u64,
    behaviour: &Behaviour,
) -> Merged {
    let none = Object::new();
    let old = |section| old.map_or(&none, |old| old.raw(section));
    let (desired, reported) = state.into_patches();
    let mut merge = Merge {
        behaviour,
        verbatim: true,
    };
    let desired = merge.section(old(Section::Desired), desired);
    let reported = merge.section(old(Section::Reported), reported);
    Merged {
        document: Document::new(desired, reported, version),
        verbatim: merge.verbatim,
    }
}

struct Merge<'a> {
    behaviour: &'a Behaviour,
    /// So far, all of every patch is there, and nothing else.
    verbatim: bool,
}

impl Merge<'_> {
    /// A section after `patch`. Leaves that the patch names carry the patch's stamps, all others
    /// keep theirs. The old section is not touched, so a refused update needs no undoing.
    fn section(&mut self, old: &Object<Timestamp>, patch: Patch) -> Object<Timestamp> {
        match patch {
            Patch::Leave => {
                self.verbatim &= old.is_empty();
                old.clone()
            }
            Patch::Clear => {
                self.verbatim = false;
                Object::new()
            }
            Patch::Merge(patch) => {
                let merged = self.object(old, patch);
                // An empty section is none.
                self.verbatim &= !merged.is_empty();
                merged
            }
        }
    }

    /// Walks both sorted lists once: linear in old and patch, however they interleave.
    fn object(&mut self, old: &Object<Timestamp>, patch: Object<Timestamp>) -> Object<Timestamp> {
        let named = patch.len();
        let mut merged: Vec<Member> = Vec::with_capacity(old.len().max(named));
        let mut kept = old.members().iter().peekable();
        for (name, value) in patch.into_members() {
            while let Some(before) = kept.next_if(|(key, _)| *key < name) {
                merged.push(before.clone());
            }
            let stored = kept.next_if(|(key, _)| *key == name);
            let result = self.member(stored.map(|(_, stored)| stored), value);
            merged.extend(result.map(|value| (name, value)));
        }
        merged.extend(kept.cloned());
        self.verbatim &= merged.len() == named;
        Object::from_sorted(merged)
    }

    /// One member that the patch names; `None` removes it.
    fn member(
        &mut self,
        stored: Option<&Value<Timestamp>>,
        patch: Value<Timestamp>,
    ) -> Option<Value<Timestamp>> {
        match (stored, patch) {
            (_, patch) if patch.is_null() => {
                self.verbatim = false;
                None
            }
            (Some(Value::Object(stored)), Value::Object(patch)) => {
                let merged = self.object(stored, patch);
                let emptied = merged.is_empty() && !stored.is_empty();
                let keep = !emptied || self.behaviour.keep_emptied_objects;
                self.verbatim &= keep;
                keep.then_some(Value::Object(merged))
            }
            (_, patch) => self.fresh(patch),
        }
    }

    /// A value that replaces whatever was there: nulls in objects are instructions, not data.
    fn fresh(&mut self, value: Value<Timestamp>) -> Option<Value<Timestamp>> {
        match value {
            Value::Object(object) => {
                let named = object.len();
                let members = object.into_members().into_iter();
                let kept = members.filter(|(_, value)| !value.is_null());
                let kept: Vec<Member> = kept
                    .filter_map(|(name, value)| Some((name, self.fresh(value)?)))
                    .collect();
                self.verbatim &= kept.len() == named;
                let keep = named == 0 || !kept.is_empty() || self.behaviour.keep_null_objects;
                keep.then(|| Value::Object(Object::from_sorted(kept)))
            }
            Value::Array(elements) => {
                Some(Value::Array(match self.behaviour.null_in_array_object {
                    NullInArrayObject::Keep | NullInArrayObject::Reject => elements,
                    NullInArrayObject::Drop => {
                        self.verbatim = false;
                        elements.into_iter().map(without_nulls).collect()
                    }
                }))
            }
            leaf @ Value::Leaf(..) => Some(leaf),
        }
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
    use crate::mirror::Mirror;
    use alloc::string::{String, ToString};

    fn parse(text: &str, stamp: u64) -> Object<Timestamp> {
        let value = Value::parse(text, Timestamp::from_seconds(stamp)).unwrap();
        value.as_object().unwrap().clone()
    }

    fn merge(old: &str, patch: &str, behaviour: &Behaviour) -> String {
        let state = State::Sections {
            desired: Patch::Merge(parse(patch, 2)),
            reported: Patch::Leave,
        };
        let mut said = Mirror::default();
        state.mirror(&mut said, Timestamp::from_seconds(2));
        let old = Document::new(parse(old, 1), Object::new(), 1);
        let merged = document(Some(&old), state, 2, behaviour);
        let mut is = Mirror::default();
        merged.document.mirror(&mut is);
        assert_eq!(
            merged.verbatim,
            is.state == said.state && is.metadata == said.metadata,
            "{patch}"
        );
        merged.document.raw(Section::Desired).to_string()
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
        let behaviour = Behaviour::default();
        let mut merge = Merge {
            behaviour: &behaviour,
            verbatim: true,
        };
        let mut mirror = Mirror::default();
        mirror.object(&merge.section(&old, patch));
        assert!(!merge.verbatim);
        assert_eq!(
            mirror.metadata,
            r#"{"a":{"timestamp":1},"b":{"c":{"timestamp":2},"d":{"timestamp":1}}}"#
        );
    }
}
