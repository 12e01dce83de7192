//! The times of leaves, as runs of equal ones.

use crate::{
    sheet::Sheet,
    value::Value,
    write::{self, Members},
};
use alloc::{string::String, vec::Vec};
use core::slice;
use shadow_proto::Timestamp;

/// A time, and how many leaves in a row have it.
pub(crate) type Run = (Timestamp, u64);

/// All leaves of what is written now.
pub(crate) const fn always(now: Timestamp) -> [Run; 1] {
    [(now, u64::MAX)]
}

/// Writes the metadata of one leaf after the other.
pub(crate) struct Stamps<'a> {
    runs: slice::Iter<'a, Run>,
    left: u64,
    /// Of the run at hand.
    leaf: String,
    /// There was a leaf too many.
    short: bool,
}

impl<'a> Stamps<'a> {
    /// `leaf` is room for the work.
    pub(crate) fn new(runs: &'a [Run], leaf: String) -> Self {
        Self {
            runs: runs.iter(),
            left: 0,
            leaf,
            short: false,
        }
    }

    /// Bytes of a leaf's metadata, unless the years grow by a digit.
    pub(crate) const LEAF: usize = LEAF.len() + 11;

    /// Whether there was a time for each leaf, and no more; and the room.
    pub(crate) fn end(mut self) -> (bool, String) {
        let even = self.left == 0 && self.runs.all(|(_, count)| *count == 0);
        (even && !self.short, self.leaf)
    }

    fn next(&mut self) -> &str {
        while self.left == 0 {
            let Some((time, count)) = self.runs.next() else {
                self.short = true;
                return "{}";
            };
            self.left = *count;
            self.leaf.clear();
            self.leaf.push_str(LEAF);
            write::unsigned(&mut self.leaf, time.seconds());
            self.leaf.push('}');
        }
        self.left -= 1;
        &self.leaf
    }

    /// The metadata of one leaf.
    pub(crate) fn leaf(&mut self, out: &mut String) {
        out.push_str(self.next());
    }

    /// That of an array of so many leaves.
    pub(crate) fn leaves(&mut self, out: &mut String, count: usize) {
        out.push('[');
        for at in 0..count {
            if at > 0 {
                out.push(',');
            }
            self.leaf(out);
        }
        out.push(']');
    }

    /// That of any value.
    pub(crate) fn value(&mut self, out: &mut String, value: &Value) {
        match value {
            Value::Leaf(..) => self.leaf(out),
            Value::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.value(out, element);
                }
                out.push(']');
            }
            Value::Object(object) => {
                let mut members = Members::open(out);
                for (name, member) in object.iter() {
                    self.value(members.any_name(name), member);
                }
                members.close();
            }
        }
    }
}

/// The times of all leaves, in the order in which they stand.
pub(crate) fn of(sheet: &Sheet) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut last = "";
    for member in &sheet.members {
        let metadata = sheet.value_metadata(member);
        match (sheet.kind(member), runs.last_mut()) {
            // Its members follow.
            (b'{', _) => {}
            (b'[', _) => {
                last = "";
                times(metadata, &mut runs);
            }
            (_, Some((_, count))) if metadata == last => *count += 1,
            (_, _) => {
                last = metadata;
                times(metadata, &mut runs);
            }
        }
    }
    runs
}

/// The times in a value's metadata.
pub(crate) fn in_metadata(metadata: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    times(metadata, &mut runs);
    runs
}

fn times(metadata: &str, runs: &mut Vec<Run>) {
    // A name cannot look like this: its quotes are escaped. A member that has such a name is
    // followed by a brace.
    for leaf in metadata.split(LEAF).skip(1) {
        let digits = leaf.split_once('}').map_or(leaf, |(digits, _)| digits);
        let Ok(seconds) = digits.parse() else {
            continue;
        };
        let time = Timestamp::from_seconds(seconds);
        match runs.last_mut() {
            Some((last, count)) if *last == time => *count += 1,
            Some(_) | None => runs.push((time, 1)),
        }
    }
}

/// How the metadata of a leaf begins.
const LEAF: &str = r#"{"timestamp":"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{document::Document, said::tests::sheet, settings::Behaviour};

    const fn run(seconds: u64, count: u64) -> Run {
        (Timestamp::from_seconds(seconds), count)
    }

    #[test]
    fn times_are_found_wherever_they_are() {
        let state = r#"{"\"{\"timestamp\":5}":[1,[],[{"timestamp":{"timestamp":1}}]],"b":{},"{":2,"timestamp":{"timestamp":3}}"#;
        let times = [run(7, 1), run(8, 2), run(u64::MAX, 1)];
        let document = Document::read(state, &times, 1).unwrap();
        document.sheet().check();
        assert_eq!(of(document.sheet()), times);
        let (sheet, _) = sheet(state, 9, &Behaviour::default());
        assert_eq!(of(&sheet), [run(9, 4)]);
    }

    #[test]
    fn one_time_for_each_leaf() {
        let state = r#"{"a":[1,{"b":2}],"c":3}"#;
        for (times, fits) in [
            (&[run(1, 3)][..], true),
            (&[run(1, 1), run(2, 0), run(3, 2), run(4, 0)], true),
            (&[run(1, 2)], false),
            (&[run(1, 4)], false),
            (&[run(1, 3), run(2, 1)], false),
            (&[], false),
        ] {
            assert_eq!(Document::read(state, times, 1).is_ok(), fits, "{times:?}");
        }
    }
}
