//! Records as text, for stores that outlive the process.
//!
//! One JSON object: `{"version":4,"desired":{…},"reported":{…},"times":[[1767225600,2],…]}`, or
//! `{"counter":5,"deleted":1767225600}`. `times` are the stamps of all leaves in the order in
//! which they stand (desired first), each with how many in a row have it: far shorter than the
//! metadata, and the members of an object have one order only.

use crate::{
    document::{Document, Record, Tombstone},
    parse::Reader,
    said::{Found, Head, Root, Said},
    settings::Behaviour,
    stamps::{self, Run},
    value::Value,
    write::{self, Members},
};
use alloc::{string::String, vec::Vec};
use core::fmt;
use shadow_proto::Timestamp;

impl Record {
    /// The record as text that [`decode`](Self::decode) reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let (times, length) = match self {
            Self::Document(document) => {
                let times = stamps::of(document.sheet());
                let length = document.sheet().state.len() + times.len() * 2 * DIGITS;
                (times, length)
            }
            Self::Tombstone(_) => (Vec::new(), 0),
        };
        let mut out = String::with_capacity(AROUND + length);
        let mut members = Members::open(&mut out);
        match self {
            Self::Document(document) => {
                members.number("version", document.version());
                let state = document.sheet().state.strip_prefix('{');
                let sections = state.and_then(|state| state.strip_suffix('}'));
                members.several(sections.unwrap_or_default());
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
        let mut said = Said::default();
        read(&mut said, text)
            .and_then(|head| record(said, text, head))
            .ok_or(DecodeError)
    }
}

impl Document {
    /// The document of a `state`, the text of [`Sheet`](crate::sheet::Sheet), and the times of its
    /// leaves.
    pub(crate) fn read(state: &str, times: &[Run], version: u64) -> Result<Self, DecodeError> {
        let mut said = Said::default();
        read(&mut said, state)
            .and_then(|head| document(&mut said, state, head, times, version))
            .ok_or(DecodeError)
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

fn read(said: &mut Said, text: &str) -> Option<Head> {
    let mut reader = Reader::new(text);
    reader.refuse_duplicates = true;
    let root = said.read(&mut reader).ok()?;
    reader.end().ok()?;
    match root {
        Root::Object(head) if !reader.too_deep => Some(head),
        Root::Object(_) | Root::Null | Root::Other => None,
    }
}

fn document(
    said: &mut Said,
    text: &str,
    head: Head,
    times: &[Run],
    version: u64,
) -> Option<Document> {
    let (sheet, facts) = said.write(text, head, times, &Behaviour::default());
    // One time too many means that the document lost a leaf.
    facts.times_fit.then(|| Document::new(sheet, version))
}

fn record(mut said: Said, text: &str, head: Head) -> Option<Record> {
    let (mut version, mut counter, mut deleted) = (None, None, None);
    let mut times = None;
    let (mut sections, mut members) = (0_usize, 0_usize);
    for (name, found) in said.members(text, head) {
        members += 1;
        let number = || match found {
            // `parse` takes a leading `+`, which JSON does not have.
            Found::Scalar(text) => text.parse::<u64>().ok(),
            Found::Null | Found::Array(_) | Found::Object => None,
        };
        match (name, found) {
            (r#""version""#, _) => version = Some(number()?),
            (r#""counter""#, _) => counter = Some(number()?),
            (r#""deleted""#, _) => deleted = Some(number()?),
            (r#""desired""# | r#""reported""#, Found::Object) => sections += 1,
            (r#""times""#, Found::Array(runs)) => times = Some(read_times(runs)?),
            (_, _) => return None,
        }
    }
    match (version, times, counter, deleted) {
        (Some(version), Some(times), None, None) if members == sections + 2 => {
            let section = |name: &str| matches!(name, r#""desired""# | r#""reported""#);
            let head = said.retain(text, head, section);
            let document = document(&mut said, text, head, &times, version)?;
            Some(Record::Document(document))
        }
        (None, None, Some(counter), Some(deleted)) if members == 2 => {
            let deleted = Timestamp::from_seconds(deleted);
            Some(Record::Tombstone(Tombstone { counter, deleted }))
        }
        _ => None,
    }
}

/// `[[time, count], …]`; nothing where there is not even one.
fn read_times(runs: Option<&Value>) -> Option<Vec<Run>> {
    let run = |run: &Value| match run.as_array()? {
        [time, count] => Some((Timestamp::from_seconds(time.as_u64()?), count.as_u64()?)),
        _ => None,
    };
    let runs = runs.map_or(Some(&[][..]), Value::as_array)?;
    runs.iter().map(run).collect()
}

fn write_times(out: &mut String, times: &[Run]) {
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
