//! The service's own JSON value: numbers kept as text, members sorted.
//!
//! A general JSON tree would lose what the service must give back unchanged: `1.0` is not `1`
//! on the wire, though equal in a delta. A document is no tree (see `sheet.rs`); what is odd in
//! one goes through a tree, and tests and vectors are compared as trees.

mod number;

pub use number::{Number, NumberEquality};

use alloc::{boxed::Box, vec::Vec};

/// Deepest nesting that is ever held as a tree, in containers. What is deeper is only checked
/// for syntax, without recursion, so that no input can exhaust the stack.
///
/// ```
/// use shadow_service::{MAX_NESTING, Value};
///
/// let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
/// assert!(Value::parse(&nested(MAX_NESTING)).is_ok());
/// let error = Value::parse(&nested(MAX_NESTING + 1)).unwrap_err();
/// assert!(error.to_string().starts_with("nested too deeply"));
/// ```
pub const MAX_NESTING: usize = 64;

/// A JSON value.
///
/// Equality with `==` is exact (numbers by their text); [`same`](Self::same) is the equality that
/// a delta uses.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "JSON has no more kinds of value, and every match should see all"
)]
pub enum Value {
    /// Null, boolean, number or string.
    Leaf(Scalar),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object),
}

impl Value {
    /// The object, if this is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
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
            Self::Leaf(Scalar::String(text)) => Some(text),
            Self::Leaf(..) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The number, if this is one that fits: no sign, no point, no exponent.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Leaf(Scalar::Number(number)) => number.as_u64(),
            Self::Leaf(..) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Leaf(Scalar::Null))
    }

    /// Whether two values are equal as JSON: type and value, arrays in order,
    /// objects in any order, strings by code points, numbers as `numbers` says.
    #[must_use]
    pub fn same(&self, other: &Self, numbers: NumberEquality) -> bool {
        match (self, other) {
            (Self::Leaf(a), Self::Leaf(b)) => a.same(b, numbers),
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b, numbers))
            }
            (Self::Object(a), Self::Object(b)) => {
                let same =
                    |((k, a), (l, b)): ((&str, &Self), (&str, &Self))| k == l && a.same(b, numbers);
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
            Self::Leaf(scalar) => scalar.size(),
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

/// The members of a JSON object, in the order of their names (by bytes), each name once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    members: Vec<(Box<str>, Value)>,
}

impl Object {
    /// An object without members.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            members: Vec::new(),
        }
    }

    /// Sorts `members`; of those with one name the last stays.
    #[must_use]
    pub fn from_members(members: Vec<(Box<str>, Value)>) -> Self {
        if members.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Self { members };
        }
        // Members are large and their names far away, so what is sorted is places, by the
        // beginnings of names.
        let mut order: Vec<(u64, usize)> = members
            .iter()
            .map(|(name, _)| beginning(name))
            .zip(0..)
            .collect();
        let name = |place: usize| members.get(place).map(|(name, _)| name);
        order.sort_unstable_by(|a, b| {
            let names = || name(a.1).cmp(&name(b.1));
            a.0.cmp(&b.0).then_with(names).then(a.1.cmp(&b.1))
        });
        let mut members: Vec<_> = members.into_iter().map(Some).collect();
        let mut sorted: Vec<(Box<str>, Value)> = Vec::with_capacity(members.len());
        for (_, place) in order {
            let Some(member) = members.get_mut(place).and_then(Option::take) else {
                continue;
            };
            match sorted.last_mut() {
                Some(earlier) if earlier.0 == member.0 => *earlier = member,
                Some(_) | None => sorted.push(member),
            }
        }
        Self { members: sorted }
    }

    /// The members must be sorted and without duplicates already.
    pub(crate) fn from_sorted(members: Vec<(Box<str>, Value)>) -> Self {
        debug_assert!(members.is_sorted_by(|(a, _), (b, _)| a < b));
        Self { members }
    }

    /// The value of the member called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.members.binary_search_by(|(key, _)| (**key).cmp(name));
        self.members.get(found.ok()?).map(|(_, value)| value)
    }

    /// Sets the member called `name`, and returns the value it had.
    pub fn insert(&mut self, name: &str, value: Value) -> Option<Value> {
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
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
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
        let member = |(name, value): &(Box<str>, Value)| string_size(name) + 1 + value.size();
        2 + commas + self.members.iter().map(member).sum::<usize>()
    }

    pub(crate) fn into_members(self) -> Vec<(Box<str>, Value)> {
        self.members
    }
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

/// The first eight bytes, which sort as their number does.
fn beginning(name: &str) -> u64 {
    if let Some(eight) = name.as_bytes().first_chunk::<8>() {
        return u64::from_be_bytes(*eight);
    }
    let bytes = name.bytes().zip((0..8).rev());
    bytes.fold(0, |sum, (byte, place)| sum | u64::from(byte) << (8 * place))
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
mod tests;
