//! Absent, null and value: three things.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

/// A member of a JSON object that is absent, `null`, or has a value.
///
/// In an update, absent leaves a key as it is, null removes it, and a value sets it. In a delta,
/// absent means "no difference". A struct whose fields are `Field`s therefore serves as a typed
/// patch; give each field the two serde attributes of this example. A field that is serialized
/// while absent is an error rather than a silent removal.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use shadow_proto::Field;
///
/// #[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
/// struct LampPatch {
///     #[serde(default, skip_serializing_if = "Field::is_absent")]
///     color: Field<String>,
///     #[serde(default, skip_serializing_if = "Field::is_absent")]
///     timer: Field<u32>,
/// }
///
/// let patch: LampPatch = serde_json::from_str(r#"{"timer":null}"#)?;
/// assert_eq!(patch, LampPatch { color: Field::Absent, timer: Field::Null });
/// assert_eq!(serde_json::to_string(&patch)?, r#"{"timer":null}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there are three states and no fourth"
)]
pub enum Field<T> {
    /// The member is not there.
    #[default]
    Absent,
    /// The member is `null`.
    Null,
    /// The member has a value.
    Value(T),
}

impl<T> Field<T> {
    /// Whether the member is not there.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether the member is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value, if there is one.
    #[must_use]
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The value itself, if there is one.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Applies `change` to the value, if there is one.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Value(value) => Field::Value(change(value)),
        }
    }

    /// Makes `target` agree: a value sets it, null clears it, absent leaves it alone.
    pub fn apply_to(self, target: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *target = None,
            Self::Value(value) => *target = Some(value),
        }
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => Err(S::Error::custom(
                "an absent field is to be skipped: #[serde(skip_serializing_if = \"Field::is_absent\")]",
            )),
            Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            None => Self::Null,
            Some(value) => Self::Value(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_absent_field_is_never_written_as_a_removal() {
        let error = serde_json::to_string(&Field::<u8>::Absent)
            .unwrap_err()
            .to_string();
        assert!(error.contains("skip_serializing_if"), "{error}");
    }

    #[test]
    fn apply() {
        let mut color = Some("red");
        Field::Absent.apply_to(&mut color);
        assert_eq!(color, Some("red"));
        Field::Value("blue").apply_to(&mut color);
        assert_eq!(color, Some("blue"));
        Field::Null.apply_to(&mut color);
        assert_eq!(color, None);
    }
}
