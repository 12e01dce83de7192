//! JSON text to [`Value`]: strict (RFC 8259), bounded in depth, linear in time.
//!
//! Only containers down to [`MAX_NESTING`] become a tree; anything deeper, and every member
//! nobody reads, is checked by [`Reader::skip`], which keeps its own stack of one byte a
//! level. So a payload costs memory in proportion to its length and never a deep call.

use crate::value::{MAX_NESTING, Number, Object, Scalar, Value};
use crate::write::first_special;
use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::fmt;

impl<S: Copy> Value<S> {
    /// Reads one JSON text, which may be surrounded by whitespace; every leaf gets `stamp`.
    ///
    /// # Errors
    /// [`ParseError`] if it is not JSON, or nested deeper than [`MAX_NESTING`].
    pub fn parse(text: &str, stamp: S) -> Result<Self, ParseError> {
        let mut reader = Reader::new(text);
        let value = reader.value(stamp)?;
        reader.end()?;
        if reader.too_deep {
            return Err(reader.error("nested too deeply"));
        }
        Ok(value)
    }
}

/// Why a text is not JSON, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    at: usize,
    reason: &'static str,
}

impl ParseError {
    /// The offset in bytes at which reading stopped.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

impl core::error::Error for ParseError {}

/// Reads one text from front to back.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Something below [`MAX_NESTING`] was left out of a tree.
    pub(crate) too_deep: bool,
    /// Whether a name that occurs twice in an object of a tree is an error.
    pub(crate) refuse_duplicates: bool,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            too_deep: false,
            refuse_duplicates: false,
        }
    }

    /// A value as a tree.
    pub(crate) fn value<S: Copy>(&mut self, stamp: S) -> Result<Value<S>, ParseError> {
        self.value_at(stamp, 0)
    }

    /// The members of an object, each by `member`, which must read the value; `false` if what
    /// comes is not an object, and then nothing is read.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), ParseError>,
    ) -> Result<bool, ParseError> {
        self.whitespace();
        if self.peek() != Some(b'{') {
            return Ok(false);
        }
        self.members(|reader| {
            let name = reader.name()?;
            member(reader, name)
        })?;
        Ok(true)
    }

    /// The members of an object, each by `member`, which must read the name, the colon and the
    /// value.
    pub(crate) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        self.expect(b'{', "expected '{'")?;
        self.whitespace();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            member(self)?;
            self.whitespace();
            if !self.take(b',') {
                return self.expect(b'}', "expected ',' or '}'");
            }
            self.whitespace();
        }
    }

    /// An array of scalars without null and without escapes, written compactly: how many they are.
    /// If it is anything else, nothing is read.
    pub(crate) fn plain_array(&mut self) -> Option<usize> {
        let begin = self.at;
        let count = self.plain_elements();
        if count.is_none() {
            self.at = begin;
        }
        count
    }

    fn plain_elements(&mut self) -> Option<usize> {
        if !self.take(b'[') {
            return None;
        }
        if self.take(b']') {
            return Some(0);
        }
        let mut count = 0;
        loop {
            match self.scalar().ok()? {
                Token::Null | Token::String(Cow::Owned(_)) => return None,
                // It may be one that a switch refuses.
                Token::Number(text) if text.len() > 18 => return None,
                Token::Bool(_) | Token::Number(_) | Token::String(Cow::Borrowed(_)) => count += 1,
            }
            if self.take(b']') {
                return Some(count);
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    /// Checks a container that is nested too deeply for a tree.
    pub(crate) fn leave_out(&mut self) -> Result<(), ParseError> {
        self.too_deep = true;
        self.skip()
    }

    /// A scalar; `None` for a container, which is checked.
    pub(crate) fn scalar_or_container(&mut self) -> Result<Option<Token<'a>>, ParseError> {
        self.whitespace();
        match self.peek() {
            Some(b'{' | b'[') => self.value(()).map(|_| None),
            Some(_) | None => self.scalar().map(Some),
        }
    }

    /// A string without escapes. If it is anything else, nothing is read.
    pub(crate) fn plain_string(&mut self) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let Some((b'"', rest)) = rest.split_first() else {
            return false;
        };
        match first_special(rest) {
            Some(length) if rest.get(length) == Some(&b'"') => {
                self.at += length + 2;
                true
            }
            Some(_) | None => false,
        }
    }

    /// A string, unescaped.
    pub(crate) fn quoted(&mut self) -> Result<Cow<'a, str>, ParseError> {
        if !self.take(b'"') {
            return Err(self.error("expected a member name"));
        }
        self.string()
    }

    /// The colon after a name.
    pub(crate) fn colon(&mut self) -> Result<(), ParseError> {
        self.whitespace();
        self.expect(b':', "expected ':'")
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    /// Checks a value of any depth and forgets it.
    pub(crate) fn skip(&mut self) -> Result<(), ParseError> {
        let mut open: Vec<u8> = Vec::new();
        'value: loop {
            self.whitespace();
            if self.take(b'{') {
                self.whitespace();
                if !self.take(b'}') {
                    self.name()?;
                    open.push(b'}');
                    continue;
                }
            } else if self.take(b'[') {
                self.whitespace();
                if !self.take(b']') {
                    open.push(b']');
                    continue;
                }
            } else {
                self.scalar()?;
            }
            while let Some(close) = open.last().copied() {
                self.whitespace();
                if self.take(b',') {
                    self.whitespace();
                    if close == b'}' {
                        self.name()?;
                    }
                    continue 'value;
                }
                self.expect(close, "expected ',' or the end of a container")?;
                open.pop();
            }
            return Ok(());
        }
    }

    /// Nothing but whitespace may follow.
    pub(crate) fn end(&mut self) -> Result<(), ParseError> {
        self.whitespace();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("more text after the value")),
        }
    }

    /// An error if there was a `duplicate` and duplicates are refused.
    pub(crate) fn check_duplicate(&self, duplicate: bool) -> Result<(), ParseError> {
        if duplicate && self.refuse_duplicates {
            return Err(self.error("a member occurs twice"));
        }
        Ok(())
    }

    pub(crate) fn value_at<S: Copy>(
        &mut self,
        stamp: S,
        depth: usize,
    ) -> Result<Value<S>, ParseError> {
        self.whitespace();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_NESTING => {
                self.leave_out()?;
                // Not null, which would be an error of another kind where it stands.
                Ok(Value::Object(Object::new()))
            }
            Some(b'{') => {
                let mut members: Vec<(Box<str>, Value<S>)> = Vec::new();
                self.object(|reader, name| {
                    let value = reader.value_at(stamp, depth + 1)?;
                    members.push((name.into(), value));
                    Ok(())
                })?;
                let written = members.len();
                let object = Object::from_members(members);
                self.check_duplicate(object.len() < written)?;
                Ok(Value::Object(object))
            }
            Some(b'[') => self.array(stamp, depth),
            Some(_) | None => self.scalar().map(|found| {
                let scalar = match found {
                    Token::Null => Scalar::Null,
                    Token::Bool(value) => Scalar::Bool(value),
                    Token::Number(text) => Scalar::Number(Number::from_checked(text)),
                    Token::String(text) => Scalar::String(text.into()),
                };
                Value::Leaf(scalar, stamp)
            }),
        }
    }

    fn array<S: Copy>(&mut self, stamp: S, depth: usize) -> Result<Value<S>, ParseError> {
        self.expect(b'[', "expected '['")?;
        let mut elements = Vec::new();
        self.whitespace();
        if self.take(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value_at(stamp, depth + 1)?);
            self.whitespace();
            if !self.take(b',') {
                self.expect(b']', "expected ',' or ']'")?;
                return Ok(Value::Array(elements));
            }
        }
    }

    /// A member's name and the colon after it.
    fn name(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let name = self.quoted()?;
        self.colon()?;
        Ok(name)
    }

    pub(crate) fn scalar(&mut self) -> Result<Token<'a>, ParseError> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(Token::String)
            }
            Some(b'n') => self.word("null", Token::Null),
            Some(b't') => self.word("true", Token::Bool(true)),
            Some(b'f') => self.word("false", Token::Bool(false)),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value is expected")),
        }
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, ParseError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(token)
    }

    fn number(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let number = self.text.get(start..self.at);
        number.ok_or_else(|| self.error("expected a number"))
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.error("expected a digit"));
        }
        self.at += count;
        Ok(())
    }

    /// The rest of a string whose opening quote is read. Copies only if there are escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let first = self.plain()?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(first));
        }
        let mut text = String::from(first);
        loop {
            self.expect(b'\\', "a string has no end")?;
            text.push(self.escape()?);
            text.push_str(self.plain()?);
            if self.take(b'"') {
                return Ok(Cow::Owned(text));
            }
        }
    }

    /// The text up to a quote or a backslash.
    fn plain(&mut self) -> Result<&'a str, ParseError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = first_special(rest).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        if self.peek().is_some_and(|byte| byte < 0x20) {
            return Err(self.error("a control character in a string"));
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let kind = self.peek();
        self.at += 1;
        Ok(match kind {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) | None => return Err(self.error("an unknown escape")),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let first = self.four_hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                // A surrogate is half a character: alone it is no text at all.
                self.expect(b'\\', "half a surrogate pair")?;
                self.expect(b'u', "half a surrogate pair")?;
                let second = self.four_hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error("half a surrogate pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.error("half a surrogate pair"))
    }

    fn four_hex(&mut self) -> Result<u32, ParseError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.error("expected four hex digits"))?;
            self.at += 1;
        }
        Ok(code)
    }

    pub(crate) fn whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), ParseError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.error(reason))
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, reason: &'static str) -> ParseError {
        ParseError {
            at: self.at.min(self.text.len()),
            reason,
        }
    }
}

/// A value without parts, as it is read.
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(Cow<'a, str>),
}

#[cfg(test)]
mod tests;
