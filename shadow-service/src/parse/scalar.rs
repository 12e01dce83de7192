//! Values without parts: strings, numbers, words.

use super::{ParseError, Reader};
use crate::write::first_special;
use alloc::{borrow::Cow, string::String};

/// A value without parts, as it is read.
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(Cow<'a, str>),
}

impl<'a> Reader<'a> {
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

    /// An array of scalars without null and without escapes: how many they are, and whether there
    /// is whitespace between them. If it is anything else, nothing is read.
    pub(crate) fn plain_array(&mut self) -> Option<(usize, bool)> {
        let begin = self.at;
        let found = self.plain_elements();
        if found.is_none() {
            self.at = begin;
        }
        found
    }

    fn plain_elements(&mut self) -> Option<(usize, bool)> {
        if !self.take(b'[') {
            return None;
        }
        let mut spaced = self.spaced();
        if self.take(b']') {
            return Some((0, spaced));
        }
        let mut count = 0;
        loop {
            match self.scalar().ok()? {
                Token::Null | Token::String(Cow::Owned(_)) => return None,
                // It may be one that a switch refuses.
                Token::Number(text) if text.len() > 18 => return None,
                Token::Bool(_) | Token::Number(_) | Token::String(Cow::Borrowed(_)) => count += 1,
            }
            spaced |= self.spaced();
            if self.take(b']') {
                return Some((count, spaced));
            }
            if !self.take(b',') {
                return None;
            }
            spaced |= self.spaced();
        }
    }

    /// Whether whitespace was here.
    fn spaced(&mut self) -> bool {
        let begin = self.at;
        self.whitespace();
        self.at > begin
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
}
