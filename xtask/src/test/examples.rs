//! Every public item of the client and of the service has an example, or belongs to one. An item has one if its
//! documentation, or that of one of its members, holds a code block, or if one elsewhere names it (the guide counts). It
//! belongs to one if an item that has one names it in its signature, fields or methods, or if its documentation links
//! there. Read from the sources, line by line as rustfmt leaves them: rustdoc counts examples on nightly compilers only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::sources::collect;
use crate::exec::{Cx, say};
use crate::steps::Done;
use crate::workspace::Workspace;

/// What the facade re-exports, and the service, which tests of devices use as a library.
const FOLDERS: [&str; 8] = [
    "mqtt-session/src",
    "shadow-proto/src",
    "shadow-service/src",
    "src",
    "transport-async-std/src",
    "transport-core/src",
    "transport-paho/src",
    "transport-tokio/src",
];

/// What of Markdown the doctests compile.
const PAGES: [&str; 3] = ["README.md", "docs/observability.md", "docs/guide"];

const KINDS: [&str; 8] = [
    "const ", "enum ", "fn ", "static ", "struct ", "trait ", "type ", "union ",
];

pub(crate) fn check(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    let mut found = Found::default();
    for folder in FOLDERS {
        let mut files = Vec::new();
        collect(&cx.root.join(folder), &[], &mut files)
            .map_err(|error| format!("{folder}: {error}"))?;
        for file in files {
            let name = file.strip_prefix(&cx.root).unwrap_or(&file);
            found.read(&name.display().to_string(), &text(&file)?);
        }
    }
    for page in PAGES {
        let path = cx.root.join(page);
        let pages = match fs::read_dir(&path) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => vec![path],
        };
        for page in pages {
            let page = text(&page)?;
            found.in_code.extend(code(page.lines()));
        }
    }
    let missing = found.without_example();
    say(&format!("{} public items", found.items.len()));
    if missing.is_empty() {
        return Ok(Done::Passed);
    }
    let lines = missing
        .iter()
        .map(|item| format!("\n  {}: {}", item.file, item.name));
    Err(format!(
        "no example, and none that it belongs to:{}",
        lines.collect::<String>()
    ))
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[derive(Default)]
struct Found {
    items: Vec<Item>,
    /// Of each type, whether a member has an example, and the words of all of them. An `impl` may come before the type.
    members: BTreeMap<String, (bool, BTreeSet<String>)>,
    /// The words of all code blocks.
    in_code: BTreeSet<String>,
}

#[derive(Default)]
struct Item {
    file: String,
    name: String,
    has_block: bool,
    /// The words of its signature.
    names: BTreeSet<String>,
    /// The words its documentation links to.
    links: BTreeSet<String>,
}

impl Found {
    fn read(&mut self, file: &str, text: &str) {
        let mut docs: Vec<&str> = Vec::new();
        // The type whose members are read, and whether they are those of an `impl`.
        let mut current: Option<(String, bool)> = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let trimmed = line.trim_start();
            if line == "#[cfg(test)]" {
                break;
            }
            if let Some(doc) = trimmed
                .strip_prefix("///")
                .or_else(|| trimmed.strip_prefix("//!"))
            {
                docs.push(doc);
                continue;
            }
            if trimmed.starts_with("#[") {
                let mut end = line;
                while !end.ends_with(']') {
                    let Some(next) = lines.next() else { return };
                    end = next;
                }
                continue;
            }
            let docs = std::mem::take(&mut docs);
            let code: BTreeSet<String> = code(docs.iter().copied()).collect();
            let has_block = !code.is_empty();
            self.in_code.extend(code);
            if line.starts_with('}') {
                current = None;
            } else if let Some(name) = declared(line) {
                let signature = signature(line, &mut lines);
                self.items.push(Item {
                    file: file.to_owned(),
                    name: name.to_owned(),
                    has_block,
                    names: words(&signature).collect(),
                    links: links(&docs.join(" ")),
                });
                let has_members = line.ends_with('{') && !signature.contains("fn ");
                current = has_members.then(|| (name.to_owned(), false));
            } else if let Some(name) = implemented(line) {
                current = Some((name.to_owned(), true));
            } else if let Some((name, is_impl)) = &current {
                let is_member = line.starts_with("    pub ") || !is_impl;
                let signature = match is_member && line.contains("fn ") {
                    true => signature(line, &mut lines),
                    false => line.to_owned(),
                };
                if is_member {
                    let (has, names) = self.members.entry(name.clone()).or_default();
                    *has |= has_block;
                    names.extend(words(&signature));
                }
            }
        }
    }

    fn without_example(&self) -> Vec<&Item> {
        let members = |item: &Item| self.members.get(&item.name);
        let has = |item: &Item| {
            let of_a_member = members(item).is_some_and(|(has, _)| *has);
            item.has_block || of_a_member || self.in_code.contains(&item.name)
        };
        let (with, without): (Vec<&Item>, Vec<&Item>) = self.items.iter().partition(|it| has(it));
        let belongs = |item: &Item| {
            with.iter().any(|other| {
                let of_members =
                    members(other).is_some_and(|(_, names)| names.contains(&item.name));
                of_members || other.names.contains(&item.name) || item.links.contains(&other.name)
            })
        };
        without.into_iter().filter(|item| !belongs(item)).collect()
    }
}

/// The name that a line at the left margin declares to be public.
fn declared(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    // `const fn` is a function.
    let function = rest.strip_prefix("const ");
    let function = function.filter(|rest| rest.starts_with("fn "));
    let rest = function.unwrap_or(rest);
    let name = KINDS.iter().find_map(|kind| rest.strip_prefix(kind))?;
    name.split(|it: char| !is_word(it)).next()
}

/// The type that a line begins the members of.
fn implemented(line: &str) -> Option<&str> {
    let mut rest = line.strip_prefix("impl")?;
    if rest.starts_with('<') {
        rest = rest.split_once("> ")?.1;
    }
    // Members of a trait are documented there.
    if rest.contains(" for ") {
        return None;
    }
    rest.trim_start().split(|it: char| !is_word(it)).next()
}

/// A declaration up to its body.
fn signature<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut signature = first.to_owned();
    while !signature.contains(['{', ';']) {
        let Some(next) = lines.next() else { break };
        signature += next;
    }
    signature
}

/// The words of the code blocks.
fn code<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in lines {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            found.extend(words(line));
        }
    }
    found.into_iter()
}

/// The words in square brackets.
fn links(docs: &str) -> BTreeSet<String> {
    let parts = docs.split('[').skip(1);
    let parts = parts.filter_map(|part| Some(part.split_once(']')?.0));
    parts.flat_map(words).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|it: char| !is_word(it));
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let mut found = Found::default();
        found.read("x.rs", text);
        let missing = found.without_example();
        missing.into_iter().map(|item| item.name.clone()).collect()
    }

    #[test]
    fn what_has_no_example_is_found() {
        let text = "/// A.\npub struct A;\n/// B.\n#[derive(\n    Debug\n)]\npub enum B {\n    C,\n}\n\
                    /// D.\npub const fn d() {}\nstruct E;\npub(crate) struct F;\n\
                    #[cfg(test)]\npub struct G;\n";
        assert_eq!(missing(text), ["A", "B", "d"]);
    }

    #[test]
    fn an_example_may_be_elsewhere() {
        for other in [
            "/// ```\n/// let a = A;\n/// ```\npub fn b() {}\n",
            "/// ```\n/// ```no\n/// ```\n/// b();\n/// ```\npub fn b(\n    a: A,\n) {}\n",
            "pub struct B {\n    a: A,\n}\n\nimpl B {\n    /// ```\n    /// B::b();\n    /// ```\n    pub fn b() {}\n}\n",
            "pub struct B;\n\nimpl<T> B {\n    /// ```\n    /// b();\n    /// ```\n    pub fn b() -> A {}\n}\n",
        ] {
            assert_eq!(
                missing(&format!("{other}/// A.\npub struct A;\n")),
                [""; 0],
                "{other}"
            );
        }
        // An `impl` in a file that comes first.
        let text = "impl B {\n    /// ```\n    /// b();\n    /// ```\n    pub fn b() -> A {}\n}\npub struct B;\npub struct A;\n";
        assert_eq!(missing(text), [""; 0]);
        let text = "/// ```\n/// b();\n/// ```\npub fn b() {}\n/// See [`b`](b).\npub struct A;\n";
        assert_eq!(missing(text), [""; 0]);
        let text = "/// ```\n/// b();\n/// ```\npub fn b() {}\n/// See `b`.\npub struct A;\n";
        assert_eq!(missing(text), ["A"]);
    }

    #[test]
    fn what_is_private_takes_nothing_along() {
        let text = "/// ```\n/// B\n/// ```\npub struct B;\n\nimpl B {\n    fn private() -> A {}\n}\n/// A.\npub struct A;\n";
        assert_eq!(missing(text), ["A"]);
    }
}
