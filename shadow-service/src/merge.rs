//! Merging a patch into a document: JSON Merge Patch (RFC 7386), times included.

use crate::{
    request::State,
    settings::{Behaviour, NullInArrayObject},
    sheet::{Sheet, Siblings},
    stamps::{self, Stamps},
    value::{Object, Value},
    write,
};

/// What an update makes of what was stored.
pub(crate) enum Merged {
    /// Exactly what the update said, as when a device reports all it has.
    Verbatim,
    /// Something else.
    Other(Sheet),
}

/// What an update makes of `old`, or of nothing. Leaves that it names carry its time, all others
/// keep theirs. What was stored is not touched, so a refused update needs no undoing.
pub(crate) fn merge(old: Option<&Sheet>, state: &State, behaviour: &Behaviour) -> Merged {
    if state.is_null {
        return Merged::Other(Sheet::empty());
    }
    let nothing = Sheet::default();
    let (old, patch) = (old.unwrap_or(&nothing), &state.sheet);
    let empty = |member: usize| patch.value(&patch.member(member)) == "{}";
    let whole = || {
        // An empty section is none.
        let mut sections = ["desired", "reported"].into_iter();
        !sections.any(|name| patch.section(name).is_some_and(empty))
            && (patch.has_members_of(old) || covers(patch, patch.top(), old, old.top()))
    };
    if !state.facts.nulls && whole() {
        return Merged::Verbatim;
    }
    let mut merge = Merge {
        old,
        patch,
        nulls: state.facts.nulls,
        behaviour,
        out: Sheet::with_capacity(
            old.state.len() + patch.state.len(),
            old.metadata.len() + patch.metadata.len(),
            old.members.len() + patch.members.len(),
        ),
    };
    merge.sections();
    Merged::Other(merge.out)
}

/// Whether a patch without nulls leaves nothing of what was there.
fn covers(patch: &Sheet, mut said: Siblings, old: &Sheet, mut was: Siblings) -> bool {
    while let Some(member) = was.peek(old) {
        let Some(found) = said.find(patch, old.bare_name(member)) else {
            return false;
        };
        if old.is_object(member)
            && patch.is_object(&patch.member(found))
            && !covers(patch, patch.inside(found), old, old.inside(was.at))
        {
            return false;
        }
        was.skip(member);
    }
    true
}

struct Merge<'a> {
    old: &'a Sheet,
    patch: &'a Sheet,
    /// There is a null somewhere in the patch.
    nulls: bool,
    behaviour: &'a Behaviour,
    out: Sheet,
}

impl Merge<'_> {
    fn sections(&mut self) {
        self.members(self.old.top(), self.patch.top(), |merge, stored, said| {
            let mark = merge.out.mark();
            // What there was, if it is a null that is said, is gone.
            if merge.patch.is_object(&merge.patch.member(said)) {
                let was = stored.map_or(Siblings::NONE, |stored| merge.old.inside(stored));
                merge.object(was, said);
            }
            // An empty section is none.
            if merge.out.state.ends_with("{}") {
                merge.out.back_to(mark);
            }
        });
    }

    /// Walks both lists once: linear in old and patch, however they interleave. What the patch
    /// does not name is copied, each run at once; what it does is up to `member`.
    fn members(
        &mut self,
        mut was: Siblings,
        mut said: Siblings,
        mut member: impl FnMut(&mut Self, Option<usize>, usize),
    ) {
        self.out.open();
        while let Some(named) = said.peek(self.patch) {
            let run = was;
            let stored = was.find(self.old, self.patch.bare_name(named));
            self.out.append(self.old, run, stored.unwrap_or(was.at));
            member(self, stored, said.at);
            said.skip(named);
        }
        self.out.append(self.old, was, was.end);
        self.out.close();
    }

    /// A member that is an object in the patch, with those of the object that was there.
    fn object(&mut self, was: Siblings, said: usize) {
        let (patch, named) = (self.patch, self.patch.member(said));
        let written = self.out.begin(patch.name(&named));
        self.members(was, patch.inside(said), Self::member);
        self.out.finish(written);
    }

    /// One member that the patch names.
    fn member(&mut self, stored: Option<usize>, said: usize) {
        let named = self.patch.member(said);
        if let Some(stored) = stored {
            let was = self.old.inside(stored);
            if self.patch.is_object(&named) && self.old.is_object(&self.old.member(stored)) {
                let mark = self.out.mark();
                self.object(was, said);
                let emptied = !was.is_empty() && self.out.state.ends_with("{}");
                if emptied && !self.behaviour.keep_emptied_objects {
                    self.out.back_to(mark);
                }
                return;
            }
        }
        self.fresh(said);
    }

    /// A value that replaces whatever was there: nulls in objects are instructions, not data.
    fn fresh(&mut self, said: usize) {
        let (patch, named) = (self.patch, self.patch.member(said));
        match patch.kind(&named) {
            b'n' => {}
            b'{' if self.nulls => {
                let mark = self.out.mark();
                self.object(Siblings::NONE, said);
                let emptied = !patch.inside(said).is_empty() && self.out.state.ends_with("{}");
                if emptied && !self.behaviour.keep_null_objects {
                    self.out.back_to(mark);
                }
            }
            b'[' if self.nulls
                && self.behaviour.null_in_array_object == NullInArrayObject::Drop =>
            {
                self.array_without_nulls(said);
            }
            _ => self.out.append(patch, patch.alone(said), named.next),
        }
    }

    fn array_without_nulls(&mut self, said: usize) {
        let (patch, named) = (self.patch, self.patch.member(said));
        let Ok(value) = Value::parse(patch.value(&named)) else {
            return;
        };
        let value = without_nulls(value);
        let written = self.out.begin(patch.name(&named));
        write::value(&mut self.out.state, &value);
        // All of what a patch says has one time.
        let mut time = stamps::in_metadata(patch.value_metadata(&named));
        for (_, count) in &mut time {
            *count = u64::MAX;
        }
        Stamps::new(&time, Default::default()).value(&mut self.out.metadata, &value);
        self.out.finish(written);
    }
}

/// An element of an array, less the null members of its objects.
fn without_nulls(value: Value) -> Value {
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
    use crate::said::tests::sheet;
    use alloc::{format, string::String};

    /// What `patch` makes of `old` in the one section, the other being there or not.
    fn merge(old: &str, patch: &str, behaviour: &Behaviour) -> String {
        let desired = |text: &str| format!(r#"{{"desired":{text}}}"#);
        let merged = merge_states(&desired(old), &desired(patch), behaviour);
        let both = |text: &str| format!(r#"{{"desired":{text},"reported":{{"z":0}}}}"#);
        let beside = merge_states(&both(old), &desired(patch), behaviour);
        assert_eq!(
            beside.state.replace(r#","reported":{"z":0}"#, ""),
            match &*merged.state {
                "{}" => r#"{"reported":{"z":0}}"#,
                state => state,
            }
        );
        if merged.state == "{}" {
            return merged.state;
        }
        let section = merged.state.strip_prefix(r#"{"desired":"#);
        section.unwrap().strip_suffix('}').unwrap().into()
    }

    fn merge_states(old: &str, patch: &str, behaviour: &Behaviour) -> Sheet {
        // An empty section is none.
        let old = old.replace(r#""desired":{},"#, "");
        let old = old.replace(r#""desired":{}"#, "");
        let (old, _) = sheet(&old, 1, behaviour);
        let (said, facts) = sheet(patch, 2, behaviour);
        let state = State {
            is_null: false,
            sheet: said.clone(),
            facts,
        };
        let merged = match super::merge(Some(&old), &state, behaviour) {
            Merged::Verbatim => said,
            Merged::Other(sheet) => {
                // Verbatim is what is the same, unless it has a null that is data.
                assert!(facts.nulls || sheet != said, "{patch}");
                sheet
            }
        };
        merged.check();
        merged
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
    fn times_of_leaves_the_patch_does_not_name_stay() {
        let merged = merge_states(
            r#"{"desired":{"a":1,"b":{"c":2,"d":3}},"reported":{"e":[4,5],"f":6}}"#,
            r#"{"desired":{"b":{"c":2}},"reported":{"e":[7,8,9]}}"#,
            &Behaviour::default(),
        );
        let metadata = concat!(
            r#"{"desired":{"a":@1,"b":{"c":@2,"d":@1}},"#,
            r#""reported":{"e":[@2,@2,@2],"f":@1}}"#
        );
        let metadata = metadata.replace("@1", r#"{"timestamp":1}"#);
        assert_eq!(
            merged.metadata,
            metadata.replace("@2", r#"{"timestamp":2}"#)
        );
    }

    #[test]
    fn sections_come_and_go() {
        let behaviour = Behaviour::default();
        for (old, patch, new) in [
            ("{}", r#"{"desired":{},"reported":{}}"#, "{}"),
            (r#"{"desired":{"a":1}}"#, r#"{"desired":null}"#, "{}"),
            (r#"{"desired":{"a":1}}"#, r#"{"desired":{"a":null}}"#, "{}"),
            (
                r#"{"desired":{"a":{}}}"#,
                r#"{"reported":{"a":{}},"desired":{}}"#,
                r#"{"desired":{"a":{}},"reported":{"a":{}}}"#,
            ),
            (
                r#"{"desired":{"a":{}},"reported":{"b":{}}}"#,
                r#"{"desired":null,"reported":null}"#,
                "{}",
            ),
            (
                r#"{"desired":{"a":{}},"reported":{"b":{}}}"#,
                r#"{"reported":null}"#,
                r#"{"desired":{"a":{}}}"#,
            ),
            (r#"{"desired":{"a":1}}"#, "{}", r#"{"desired":{"a":1}}"#),
        ] {
            assert_eq!(merge_states(old, patch, &behaviour).state, new, "{patch}");
        }
    }
}
