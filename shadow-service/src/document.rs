//! The stored document of a shadow: two sections and a version, or the memory of one deleted.

use crate::{
    delta::Delta,
    settings::Behaviour,
    value::{Object, Value},
    write::{self, Members},
};
use alloc::string::String;
use core::fmt;
use shadow_proto::Timestamp;

/// One of the two halves of a shadow's state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "delta is computed; a third stored section would break every match"
)]
pub enum Section {
    /// What applications ask for.
    Desired,
    /// What the device says.
    Reported,
}

impl Section {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Desired, Self::Reported];

    /// The member of `state` that holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desired => "desired",
            Self::Reported => "reported",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the service keeps of a shadow.
///
/// A [`Store`](crate::Store) may hold it as this value, or as text:
///
/// ```
/// use shadow_service::{
///     Record, Service, Settings, Store as _, Tombstone, UnixTime, shadow_proto::ShadowId,
/// };
///
/// let (lamp, now) = (ShadowId::classic("lamp")?, UnixTime::from_seconds(1_767_225_600));
/// let mut service = Service::new(Settings::default());
/// service.update(&lamp, br#"{"state": {"reported": {"on": true}}}"#, now)?;
///
/// let record = service.store().load(&lamp)?.unwrap().into_owned();
/// let text = record.encode();
/// assert_eq!(text, r#"{"version":1,"reported":{"on":true},"times":[[1767225600,1]]}"#);
/// assert_eq!(Record::decode(&text)?, record);
///
/// // Deleted is not forgotten: if the lamp comes back, its versions go on.
/// service.delete(&lamp, b"", now)?;
/// let record = service.store().load(&lamp)?.unwrap().into_owned();
/// let tombstone = Tombstone { counter: 2, deleted: now.timestamp() };
/// assert_eq!(record, Record::Tombstone(tombstone));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must keep each kind, so a new one must break it"
)]
pub enum Record {
    /// It exists.
    Document(Document),
    /// It was deleted, and its version is remembered for a while.
    Tombstone(Tombstone),
}

/// The version counter of a deleted shadow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store must keep each field, so a new one must break it"
)]
pub struct Tombstone {
    /// The next document has the version after this one.
    pub counter: u64,
    /// When the shadow was deleted.
    pub deleted: Timestamp,
}

/// An existing shadow. A section is absent when it has no members.
///
/// The metadata is not a second tree: each leaf carries the time it was last written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    desired: Object<Timestamp>,
    reported: Object<Timestamp>,
    version: u64,
}

impl Document {
    /// A document; a section without members is absent.
    #[must_use]
    pub const fn new(
        desired: Object<Timestamp>,
        reported: Object<Timestamp>,
        version: u64,
    ) -> Self {
        Self {
            desired,
            reported,
            version,
        }
    }

    /// A section; `None` where it is absent.
    #[must_use]
    pub fn section(&self, section: Section) -> Option<&Object<Timestamp>> {
        Some(self.raw(section)).filter(|object| !object.is_empty())
    }

    /// The version: 1 for the first document of a shadow.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// What desired has and reported lacks; `None` where there is no difference.
    #[must_use]
    pub fn delta(&self, behaviour: &Behaviour) -> Option<Delta<'_>> {
        Delta::between(&self.desired, &self.reported, behaviour.numbers)
    }

    /// The size that the limit counts: compact desired plus compact reported, metadata not.
    #[must_use]
    pub fn size(&self) -> usize {
        let sections = Section::ALL.map(|section| self.section(section).map_or(0, Object::size));
        sections.iter().sum()
    }

    /// `{"state": …, "metadata": …, "version": N}` as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    pub(crate) const fn raw(&self, section: Section) -> &Object<Timestamp> {
        match section {
            Section::Desired => &self.desired,
            Section::Reported => &self.reported,
        }
    }

    pub(crate) fn write(&self, out: &mut String) {
        let mut members = Members::open(out);
        self.write_state(members.name("state"), None);
        self.write_metadata(members.name("metadata"));
        members.number("version", self.version);
        members.close();
    }

    pub(crate) fn write_state(&self, out: &mut String, delta: Option<&Delta<'_>>) {
        let mut members = Members::open(out);
        for section in Section::ALL {
            if let Some(object) = self.section(section) {
                write::object(members.name(section.as_str()), object);
            }
        }
        if let Some(delta) = delta {
            delta.write_state(members.name("delta"));
        }
        members.close();
    }

    pub(crate) fn write_metadata(&self, out: &mut String) {
        let mut members = Members::open(out);
        for section in Section::ALL {
            if let Some(object) = self.section(section) {
                write::object_metadata(members.name(section.as_str()), object);
            }
        }
        members.close();
    }
}

/// A patch for one section, as an update's `state` holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Patch {
    /// The member is not there.
    Leave,
    /// The member is null.
    Clear,
    /// The member is an object to merge.
    Merge(Object<Timestamp>),
}

impl Patch {
    /// Writes what the request had, verbatim but for whitespace and the order of members.
    pub(crate) fn write(&self, out: &mut Members<'_>, section: Section) {
        match self {
            Self::Leave => {}
            Self::Clear => out.name(section.as_str()).push_str("null"),
            Self::Merge(object) => write::object(out.name(section.as_str()), object),
        }
    }

    /// Writes the metadata of what the request had; a null is a leaf like any other.
    pub(crate) fn write_metadata(&self, out: &mut Members<'_>, section: Section, now: Timestamp) {
        match self {
            Self::Leave => {}
            Self::Clear => {
                let null = Value::Leaf(crate::value::Scalar::Null, now);
                write::metadata(out.name(section.as_str()), &null);
            }
            Self::Merge(object) => write::object_metadata(out.name(section.as_str()), object),
        }
    }
}
