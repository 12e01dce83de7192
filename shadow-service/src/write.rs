//! Trees to compact JSON text.

use crate::value::{Object, Scalar, Value};
use alloc::string::String;
use core::fmt::{self, Write as _};

/// The compact JSON text, members in the order of their names.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.size());
        value(&mut text, self);
        f.write_str(&text)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.size());
        object(&mut text, self);
        f.write_str(&text)
    }
}

pub(crate) fn value(out: &mut String, value: &Value) {
    match value {
        Value::Leaf(scalar) => self::scalar(out, scalar),
        Value::Array(elements) => array(out, elements, self::value),
        Value::Object(members) => object(out, members),
    }
}

pub(crate) fn object(out: &mut String, members: &Object) {
    let mut writer = Members::open(out);
    for (name, member) in members.iter() {
        value(writer.any_name(name), member);
    }
    writer.close();
}

pub(crate) fn scalar(out: &mut String, scalar: &Scalar) {
    match scalar {
        Scalar::Null => out.push_str("null"),
        Scalar::Bool(true) => out.push_str("true"),
        Scalar::Bool(false) => out.push_str("false"),
        Scalar::Number(number) => out.push_str(number.as_str()),
        Scalar::String(text) => string(out, text),
    }
}

fn array(out: &mut String, elements: &[Value], mut each: impl FnMut(&mut String, &Value)) {
    out.push('[');
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, element);
    }
    out.push(']');
}

/// Writes the members of one object, commas included.
pub(crate) struct Members<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn open(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Goes on with an object that has members already.
    pub(crate) const fn resume(out: &'a mut String) -> Self {
        Self { out, first: false }
    }

    /// Writes a name of ours; the value is the caller's next push to what this returns.
    pub(crate) fn name(&mut self, name: &'static str) -> &mut String {
        debug_assert_eq!(first_special(name.as_bytes()), None, "{name}");
        self.out.push_str(if self.first { "\"" } else { ",\"" });
        self.first = false;
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }

    /// The same of any name.
    pub(crate) fn any_name(&mut self, name: &str) -> &mut String {
        if !core::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
        string(self.out, name);
        self.out.push(':');
        self.out
    }

    /// Several members that are written already, or none.
    pub(crate) fn several(&mut self, members: &str) {
        if members.is_empty() {
            return;
        }
        if !core::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
        self.out.push_str(members);
    }

    pub(crate) fn number(&mut self, name: &'static str, number: u64) -> &mut Self {
        unsigned(self.name(name), number);
        self
    }

    pub(crate) fn text(&mut self, name: &'static str, text: &str) -> &mut Self {
        string(self.name(name), text);
        self
    }

    pub(crate) fn close(self) {
        self.out.push('}');
    }
}

pub(crate) fn string(out: &mut String, text: &str) {
    out.reserve(text.len() + 3);
    out.push('"');
    match first_special(text.as_bytes()) {
        None => out.push_str(text),
        Some(at) => escaped(out, text, at),
    }
    out.push('"');
}

/// `text` as it stands in a string, the first special byte of it being at `at`.
fn escaped(out: &mut String, text: &str, at: usize) {
    let mut rest = text;
    let mut at = Some(at);
    // Everything that needs an escape is one byte of ASCII, so cutting there is safe.
    while let Some(here) = at {
        let (plain, tail) = rest.split_at_checked(here).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut tail = tail.chars();
        if let Some(special) = tail.next() {
            escape(out, special);
        }
        rest = tail.as_str();
        at = first_special(rest.as_bytes());
    }
    out.push_str(rest);
}

/// Where the first byte is that cannot stand in a JSON string as it is, if there is one.
pub(crate) fn first_special(bytes: &[u8]) -> Option<usize> {
    let Some(last) = bytes.last_chunk::<8>() else {
        // Twice four, which may be the same in part.
        if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk(), bytes.last_chunk())
        {
            special_of([*a, *b, *c, *d, *e, *f, *g, *h])?;
        }
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        return bytes.iter().position(special);
    };
    // Eight bytes at once: most text has nothing special at all.
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        if let Some(found) = special_of(*eight) {
            return Some(at + found);
        }
        at += 8;
    }
    // The last eight, of which some were seen already.
    special_of(*last).map(|found| bytes.len() - 8 + found)
}

/// The first of eight bytes that is a quote, a backslash or below 0x20.
const fn special_of(eight: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let eight = u64::from_le_bytes(eight);
    // The high bit of a byte of `x - n` is set where the byte was below `n`, or high itself, or
    // the byte before it was below `n`: the lowest such bit is right.
    let quote = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let below =
        eight.wrapping_sub(ONES * 0x20) | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES);
    let found = below & !eight & HIGH;
    if found == 0 {
        return None;
    }
    Some((found.trailing_zeros() / 8) as usize)
}

fn escape(out: &mut String, special: char) {
    match special {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        other => {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(other));
        }
    }
}

/// Faster than `write!`, and metadata is mostly numbers.
pub(crate) fn unsigned(out: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let text = digits.get(digits.len() - used..).unwrap_or_default();
    out.push_str(core::str::from_utf8(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 1, 9, 10, 1_767_225_600, u64::MAX] {
            let mut text = String::new();
            unsigned(&mut text, number);
            assert_eq!(text.parse(), Ok(number));
        }
    }

    #[test]
    fn every_special_byte_is_found_wherever_it_is() {
        for length in 0..40 {
            for filler in [
                b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff,
            ] {
                assert_eq!(first_special(&vec![filler; length]), None, "{filler}");
                for at in 0..length {
                    for special in (0..=0x1f).chain([b'"', b'\\']) {
                        let mut bytes = vec![filler; length];
                        bytes[at] = special;
                        assert_eq!(first_special(&bytes), Some(at), "{filler} {special}");
                    }
                }
            }
        }
    }

    use alloc::vec;
}
