//! The stored document of a shadow: two sections and a version, or the memory of one deleted.

use crate::{
    delta::Delta,
    mirror::Mirror,
    settings::Behaviour,
    value::{Object, Scalar},
    write::Members,
};
use alloc::{boxed::Box, string::String};
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
    text: Text,
}

/// What [`Document::keep`] wrote, if it was called. It says nothing that the document does not
/// say, so it is equal to any other, and not worth a copy.
#[derive(Default)]
struct Text(Option<Box<Mirror>>);

impl Clone for Text {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl PartialEq for Text {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "rendered" } else { "none" })
    }
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
            text: Text(None),
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
        let sections = Section::ALL.map(|section| self.section(section));
        let sections = sections.into_iter().zip(Section::ALL);
        let sections = sections.filter_map(|(object, section)| Some((object?, section)));
        let Some(text) = self.text() else {
            return sections.map(|(object, _)| object.size()).sum();
        };
        // The text has nothing else but braces, the sections' names, and what is between.
        let names = sections.map(|(_, section)| 3 + section.as_str().len());
        let (count, names) = names.fold((0_usize, 0), |(count, sum), name| (count + 1, sum + name));
        let around = 2 + names + count.saturating_sub(1);
        text.state.len() - around
    }

    /// `{"state": …, "metadata": …, "version": N}` as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Keeps what [`mirror`](Self::mirror) writes, for all who ask later.
    pub(crate) fn keep(&mut self, mut mirror: Mirror) {
        mirror.done();
        self.text = Text(Some(Box::new(mirror)));
    }

    /// What [`keep`](Self::keep) was given, if it was called.
    pub(crate) fn text(&self) -> Option<&Mirror> {
        self.text.0.as_deref()
    }

    pub(crate) const fn raw(&self, section: Section) -> &Object<Timestamp> {
        match section {
            Section::Desired => &self.desired,
            Section::Reported => &self.reported,
        }
    }

    pub(crate) fn write(&self, out: &mut String) {
        self.with_text(|text| {
            let mut members = Members::open(out);
            members.name("state").push_str(&text.state);
            members.name("metadata").push_str(&text.metadata);
            members.number("version", self.version);
            members.close();
        });
    }

    /// The members of a state, and the delta among them if there is one; and the metadata.
    pub(crate) fn write_with(&self, out: &mut Members<'_>, delta: Option<&Delta<'_>>) {
        self.with_text(|text| {
            let state = out.name("state");
            match (delta, text.state.strip_suffix('}')) {
                (Some(delta), Some(open)) => {
                    state.push_str(open);
                    let mut members = Members::resume(state);
                    delta.write_state(members.name("delta"));
                    members.close();
                }
                (None, _) | (_, None) => state.push_str(&text.state),
            }
            out.name("metadata").push_str(&text.metadata);
        });
    }

    /// The sections as members of an object that has others too.
    pub(crate) fn write_sections(&self, members: &mut Members<'_>) {
        self.with_text(|text| {
            let open = text.state.strip_prefix('{');
            members.several(
                open.and_then(|open| open.strip_suffix('}'))
                    .unwrap_or_default(),
            );
        });
    }

    /// How long the text of both is.
    pub(crate) fn text_length(&self) -> usize {
        self.text()
            .map_or(0, |text| text.state.len() + text.metadata.len())
    }

    fn with_text(&self, then: impl FnOnce(&Mirror)) {
        if let Some(text) = self.text() {
            return then(text);
        }
        let mut mirror = Mirror::default();
        self.mirror(&mut mirror);
        then(&mirror);
    }

    pub(crate) fn mirror(&self, out: &mut Mirror) {
        out.open();
        for section in Section::ALL {
            if let Some(object) = self.section(section) {
                out.name(section.as_str());
                out.object(object);
            }
        }
        out.close();
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
    /// What the request had, verbatim but for whitespace and the order of members, and the
    /// metadata of that; a null is a leaf like any other.
    pub(crate) fn mirror(&self, out: &mut Mirror, section: Section, now: Timestamp) {
        match self {
            Self::Leave => {}
            Self::Clear => {
                out.name(section.as_str());
                out.scalar(&Scalar::Null, now);
            }
            Self::Merge(object) => {
                out.name(section.as_str());
                out.object(object);
            }
        }
    }
}
