//! The licences of all dependencies against `deny.toml`. The short form of cargo-deny, which also knows advisories:
//! it needs no tool that takes minutes to build.

use std::fs;

use crate::exec::{Cx, say};
use crate::json::Json;
use crate::steps::Done;
use crate::workspace::Workspace;

const RULES: &str = "deny.toml";

pub(crate) fn check(cx: &Cx, _: &Workspace) -> Result<Done, String> {
    say("short form: licences alone; `cargo xtask extra deny` also looks for advisories");
    let rules =
        fs::read_to_string(cx.root.join(RULES)).map_err(|error| format!("{RULES}: {error}"))?;
    let rules = Rules::read(&rules);
    let metadata = cx
        .cargo(["metadata", "--format-version", "1", "--locked"])
        .capture()?;
    let metadata = Json::parse(&metadata).ok_or("`cargo metadata` does not print JSON")?;
    let packages = metadata.get("packages").items();
    let refused: Vec<String> = packages
        .iter()
        .filter_map(|package| rules.refusal(package))
        .collect();
    say(&format!("{} packages", packages.len()));
    if refused.is_empty() {
        Ok(Done::Passed)
    } else {
        Err(format!("not in {RULES}:\n  {}", refused.join("\n  ")))
    }
}

#[derive(Debug, Default)]
struct Rules {
    allowed: Vec<String>,
    /// A package, and a licence that it alone may have.
    exceptions: Vec<(String, String)>,
}

impl Rules {
    /// Reads the list `allow` and the exceptions, each on a line of its own, as this project writes them.
    fn read(text: &str) -> Self {
        let mut rules = Self::default();
        let mut section = "";
        let mut in_list = false;
        for line in text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim())
        {
            if line.starts_with('[') && !in_list {
                section = line;
            } else if section != "[licenses]" {
                continue;
            } else if line.starts_with("allow = [") || in_list {
                in_list = !line.contains(']');
                rules.allowed.extend(quoted(line));
            } else if line.starts_with('{') {
                let mut words = quoted(line).into_iter();
                let package = words.next().unwrap_or_default();
                rules
                    .exceptions
                    .extend(words.map(|licence| (package.clone(), licence)));
            }
        }
        rules
    }

    fn refusal(&self, package: &Json) -> Option<String> {
        let name = package.get("name").text().unwrap_or("?");
        let Some(expression) = package.get("license").text() else {
            return Some(format!("{name}: states no licence"));
        };
        let is_allowed = |licence: &str| {
            self.allowed.iter().any(|it| it == licence)
                || self
                    .exceptions
                    .iter()
                    .any(|(package, it)| package == name && it == licence)
        };
        (!Expression::new(expression).any(&is_allowed)).then(|| format!("{name}: {expression}"))
    }
}

fn quoted(line: &str) -> Vec<String> {
    line.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// An SPDX expression, such as `(MIT OR Apache-2.0) AND Unicode-3.0`; a slash is an old way to write OR.
#[derive(Debug)]
struct Expression {
    words: std::vec::IntoIter<String>,
    next: Option<String>,
}

impl Expression {
    fn new(text: &str) -> Self {
        let spaced = text
            .replace('(', " ( ")
            .replace(')', " ) ")
            .replace('/', " OR ");
        let words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
        let mut words = words.into_iter();
        let next = words.next();
        Self { words, next }
    }

    /// Whether one of the alternatives is allowed.
    fn any(&mut self, is_allowed: &dyn Fn(&str) -> bool) -> bool {
        let mut result = self.all(is_allowed);
        while self.eat("OR") {
            result |= self.all(is_allowed);
        }
        result
    }

    fn all(&mut self, is_allowed: &dyn Fn(&str) -> bool) -> bool {
        let mut result = self.one(is_allowed);
        while self.eat("AND") {
            result &= self.one(is_allowed);
        }
        result
    }

    fn one(&mut self, is_allowed: &dyn Fn(&str) -> bool) -> bool {
        if self.eat("(") {
            let result = self.any(is_allowed);
            self.eat(")");
            return result;
        }
        let mut licence = self.take().unwrap_or_default();
        if self.eat("WITH") {
            licence = format!("{licence} WITH {}", self.take().unwrap_or_default());
        }
        is_allowed(&licence)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.next.as_deref() == Some(word);
        if found {
            self.take();
        }
        found
    }

    fn take(&mut self) -> Option<String> {
        std::mem::replace(&mut self.next, self.words.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let allowed =
            |text: &str| Expression::new(text).any(&|it| matches!(it, "MIT" | "ISC" | "A WITH x"));
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "(MIT OR X) AND ISC",
            "A WITH x",
            "X OR A WITH x",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (X OR Y)",
            "A",
            "A WITH y",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn rules_as_in_the_file() {
        let rules = Rules::read(
            "[bans]\nallow = [\"no\"]\n[licenses]\nallow = [\n    \"MIT\", # why\n    \"ISC\",\n]\n\
            exceptions = [\n    { crate = \"paho-mqtt\", allow = [\"EPL-2.0\"] },\n]\n",
        );
        assert_eq!(rules.allowed, ["MIT", "ISC"]);
        assert_eq!(
            rules.exceptions,
            [("paho-mqtt".to_owned(), "EPL-2.0".to_owned())]
        );
        let package = |text| rules.refusal(&Json::parse(text).expect("JSON"));
        assert_eq!(
            package(r#"{"name": "paho-mqtt", "license": "EPL-2.0"}"#),
            None
        );
        assert_eq!(
            package(r#"{"name": "other", "license": "EPL-2.0"}"#).as_deref(),
            Some("other: EPL-2.0")
        );
        assert_eq!(
            package(r#"{"name": "other"}"#).as_deref(),
            Some("other: states no licence")
        );
    }
}
