//! Records as text, for stores that outlive the process.
//!
//! One JSON object: `{"version":4,"desired":{…},"reported":{…},"times":[[1767225600,2],…]}`, or
//! `{"counter":5,"deleted":1767225600}`. `times` are the stamps of all leaves in the order in
//! which they stand (desired first), each with how many in a row have it: far shorter than the
//! metadata, and the members of an object have one order only.

use crate::{
    document::{Document, Record, Section, Tombstone},
    parse::Reader,
    value::{Object, Value},
    write::{self, Members},
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;
use shadow_proto::Timestamp;

impl Record {
    /// The record as text that [`decode`](Self::decode) reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut times = Vec::new();
        let length = match self {
            Self::Document(document) => {
                for section in Section::ALL {
                    object_times(document.raw(section), &mut times);
                }
                document.size() + DIGITS + times.len() * 2 * DIGITS
            }
            Self::Tombstone(_) => 2 * DIGITS,
        };
        // As long as it will be, and a little more: a text that grows leaves a hole in memory where
        // it was, too small for the next record, for each of 100,000 records.
        let mut out = String::with_capacity(AROUND + length);
        let mut members = Members::open(&mut out);
        match self {
            Self::Document(document) => {
                members.number("version", document.version());
                document.write_sections(&mut members);
                write_times(members.name("times"), &times);
            }
            Self::Tombstone(tombstone) => {
                members.number("counter", tombstone.counter);
                members.number("deleted", tombstone.deleted.seconds());
            }
        }
        members.close();
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`DecodeError`] if the text is anything else.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let mut stored = Stored::default();
        let mut reader = Reader::new(text);
        let is_object = reader.object(|reader, name| {
            let value = reader.value(Timestamp::from_seconds(0))?;
            stored.take(&name, value);
            Ok(())
        });
        let whole = is_object.is_ok_and(|is| is) && reader.end().is_ok() && !reader.too_deep;
        if !whole {
            return Err(DecodeError);
        }
        stored.record().ok_or(DecodeError)
    }
}

/// Bytes of a record besides its sections and times, and of a number at most, or nearly so.
const AROUND: usize = 64;
const DIGITS: usize = 12;

/// A stored text is not a record: it was not written by this crate, or was damaged since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "there is nothing more to say about a damaged record"
)]
pub struct DecodeError;

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored record is damaged")
    }
}

impl core::error::Error for DecodeError {}

/// The members of the text, as far as they are there.
#[derive(Default)]
struct Stored {
    version: Option<u64>,
    desired: Object<Timestamp>,
    reported: Object<Timestamp>,
    times: Vec<(u64, u64)>,
    counter: Option<u64>,
    deleted: Option<u64>,
    /// A member is unknown, or not what it should be.
    wrong: bool,
}

impl Stored {
    fn take(&mut self, name: &str, value: Value<Timestamp>) {
        let number = value.as_u64();
        match (name, value) {
            ("version", _) => self.version = number,
            ("counter", _) => self.counter = number,
            ("deleted", _) => self.deleted = number,
            ("desired", Value::Object(object)) => self.desired = object,
            ("reported", Value::Object(object)) => self.reported = object,
            ("times", Value::Array(runs)) => {
                let pair = |run: &Value<Timestamp>| match run.as_array()? {
                    [time, count] => Some((time.as_u64()?, count.as_u64()?)),
                    _ => None,
                };
                match runs.iter().map(pair).collect() {
                    Some(times) => self.times = times,
                    None => self.wrong = true,
                }
            }
            _ => self.wrong = true,
        }
    }

    fn record(self) -> Option<Record> {
        if self.wrong {
            return None;
        }
        if let (None, Some(counter), Some(deleted)) = (self.version, self.counter, self.deleted) {
            let deleted = Timestamp::from_seconds(deleted);
            return Some(Record::Tombstone(Tombstone { counter, deleted }));
        }
        let mut times = self.times.into_iter().flat_map(|(time, count)| {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            core::iter::repeat_n(Timestamp::from_seconds(time), count)
        });
        let desired = stamped_object(self.desired, &mut times)?;
        let reported = stamped_object(self.reported, &mut times)?;
        // One time too many means that the document lost a leaf.
        if times.next().is_some() {
            return None;
        }
        let document = Document::new(desired, reported, self.version?);
        Some(Record::Document(document))
    }
}

fn object_times(object: &Object<Timestamp>, times: &mut Vec<(Timestamp, u64)>) {
    for (_, value) in object.iter() {
        value_times(value, times);
    }
}

fn value_times(value: &Value<Timestamp>, times: &mut Vec<(Timestamp, u64)>) {
    match value {
        Value::Leaf(_, time) => match times.last_mut() {
            Some((last, count)) if last == time => *count += 1,
            Some(_) | None => times.push((*time, 1)),
        },
        Value::Array(elements) => {
            for element in elements {
                value_times(element, times);
            }
        }
        Value::Object(object) => object_times(object, times),
    }
}

fn write_times(out: &mut String, times: &[(Timestamp, u64)]) {
    out.push('[');
    for (at, (time, count)) in times.iter().enumerate() {
        out.push_str(if at == 0 { "[" } else { ",[" });
        write::unsigned(out, time.seconds());
        out.push(',');
        write::unsigned(out, *count);
        out.push(']');
    }
    out.push(']');
}

/// Gives each leaf its time; `None` if there are too few.
fn stamped_object(
    object: Object<Timestamp>,
    times: &mut impl Iterator<Item = Timestamp>,
) -> Option<Object<Timestamp>> {
    let members = object.into_members().into_iter();
    let members = members.map(|(name, value)| Some((name, stamped(value, times)?)));
    let members: Option<Vec<(Box<str>, Value<Timestamp>)>> = members.collect();
    Some(Object::from_sorted(members?))
}

fn stamped(
    value: Value<Timestamp>,
    times: &mut impl Iterator<Item = Timestamp>,
) -> Option<Value<Timestamp>> {
    Some(match value {
        Value::Leaf(scalar, _) => Value::Leaf(scalar, times.next()?),
        Value::Array(elements) => {
            let mut stamped_elements = Vec::with_capacity(elements.len());
            for element in elements {
                stamped_elements.push(stamped(element, times)?);
            }
            Value::Array(stamped_elements)
        }
        Value::Object(object) => Value::Object(stamped_object(object, times)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{service::Service, settings::Settings, time::UnixTime};
    use shadow_proto::ShadowId;

    #[test]
    fn records_are_read_back() {
        let shadow = ShadowId::classic("t").unwrap();
        let mut service = Service::new(Settings::default());
        for (number, payload) in (7..).zip([
            r#"{"state":{}}"#,
            r#"{"state":{"reported":{"a":[1.0,{"x":null},[]],"b":{},"c":"é\n\u0000","times":1}}}"#,
            r#"{"state":{"desired":{"a":1e999,"deep":{"er":{"timestamp":true}}}}}"#,
            r#"{"state":{"desired":{"b":2,"deep":{"er":{"more":3}}},"reported":{"b":{"x":1}}}}"#,
            r#"{"state":{"desired":null}}"#,
        ]) {
            let now = UnixTime::from_seconds(number);
            service.update(&shadow, payload.as_bytes(), now).unwrap();
            let document = service.document(&shadow, now).unwrap().unwrap();
            let record = Record::Document(document.into_owned());
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
        let tombstone = Record::Tombstone(Tombstone {
            counter: u64::MAX,
            deleted: Timestamp::from_seconds(5),
        });
        assert_eq!(
            tombstone.encode(),
            r#"{"counter":18446744073709551615,"deleted":5}"#
        );
        assert_eq!(Record::decode(&tombstone.encode()), Ok(tombstone));
    }

    #[test]
    fn what_was_damaged_is_noticed() {
        let whole = r#"{"version":1,"desired":{"a":1,"b":[2]},"times":[[7,2]]}"#;
        assert!(Record::decode(whole).is_ok());
        for end in 0..whole.len() {
            assert!(Record::decode(whole.get(..end).unwrap()).is_err(), "{end}");
        }
        for (from, to) in [
            ("[[7,2]]", "[[7,1]]"),
            ("[[7,2]]", "[[7,3]]"),
            ("[[7,2]]", "[[7,18446744073709551615]]"),
            ("[[7,2]]", "[7,2]"),
            ("\"version\":1", "\"version\":-1"),
            ("\"version\"", "\"Version\""),
            ("{\"a\":1,\"b\":[2]}", "3"),
        ] {
            assert!(
                Record::decode(&whole.replace(from, to)).is_err(),
                "{from} {to}"
            );
        }
    }
}
