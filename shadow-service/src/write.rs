//! Trees to compact JSON text: a value, and the metadata that mirrors it.

use crate::value::{Object, Scalar, Value};
use alloc::string::String;
use core::fmt::{self, Write as _};
use shadow_proto::Timestamp;

/// The compact JSON text, members in the order of their names.
impl<S> fmt::Display for Value<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.size());
        value(&mut text, self);
        f.write_str(&text)
    }
}

impl<S> fmt::Display for Object<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.size());
        object(&mut text, self);
        f.write_str(&text)
    }
}

pub(crate) fn value<S>(out: &mut String, value: &Value<S>) {
    match value {
        Value::Leaf(Scalar::Null, _) => out.push_str("null"),
        Value::Leaf(Scalar::Bool(true), _) => out.push_str("true"),
        Value::Leaf(Scalar::Bool(false), _) => out.push_str("false"),
        Value::Leaf(Scalar::Number(number), _) => out.push_str(number.as_str()),
        Value::Leaf(Scalar::String(text), _) => string(out, text),
        Value::Array(elements) => array(out, elements, self::value),
        Value::Object(members) => object(out, members),
    }
}

pub(crate) fn object<S>(out: &mut String, members: &Object<S>) {
    let mut writer = Members::open(out);
    for (name, member) in members.iter() {
        value(writer.name(name), member);
    }
    writer.close();
}

/// The metadata of `value`: the same shape, with `{"timestamp": seconds}` for every leaf.
pub(crate) fn metadata(out: &mut String, value: &Value<Timestamp>) {
    Metadata::default().value(out, value);
}

pub(crate) fn object_metadata(out: &mut String, members: &Object<Timestamp>) {
    Metadata::default().object(out, members);
}

/// Writes metadata. Most leaves next to each other have one time, whose text is kept.
#[derive(Default)]
pub(crate) struct Metadata {
    leaf: String,
    stamp: Option<Timestamp>,
}

impl Metadata {
    pub(crate) fn value(&mut self, out: &mut String, value: &Value<Timestamp>) {
        match value {
            Value::Leaf(_, stamp) => self.leaf(out, *stamp),
            Value::Array(elements) => array(out, elements, |out, value| self.value(out, value)),
            Value::Object(members) => self.object(out, members),
        }
    }

    pub(crate) fn object(&mut self, out: &mut String, members: &Object<Timestamp>) {
        let mut writer = Members::open(out);
        for (name, member) in members.iter() {
            self.value(writer.name(name), member);
        }
        writer.close();
    }

    fn leaf(&mut self, out: &mut String, stamp: Timestamp) {
        if self.stamp != Some(stamp) {
            self.stamp = Some(stamp);
            self.leaf.clear();
            self.leaf.push_str(r#"{"timestamp":"#);
            unsigned(&mut self.leaf, stamp.seconds());
            self.leaf.push('}');
        }
        out.push_str(&self.leaf);
    }
}

fn array<S>(out: &mut String, elements: &[Value<S>], mut each: impl FnMut(&mut String, &Value<S>)) {
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

    /// Writes the name; the value is the caller's next push to what this returns.
    pub(crate) fn name(&mut self, name: &str) -> &mut String {
        if !core::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
        string(self.out, name);
        self.out.push(':');
        self.out
    }

    pub(crate) fn number(&mut self, name: &str, number: u64) -> &mut Self {
        unsigned(self.name(name), number);
        self
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        string(self.name(name), text);
        self
    }

    pub(crate) fn close(self) {
        self.out.push('}');
    }
}

pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    // Everything that needs an escape is one byte of ASCII, so cutting there is safe.
    while let Some(at) = first_special(rest.as_bytes()) {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut tail = tail.chars();
        if let Some(special) = tail.next() {
            escape(out, special);
        }
        rest = tail.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Where the first byte is that cannot stand in a JSON string as it is, if there is one.
pub(crate) fn first_special(bytes: &[u8]) -> Option<usize> {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let mut at = 0;
    // Eight bytes at once: most text has nothing special at all.
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        if any_special(u64::from_le_bytes(*eight)) {
            break;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(special).map(|found| at + found)
}

/// Whether one of eight bytes is a quote, a backslash or below 0x20.
const fn any_special(eight: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of a byte of `x - n` is set where the byte was below `n`, or high itself.
    let quote = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let below =
        eight.wrapping_sub(ONES * 0x20) | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES);
    below & !eight & HIGH != 0
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
    fn metadata_mirrors_the_value() {
        let stamp = Timestamp::from_seconds(7);
        let text = r#"{"a":[1,{"b":null},[],[true]],"timestamp":"x","z":{}}"#;
        let mut mirrored = String::new();
        metadata(&mut mirrored, &Value::parse(text, stamp).unwrap());
        assert_eq!(
            mirrored,
            r#"{"a":[{"timestamp":7},{"b":{"timestamp":7}},[],[{"timestamp":7}]],"#.to_owned()
                + r#""timestamp":{"timestamp":7},"z":{}}"#
        );
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

    use alloc::{borrow::ToOwned, vec};
}
