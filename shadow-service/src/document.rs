//! The stored document of a shadow: two sections and a version, or the memory of one deleted.

use crate::{delta::Delta, settings::Behaviour, sheet::Sheet, write::Members};
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
/// It is kept as the text that is sent of it, numbers as they were written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    sheet: Sheet,
    version: u64,
}

impl Document {
    pub(crate) const fn new(sheet: Sheet, version: u64) -> Self {
        Self { sheet, version }
    }

    /// A section as compact JSON text; `None` where it is absent.
    #[must_use]
    pub fn section(&self, section: Section) -> Option<&str> {
        let at = self.sheet.section(section.as_str())?;
        Some(self.sheet.value(&self.sheet.member(at)))
    }

    /// The metadata of a section as compact JSON text: `{"timestamp": seconds}` in the place of
    /// each leaf.
    #[must_use]
    pub fn metadata(&self, section: Section) -> Option<&str> {
        let at = self.sheet.section(section.as_str())?;
        Some(self.sheet.value_metadata(&self.sheet.member(at)))
    }

    /// The version: 1 for the first document of a shadow.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// What desired has and reported lacks; `None` where there is no difference.
    #[must_use]
    pub fn delta(&self, behaviour: &Behaviour) -> Option<Delta<'_>> {
        Delta::of(&self.sheet, behaviour.numbers)
    }

    /// The size that the limit counts: compact desired plus compact reported, metadata not.
    #[must_use]
    pub fn size(&self) -> usize {
        let sections = Section::ALL.map(|section| self.section(section));
        sections.into_iter().flatten().map(str::len).sum()
    }

    /// `{"state": …, "metadata": …, "version": N}` as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    pub(crate) const fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    pub(crate) fn into_sheet(self) -> Sheet {
        self.sheet
    }

    pub(crate) fn write(&self, out: &mut String) {
        let mut members = Members::open(out);
        self.write_with(&mut members, None);
        members.number("version", self.version);
        members.close();
    }

    /// The members `state`, with the delta among them if there is one, and `metadata`.
    pub(crate) fn write_with(&self, out: &mut Members<'_>, delta: Option<&Delta<'_>>) {
        let state = out.name("state");
        match (delta, self.sheet.state.strip_suffix('}')) {
            (Some(delta), Some(open)) => {
                state.push_str(open);
                let mut members = Members::resume(state);
                delta.write_state(members.name("delta"));
                members.close();
            }
            (None, _) | (_, None) => state.push_str(&self.sheet.state),
        }
        out.name("metadata").push_str(&self.sheet.metadata);
    }

    /// How long the text of both is.
    pub(crate) fn text_length(&self) -> usize {
        self.sheet.state.len() + self.sheet.metadata.len()
    }
}
