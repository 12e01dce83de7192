//! The form in which services send a message as a rule: no white space between members, no escape in a name or a token,
//! no null. Its members are told apart here, byte by byte; what is a value of any kind is read by serde_json, and so is
//! the whole message if it has another form. What is accepted here is what serde_json accepts, and means the same.

use super::{Sections, Version, decode::Envelope};
use crate::{field::Field, json::is_null, time::Timestamp};
use alloc::borrow::Cow;
use serde_json::value::RawValue;

/// Reads a message of this form into an empty envelope. `None`: it has another form, or is wrong, and the envelope is
/// filled in part.
pub(super) fn read<'a>(envelope: &mut Envelope<'a>, text: &'a str, sectioned: bool) -> Option<()> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.members(|name, values| {
        match name {
            b"state" if sectioned => envelope.sections = Some(sections(values)?),
            b"state" => envelope.state = Some(values.value()?),
            b"metadata" => envelope.metadata = Some(values.value()?),
            b"version" => envelope.version = Some(Version::new(values.number()?)),
            b"timestamp" => {
                envelope.timestamp = Some(Timestamp::from_seconds(values.number()?));
            }
            b"clientToken" => envelope.client_token = Some(Cow::Borrowed(values.string()?)),
            b"previous" => envelope.previous = Some(values.value()?),
            b"current" => envelope.current = Some(values.value()?),
            _ => return None,
        }
        Some(())
    })?;
    (cursor.at == text.len()).then_some(())
}

fn sections<'a>(cursor: &mut Cursor<'a>) -> Option<Field<Sections<'a>>> {
    let mut sections = Sections::default();
    cursor.members(|name, values| {
        let section = match name {
            b"desired" => &mut sections.desired,
            b"reported" => &mut sections.reported,
            b"delta" => &mut sections.delta,
            _ => return None,
        };
        let raw = values.value()?;
        *section = match is_null(raw) {
            true => Field::Null,
            false => Field::Value(raw),
        };
        Some(())
    })?;
    Some(Field::Value(sections))
}

/// A place in a text; each step goes behind what it read.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        byte
    }

    fn rest(&self) -> Option<&'a str> {
        self.text.get(self.at..)
    }

    /// An object; `member` is given each name and reads its value.
    #[inline]
    fn members(&mut self, mut member: impl FnMut(&'a [u8], &mut Self) -> Option<()>) -> Option<()> {
        let mut opening = b'{';
        loop {
            if self.next()? != opening {
                return None;
            }
            let name = self.name()?;
            member(name, self)?;
            opening = b',';
            if self.text.as_bytes().get(self.at) == Some(&b'}') {
                self.at += 1;
                return Some(());
            }
        }
    }

    /// What stands before the value of a member. Only names that are known are looked for, and none of them holds an
    /// escape.
    #[inline]
    fn name(&mut self) -> Option<&'a [u8]> {
        let rest = self.text.as_bytes().get(self.at..)?.strip_prefix(b"\"")?;
        let length = rest.iter().position(|byte| *byte == b'"')?;
        let (name, rest) = rest.split_at_checked(length)?;
        self.at += length + "\"\":".len();
        rest.starts_with(b"\":").then_some(name)
    }

    /// A string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        if self.next()? != b'"' {
            return None;
        }
        let rest = self.rest()?;
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let length = rest.as_bytes().iter().position(special)?;
        self.at += length;
        (self.next()? == b'"').then_some(rest.get(..length)?)
    }

    /// An unsigned integer of at most 19 digits, which fit.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let digits = self.text.as_bytes().get(self.at..)?;
        let mut number = 0_u64;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = digits.get(length) {
            number = number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
            length += 1;
        }
        self.at += length;
        let legal = match digits {
            [b'0', ..] => length == 1,
            _ => (1..=19).contains(&length),
        };
        legal.then_some(number)
    }

    /// Any value, which serde_json reads.
    fn value(&mut self) -> Option<&'a RawValue> {
        let mut values = serde_json::Deserializer::from_str(self.rest()?).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use crate::{TopicKind, wire};
    use alloc::format;

    const MEMBERS: [&str; 9] = [
        r#""state":{"desired":{"a":1},"reported":null,"delta":[]}"#,
        r#""metadata":{"reported":{"a":{"timestamp":7}}}"#,
        r#""version":18446744073709551615"#,
        r#""version":7"#,
        r#""timestamp":1767225600"#,
        r#""clientToken":"é-1.0""#,
        r#""previous":null"#,
        r#""current":{"state":{"desired":{}},"version":3}"#,
        r#""code":404"#,
    ];

    /// What is read with and without this form, by all topics.
    fn agrees(text: &str) {
        for kind in TopicKind::ALL {
            let spaced = format!(" {text}");
            let read = wire::decode(kind, text.as_bytes());
            let other = wire::decode(kind, spaced.as_bytes());
            let debug = format!("{:?}", read.as_ref().ok());
            assert_eq!(debug, format!("{:?}", other.as_ref().ok()), "{text}");
        }
    }

    #[test]
    fn it_means_what_serde_json_says() {
        for one in MEMBERS {
            for two in MEMBERS {
                for three in MEMBERS {
                    agrees(&format!("{{{one},{two},{three}}}"));
                }
            }
        }
    }

    #[test]
    fn a_byte_more_or_less_or_another_is_judged_as_serde_json_does() {
        let text =
            r#"{"state":{"reported":{"a":1}},"version":70,"timestamp":9,"clientToken":"a-1.0"}"#;
        let whole = r#"{"state":{"a":1},"metadata":{},"version":0,"clientToken":""}"#;
        for text in [text, whole] {
            for at in 0..text.len() {
                let (before, after) = text.split_at(at);
                agrees(&format!("{before}{}", after.get(1..).unwrap()));
                for other in "{}[]\":,\\ 0123456789.-e\n\0\u{7f}ntu".chars() {
                    agrees(&format!("{before}{other}{after}"));
                    agrees(&format!("{before}{other}{}", after.get(1..).unwrap()));
                }
            }
        }
    }

    #[test]
    fn numbers_end_where_they_may() {
        for number in [
            "0",
            "00",
            "01",
            "9",
            "9999999999999999999",
            "10000000000000000000",
            "18446744073709551616",
            "1.0",
            "1e3",
            "-1",
            "-0",
            "",
            "1 ",
            "1,",
            "0x1",
        ] {
            agrees(&format!(r#"{{"state":{{}},"version":{number}}}"#));
            agrees(&format!(
                r#"{{"state":{{}},"version":{number},"timestamp":{number}}}"#
            ));
        }
    }
}
