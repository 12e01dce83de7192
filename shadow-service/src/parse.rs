//! JSON text to [`Value`]: strict (RFC 8259), bounded in depth, linear in time.
//!
//! Only containers down to [`MAX_NESTING`] become a tree; anything deeper, and every member
//! nobody reads, is checked by [`Reader::skip`], which keeps its own stack of one byte a
//! level. So a payload costs memory in proportion to its length and never a deep call.

mod scalar;

pub(crate) use scalar::Token;

use crate::value::{MAX_NESTING, Number, Object, Scalar, Value};
use alloc::{borrow::Cow, boxed::Box, vec::Vec};
use core::fmt;

impl Value {
    /// Reads one JSON text, which may be surrounded by whitespace.
    ///
    /// # Errors
    /// [`ParseError`] if it is not JSON, or nested deeper than [`MAX_NESTING`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut reader = Reader::new(text);
        let value = reader.value()?;
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
    pub(crate) fn value(&mut self) -> Result<Value, ParseError> {
        self.value_at(0)
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

    /// Checks a container that is nested too deeply for a tree.
    pub(crate) fn leave_out(&mut self) -> Result<(), ParseError> {
        self.too_deep = true;
        self.skip()
    }

    /// A scalar; `None` for a container, which is checked.
    pub(crate) fn scalar_or_container(&mut self) -> Result<Option<Token<'a>>, ParseError> {
        self.whitespace();
        match self.peek() {
            Some(b'{' | b'[') => self.value().map(|_| None),
            Some(_) | None => self.scalar().map(Some),
        }
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

    pub(crate) fn value_at(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.whitespace();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_NESTING => {
                self.leave_out()?;
                // Not null, which would be an error of another kind where it stands.
                Ok(Value::Object(Object::new()))
            }
            Some(b'{') => {
                let mut members: Vec<(Box<str>, Value)> = Vec::new();
                self.object(|reader, name| {
                    let value = reader.value_at(depth + 1)?;
                    members.push((name.into(), value));
                    Ok(())
                })?;
                let written = members.len();
                let object = Object::from_members(members);
                self.check_duplicate(object.len() < written)?;
                Ok(Value::Object(object))
            }
            Some(b'[') => self.array(depth),
            Some(_) | None => self.scalar().map(|found| {
                let scalar = match found {
                    Token::Null => Scalar::Null,
                    Token::Bool(value) => Scalar::Bool(value),
                    Token::Number(text) => Scalar::Number(Number::from_checked(text)),
                    Token::String(text) => Scalar::String(text.into()),
                };
                Value::Leaf(scalar)
            }),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.expect(b'[', "expected '['")?;
        let mut elements = Vec::new();
        self.whitespace();
        if self.take(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value_at(depth + 1)?);
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

#[cfg(test)]
mod tests;
