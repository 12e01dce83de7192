//! What a request asks, and how it wants to be treated.

use crate::{config::Qos, json::Json, wire::Version};
use core::{ops::BitOr, time::Duration};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How one request is treated. Make one with `RequestOptions::default()`, then assign fields.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct RequestOptions<'a> {
    /// How long from this call to the outcome at most; `None` takes
    /// [`Config::response_timeout`](crate::Config::response_timeout).
    pub timeout: Option<Duration>,
    /// A token of the caller's own, at most 64 bytes; `None` generates one. A request with an own
    /// token is not repeated unless `retry` says so, since each try needs a fresh one.
    pub token: Option<&'a str>,
    /// Whether the generated token of the first try is chosen at the call, so that
    /// [`Client::token`](crate::Client::token) knows it before anything is sent. A later try has
    /// another one all the same. A publish-only request carries one, too, if it is reserved.
    pub reserve_token: bool,
    /// What to do while there is no connection.
    pub when_offline: WhenOffline,
    /// QoS of this request; `None` takes the shadow's.
    pub qos: Option<Qos>,
    /// Whether this update may be merged with a newer one while it waits to be sent. Both then
    /// have the same outcome. Only updates without version and own token are merged.
    pub latest: bool,
    /// Which rejections are followed by another try within the deadline.
    pub retry: Retry,
}

/// What to do with a request while there is no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WhenOffline {
    /// Wait for the connection, until the deadline.
    #[default]
    Wait,
    /// Fail at once with [`Failure::NotSent`](crate::Failure::NotSent).
    Fail,
}

/// Which rejections are followed by another try, with exponential backoff, inside the deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Retry {
    /// 429, which certainly changed nothing; 500 for a get, and for an update with a version, which
    /// cannot be applied twice. Nothing for a request with a token of the caller's own.
    #[default]
    Safe,
    /// 429 and 500, whatever the request, and although an own token is then used again. What is
    /// answered does not say to which try, and the broker may deliver a rejection twice: such a
    /// request, once tried again, counts as one that may have been applied.
    Always,
    /// None.
    Never,
}

/// What an update does to one section.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there are three things an update can do to a section"
)]
pub enum Section<'a> {
    /// Nothing.
    #[default]
    Leave,
    /// Remove it.
    Clear,
    /// Merge this object into it: values set keys, nulls remove them.
    Set(&'a RawValue),
}

/// An update: what to set of desired and reported.
///
/// ```
/// use shadow_proto::{Json, Update, Version};
///
/// #[derive(serde::Serialize)]
/// struct Lamp { color: &'static str }
///
/// let lamp = Json::from_value(&Lamp { color: "teal" })?;
/// let mut update = Update::reported(&lamp);
/// update.version = Some(Version::new(7)); // only if the document is still at version 7
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Update<'a> {
    /// What the application wants.
    pub desired: Section<'a>,
    /// What the device says.
    pub reported: Section<'a>,
    /// Refuse the update (409) unless the document has this version.
    pub version: Option<Version>,
    /// How the request is treated.
    pub options: RequestOptions<'a>,
    pub(crate) clear: bool,
}

impl<'a> Update<'a> {
    /// Merges `state` into desired.
    #[must_use]
    pub fn desired(state: &'a Json) -> Self {
        Self {
            desired: Section::Set(state.as_raw()),
            ..Self::default()
        }
    }

    /// Merges `state` into reported.
    #[must_use]
    pub fn reported(state: &'a Json) -> Self {
        Self {
            reported: Section::Set(state.as_raw()),
            ..Self::default()
        }
    }

    /// Merges one state into each section.
    #[must_use]
    pub fn both(desired: &'a Json, reported: &'a Json) -> Self {
        let (desired, reported) = (
            Section::Set(desired.as_raw()),
            Section::Set(reported.as_raw()),
        );
        Self {
            desired,
            reported,
            ..Self::default()
        }
    }

    /// Clears both sections (`"state": null`). The shadow remains, with an empty document.
    #[must_use]
    pub fn clear() -> Self {
        Self {
            clear: true,
            ..Self::default()
        }
    }

    /// The same update, treated as `options` say.
    #[must_use]
    pub fn with_options(self, options: RequestOptions<'a>) -> Self {
        Self { options, ..self }
    }

    /// The same update, refused unless the document has this version.
    #[must_use]
    pub fn if_version(self, version: Version) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }
}

/// Which response topics of a shadow are subscribed from the start, and whose messages from other
/// clients become events. Requests subscribe what they need by themselves.
///
/// ```
/// use shadow_proto::Interest;
///
/// let device = Interest::DELTA;
/// let watcher = Interest::DOCUMENTS | Interest::UPDATE_REJECTED;
/// assert!(watcher.contains(Interest::DOCUMENTS) && !watcher.contains(device));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Interest(u8);

impl Interest {
    /// Nothing: the shadow is only asked.
    pub const NONE: Self = Self(0);
    /// `get/accepted`.
    pub const GET_ACCEPTED: Self = Self(1);
    /// `get/rejected`.
    pub const GET_REJECTED: Self = Self(1 << 1);
    /// `update/accepted`.
    pub const UPDATE_ACCEPTED: Self = Self(1 << 2);
    /// `update/rejected`.
    pub const UPDATE_REJECTED: Self = Self(1 << 3);
    /// `delete/accepted`.
    pub const DELETE_ACCEPTED: Self = Self(1 << 4);
    /// `delete/rejected`.
    pub const DELETE_REJECTED: Self = Self(1 << 5);
    /// `update/delta`: what a device follows.
    pub const DELTA: Self = Self(1 << 6);
    /// `update/documents`: what a back end follows.
    pub const DOCUMENTS: Self = Self(1 << 7);
    /// Both answers to get.
    pub const GET: Self = Self(0b11);
    /// Both answers to update.
    pub const UPDATE: Self = Self(0b1100);
    /// Both answers to delete.
    pub const DELETE: Self = Self(0b11_0000);
    /// All eight.
    pub const ALL: Self = Self(0xff);

    /// Whether every topic of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no topic is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The topics that are in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The topics of `self` that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// How many topics are in it.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
