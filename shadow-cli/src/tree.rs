//! JSON as a tree whose leaves keep their text, for printing, comparing and merging.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::value::RawValue;

/// A value: an object, or anything else as text. Arrays are leaves, as they are to the service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tree {
    Leaf(String),
    Object(BTreeMap<String, Self>),
}

/// A difference between two trees: the path, the value before and the value after.
pub(crate) type Change<'a> = (String, Option<&'a Tree>, Option<&'a Tree>);

impl Tree {
    /// Reads JSON text; anything that is none becomes a leaf.
    pub(crate) fn read(text: &str) -> Self {
        Self::read_to(text.trim(), 64)
    }

    fn read_to(text: &str, depth: u8) -> Self {
        if text.starts_with('{') && depth > 0 {
            let members: Result<BTreeMap<String, Box<RawValue>>, _> = serde_json::from_str(text);
            if let Ok(members) = members {
                let read = |(key, raw): (String, Box<RawValue>)| {
                    (key, Self::read_to(raw.get(), depth - 1))
                };
                return Self::Object(members.into_iter().map(read).collect());
            }
        }
        Self::Leaf(text.to_owned())
    }

    pub(crate) fn empty() -> Self {
        Self::Object(BTreeMap::new())
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Leaf(text) if text == "null")
    }

    /// The value at a path of keys.
    pub(crate) fn at<'a>(&self, mut path: impl Iterator<Item = &'a str>) -> Option<&Self> {
        path.try_fold(self, |tree, key| match tree {
            Self::Object(members) => members.get(key),
            Self::Leaf(_) => None,
        })
    }

    /// Sets the value at a path, with the objects that lead there.
    pub(crate) fn set(&mut self, path: &[String], value: Self) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if let Self::Leaf(_) = self {
            *self = Self::empty();
        }
        if let Self::Object(members) = self {
            let member = members.entry(key.clone()).or_insert_with(Self::empty);
            member.set(rest, value);
        }
    }

    /// Merges as the service does: objects member by member, null removes, all else replaces.
    pub(crate) fn merge(&mut self, patch: &Self) {
        let Self::Object(patch) = patch else {
            *self = patch.clone();
            return;
        };
        if let Self::Leaf(_) = self {
            *self = Self::empty();
        }
        if let Self::Object(members) = self {
            for (key, value) in patch {
                if value.is_null() {
                    members.remove(key);
                } else {
                    let member = members.entry(key.clone()).or_insert_with(Self::empty);
                    member.merge(value);
                }
            }
        }
    }

    /// The patch that makes `after` of this: what is new or different, and null for what is gone.
    /// `None` if there is no difference.
    pub(crate) fn patch_to(&self, after: &Self) -> Option<Self> {
        let (Self::Object(old), Self::Object(new)) = (self, after) else {
            return (self != after).then(|| after.clone());
        };
        let mut patch = BTreeMap::new();
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            patch.insert(key.clone(), Self::Leaf("null".to_owned()));
        }
        for (key, value) in new {
            let change = match old.get(key) {
                None => Some(value.clone()),
                Some(before) => before.patch_to(value),
            };
            if let Some(change) = change {
                patch.insert(key.clone(), change);
            }
        }
        (!patch.is_empty()).then_some(Self::Object(patch))
    }

    /// What differs, leaf by leaf, with paths that begin with `path`.
    pub(crate) fn changes<'a>(
        path: &str,
        before: Option<&'a Self>,
        after: Option<&'a Self>,
        found: &mut Vec<Change<'a>>,
    ) {
        if before == after {
            return;
        }
        let members = |tree: Option<&'a Self>| match tree {
            Some(Self::Object(members)) => Some(members),
            Some(Self::Leaf(_)) | None => None,
        };
        let (old, new) = (members(before), members(after));
        // An object against nothing is told member by member too.
        let both = old.or(new).is_some()
            && (old.is_some() || before.is_none())
            && (new.is_some() || after.is_none());
        if !both {
            found.push((path.to_owned(), before, after));
            return;
        }
        let mut keys: Vec<&String> = old
            .into_iter()
            .chain(new)
            .flat_map(BTreeMap::keys)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (old, new) = (
                old.and_then(|it| it.get(key)),
                new.and_then(|it| it.get(key)),
            );
            Self::changes(&format!("{path}.{key}"), old, new, found);
        }
    }

    /// JSON on one line.
    pub(crate) fn to_json(&self) -> String {
        match self {
            Self::Leaf(text) => text.clone(),
            Self::Object(members) => {
                let members = members
                    .iter()
                    .map(|(key, value)| format!("{}:{}", quoted(key), value.to_json()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// JSON on several lines, each but the first indented by `indent` spaces more than asked;
    /// `paint` is given each key and each leaf.
    pub(crate) fn pretty(&self, indent: usize, paint: &dyn Fn(Part, &str) -> String) -> String {
        match self {
            Self::Leaf(text) => paint(Part::Value, text),
            Self::Object(members) if members.is_empty() => "{}".to_owned(),
            Self::Object(members) => {
                let mut text = String::from("{");
                let inner = indent + 2;
                for (number, (key, value)) in members.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    let key = paint(Part::Key, &quoted(key));
                    let value = value.pretty(inner, paint);
                    let _ = write!(text, "{comma}\n{:inner$}{key}: {value}", "");
                }
                let _ = write!(text, "\n{:indent$}}}", "");
                text
            }
        }
    }
}

/// What of JSON is painted.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Key,
    Value,
}

pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let text = r#"{"a":1.0E+2,"b":{"c":123456789012345678901234567890}}"#;
        assert_eq!(Tree::read(text).to_json(), text);
    }

    #[test]
    fn a_patch_makes_one_of_the_other() {
        for (before, after) in [
            (
                r#"{"a":1,"b":{"c":2,"d":3}}"#,
                r#"{"b":{"c":2,"d":4},"e":[1]}"#,
            ),
            (r#"{"a":{"b":1}}"#, r#"{"a":5}"#),
            (r#"{"a":5}"#, r#"{"a":{"b":1}}"#),
            (r"{}", r#"{"a":{}}"#),
        ] {
            let (mut tree, after) = (Tree::read(before), Tree::read(after));
            let patch = tree.patch_to(&after).expect("they differ");
            tree.merge(&patch);
            assert_eq!(tree, after, "{}", patch.to_json());
            assert_eq!(tree.patch_to(&after), None);
        }
    }

    #[test]
    fn changes_name_their_paths() {
        let before = Tree::read(r#"{"a":{"b":1,"c":2}}"#);
        let after = Tree::read(r#"{"a":{"b":1},"d":{"e":true}}"#);
        let mut found = Vec::new();
        Tree::changes("reported", Some(&before), Some(&after), &mut found);
        let paths: Vec<_> = found
            .iter()
            .map(|(path, old, new)| (path.as_str(), old.is_some(), new.is_some()))
            .collect();
        assert_eq!(
            paths,
            [("reported.a.c", true, false), ("reported.d.e", false, true)]
        );
    }

    #[test]
    fn deep_input_is_no_deep_recursion() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        assert_eq!(Tree::read(&deep).to_json(), deep);
    }
}
