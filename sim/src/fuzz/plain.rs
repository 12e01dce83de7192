//! JSON trees that bytes decide, and what merging and comparing them means, written as slowly and plainly as can be: the
//! model that the service is held against.

use serde_json::{Map, Value};

/// Keeps drawing from bytes; when they are gone, zeros.
#[derive(Debug)]
pub struct Bytes<'a>(
    /// What is left.
    pub &'a [u8],
);

impl Bytes<'_> {
    /// The next one.
    pub fn take(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }
}

/// An object of at most `depth` levels. Nulls only where they are allowed: not in arrays.
pub fn object(bytes: &mut Bytes<'_>, depth: u32, nulls: bool) -> Map<String, Value> {
    let count = bytes.take() % 5;
    let mut map = Map::new();
    for _ in 0..count {
        let name = ["a", "b", "c", "é", "", "\"\\"][usize::from(bytes.take() % 6)];
        map.insert(name.to_owned(), value(bytes, depth - 1, nulls));
    }
    map
}

fn value(bytes: &mut Bytes<'_>, depth: u32, nulls: bool) -> Value {
    match bytes.take() % 10 {
        0..=2 if depth > 0 => Value::Object(object(bytes, depth, nulls)),
        3 if depth > 0 => {
            let count = bytes.take() % 4;
            let elements = (0..count).map(|_| value(bytes, depth - 1, false));
            Value::Array(elements.collect())
        }
        4 | 5 if nulls => Value::Null,
        6 => Value::Bool(bytes.take() & 1 == 0),
        7 => Value::String(["x", "é\u{1f600}", "\n", ""][usize::from(bytes.take() % 4)].to_owned()),
        8 => Value::from(i64::from(bytes.take()) - 128),
        _ => Value::from(bytes.take()),
    }
}

/// RFC 7396, section 2, word for word.
pub fn merge_patch(target: Option<Value>, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = match target {
        Some(Value::Object(target)) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let merged = merge_patch(target.get(name).cloned(), value);
            target.insert(name.clone(), merged);
        }
    }
    Value::Object(target)
}

/// What desired has and reported lacks, as the protocol says it; `None` if nothing.
pub fn delta(
    desired: &Map<String, Value>,
    reported: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let mut difference = Map::new();
    for (name, wanted) in desired {
        match (wanted, reported.get(name)) {
            (Value::Object(wanted), Some(Value::Object(is))) => {
                if let Some(inner) = delta(wanted, is) {
                    difference.insert(name.clone(), Value::Object(inner));
                }
            }
            (wanted, Some(is)) if wanted == is => {}
            (wanted, _) => {
                difference.insert(name.clone(), wanted.clone());
            }
        }
    }
    (!difference.is_empty()).then_some(difference)
}

/// The patch that makes `to` of `from`; it may not contain null.
pub fn diff(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (name, new) in to {
        match (from.get(name), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(name.clone(), Value::Object(diff(old, new)));
            }
            (_, new) => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    patch
}

/// The shape of a section's metadata: a timestamp for each leaf.
pub fn is_metadata(metadata: &Value, of: &Value) -> bool {
    match (metadata, of) {
        (Value::Object(metadata), Value::Object(of)) => {
            metadata.len() == of.len()
                && of.iter().all(|(name, of)| {
                    let mirrored = metadata.get(name);
                    mirrored.is_some_and(|metadata| is_metadata(metadata, of))
                })
        }
        (Value::Array(metadata), Value::Array(of)) => {
            let mut pairs = metadata.iter().zip(of);
            metadata.len() == of.len() && pairs.all(|(metadata, of)| is_metadata(metadata, of))
        }
        (Value::Object(metadata), _) => {
            metadata.len() == 1 && metadata.get("timestamp").is_some_and(Value::is_u64)
        }
        _ => false,
    }
}
