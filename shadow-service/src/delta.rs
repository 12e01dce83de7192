//! What desired has and reported lacks.

use crate::{
    document::Section,
    sheet::{Member, Sheet, Siblings},
    value::{Number, NumberEquality, Value},
};
use alloc::{string::String, vec::Vec};

/// The difference between two sections, never empty: a view of desired, so that its metadata
/// is desired's.
#[derive(Clone, Debug)]
pub struct Delta<'a> {
    sheet: &'a Sheet,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Reported lacks this member of desired, or holds something else.
    Whole(usize),
    /// Both hold an object, and something in it differs: what follows.
    Open(usize),
    Close,
}

impl<'a> Delta<'a> {
    /// Compares desired with reported: linear in both.
    pub(crate) fn of(sheet: &'a Sheet, numbers: NumberEquality) -> Option<Self> {
        let inside = |section: Section| Some(sheet.inside(sheet.section(section.as_str())?));
        let desired = inside(Section::Desired)?;
        let reported = inside(Section::Reported).unwrap_or(Siblings::NONE);
        let mut delta = Self {
            sheet,
            parts: Vec::new(),
        };
        delta.compare(desired, reported, numbers);
        (!delta.parts.is_empty()).then_some(delta)
    }

    fn compare(&mut self, mut desired: Siblings, mut reported: Siblings, numbers: NumberEquality) {
        let sheet = self.sheet;
        while let Some(wanted) = desired.peek(sheet) {
            // Both are sorted by name, so one pass finds every partner.
            let is = reported.find(sheet, sheet.bare_name(wanted));
            match is.map(|at| (at, sheet.member(at))) {
                Some((at, is)) if sheet.is_object(wanted) && sheet.is_object(&is) => {
                    let before = self.parts.len();
                    self.parts.push(Part::Open(desired.at));
                    self.compare(sheet.inside(desired.at), sheet.inside(at), numbers);
                    if self.parts.len() == before + 1 {
                        self.parts.truncate(before);
                    } else {
                        self.parts.push(Part::Close);
                    }
                }
                Some((_, is)) if same(sheet.value(wanted), sheet.value(&is), numbers) => {}
                Some(_) | None => self.parts.push(Part::Whole(desired.at)),
            }
            desired.skip(wanted);
        }
    }

    /// Whether two deltas ask for the same.
    pub(crate) fn same(&self, other: &Delta<'_>, numbers: NumberEquality) -> bool {
        let both = |a: usize, b: usize, same: &dyn Fn(&Member, &Member) -> bool| {
            let (a, b) = (self.sheet.member(a), other.sheet.member(b));
            self.sheet.name(&a) == other.sheet.name(&b) && same(&a, &b)
        };
        let value =
            |a: &Member, b: &Member| same(self.sheet.value(a), other.sheet.value(b), numbers);
        let part = |(a, b): (&Part, &Part)| match (*a, *b) {
            (Part::Whole(a), Part::Whole(b)) => both(a, b, &value),
            (Part::Open(a), Part::Open(b)) => both(a, b, &|_, _| true),
            (Part::Close, Part::Close) => true,
            (Part::Whole(_) | Part::Open(_) | Part::Close, _) => false,
        };
        self.parts.len() == other.parts.len() && self.parts.iter().zip(&other.parts).all(part)
    }

    /// The delta as JSON text, not wrapped in `desired`.
    pub(crate) fn write_state(&self, out: &mut String) {
        self.write(out, Sheet::value);
    }

    /// The metadata of the delta: desired's times, however old.
    pub(crate) fn write_metadata(&self, out: &mut String) {
        self.write(out, Sheet::value_metadata);
    }

    fn write(&self, out: &mut String, value: for<'s> fn(&'s Sheet, &Member) -> &'s str) {
        let mut first = true;
        out.push('{');
        for part in &self.parts {
            match *part {
                Part::Whole(at) | Part::Open(at) => {
                    if !core::mem::replace(&mut first, false) {
                        out.push(',');
                    }
                    let member = self.sheet.member(at);
                    out.push_str(self.sheet.name(&member));
                    if matches!(part, Part::Open(_)) {
                        out.push('{');
                        first = true;
                    } else {
                        out.push_str(value(self.sheet, &member));
                    }
                }
                Part::Close => out.push('}'),
            }
        }
        out.push('}');
    }
}

/// Whether two values are equal as JSON, numbers as `numbers` says.
fn same(a: &str, b: &str, numbers: NumberEquality) -> bool {
    if a == b || numbers == NumberEquality::ByText {
        // Both are compact and sorted.
        return a == b;
    }
    let kind = |text: &str| match text.as_bytes().first() {
        Some(b'{' | b'[') => Some(Kind::Container),
        Some(b'-' | b'0'..=b'9') => Some(Kind::Number),
        Some(_) | None => None,
    };
    match (kind(a), kind(b)) {
        (Some(Kind::Number), Some(Kind::Number)) => Number::same_text(a, b),
        (Some(Kind::Container), Some(Kind::Container)) => {
            match (Value::parse(a), Value::parse(b)) {
                (Ok(a), Ok(b)) => a.same(&b, numbers),
                (Ok(_) | Err(_), _) => false,
            }
        }
        (Some(_) | None, _) => false,
    }
}

enum Kind {
    Number,
    Container,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{said::tests::sheet, settings::Behaviour};
    use alloc::format;

    fn delta(desired: &str, reported: &str) -> Option<String> {
        let state = format!(r#"{{"desired":{desired},"reported":{reported}}}"#);
        let (sheet, _) = sheet(&state, 5, &Behaviour::default());
        let delta = Delta::of(&sheet, NumberEquality::ByValue)?;
        let (mut text, mut metadata) = (String::new(), String::new());
        delta.write_state(&mut text);
        delta.write_metadata(&mut metadata);
        let leaf = |text: &str| sheet_of(text).metadata;
        assert_eq!(metadata, leaf(&text));
        assert!(delta.same(&delta, NumberEquality::ByText));
        Some(text)
    }

    fn sheet_of(text: &str) -> Sheet {
        sheet(text, 5, &Behaviour::default()).0
    }

    #[test]
    fn differences() {
        for (desired, reported, expected) in [
            ("{}", r#"{"a":1}"#, None),
            (r#"{"a":1}"#, r#"{"a":1.0,"b":2}"#, None),
            (r#"{"a":1}"#, "{}", Some(r#"{"a":1}"#)),
            (r#"{"a":1}"#, r#"{"a":true}"#, Some(r#"{"a":1}"#)),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, Some(r#"{"a":1}"#)),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, Some(r#"{"a":[1,2]}"#)),
            (r#"{"a":[1,{"b":2}]}"#, r#"{"a":[1.0,{"b":2e0}]}"#, None),
            (r#"{"a":{}}"#, r#"{"a":{"b":1}}"#, None),
            (r#"{"a":{}}"#, "{}", Some(r#"{"a":{}}"#)),
            (r#"{"a":{}}"#, r#"{"a":[]}"#, Some(r#"{"a":{}}"#)),
            (
                r#"{"a":{"b":1,"c":{"d":2}},"e":3}"#,
                r#"{"a":{"b":1,"c":{"d":3}},"e":3}"#,
                Some(r#"{"a":{"c":{"d":2}}}"#),
            ),
            (
                r#"{"a":0,"m":1,"z":2}"#,
                r#"{"b":0,"m":1,"y":2}"#,
                Some(r#"{"a":0,"z":2}"#),
            ),
            (
                r#"{"a":{"b":{"c":1},"d":{"e":2}},"f":3,"g":[{"h":1}]}"#,
                r#"{"a":{"b":{"c":1},"d":{}},"g":[{"h":1.0}]}"#,
                Some(r#"{"a":{"d":{"e":2}},"f":3}"#),
            ),
        ] {
            assert_eq!(
                delta(desired, reported).as_deref(),
                expected,
                "{desired} {reported}"
            );
        }
    }
}
