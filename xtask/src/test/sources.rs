//! Reads the sources of the sans-IO crates. Clippy's `disallowed-types` and `disallowed-methods` say the same with more
//! knowledge of names; this also finds what a lint was switched off for, and what a macro hides.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exec::{Cx, say};
use crate::steps::Done;
use crate::workspace::Workspace;

/// Folders, and what in them is not sans-IO.
const FOLDERS: [(&str, &[&str]); 3] = [
    ("shadow-proto/src", &[]),
    ("mqtt-session/src", &[]),
    // The server that runs the service, its binaries, and the store that keeps files.
    (
        "shadow-service/src",
        &[
            "local",
            "local.rs",
            "bin",
            "main.rs",
            "file_store.rs",
            "file_store",
        ],
    ),
];

/// Words that code without clock, thread, entropy, IO or hash map has no use for.
const FORBIDDEN: [(&str, &str); 20] = [
    (
        "std",
        "clock, thread, IO and hash map all come from std; what is allowed of it is in core and alloc",
    ),
    ("SystemTime", "time is an input"),
    (
        "HashMap",
        "its order differs from run to run; BTreeMap or Vec",
    ),
    (
        "HashSet",
        "its order differs from run to run; BTreeSet or Vec",
    ),
    (
        "hashbrown",
        "its order differs from run to run; BTreeMap or Vec",
    ),
    ("RandomState", "entropy is an input"),
    ("getrandom", "entropy is an input"),
    ("rand", "entropy is an input"),
    ("fastrand", "entropy is an input"),
    ("uuid", "entropy is an input"),
    ("tokio", "no runtime"),
    ("async_std", "no runtime"),
    ("smol", "no runtime"),
    ("thread_local", "no threads"),
    ("println", "no IO"),
    ("eprintln", "no IO"),
    ("print", "no IO"),
    ("eprint", "no IO"),
    ("dbg", "no IO"),
    ("libc", "no IO"),
];

pub(crate) fn check(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    let mut findings = Vec::new();
    for (folder, left_out) in FOLDERS {
        let path = cx.root.join(folder);
        if !path.is_dir() {
            cx.note(format!("there is no {folder} yet"));
            continue;
        }
        let left_out: Vec<PathBuf> = left_out.iter().map(|name| path.join(name)).collect();
        let mut files = Vec::new();
        collect(&path, &left_out, &mut files).map_err(|error| format!("{folder}: {error}"))?;
        for file in &files {
            let text =
                fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let name = file.strip_prefix(&cx.root).unwrap_or(file).display();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            // A feature that has files left out above needs std named once.
            let by_feature = |line: usize| {
                let named = lines.get(line - 1) == Some(&"extern crate std;");
                let before = line.checked_sub(2).and_then(|before| lines.get(before));
                named && before.is_some_and(|before| before.starts_with("#[cfg(any(feature"))
            };
            let findings_here = findings_in(&text).filter(|(line, ..)| !by_feature(*line));
            findings.extend(
                findings_here.map(|(line, word, why)| format!("{name}:{line}: {word}: {why}")),
            );
        }
        say(&format!("{folder}: {} files", files.len()));
    }
    if findings.is_empty() {
        Ok(Done::Passed)
    } else {
        Err(format!("\n  {}", findings.join("\n  ")))
    }
}

/// The Rust files below `folder`, without tests that have a file of their own.
pub(super) fn collect(
    folder: &Path,
    left_out: &[PathBuf],
    files: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|it| it.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if is_test || left_out.contains(&path) {
            continue;
        }
        if path.is_dir() {
            collect(&path, left_out, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn findings_in(text: &str) -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let code = without_tests(&without_comments_and_text(text));
    let mut findings = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let words: Vec<&str> = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        findings.extend(
            FORBIDDEN
                .iter()
                .filter(|(word, _)| words.contains(word))
                .map(|&(word, why)| (number + 1, word, why)),
        );
    }
    findings.into_iter()
}

/// Blanks out comments and literals; lines stay where they are.
fn without_comments_and_text(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if first == '"' {
            text_literal(rest)
        } else if let Some(length) = raw_literal(rest).filter(|_| !after_word) {
            length
        } else if let Some(length) = char_literal(rest) {
            length
        } else {
            code.push(first);
            rest = rest.split_at(first.len_utf8()).1;
            continue;
        };
        let (gone, next) = rest.split_at(length);
        code.push(' ');
        code.extend(gone.matches('\n'));
        rest = next;
    }
    code
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some((_, rest)) = text
        .split_at_checked(position)
        .filter(|(_, rest)| !rest.is_empty())
    {
        if rest.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of `"…"`.
fn text_literal(text: &str) -> usize {
    let mut escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r#"…"#` with any number of `#`, and of `br"…"`.
fn raw_literal(text: &str) -> Option<usize> {
    let marks = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let body = marks.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(marks.len() - body.len()));
    let content = body.strip_prefix('"')?;
    let length = content
        .find(&end)
        .map_or(content.len(), |position| position + end.len());
    Some(text.len() - content.len() + length)
}

/// The length of `'x'`, `'\n'`, `'\u{1f600}'`; `None` for a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    let mut characters = rest.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        characters.next()?;
        return characters
            .find(|(_, c)| *c == '\'')
            .map(|(position, _)| position + 2);
    }
    let (position, second) = characters.next()?;
    (second == '\'').then_some(position + 2)
}

/// Blanks out what is compiled for tests alone: the item after `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, after)) = rest.split_once(MARK) {
        kept.push_str(before);
        let mut depth = 0_usize;
        let end = after.char_indices().find(|(_, c)| match c {
            '{' => {
                depth += 1;
                false
            }
            '}' => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            ';' => depth == 0,
            _ => false,
        });
        let (gone, next) = after.split_at(end.map_or(after.len(), |(position, _)| position + 1));
        kept.extend(gone.matches('\n'));
        rest = next;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, &'static str)> {
        findings_in(text)
            .map(|(line, word, _)| (line, word))
            .collect()
    }

    #[test]
    fn finds_what_is_forbidden_and_where() {
        let text = "use alloc::vec::Vec;\nuse std::{time::Instant, thread};\nlet x: HashMap<u8, u8>;\nprintln!();\n";
        assert_eq!(words(text), [(2, "std"), (3, "HashMap"), (4, "println")]);
    }

    #[test]
    fn comments_and_literals_do_not_count() {
        let text = "#![no_std]\n//! std::time\n/* a /* std */ HashMap\n*/ let a = \"std \\\" std\";\n\
            let b = r#\"std \" std\"#; let c: &'a str = br\"std\"; let d = ['\"', '\\'', 'x']; let e = \"std\";\n\
            let operand = printer; std();";
        assert_eq!(words(text), [(6, "std")]);
    }

    #[test]
    fn tests_do_not_count() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  use std::fs;\n  fn b() { if x {} }\n}\nuse std::io;\n\
            #[cfg(test)]\nextern crate std;\nrand();";
        assert_eq!(words(text), [(7, "std"), (10, "rand")]);
    }

    #[test]
    fn unfinished_text_is_no_harm() {
        for text in [
            "/* std",
            "\"std",
            "r#\"std",
            "'",
            "'\\",
            "#[cfg(test)] mod t {",
            "é'é'",
        ] {
            assert_eq!(words(text), []);
        }
    }
}
