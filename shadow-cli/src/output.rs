//! What is printed: for eyes, or one JSON object per line.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use transport_tokio::{Document, Field, Json, Metadata, ShadowId, Timestamp, Version};

use crate::{
    problem::Problem,
    tree::{Part, Tree, quoted},
};

/// How to print. Colors only on a terminal, and not if `NO_COLOR` is set.
#[derive(Clone, Copy)]
pub(crate) struct Printer {
    pub(crate) json: bool,
    color: bool,
}

/// Standard output is the process's, and so is that it is closed.
static UNREAD: AtomicBool = AtomicBool::new(false);

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const CYAN: &str = "\x1b[36m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            color: !json && wanted && !dumb && std::io::stdout().is_terminal(),
        }
    }

    /// A line on standard output. Nobody reading is no fault of ours.
    pub(crate) fn line(self, text: &str) {
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            UNREAD.store(true, Ordering::Relaxed);
        }
    }

    /// Whether nobody reads what is printed, as far as is known.
    pub(crate) fn is_unread(self) -> bool {
        UNREAD.load(Ordering::Relaxed)
    }

    /// A line beside what was asked for: on standard error.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr(), "shadow: {text}");
    }

    pub(crate) fn problem(self, problem: &Problem) {
        if self.json {
            self.problem_line(problem);
        }
        self.note(&problem.to_string());
    }

    /// The object that tells of it.
    pub(crate) fn problem_line(self, problem: &Problem) {
        let mut line = Line::new(problem.kind());
        if let Problem::Rejected(rejection, hint) = problem {
            line.raw("code", &rejection.code.to_string());
            line.text("message", &rejection.message);
            if let Some(hint) = hint {
                line.text("hint", hint);
            }
        } else {
            line.text("message", &problem.to_string());
        }
        self.line(&line.end());
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.painted(BOLD, text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.painted(DIM, text)
    }

    fn painted(self, color: &str, text: &str) -> String {
        match self.color {
            true => format!("{color}{text}{RESET}"),
            false => text.to_owned(),
        }
    }

    /// JSON for eyes.
    pub(crate) fn pretty(self, tree: &Tree, indent: usize) -> String {
        let paint = |part: Part, text: &str| match part {
            Part::Key => self.painted(CYAN, text),
            Part::Value if text.starts_with('"') => self.painted(GREEN, text),
            Part::Value => text.to_owned(),
        };
        tree.pretty(indent, &paint)
    }

    /// A whole document.
    pub(crate) fn document(self, id: &ShadowId, document: &Document) {
        if self.json {
            let mut line = Line::of("document", id);
            line.version(document.version, document.timestamp);
            line.section("desired", &document.desired);
            line.section("reported", &document.reported);
            line.section("delta", &document.delta);
            line.metadata(&document.metadata);
            return self.line(&line.end());
        }
        self.line(&self.headline(id, document.version, document.timestamp));
        for (name, section) in [
            ("desired", &document.desired),
            ("reported", &document.reported),
            ("delta", &document.delta),
        ] {
            let text = match section {
                Field::Value(json) => self.pretty(&Tree::read(json.as_str()), 2),
                Field::Null => "null".to_owned(),
                Field::Absent => self.dim("nothing"),
            };
            self.line(&format!("  {}: {text}", self.bold(name)));
        }
    }

    /// There is no document.
    pub(crate) fn absent(self, id: &ShadowId) {
        self.line(&match self.json {
            true => Line::of("absent", id).end(),
            false => format!("{id}: there is no such shadow yet"),
        });
    }

    /// `lamp~config, version 7, 2026-11-22T02:15:04Z`.
    pub(crate) fn headline(self, id: &ShadowId, version: Version, at: Option<Timestamp>) -> String {
        let at = at.map(|at| format!(", {}", date(at.seconds())));
        let rest = format!(", version {version}{}", at.unwrap_or_default());
        format!("{}{}", self.bold(&id.to_string()), self.dim(&rest))
    }

    /// What changed between two sections, one line each.
    pub(crate) fn changes(self, name: &str, before: Option<&Tree>, after: Option<&Tree>) {
        let mut changes = Vec::new();
        Tree::changes(name, before, after, &mut changes);
        for (path, before, after) in changes {
            let text = |tree: &Tree| tree.to_json();
            self.line(&match (before.map(text), after.map(text)) {
                (Some(before), Some(after)) => format!(
                    "  {path}: {} -> {}",
                    self.painted(RED, &before),
                    self.painted(GREEN, &after)
                ),
                (None, Some(after)) => format!("  {path}: {}", self.painted(GREEN, &after)),
                (Some(before), None) => format!(
                    "  {path}: {} -> {}",
                    self.painted(RED, &before),
                    self.dim("nothing")
                ),
                (None, None) => continue,
            });
        }
    }
}

/// One JSON object, member by member. Sections keep the text in which they came.
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn new(event: &str) -> Self {
        Self(format!("{{\"event\":{}", quoted(event)))
    }

    pub(crate) fn of(event: &str, id: &ShadowId) -> Self {
        let mut line = Self::new(event);
        line.text("thing", id.thing());
        if let Some(name) = id.shadow() {
            line.text("name", name);
        }
        line
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.raw(key, &quoted(value));
    }

    /// A member whose value is JSON already.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        // A line stays a line, whatever the sender's spelling: breaks are white space in JSON.
        let json = json.replace(['\n', '\r'], " ");
        self.0 += &format!(",{}:{json}", quoted(key));
    }

    pub(crate) fn version(&mut self, version: Version, at: Option<Timestamp>) {
        self.raw("version", &version.to_string());
        if let Some(at) = at {
            self.raw("timestamp", &at.seconds().to_string());
        }
    }

    /// A section; nothing if it is absent.
    pub(crate) fn section(&mut self, key: &str, section: &Field<Json>) {
        match section {
            Field::Absent => {}
            Field::Null => self.raw(key, "null"),
            Field::Value(json) => self.raw(key, json.as_str()),
        }
    }

    pub(crate) fn metadata(&mut self, metadata: &Metadata) {
        if let Some(json) = metadata.json() {
            self.raw("metadata", json.as_str());
        }
    }

    pub(crate) fn end(self) -> String {
        self.0 + "}"
    }
}

/// Seconds since 1970 as UTC, ISO 8601. (Howard Hinnant's `civil_from_days`.)
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(1_767_225_600), "2026-01-01T00:00:00Z");
        assert_eq!(date(1_709_164_799), "2024-02-28T23:59:59Z");
        assert_eq!(date(1_709_164_800), "2024-02-29T00:00:00Z");
    }

    #[test]
    fn a_line_is_a_line() {
        let mut line = Line::of("x", &ShadowId::named("lamp", "a").unwrap());
        line.raw("state", "{\n\"a\":\r\n1}");
        assert_eq!(
            line.end(),
            r#"{"event":"x","thing":"lamp","name":"a","state":{ "a":  1}}"#
        );
    }
}
