//! What was read, written as a [`Sheet`]; and what is seen on the way.

use super::{Head, Kind, Node, Place, Said};
use crate::{
    settings::{Behaviour, IntegerRange, NullInArrayObject},
    sheet::Sheet,
    stamps::{Run, Stamps},
    value::{Scalar, Value},
    write,
};

/// What was seen while it was written.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Facts {
    /// A member is null, or something inside an array.
    pub(crate) nulls: bool,
    /// A null is where it may not be: an array's element, or as the behaviour says.
    pub(crate) refused_null: bool,
    /// An integer is larger than the behaviour allows.
    pub(crate) large_integer: bool,
    /// How many levels there are.
    pub(crate) depth: usize,
    /// There was a time for each leaf, and no more.
    pub(crate) times_fit: bool,
}

impl Said {
    /// Writes an object that was read from `text`, with the times of its leaves.
    pub(crate) fn write(
        &mut self,
        text: &str,
        Head(first): Head,
        times: &[Run],
        behaviour: &Behaviour,
    ) -> (Sheet, Facts) {
        // What is written is no longer than what was read.
        let metadata = text.len() + self.leaves * Stamps::LEAF;
        let spare = core::mem::take(&mut self.spare);
        let mut writer = Writer {
            text,
            stamps: Stamps::new(times, core::mem::take(&mut self.leaf)),
            behaviour,
            out: spare.anew(text.len(), metadata, self.nodes.len()),
            facts: Facts::default(),
            said: self,
        };
        let depth = writer.object(first);
        let Writer {
            stamps,
            out,
            mut facts,
            ..
        } = writer;
        facts.depth = depth;
        (facts.times_fit, self.leaf) = stamps.end();
        (out, facts)
    }
}

struct Writer<'w, 's> {
    said: &'w Said,
    text: &'w str,
    stamps: Stamps<'s>,
    behaviour: &'w Behaviour,
    out: Sheet,
    facts: Facts,
}

impl Writer<'_, '_> {
    /// An object; how many levels it has.
    fn object(&mut self, first: usize) -> usize {
        self.out.open();
        let mut depth = 0;
        let mut at = first;
        while let Some(node) = self.said.nodes.get(at) {
            let name = self.said.text(self.text, node.name);
            let member = match node.kind {
                Kind::Object(_) | Kind::Array(_) => self.out.begin(name),
                Kind::Null | Kind::Scalar | Kind::Plain(_) => {
                    if node.name.end == node.value.begin {
                        let (begin, end) = (node.name.begin, node.value.end);
                        let both = self.said.text(self.text, Place { begin, end });
                        self.out.begin_with(name, both)
                    } else {
                        let member = self.out.begin(name);
                        let value = self.said.text(self.text, node.value);
                        self.out.state.push_str(value);
                        member
                    }
                }
            };
            depth = depth.max(1 + self.value(node));
            self.out.finish(member);
            at = node.next;
        }
        self.out.close();
        depth
    }

    /// The metadata of a value, and the value where it is not in the state yet; how many levels
    /// it has.
    fn value(&mut self, node: &Node) -> usize {
        let arrays = self.behaviour.arrays_are_levels;
        match node.kind {
            Kind::Object(first) => return self.object(first),
            Kind::Array(at) => {
                let Some(value) = self.said.arrays.get(at) else {
                    return 0;
                };
                write::value(&mut self.out.state, value);
                self.stamps.value(&mut self.out.metadata, value);
                self.facts.array(value, self.behaviour);
                return value.depth(arrays);
            }
            Kind::Plain(count) => {
                self.stamps.leaves(&mut self.out.metadata, count);
                return usize::from(arrays && count > 0);
            }
            Kind::Null => self.facts.nulls = true,
            Kind::Scalar => {
                self.facts.large_integer |= self.behaviour.integers == IntegerRange::Bits64
                    && is_large(self.said.text(self.text, node.value));
            }
        }
        self.stamps.leaf(&mut self.out.metadata);
        0
    }
}

impl Facts {
    fn array(&mut self, value: &Value, behaviour: &Behaviour) {
        let elements_only = behaviour.null_in_array_object != NullInArrayObject::Reject;
        self.nulls |= has_null(value, false);
        self.refused_null |= has_null(value, elements_only);
        self.large_integer |= behaviour.integers == IntegerRange::Bits64 && large_integer(value);
    }
}

/// Whether there is a null inside an array: an element, or else a member of an object, too.
fn has_null(value: &Value, elements_only: bool) -> bool {
    let inside = |value| has_null(value, elements_only);
    match value {
        Value::Leaf(..) => false,
        Value::Array(elements) => elements
            .iter()
            .any(|value| value.is_null() || inside(value)),
        Value::Object(object) => object
            .iter()
            .any(|(_, value)| !elements_only && value.is_null() || inside(value)),
    }
}

/// Whether an integer somewhere in `value` does not fit 64 bits.
fn large_integer(value: &Value) -> bool {
    match value {
        Value::Leaf(Scalar::Number(number)) => is_large(number.as_str()),
        Value::Leaf(..) => false,
        Value::Array(elements) => elements.iter().any(large_integer),
        Value::Object(object) => object.iter().any(|(_, value)| large_integer(value)),
    }
}

/// Whether a scalar is an integer that does not fit 64 bits.
fn is_large(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && !text.contains(['.', 'e', 'E'])
        && text.parse::<i64>().is_err()
}
