//! Where records live: a small trait, and memory.

use crate::{
    document::{Document, Record, Tombstone},
    record::DecodeError,
    stamps::{self, Run},
};
use alloc::{
    borrow::Cow,
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};
use core::fmt;
use shadow_proto::{ShadowId, Timestamp};

/// Keeps one [`Record`] per shadow.
///
/// The service calls [`commit`](Self::commit) once for each accepted update or delete, before
/// any answer leaves; a store that survives crashes makes that call durable and atomic.
///
/// A store that fails shows what a device makes of the answer 500:
///
/// ```
/// use shadow_service::{
///     After, MemoryStore, Record, Service, Settings, Store, StoreError, UnixTime,
///     shadow_proto::{ShadowId, Timestamp},
/// };
/// use std::borrow::Cow;
///
/// /// As if its disk were full.
/// struct Full(MemoryStore);
///
/// impl Store for Full {
///     fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError> {
///         self.0.load(shadow)
///     }
///
///     fn commit(&mut self, _: &ShadowId, _: Record) -> Result<(), StoreError> {
///         Err(StoreError::new("no space left"))
///     }
///
///     fn purge(&mut self, deleted_before: Timestamp) -> Result<(), StoreError> {
///         self.0.purge(deleted_before)
///     }
///
///     fn list(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, StoreError> {
///         self.0.list(after, limit)
///     }
/// }
///
/// let mut service = Service::with_store(Settings::default(), Full(MemoryStore::new()));
/// let (topic, now) = ("$aws/things/lamp/shadow/update", UnixTime::from_seconds(1_767_225_600));
/// let handled = service.handle_publish(topic, br#"{"state": {"desired": {"on": true}}}"#, now)?;
/// assert_eq!(handled.outcome.unwrap_err().code(), 500);
/// assert_eq!(&*handled.messages[0].topic, "$aws/things/lamp/shadow/update/rejected");
/// # Ok::<(), shadow_service::Ignored>(())
/// ```
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
///
/// A document as it is worked with takes several times the memory of its state, so only those
/// that were written last are held as they are; of all others the state and the times, until they
/// are asked for.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: BTreeMap<ShadowId, Held>,
    /// The shadows whose record is, or was lately, held whole: the oldest first.
    recent: VecDeque<ShadowId>,
    /// Tombstones by age, so that the old ones are found without a search.
    tombstones: BTreeSet<(Timestamp, ShadowId)>,
}

#[derive(Clone, Debug)]
enum Held {
    Whole(Box<Record>),
    Small(Small),
}

/// A document that costs little memory.
#[derive(Clone, Debug)]
struct Small {
    version: u64,
    state: Box<str>,
    times: Times,
}

/// Most documents are written at once.
#[derive(Clone, Debug)]
enum Times {
    One(Run),
    Several(Box<[Run]>),
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

    /// Notes that `shadow` is held whole again, and makes the oldest beyond [`WHOLE`] small.
    fn remember(&mut self, shadow: &ShadowId) {
        self.recent.push_back(shadow.clone());
        if self.recent.len() <= WHOLE {
            return;
        }
        let oldest = self.recent.pop_front();
        let held = oldest.and_then(|oldest| self.records.get_mut(&oldest));
        if let Some(held) = held {
            held.compact();
        }
    }
}

impl Held {
    fn record(&self) -> Result<Cow<'_, Record>, StoreError> {
        match self {
            Self::Whole(record) => Ok(Cow::Borrowed(record)),
            Self::Small(small) => match small.document() {
                Ok(document) => Ok(Cow::Owned(Record::Document(document))),
                Err(error) => Err(StoreError::new(alloc::format!("{error}"))),
            },
        }
    }

    fn compact(&mut self) {
        let nothing = Record::Tombstone(Tombstone {
            counter: 0,
            deleted: Timestamp::from_seconds(0),
        });
        if let Self::Whole(record) = self {
            match core::mem::replace(&mut **record, nothing) {
                Record::Document(document) => *self = Self::Small(Small::new(document)),
                // It is small already.
                tombstone @ Record::Tombstone(_) => **record = tombstone,
            }
        }
    }

    /// When the shadow was deleted, if it was.
    fn deleted(&self) -> Option<Timestamp> {
        match self {
            Self::Whole(record) => deleted(record),
            Self::Small(_) => None,
        }
    }
}

impl Small {
    fn new(document: Document) -> Self {
        let times = stamps::of(document.sheet());
        Self {
            version: document.version(),
            times: match *times {
                [run] => Times::One(run),
                _ => Times::Several(times.into()),
            },
            state: document.into_sheet().state.into(),
        }
    }

    fn document(&self) -> Result<Document, DecodeError> {
        let times = match &self.times {
            Times::One(run) => core::slice::from_ref(run),
            Times::Several(runs) => runs,
        };
        Document::read(&self.state, times, self.version)
    }
}

const fn deleted(record: &Record) -> Option<Timestamp> {
    match record {
        Record::Tombstone(tombstone) => Some(tombstone.deleted),
        Record::Document(_) => None,
    }
}

impl Store for MemoryStore {
    fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError> {
        self.records.get(shadow).map(Held::record).transpose()
    }

    fn commit(&mut self, shadow: &ShadowId, record: Record) -> Result<(), StoreError> {
        let deleted = deleted(&record);
        // Most updates replace a document, and then its key is there already, and its box.
        let replaced = match self.records.get_mut(shadow) {
            Some(Held::Whole(place)) => Some(core::mem::replace(&mut **place, record)),
            Some(small @ Held::Small(_)) => {
                *small = Held::Whole(Box::new(record));
                None
            }
            None => {
                let held = Held::Whole(Box::new(record));
                self.records.insert(shadow.clone(), held);
                None
            }
        };
        if let Some(Record::Tombstone(old)) = &replaced {
            self.tombstones.remove(&(old.deleted, shadow.clone()));
        }
        // What was whole before is in the list already.
        match (deleted, replaced) {
            (Some(deleted), _) => {
                self.tombstones.insert((deleted, shadow.clone()));
            }
            (None, Some(Record::Document(_))) => {}
            (None, Some(Record::Tombstone(_)) | None) => self.remember(shadow),
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
        let live = records.filter(|(_, held)| held.deleted().is_none());
        Ok(live.take(limit).map(|(shadow, _)| shadow.clone()).collect())
    }
}

/// How many records are held whole. Each takes some five times the document's size.
const WHOLE: usize = 1024;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{service::Service, settings::Settings, time::UnixTime};
    use alloc::format;

    #[test]
    fn small_and_whole_are_one_record() {
        let mut service = Service::new(Settings::default());
        let things = WHOLE as u64 + 500;
        let shadow = |number: u64| ShadowId::classic(&format!("t{number}")).unwrap();
        for round in 1..=2 {
            for number in 0..things {
                let now = UnixTime::from_seconds(100 * round + number % 7);
                let payload = format!(r#"{{"state":{{"reported":{{"r{round}":[{number}]}}}}}}"#);
                service
                    .update(&shadow(number), payload.as_bytes(), now)
                    .unwrap();
            }
        }
        let whole = |store: &MemoryStore| {
            let held = store.records.values();
            held.filter(|held| matches!(held, Held::Whole(_))).count()
        };
        assert_eq!(whole(service.store()), WHOLE);
        assert_eq!(service.store().recent.len(), WHOLE);
        for number in 0..things {
            let document = service.document(&shadow(number), UnixTime::from_seconds(300));
            let (first, second) = (100 + number % 7, 200 + number % 7);
            assert_eq!(
                document.unwrap().unwrap().to_json(),
                format!(
                    "{{\"state\":{{\"reported\":{{\"r1\":[{number}],\"r2\":[{number}]}}}},\
                     \"metadata\":{{\"reported\":{{\"r1\":[{{\"timestamp\":{first}}}],\
                     \"r2\":[{{\"timestamp\":{second}}}]}}}},\"version\":2}}"
                )
            );
        }
    }

    #[test]
    fn a_shadow_that_comes_and_goes_leaves_nothing_behind() {
        let mut store = MemoryStore::new();
        let shadow = ShadowId::classic("t").unwrap();
        let document = Document::read("{}", &[], 1).unwrap();
        let document = Record::Document(document);
        for number in 0..10_000 {
            store.commit(&shadow, document.clone()).unwrap();
            let deleted = Timestamp::from_seconds(number);
            let counter = 2;
            let tombstone = Record::Tombstone(Tombstone { counter, deleted });
            store.commit(&shadow, tombstone).unwrap();
        }
        assert_eq!(store.tombstones.len(), 1);
        assert!(store.recent.len() <= WHOLE);
        store.purge(Timestamp::from_seconds(10_000)).unwrap();
        assert!(store.is_empty());
    }
}
