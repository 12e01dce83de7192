//! Messages as the service sends them, of a wanted size.

use std::fmt::Write as _;

/// How the state of a message is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Many keys in one object.
    Shallow,
    /// Six levels, a few keys on each.
    Deep,
}

/// A message whose version can be counted up without writing it anew.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its bytes.
    pub bytes: Vec<u8>,
    version: usize,
}

const FIRST: u64 = 1_000_000_000;
const DIGITS: usize = 10;

impl Message {
    /// Counts the version up, digit by digit.
    pub fn next_version(&mut self) {
        let digits = &mut self.bytes[self.version..self.version + DIGITS];
        for digit in digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }

    fn new(text: String) -> Self {
        let version = text
            .find(&FIRST.to_string())
            .expect("the message has a version");
        Self {
            bytes: text.into_bytes(),
            version,
        }
    }
}

/// A delta of about `size` bytes: never more, less by one key at most.
#[must_use]
pub fn delta(size: usize, shape: Shape) -> Message {
    largest(size, |keys| {
        format!(
            r#"{{"version":{FIRST},"timestamp":1767225600,"state":{},"metadata":{},"clientToken":"app-5d41402a-17"}}"#,
            state(keys, shape),
            metadata(keys, shape),
        )
    })
}

/// The answer to an update that reported the state, without its token: that is put at the end.
#[must_use]
pub fn update_accepted(size: usize) -> String {
    let token = r#","clientToken":"bench-0123456789abcdef-12345.0"}"#.len();
    let text = largest(size - token, |keys| {
        format!(
            r#"{{"state":{{"reported":{}}},"metadata":{{"reported":{}}},"version":{FIRST},"timestamp":1767225600"#,
            state(keys, Shape::Shallow),
            metadata(keys, Shape::Shallow),
        )
    });
    String::from_utf8(text.bytes).expect("it was text")
}

/// The answer to a get, with this token: reported is what is desired.
#[must_use]
pub fn get_accepted(size: usize, token: &str) -> String {
    let text = largest(size, |keys| {
        let (state, metadata) = (state(keys, Shape::Shallow), metadata(keys, Shape::Shallow));
        format!(
            r#"{{"state":{{"desired":{state},"reported":{state}}},"metadata":{{"desired":{metadata},"reported":{metadata}}},"version":{FIRST},"timestamp":1767225600,"clientToken":"{token}"}}"#
        )
    });
    String::from_utf8(text.bytes).expect("it was text")
}

/// A state whose JSON has about `size` bytes.
#[must_use]
pub fn state_of_size(size: usize) -> String {
    let keys = (1..).take_while(|keys| state(*keys, Shape::Shallow).len() <= size);
    state(keys.last().unwrap_or(1), Shape::Shallow)
}

fn largest(size: usize, text: impl Fn(usize) -> String) -> Message {
    let keys = (1..)
        .take_while(|keys| text(*keys).len() <= size)
        .last()
        .unwrap_or(1);
    Message::new(text(keys))
}

/// The state with this many keys.
#[must_use]
pub fn state(keys: usize, shape: Shape) -> String {
    object(keys, shape, &value)
}

fn metadata(keys: usize, shape: Shape) -> String {
    object(keys, shape, &|_| r#"{"timestamp":1767225600}"#.to_owned())
}

fn object(keys: usize, shape: Shape, leaf: &dyn Fn(usize) -> String) -> String {
    let mut text = String::from("{");
    let mut depth = 1;
    for n in 0..keys {
        let _ = write!(text, r#""{}{n}":{}"#, name(n), leaf(n));
        if n + 1 == keys {
            break;
        }
        text.push(',');
        // One level down with each key, and from the deepest back to the top.
        if shape == Shape::Deep {
            if depth < 6 {
                let _ = write!(text, r#""group{n}":{{"#);
                depth += 1;
            } else {
                text.pop();
                text.push_str("}}}}},");
                depth = 1;
            }
        }
    }
    for _ in 0..depth {
        text.push('}');
    }
    text
}

fn name(n: usize) -> &'static str {
    ["temperature", "color", "mode", "enabled", "position"][n % 5]
}

fn value(n: usize) -> String {
    match n % 5 {
        0 => format!("{}.5", 18 + n % 10),
        1 => r#""warm white""#.to_owned(),
        2 => r#""auto""#.to_owned(),
        3 => (n % 2 == 0).to_string(),
        _ => format!("[{},{n}]", n * 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shapes_are_as_wanted() {
        for size in [256, 1024, 2048, 8192] {
            for shape in [Shape::Shallow, Shape::Deep] {
                let message = delta(size, shape);
                let length = message.bytes.len();
                assert!(
                    length <= size && length * 10 > size * 6,
                    "{length} of {size}"
                );
                let value: serde_json::Value =
                    serde_json::from_slice(&message.bytes).expect("valid");
                let levels = match shape {
                    Shape::Shallow => 1..=1,
                    Shape::Deep => 2..=6,
                };
                assert!(levels.contains(&depth(&value["state"])), "{value}");
            }
        }
    }

    fn depth(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Object(members) => {
                1 + members.values().map(depth).max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    #[test]
    fn versions_count_up() {
        let mut message = delta(256, Shape::Shallow);
        for _ in 0..1234 {
            message.next_version();
        }
        let text = String::from_utf8(message.bytes).expect("text");
        assert!(text.contains(r#""version":1000001234,"#), "{text}");
    }
}
