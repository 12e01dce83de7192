//! The service's own JSON value: numbers kept as text, members sorted, leaves stamped.
//!
//! A general JSON tree would lose what the service must give back unchanged (`1.0` is not `1`
//! on the wire, though equal in a delta), and a second tree for the metadata could disagree
//! with the first. Here each leaf carries its stamp, so a section and its metadata are two
//! views of one tree: what mirrors what is true by construction.

use alloc::{boxed::Box, vec::Vec};

/// Deepest nesting that is ever held as a tree, in containers. What is deeper is only checked
/// for syntax, without recursion, so that no input can exhaust the stack.
pub const MAX_NESTING: usize = 64;

/// A JSON value whose leaves carry a stamp `S`: a [`Timestamp`](shadow_proto::Timestamp) in
/// a stored document, nothing in plain JSON.
///
/// Equality with `==` is exact (numbers by their text, stamps included); [`same`](Self::same)
/// is the equality that a delta uses.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "JSON has no more kinds of value, and every match should see all"
)]
pub enum Value<S = ()> {
    /// Null, boolean, number or string.
    Leaf(Scalar, S),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object<S>),
}

impl<S> Value<S> {
    /// The object, if this is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object<S>> {
        match self {
            Self::Object(object) => Some(object),
            Self::Array(_) | Self::Leaf(..) => None,
        }
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            Self::Object(_) | Self::Leaf(..) => None,
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Leaf(Scalar::String(text), _) => Some(text),
            Self::Leaf(..) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The number, if this is one that fits: no sign, no point, no exponent.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Leaf(Scalar::Number(number), _) => number.as_u64(),
            Self::Leaf(..) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Leaf(Scalar::Null, _))
    }

    /// Whether two values are equal as JSON, stamps ignored: type and value, arrays in order,
    /// objects in any order, strings by code points, numbers as `numbers` says.
    #[must_use]
    pub fn same<T>(&self, other: &Value<T>, numbers: NumberEquality) -> bool {
        match (self, other) {
            (Self::Leaf(a, _), Value::Leaf(b, _)) => a.same(b, numbers),
            (Self::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b, numbers))
            }
            (Self::Object(a), Value::Object(b)) => {
                let same = |((k, a), (l, b)): ((&str, &Self), (&str, &Value<T>))| {
                    k == l && a.same(b, numbers)
                };
                a.len() == b.len() && a.iter().zip(b.iter()).all(same)
            }
            (Self::Leaf(..) | Self::Array(_) | Self::Object(_), _) => false,
        }
    }

    /// The number of levels: 0 for a scalar or an empty container, otherwise one more than its
    /// deepest member. Arrays add a level only if `arrays` says so.
    #[must_use]
    pub fn depth(&self, arrays: bool) -> usize {
        match self {
            Self::Leaf(..) => 0,
            Self::Object(object) => object.depth(arrays),
            Self::Array(elements) => match elements.iter().map(|e| e.depth(arrays)).max() {
                None => 0,
                Some(deepest) => deepest + usize::from(arrays),
            },
        }
    }

    /// Size in bytes of the compact JSON text.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Leaf(scalar, _) => scalar.size(),
            Self::Array(elements) => {
                let commas = elements.len().saturating_sub(1);
                2 + commas + elements.iter().map(Self::size).sum::<usize>()
            }
            Self::Object(object) => object.size(),
        }
    }
}

/// A JSON value without parts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "JSON has no more kinds of scalar, and every match should see all"
)]
pub enum Scalar {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(Number),
    /// A string, unescaped.
    String(Box<str>),
}

impl Scalar {
    fn same(&self, other: &Self, numbers: NumberEquality) -> bool {
        match (self, other, numbers) {
            (Self::Number(a), Self::Number(b), NumberEquality::ByValue) => a.same(b),
            (a, b, _) => a == b,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(true) => 4,
            Self::Bool(false) => 5,
            Self::Number(number) => number.as_str().len(),
            Self::String(text) => string_size(text),
        }
    }
}

/// Which numbers are equal when desired and reported are compared.
///
/// AWS does not say; Greengrass compares numerically.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum NumberEquality {
    /// `1`, `1.0` and `10e-1` are equal. The default.
    #[default]
    ByValue,
    /// Only numbers of the same spelling are equal.
    ByText,
}

/// A JSON number, kept as its text: nothing is rounded and nothing is too large.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number(Box<str>);

impl Number {
    /// The caller has checked the grammar.
    pub(crate) fn from_checked(text: &str) -> Self {
        debug_assert!(text.bytes().any(|b| b.is_ascii_digit()), "{text}");
        Self(text.into())
    }

    /// The number as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is written with digits alone and fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        // `parse` takes a leading `+`, which JSON does not have.
        self.0.parse().ok()
    }

    /// Whether both are the same number: `1`, `1.0`, `10e-1` are, and so are `0` and `-0`.
    ///
    /// The cost is linear in the texts, whatever the exponents. Exponents of more than 18
    /// digits are not computed with: such numbers are equal only if, zeros apart, digits,
    /// position of the point and exponent are.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0 == other.0 || Normal::of(&self.0) == Normal::of(&other.0)
    }
}

/// A number as sign, significant digits and the power of ten of the first: equal numbers have
/// equal ones.
struct Normal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    /// Zeros before the first significant digit, and how many digits are significant.
    skipped: usize,
    significant: usize,
    exponent: Exponent<'a>,
}

#[derive(PartialEq, Eq)]
enum Exponent<'a> {
    /// Of zero.
    None,
    Small(i128),
    Huge {
        negative: bool,
        digits: &'a str,
        point: i128,
    },
}

impl<'a> Normal<'a> {
    fn of(text: &'a str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, ""));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        let skipped = digits().take_while(|digit| *digit == b'0').count();
        let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
        let significant = (whole.len() + fraction.len()).saturating_sub(skipped + trailing);
        if significant == 0 {
            return Self {
                negative: false,
                whole: "",
                fraction: "",
                skipped: 0,
                significant,
                exponent: Exponent::None,
            };
        }
        let point = whole.len() as i128 - skipped as i128;
        Self {
            negative,
            whole,
            fraction,
            skipped,
            significant,
            exponent: Exponent::of(exponent, point),
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let digits = self.whole.bytes().chain(self.fraction.bytes());
        digits.skip(self.skipped).take(self.significant)
    }
}

impl PartialEq for Normal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative
            && self.significant == other.significant
            && self.exponent == other.exponent
            && self.digits().eq(other.digits())
    }
}

impl<'a> Exponent<'a> {
    fn of(text: &'a str, point: i128) -> Self {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Self::Small(point);
        }
        match digits.parse::<i64>() {
            Ok(power) if digits.len() <= 18 => {
                let power = i128::from(power);
                Self::Small(point + if negative { -power } else { power })
            }
            Ok(_) | Err(_) => Self::Huge {
                negative,
                digits,
                point,
            },
        }
    }
}

/// The members of a JSON object, in the order of their names (by bytes), each name once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object<S = ()> {
    members: Vec<(Box<str>, Value<S>)>,
}

impl<S> Object<S> {
    /// An object without members.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            members: Vec::new(),
        }
    }

    /// Sorts `members`; of those with one name the last stays.
    #[must_use]
    pub fn from_members(mut members: Vec<(Box<str>, Value<S>)>) -> Self {
        if !members.is_sorted_by(|(a, _), (b, _)| a < b) {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.dedup_by(|later, earlier| {
                let twice = later.0 == earlier.0;
                if twice {
                    core::mem::swap(later, earlier);
                }
                twice
            });
        }
        Self { members }
    }

    /// The members must be sorted and without duplicates already.
    pub(crate) fn from_sorted(members: Vec<(Box<str>, Value<S>)>) -> Self {
        debug_assert!(members.is_sorted_by(|(a, _), (b, _)| a < b));
        Self { members }
    }

    /// The value of the member called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<S>> {
        let found = self.members.binary_search_by(|(key, _)| (**key).cmp(name));
        self.members.get(found.ok()?).map(|(_, value)| value)
    }

    /// Sets the member called `name`, and returns the value it had.
    pub fn insert(&mut self, name: &str, value: Value<S>) -> Option<Value<S>> {
        match self.members.binary_search_by(|(key, _)| (**key).cmp(name)) {
            Ok(at) => {
                let (_, old) = self.members.get_mut(at)?;
                Some(core::mem::replace(old, value))
            }
            Err(at) => {
                self.members.insert(at, (name.into(), value));
                None
            }
        }
    }

    /// The members in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value<S>)> {
        self.members.iter().map(|(name, value)| (&**name, value))
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// As [`Value::depth`].
    #[must_use]
    pub fn depth(&self, arrays: bool) -> usize {
        let members = self.members.iter();
        members
            .map(|(_, value)| 1 + value.depth(arrays))
            .max()
            .unwrap_or(0)
    }

    /// As [`Value::size`].
    #[must_use]
    pub fn size(&self) -> usize {
        let commas = self.members.len().saturating_sub(1);
        let member = |(name, value): &(Box<str>, Value<S>)| string_size(name) + 1 + value.size();
        2 + commas + self.members.iter().map(member).sum::<usize>()
    }

    pub(crate) fn into_members(self) -> Vec<(Box<str>, Value<S>)> {
        self.members
    }

    pub(crate) fn members(&self) -> &[(Box<str>, Value<S>)] {
        &self.members
    }
}

impl<S> Default for Object<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// Size in bytes of `text` as a JSON string, quotes included.
fn string_size(text: &str) -> usize {
    2 + text.bytes().map(escaped_size).sum::<usize>()
}

/// Bytes that `byte` takes inside a JSON string: must agree with the writer.
const fn escaped_size(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..=0x1f => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};

    fn number(text: &str) -> Number {
        Number::from_checked(text)
    }

    #[test]
    fn equal_numbers_of_any_spelling() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("100", "1e2"),
            ("100", "1E+0002"),
            ("0.001", "1e-3"),
            ("-0", "0"),
            ("0e99999999999999999999", "0.000"),
            ("12.50", "0.125e2"),
            ("1e999999999", "10e999999998"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890.0",
            ),
            ("1e99999999999999999999999", "1.0E+99999999999999999999999"),
        ] {
            assert!(number(a).same(&number(b)), "{a} {b}");
            assert!(number(b).same(&number(a)), "{a} {b}");
        }
    }

    #[test]
    fn unequal_numbers() {
        for (a, b) in [
            ("1", "-1"),
            ("1", "10"),
            ("1", "0.1"),
            ("1e999999999", "1e999999998"),
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.10000000000000000001"),
            ("1e99999999999999999999999", "1e-99999999999999999999999"),
            ("12", "102"),
        ] {
            assert!(!number(a).same(&number(b)), "{a} {b}");
        }
    }

    #[test]
    fn size_is_that_of_the_compact_text() {
        for text in [
            "null",
            "[]",
            "{}",
            r#"{"a":[1.50,true,false,null,-1E5],"b":{"":"x"}}"#,
            r#"["\"\\\b\f\n\r\t\u0000\u001f/é🔧"]"#,
        ] {
            let value: Value = Value::parse(text, ()).unwrap();
            assert_eq!(value.to_string(), text);
            assert_eq!(value.size(), text.len(), "{text}");
        }
    }

    #[test]
    fn the_last_of_duplicate_members_wins() {
        let value = Value::parse(r#"{"b":1,"a":1,"b":2,"a":{"x":1},"b":3}"#, ()).unwrap();
        assert_eq!(value.to_string(), r#"{"a":{"x":1},"b":3}"#);
    }

    #[test]
    fn depth_counts_levels_with_content() {
        let depth = |text: &str, arrays| Value::parse(text, ()).unwrap().depth(arrays);
        assert_eq!(depth("1", true), 0);
        assert_eq!(depth("{}", true), 0);
        assert_eq!(depth(r#"{"a":1}"#, true), 1);
        assert_eq!(depth(r#"{"a":{"b":1}}"#, true), 2);
        assert_eq!(depth(r#"{"a":{}}"#, true), 1);
        assert_eq!(depth(r#"{"a":[[1]]}"#, true), 3);
        assert_eq!(depth(r#"{"a":[[1]]}"#, false), 1);
        assert_eq!(
            depth(&format!("{}1{}", "[".repeat(64), "]".repeat(64)), true),
            64
        );
    }
}
