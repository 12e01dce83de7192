//! What an event keeps of a message: the owned counterparts of [`wire`](crate::wire).

use crate::{
    field::Field,
    json::Json,
    time::Timestamp,
    token::ClientToken,
    wire::{self, ErrorCode, Version},
};
use alloc::{boxed::Box, string::String};
use core::{fmt, time::Duration};
use serde_json::value::RawValue;

/// A shadow's whole document, as the answer to a get brings it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Document {
    /// What the application wants.
    pub desired: Field<Json>,
    /// What the device says.
    pub reported: Field<Json>,
    /// The desired values that differ from the reported ones; absent if none does.
    pub delta: Field<Json>,
    /// When each value was last set.
    pub metadata: Metadata,
    /// The document's version.
    pub version: Version,
    /// When the service answered.
    pub timestamp: Option<Timestamp>,
}

impl Document {
    pub(crate) fn from_wire(answer: &wire::GetAccepted<'_>) -> Self {
        Self {
            desired: owned(answer.state.desired),
            reported: owned(answer.state.reported),
            delta: owned(answer.state.delta),
            metadata: Metadata::from_wire(answer.metadata),
            version: answer.version,
            timestamp: answer.timestamp,
        }
    }

    /// How old the value at `path` was when the service answered, by the service's clock alone;
    /// see [`Delta::age`]. The path begins with the section: `/desired/open`.
    #[must_use]
    pub fn age(&self, path: &str) -> Option<Duration> {
        age(self.timestamp, &self.metadata, path)
    }
}

/// The message as an event keeps it.
impl From<wire::GetAccepted<'_>> for Document {
    fn from(answer: wire::GetAccepted<'_>) -> Self {
        Self::from_wire(&answer)
    }
}

/// When each value of a document was last set: JSON of the document's own shape, with a
/// timestamp in place of each value.
///
/// Member names of the document may themselves be `timestamp`; walking by the path of the value,
/// as [`timestamp`](Self::timestamp) does, is right all the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata(Option<Json>);

impl Metadata {
    pub(crate) fn from_wire(raw: Option<&RawValue>) -> Self {
        Self(raw.map(Json::from_raw))
    }

    /// When the value at `path` was last set. The path is a JSON pointer (RFC 6901) that begins
    /// with the section, where the message has sections: `/reported/lights/0/color`; in a delta
    /// it begins with the first key: `/lights/0/color`.
    ///
    /// `None` if the message says nothing about it, or if it is an object or array, whose parts
    /// have times of their own.
    ///
    /// ```
    /// use shadow_proto::Metadata;
    /// let metadata: Metadata =
    ///     r#"{"desired":{"rgb":[{"timestamp":17},{"timestamp":18}]}}"#.parse()?;
    /// assert_eq!(metadata.timestamp("/desired/rgb/1").map(|t| t.seconds()), Some(18));
    /// assert_eq!(metadata.timestamp("/desired/rgb"), None);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn timestamp(&self, path: &str) -> Option<Timestamp> {
        let mut pointer = String::with_capacity(path.len() + "/timestamp".len());
        pointer.push_str(path);
        pointer.push_str("/timestamp");
        // The metadata of a value is an object whose `timestamp` is a number; where a *key* is
        // called `timestamp` there is an object in its place.
        let seconds = self.0.as_ref()?.at(&pointer)?.parse().ok()?;
        Some(Timestamp::from_seconds(seconds))
    }

    /// The metadata of a section of a document that has it.
    fn section(&self, path: &str) -> Self {
        let section = self.0.as_ref().and_then(|all| all.at(path));
        Self(section.and_then(|text| Json::from_text(text).ok()))
    }

    /// The JSON as the service sent it, if the message had metadata.
    #[must_use]
    pub fn json(&self) -> Option<&Json> {
        self.0.as_ref()
    }
}

impl core::str::FromStr for Metadata {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        Json::from_text(text).map(|json| Self(Some(json)))
    }
}

/// The desired values that differ from the reported ones. Each delta holds the whole remaining
/// difference, so a newer one replaces an older one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Delta {
    /// The desired values themselves (not differences), without a section around them.
    pub state: Json,
    /// When each of these desired values was set. For a delta that came with a get, when each value
    /// of desired was, whether it differs or not.
    pub metadata: Metadata,
    /// The document's version.
    pub version: Version,
    /// When the service published it; for a delta that came with a get, when it answered.
    pub timestamp: Option<Timestamp>,
    /// The token of the update that caused it, if it had one.
    pub token: Option<ClientToken>,
}

impl Delta {
    #[inline(always)]
    pub(crate) fn from_wire(delta: &wire::Delta<'_>) -> Self {
        Self {
            state: Json::from_raw(delta.state),
            metadata: Metadata::from_wire(delta.metadata),
            version: delta.version,
            timestamp: delta.timestamp,
            token: delta.client_token.as_deref().and_then(ClientToken::read),
        }
    }

    /// The delta that a document brought along.
    pub(crate) fn from_document(document: &Document) -> Option<Self> {
        Some(Self {
            state: document.delta.value()?.clone(),
            metadata: document.metadata.section("/desired"),
            version: document.version,
            timestamp: document.timestamp,
            token: None,
        })
    }

    /// How old the value at `path` (a JSON pointer) was when the service published this, by the
    /// service's clock alone: the time from its setting to the message. Add how long the message
    /// lay in a queue, if that matters and is known.
    ///
    /// `None` if the message does not say it, or if it is an object or array, whose parts have
    /// ages of their own.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # use std::time::Duration;
    /// # fn example(delta: &Delta) {
    /// // A door that was to be opened an hour ago stays closed.
    /// let fresh = |path| delta.age(path).is_some_and(|age| age < Duration::from_secs(60));
    /// if delta.state.at("/open") == Some("true") && fresh("/open") {
    ///     println!("opening");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn age(&self, path: &str) -> Option<Duration> {
        age(self.timestamp, &self.metadata, path)
    }
}

fn age(published: Option<Timestamp>, metadata: &Metadata, path: &str) -> Option<Duration> {
    Some(published?.saturating_since(metadata.timestamp(path)?))
}

/// The document before and after an accepted update.
///
/// ```
/// use shadow_proto::{Documents, Snapshot};
///
/// /// Whether the device has another color than before.
/// fn has_changed_color(documents: &Documents) -> bool {
///     let color = |of: &Snapshot| Some(of.reported.value()?.at("/color")?.to_owned());
///     documents.previous.as_ref().and_then(color) != color(&documents.current)
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Documents {
    /// Before; `None` if the update created the shadow.
    pub previous: Option<Snapshot>,
    /// After.
    pub current: Snapshot,
    /// When the service accepted the update.
    pub timestamp: Option<Timestamp>,
    /// The token of the update, if it had one.
    pub token: Option<ClientToken>,
}

impl Documents {
    pub(crate) fn from_wire(documents: &wire::Documents<'_>) -> Self {
        Self {
            previous: documents.previous.as_ref().map(Snapshot::from_wire),
            current: Snapshot::from_wire(&documents.current),
            timestamp: documents.timestamp,
            token: documents
                .client_token
                .as_deref()
                .and_then(ClientToken::read),
        }
    }
}

/// One side of [`Documents`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What the application wants.
    pub desired: Field<Json>,
    /// What the device says.
    pub reported: Field<Json>,
    /// When each value was last set.
    pub metadata: Metadata,
    /// Its version.
    pub version: Version,
}

impl Snapshot {
    fn from_wire(snapshot: &wire::Snapshot<'_>) -> Self {
        Self {
            desired: owned(snapshot.state.desired),
            reported: owned(snapshot.state.reported),
            metadata: Metadata::from_wire(snapshot.metadata),
            version: snapshot.version,
        }
    }
}

/// What the service accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Accepted {
    /// A get: the document.
    Get(Box<Document>),
    /// An update.
    Update(Box<Updated>),
    /// A delete.
    Delete {
        /// The version of the document that was deleted.
        version: Option<Version>,
        /// When the service deleted it.
        timestamp: Option<Timestamp>,
    },
    /// A request in publish-only mode: the broker has it (QoS 1), or it was written (QoS 0).
    /// Whether the service accepts it is not known.
    Published,
}

impl Accepted {
    /// The document's version after the operation; of a delete, the version deleted.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Get(document) => Some(document.version),
            Self::Update(update) => Some(update.version),
            Self::Delete { version, .. } => *version,
            Self::Published => None,
        }
    }

    /// The document, if this answers a get.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Get(document) => Some(document),
            Self::Update(_) | Self::Delete { .. } | Self::Published => None,
        }
    }
}

/// What was accepted of an update: only what the request held, not the whole document.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Updated {
    /// Whether the update cleared the whole document (`state` was null).
    pub cleared: bool,
    /// What the request set of desired; null if it removed the section.
    pub desired: Field<Json>,
    /// What the request set of reported; null if it removed the section.
    pub reported: Field<Json>,
    /// When these values were set.
    pub metadata: Metadata,
    /// The new version.
    pub version: Version,
    /// When the service accepted it.
    pub timestamp: Option<Timestamp>,
}

impl Updated {
    pub(crate) fn from_wire(answer: &wire::UpdateAccepted<'_>) -> Self {
        let sections = answer.state.value().copied().unwrap_or_default();
        Self {
            cleared: answer.state.is_null(),
            desired: owned(sections.desired),
            reported: owned(sections.reported),
            metadata: Metadata::from_wire(answer.metadata),
            version: answer.version,
            timestamp: answer.timestamp,
        }
    }
}

/// The message as an event keeps it.
impl From<wire::UpdateAccepted<'_>> for Updated {
    fn from(answer: wire::UpdateAccepted<'_>) -> Self {
        Self::from_wire(&answer)
    }
}

/// Why the service refused a request.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Rejection {
    /// Match on this.
    pub code: ErrorCode,
    /// For people.
    pub message: Box<str>,
    /// When, if the service said so.
    pub timestamp: Option<Timestamp>,
}

impl Rejection {
    /// A rejection that came otherwise than over MQTT: as the answer to a REST request.
    #[must_use]
    pub fn new(code: ErrorCode, message: &str) -> Self {
        Self {
            code,
            message: message.into(),
            timestamp: None,
        }
    }

    pub(crate) fn from_wire(rejected: &wire::Rejected<'_>) -> Self {
        Self {
            code: rejected.code,
            message: (&*rejected.message).into(),
            timestamp: rejected.timestamp,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

fn owned(section: Field<&RawValue>) -> Field<Json> {
    section.map(Json::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_called_timestamp_has_a_timestamp() {
        let metadata: Metadata =
            r#"{"timestamp":{"timestamp":5},"a":{"timestamp":{"timestamp":6}}}"#
                .parse()
                .unwrap();
        assert_eq!(
            metadata.timestamp("/timestamp"),
            Some(Timestamp::from_seconds(5))
        );
        assert_eq!(
            metadata.timestamp("/a/timestamp"),
            Some(Timestamp::from_seconds(6))
        );
        assert_eq!(metadata.timestamp("/a"), None);
        assert_eq!(metadata.timestamp(""), None);
    }
}
