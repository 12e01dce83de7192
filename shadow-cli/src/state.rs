//! What an update is to say: from shorthand, from JSON, from files.

use std::{io::Read as _, path::Path};

use transport_tokio::Json;

use crate::{
    problem::{self, Problem},
    tree::{Tree, quoted},
};

/// Adds `a.b=1` to a section: dots nest (`\.` is a dot in a key), the value is JSON or else a
/// string, `null` removes the key. Or merges a whole object in.
pub(crate) fn add(section: &mut Option<Tree>, word: &str) -> Result<(), Problem> {
    let tree = section.get_or_insert_with(Tree::empty);
    if word.trim_start().starts_with('{') {
        let Tree::Object(members) = Tree::read(object(word, word)?.as_str()) else {
            return Err(Problem::Usage(format!("{word}: not a JSON object")));
        };
        for (key, value) in members {
            tree.set(&[key], value);
        }
        return Ok(());
    }
    let Some((path, value)) = word.split_once('=') else {
        return Err(Problem::Usage(format!(
            "{word}: neither KEY=VALUE nor a JSON object"
        )));
    };
    let path = keys(path);
    if path.iter().any(String::is_empty) {
        return Err(Problem::Usage(format!("{word}: a key is empty")));
    }
    tree.set(&path, self::value(value));
    Ok(())
}

/// JSON if it is JSON, else a string.
pub(crate) fn value(text: &str) -> Tree {
    match Json::from_text(text) {
        Ok(json) => Tree::read(json.as_str()),
        Err(_) => Tree::Leaf(quoted(text)),
    }
}

/// The keys of a path such as `a.b`, in which `\.` is a dot.
pub(crate) fn keys(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        let escaped = match character {
            '.' => None,
            '\\' => Some(characters.next().unwrap_or('\\')),
            other => Some(other),
        };
        match (escaped, keys.last_mut()) {
            (Some(character), Some(key)) => key.push(character),
            _ => keys.push(String::new()),
        }
    }
    keys
}

/// A whole request: `{"state": …}`, or the state alone: `{"desired": …, "reported": …}`.
#[derive(Default, Debug)]
pub(crate) struct Document {
    pub(crate) desired: Option<Tree>,
    pub(crate) reported: Option<Tree>,
    /// `"state": null`.
    pub(crate) clear: bool,
    pub(crate) version: Option<u64>,
}

/// Reads the document that a word names: JSON itself, `@FILE`, or `-` for standard input.
pub(crate) fn document(word: &str) -> Result<Document, Problem> {
    let (text, name) = match word {
        "-" => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| problem::file(Path::new("standard input"), &error))?;
            (text, "standard input")
        }
        _ => match word.strip_prefix('@') {
            Some("") => return Err(Problem::Usage("@: which file?".to_owned())),
            Some(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|error| problem::file(Path::new(path), &error))?;
                (text, path)
            }
            None if !word.trim_start().starts_with(['{', '[', '"']) => {
                return Err(Problem::Usage(match word.contains('=') {
                    true => format!("{word}: of which section? --desired {word}, or --reported"),
                    false => format!("{word}: not JSON; a file is @{word}, standard input is -"),
                }));
            }
            None => (word.to_owned(), word),
        },
    };
    let Tree::Object(mut members) = Tree::read(object(&text, name)?.as_str()) else {
        return Err(Problem::Usage(format!("{name}: not a JSON object")));
    };
    let mut document = Document::default();
    if let Some(version) = members.remove("version") {
        let number = version.to_json().parse();
        let number = number.map_err(|_| Problem::Usage(format!("{name}: not a version")))?;
        document.version = Some(number);
    }
    // The client makes its own.
    members.remove("clientToken");
    if let Some(state) = members.remove("state") {
        if let Some(key) = members.keys().next() {
            return Err(Problem::Usage(format!("{name}: {key} has no place here")));
        }
        match state {
            Tree::Object(state) => members = state,
            null if null.is_null() => {
                document.clear = true;
                return Ok(document);
            }
            Tree::Leaf(_) => return Err(Problem::Usage(format!("{name}: state is no object"))),
        }
    }
    document.desired = members.remove("desired");
    document.reported = members.remove("reported");
    match members.keys().next() {
        Some(key) => Err(Problem::Usage(format!(
            "{name}: {key}: a state has desired and reported, no other sections"
        ))),
        None if document.desired.is_none() && document.reported.is_none() => Err(Problem::Usage(
            format!("{name}: neither desired nor reported"),
        )),
        None => Ok(document),
    }
}

fn object(text: &str, name: &str) -> Result<Json, Problem> {
    Json::from_text(text).map_err(|error| Problem::Usage(format!("{name}: not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthand() {
        let mut section = None;
        for word in [
            "on=true",
            "color=teal",
            "a.b=1.50",
            "a.c=null",
            r"d\.e=[1, 2]",
            "text=\"5\"",
            r#"{"x":{"y":1}}"#,
            "empty=",
        ] {
            add(&mut section, word).unwrap();
        }
        assert_eq!(
            section.unwrap().to_json(),
            r#"{"a":{"b":1.50,"c":null},"color":"teal","d.e":[1, 2],"empty":"","on":true,"text":"5","x":{"y":1}}"#
        );
        for wrong in ["color", "=1", "a..b=1", "{", "[1]"] {
            add(&mut None, wrong).unwrap_err();
        }
    }

    #[test]
    fn documents() {
        let whole = document(r#"{"state":{"desired":{"a":1},"reported":null},"version":7}"#);
        let whole = whole.unwrap();
        assert_eq!(whole.version, Some(7));
        assert_eq!(whole.desired.unwrap().to_json(), r#"{"a":1}"#);
        assert!(whole.reported.unwrap().is_null());
        assert!(document(r#"{"state":null}"#).unwrap().clear);
        assert!(document(r#"{"reported":{}}"#).unwrap().reported.is_some());
        for wrong in [
            "{",
            "[]",
            "{}",
            r#"{"state":{},"x":1}"#,
            r#"{"color":"red"}"#,
            r#"{"state":1}"#,
            "@/no/such/file",
            "@",
            "color=teal",
            "state.json",
        ] {
            document(wrong).unwrap_err();
        }
    }
}
