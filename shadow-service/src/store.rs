//! Where records live: a small trait, and memory.

use crate::document::Record;
use alloc::{
    borrow::Cow,
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::fmt;
use shadow_proto::{ShadowId, Timestamp};

/// Keeps one [`Record`] per shadow.
///
/// The service calls [`commit`](Self::commit) once for each accepted update or delete, before
/// any answer leaves; a store that survives crashes makes that call durable and atomic.
pub trait Store {
    /// The record of `shadow`.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read; the request is answered with 500.
    fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError>;

    /// Replaces the record of `shadow`: wholly, or on an error not at all.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written; the request is answered with 500.
    fn commit(&mut self, shadow: &ShadowId, record: Record) -> Result<(), StoreError>;

    /// Forgets tombstones whose shadow was deleted before `deleted_before`. Called with every
    /// delete, so it must be cheap when there are none.
    ///
    /// # Errors
    /// [`StoreError`]; the service goes on, since an old tombstone is also recognised when read.
    fn purge(&mut self, deleted_before: Timestamp) -> Result<(), StoreError>;

    /// Shadows that exist, tombstones left out, in the order of [`ShadowId`] (things by name,
    /// the classic shadow before the named): at most `limit` of those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    fn list(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, StoreError>;
}

/// Where a listing begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must handle each, so a new one must break it"
)]
pub enum After<'a> {
    /// At the first shadow of the first thing.
    Start,
    /// After this shadow, whether it exists or not.
    Shadow(&'a ShadowId),
}

/// Why a store failed, in words for the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreError(Box<str>);

impl StoreError {
    /// An error with this description.
    #[must_use]
    pub fn new(description: impl Into<String>) -> Self {
        Self(description.into().into_boxed_str())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for StoreError {}

/// Records in memory: gone with the process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: BTreeMap<ShadowId, Record>,
    /// Tombstones by age, so that the old ones are found without a search.
    tombstones: BTreeSet<(Timestamp, ShadowId)>,
}

impl MemoryStore {
    /// A store without records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records there are, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl Store for MemoryStore {
    fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError> {
        Ok(self.records.get(shadow).map(Cow::Borrowed))
    }

    fn commit(&mut self, shadow: &ShadowId, record: Record) -> Result<(), StoreError> {
        let tombstone = match &record {
            Record::Tombstone(tombstone) => Some(tombstone.deleted),
            Record::Document(_) => None,
        };
        // Most updates replace a document, and then its key is there already.
        let replaced = match self.records.get_mut(shadow) {
            Some(place) => Some(core::mem::replace(place, record)),
            None => self.records.insert(shadow.clone(), record),
        };
        if let Some(Record::Tombstone(old)) = replaced {
            self.tombstones.remove(&(old.deleted, shadow.clone()));
        }
        if let Some(deleted) = tombstone {
            self.tombstones.insert((deleted, shadow.clone()));
        }
        Ok(())
    }

    fn purge(&mut self, deleted_before: Timestamp) -> Result<(), StoreError> {
        while let Some((deleted, shadow)) = self.tombstones.pop_first() {
            if deleted >= deleted_before {
                self.tombstones.insert((deleted, shadow));
                break;
            }
            self.records.remove(&shadow);
        }
        Ok(())
    }

    fn list(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, StoreError> {
        use core::ops::Bound::{Excluded, Unbounded};
        let from = match after {
            After::Start => Unbounded,
            After::Shadow(shadow) => Excluded(shadow),
        };
        let records = self.records.range::<ShadowId, _>((from, Unbounded));
        let live = records.filter(|(_, record)| matches!(record, Record::Document(_)));
        Ok(live.take(limit).map(|(shadow, _)| shadow.clone()).collect())
    }
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError> {
        (**self).load(shadow)
    }

    fn commit(&mut self, shadow: &ShadowId, record: Record) -> Result<(), StoreError> {
        (**self).commit(shadow, record)
    }

    fn purge(&mut self, deleted_before: Timestamp) -> Result<(), StoreError> {
        (**self).purge(deleted_before)
    }

    fn list(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, StoreError> {
        (**self).list(after, limit)
    }
}
