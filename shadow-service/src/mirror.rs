//! A state and its metadata, written side by side in one walk.

use crate::{
    value::{Object, Scalar, Value},
    write,
};
use alloc::string::String;
use shadow_proto::Timestamp;

/// The compact JSON text of a state, and of the metadata that mirrors it: the same shape, with
/// `{"timestamp": seconds}` for every leaf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirror {
    pub(crate) state: String,
    pub(crate) metadata: String,
    /// The last leaf of metadata, and its time: most leaves next to each other have one.
    leaf: String,
    stamp: Option<Timestamp>,
}

impl Mirror {
    /// With room for as much as the longer of two took.
    pub(crate) fn like(one: Option<&Self>, other: Option<&Self>) -> Self {
        let both = || [one, other].into_iter().flatten();
        let state = both().map(|mirror| mirror.state.len()).max();
        let metadata = both().map(|mirror| mirror.metadata.len()).max();
        Self {
            state: String::with_capacity(state.unwrap_or_default() + MORE),
            metadata: String::with_capacity(metadata.unwrap_or_default() + MORE),
            leaf: String::new(),
            stamp: None,
        }
    }

    /// Gives back what will not be needed any more.
    pub(crate) fn done(&mut self) {
        for text in [&mut self.state, &mut self.metadata] {
            // What is little is kept: to give it back costs a copy.
            if text.capacity() > text.len() + text.len() / 4 + MORE {
                text.shrink_to_fit();
            }
        }
        self.leaf = String::new();
        self.stamp = None;
    }

    /// Begins an object, whose members follow: each a [`name`](Self::name) and a value.
    pub(crate) fn open(&mut self) {
        self.state.push('{');
        self.metadata.push('{');
    }

    pub(crate) fn close(&mut self) {
        self.state.push('}');
        self.metadata.push('}');
    }

    pub(crate) fn name(&mut self, name: &str) {
        let begin = self.state.len();
        // After a value there is something else: a string's last byte is its quote.
        if !self.state.ends_with('{') {
            self.state.push(',');
        }
        write::string(&mut self.state, name);
        self.state.push(':');
        let written = self.state.get(begin..).unwrap_or_default();
        self.metadata.push_str(written);
    }

    pub(crate) fn value(&mut self, value: &Value<Timestamp>) {
        match value {
            Value::Leaf(scalar, stamp) => self.scalar(scalar, *stamp),
            Value::Array(elements) => {
                self.state.push('[');
                self.metadata.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        self.state.push(',');
                        self.metadata.push(',');
                    }
                    self.value(element);
                }
                self.state.push(']');
                self.metadata.push(']');
            }
            Value::Object(object) => self.object(object),
        }
    }

    pub(crate) fn object(&mut self, object: &Object<Timestamp>) {
        self.open();
        for (name, member) in object.iter() {
            self.name(name);
            self.value(member);
        }
        self.close();
    }

    pub(crate) fn scalar(&mut self, scalar: &Scalar, stamp: Timestamp) {
        write::scalar(&mut self.state, scalar);
        if self.stamp != Some(stamp) {
            self.stamp = Some(stamp);
            self.leaf.clear();
            self.leaf.push_str(r#"{"timestamp":"#);
            write::unsigned(&mut self.leaf, stamp.seconds());
            self.leaf.push('}');
        }
        self.metadata.push_str(&self.leaf);
    }
}

/// Bytes by which a text may grow without another place being looked for.
const MORE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_mirrors_the_value() {
        let stamp = Timestamp::from_seconds(7);
        let text = r#"{"a":[1,{"b":null},[],[true]],"timestamp":"x{","z":{},"é\"":0}"#;
        let mut mirror = Mirror::default();
        mirror.value(&Value::parse(text, stamp).unwrap());
        assert_eq!(mirror.state, text);
        assert_eq!(
            mirror.metadata,
            concat!(
                r#"{"a":[{"timestamp":7},{"b":{"timestamp":7}},[],[{"timestamp":7}]],"#,
                r#""timestamp":{"timestamp":7},"z":{},"é\"":{"timestamp":7}}"#
            )
        );
    }
}
