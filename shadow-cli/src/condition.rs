//! Conditions on a document: `reported.color == "green" && delta == null`.
//!
//! A path begins with `desired`, `reported`, `delta` or `version`. What is absent equals `null`.
//! A path alone is true if there is something there, `!` negates, `&&` binds closer than `||`,
//! parentheses group. A value is JSON; a bare word is a string.

use std::cmp::Ordering;

use serde_json::Value;

use crate::{state::keys, tree::Tree};

#[derive(Debug, PartialEq)]
pub(crate) enum Condition {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Exists(Vec<String>),
    Compare(Vec<String>, Operator, Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Reads a condition, or says in one line what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let words = words(text)?;
        let mut parser = Parser {
            words: words.into_iter().peekable(),
            depth: 0,
        };
        let condition = parser.any()?;
        match parser.words.next() {
            None => Ok(condition),
            Some(word) => Err(format!("`{}` is not expected here", word.text())),
        }
    }

    /// Whether it is true of a document.
    pub(crate) fn is_true(&self, document: &Tree) -> bool {
        match self {
            Self::Any(all) => all.iter().any(|it| it.is_true(document)),
            Self::All(all) => all.iter().all(|it| it.is_true(document)),
            Self::Not(inner) => !inner.is_true(document),
            Self::Exists(path) => value(document, path) != Value::Null,
            Self::Compare(path, operator, wanted) => operator.holds(&value(document, path), wanted),
        }
    }
}

fn value(document: &Tree, path: &[String]) -> Value {
    let tree = document.at(path.iter().map(String::as_str));
    let value = tree.and_then(|tree| serde_json::from_str(&tree.to_json()).ok());
    value.unwrap_or(Value::Null)
}

impl Operator {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::Number(left), Value::Number(right)) => {
                left.as_f64().partial_cmp(&right.as_f64())
            }
            (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            _ => (left == right).then_some(Ordering::Equal),
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Symbol(&'static str),
    /// A string, number or other JSON.
    Json(Value),
    /// A path, or a bare word.
    Bare(String),
}

impl Word {
    fn text(&self) -> String {
        match self {
            Self::Symbol(text) => (*text).to_owned(),
            Self::Json(value) => value.to_string(),
            Self::Bare(text) => text.clone(),
        }
    }
}

const SYMBOLS: [&str; 11] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")"];

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            words.push(Word::Symbol(symbol));
            rest = rest.get(symbol.len()..).unwrap_or_default().trim_start();
            continue;
        }
        if rest.starts_with(['"', '[', '{']) {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter();
            let value = values.next().and_then(Result::ok);
            words.push(Word::Json(
                value.ok_or_else(|| format!("not JSON: {rest}"))?,
            ));
            let end = values.byte_offset();
            rest = rest.get(end..).unwrap_or_default().trim_start();
            continue;
        }
        let ends = |it: char| it.is_whitespace() || "&|=!<>()".contains(it);
        let end = rest.find(ends).unwrap_or(rest.len());
        let (word, left) = rest.split_at(end);
        if word.is_empty() {
            return Err(format!("`{rest}`: == compares, && and || join"));
        }
        words.push(match serde_json::from_str(word) {
            Ok(value) => Word::Json(value),
            Err(_) => Word::Bare(word.to_owned()),
        });
        rest = left.trim_start();
    }
    Ok(words)
}

struct Parser {
    words: std::iter::Peekable<std::vec::IntoIter<Word>>,
    depth: u8,
}

impl Parser {
    fn any(&mut self) -> Result<Condition, String> {
        let first = self.all()?;
        let mut all = vec![first];
        while self.takes("||") {
            all.push(self.all()?);
        }
        Ok(match (all.len(), all.pop()) {
            (1, Some(only)) => only,
            (_, last) => Condition::Any(all.into_iter().chain(last).collect()),
        })
    }

    fn all(&mut self) -> Result<Condition, String> {
        let first = self.one()?;
        let mut all = vec![first];
        while self.takes("&&") {
            all.push(self.one()?);
        }
        Ok(match (all.len(), all.pop()) {
            (1, Some(only)) => only,
            (_, last) => Condition::All(all.into_iter().chain(last).collect()),
        })
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.depth > 50 {
            return Err("too deep".to_owned());
        }
        self.depth += 1;
        let condition = self.one_deeper();
        self.depth -= 1;
        condition
    }

    fn one_deeper(&mut self) -> Result<Condition, String> {
        if self.takes("!") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let inner = self.any()?;
            return match self.takes(")") {
                true => Ok(inner),
                false => Err("a parenthesis is not closed".to_owned()),
            };
        }
        let path = match self.words.next() {
            Some(Word::Bare(path)) => keys(&path),
            Some(word) => return Err(format!("`{}` is not a path", word.text())),
            None => return Err("a condition is missing".to_owned()),
        };
        let section = path.first().map(String::as_str).unwrap_or_default();
        if !["desired", "reported", "delta", "version"].contains(&section) {
            return Err(format!(
                "{section}: a path begins with desired, reported, delta or version"
            ));
        }
        let operator = match self.words.peek() {
            Some(Word::Symbol("==")) => Operator::Equal,
            Some(Word::Symbol("!=")) => Operator::Unequal,
            Some(Word::Symbol("<")) => Operator::Less,
            Some(Word::Symbol("<=")) => Operator::LessOrEqual,
            Some(Word::Symbol(">")) => Operator::Greater,
            Some(Word::Symbol(">=")) => Operator::GreaterOrEqual,
            _ => return Ok(Condition::Exists(path)),
        };
        self.words.next();
        match self.words.next() {
            Some(Word::Json(value)) => Ok(Condition::Compare(path, operator, value)),
            Some(Word::Bare(word)) => Ok(Condition::Compare(path, operator, word.into())),
            Some(Word::Symbol(symbol)) => Err(format!("`{symbol}` is not a value")),
            None => Err("a value is missing".to_owned()),
        }
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let is = matches!(self.words.peek(), Some(Word::Symbol(next)) if *next == symbol);
        if is {
            self.words.next();
        }
        is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true() {
        let document = Tree::read(
            r#"{"version":7,"reported":{"color":"green","level":70,"a":{"b":[1,2]}},"desired":{"color":"green"}}"#,
        );
        for (condition, expected) in [
            (r#"reported.color == "green""#, true),
            ("reported.color==green", true),
            ("reported.color != green", false),
            ("reported.level >= 70 && reported.level < 70.5", true),
            ("reported.level > 70 || version == 7", true),
            ("delta == null", true),
            ("!delta", true),
            ("delta", false),
            ("!(reported.color && desired.color)", false),
            ("reported.a.b == [1, 2]", true),
            ("reported.x.y == null", true),
            ("reported.color > 5", false),
            ("version < 7 || version > 7 && desired", false),
        ] {
            let read = Condition::read(condition);
            let read = read.unwrap_or_else(|error| panic!("{condition}: {error}"));
            assert_eq!(read.is_true(&document), expected, "{condition}");
        }
    }

    #[test]
    fn what_is_none() {
        for (condition, part) in [
            ("", "missing"),
            ("color == 1", "begins with"),
            ("reported.color = green", "=="),
            ("reported.color ==", "missing"),
            ("reported.color == ==", "not a value"),
            ("(reported.color", "closed"),
            ("reported.color reported", "not expected"),
            ("5 == reported.x", "not a path"),
            ("reported == {", "not JSON"),
        ] {
            let error = Condition::read(condition).unwrap_err();
            assert!(error.contains(part), "{condition}: {error}");
        }
        Condition::read(&"!".repeat(1000)).unwrap_err();
        Condition::read(&"(".repeat(1000)).unwrap_err();
    }
}
