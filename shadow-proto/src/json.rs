//! A piece of JSON text, known to be valid, kept as the sender spelled it.

use alloc::{borrow::Cow, borrow::ToOwned, boxed::Box, string::String};
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A JSON value as text: valid, and otherwise untouched, so that large integers and the spelling
/// of numbers survive.
///
/// The core never builds a tree of values; [`parse`](Self::parse) turns the text into a type of
/// the application's when, and if, it is wanted.
///
/// ```
/// use shadow_proto::Json;
///
/// let json = Json::from_text(r#"{"level": 18446744073709551615, "rgb": [255, 0, 7]}"#)?;
/// assert_eq!(json.at("/level"), Some("18446744073709551615"));
/// assert_eq!(json.at("/rgb/2"), Some("7"));
/// # #[derive(serde::Deserialize)] struct Lamp { rgb: [u8; 3] }
/// assert_eq!(json.parse::<Lamp>()?.rgb, [255, 0, 7]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes `text` if it is one JSON value; white space around it is dropped.
    ///
    /// # Errors
    /// What makes it not JSON, and where.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.trim().to_owned()).map(Self)
    }

    /// Serializes `value`.
    ///
    /// # Errors
    /// Those of the value's own `Serialize`, and map keys that are not strings.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    pub(crate) fn from_raw(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The text in the form that [`Section::Set`](crate::Section::Set) takes.
    #[must_use]
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// Reads the text into a type of the application's.
    ///
    /// # Errors
    /// Where and how the text does not fit the type.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// The part a JSON pointer (RFC 6901) names: `""` is the whole, `"/lights/0/color"` a key
    /// of an array's first element. `None` if there is no such part.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&str> {
        at(&self.0, pointer).map(RawValue::get)
    }
}

impl PartialEq for Json {
    /// Equal when spelled alike.
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// Whether the text is an object. It is valid JSON, so its first byte tells.
pub(crate) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

fn at<'a>(raw: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    if pointer.is_empty() {
        return Some(raw);
    }
    pointer
        .strip_prefix('/')?
        .split('/')
        .try_fold(raw, |raw, step| {
            // RFC 6901 section 4: `~1` stands for `/`, then `~0` for `~`.
            let step: Cow<'_, str> = match step.contains('~') {
                false => step.into(),
                true => step.replace("~1", "/").replace("~0", "~").into(),
            };
            let mut deserializer = serde_json::Deserializer::from_str(raw.get());
            match raw.get().as_bytes().first() {
                Some(b'{') => deserializer.deserialize_map(Member(&step)).ok()?,
                Some(b'[') => deserializer
                    .deserialize_seq(Element(step.parse().ok()?))
                    .ok()?,
                _ => None,
            }
        })
}

/// Finds the member of an object with a given key; of several, the last.
struct Member<'k>(&'k str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if key.0 == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Finds the element of an array at a given index.
struct Element(usize);

impl<'de> Visitor<'de> for Element {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut index = 0;
        let mut found = None;
        while let Some(element) = seq.next_element::<&'de RawValue>()? {
            if index == self.0 {
                found = Some(element);
            }
            index += 1;
        }
        Ok(found)
    }
}

/// A string, borrowed from the input unless it holds an escape.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(String::from(text))))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn pointers() {
        let json =
            Json::from_text(r#" {"a/b": {"~": [1, {"c": null}]}, "d": 1, "d": 2} "#).unwrap();
        assert_eq!(json.at("/a~1b/~0/1/c"), Some("null"));
        assert_eq!(json.at("/a~1b/~0/0"), Some("1"));
        assert_eq!(json.at("/d"), Some("2"));
        assert_eq!(json.at(""), Some(json.as_str()));
        for missing in ["/", "/x", "a", "/a~1b/~0/2", "/a~1b/~0/-", "/d/x"] {
            assert_eq!(json.at(missing), None, "{missing}");
        }
    }

    #[test]
    fn text_survives() {
        let text = r#"{"big":123456789012345678901234567890,"e":1.0E+2}"#;
        let json = Json::from_text(text).unwrap();
        assert_eq!(json.to_string(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
        assert!(Json::from_text("{").is_err());
        assert!(Json::from_text("1 2").is_err());
    }
}
