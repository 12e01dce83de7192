//! Records in files (feature `store`).
//!
//! Two files, which belong together. The newest records are in a journal, which is what an
//! accepted update is written to: one write and one sync. When it is full, all of it goes into
//! a redb database (a B-tree with copy on write, pure Rust) in one transaction. A record is on
//! the disk when [`Store::commit`] returns, and after a crash at any moment the files hold all
//! of it or nothing.
//!
//! Opening reads the journal, of 2 MiB, and of the database as good as nothing, however many
//! records there are and however the process before ended.

mod journal;
mod open_error;
mod table;

use crate::{
    document::Record,
    store::{After, Store, StoreError},
};
use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, string::ToString, vec::Vec};
use core::{ops::Bound, panic::AssertUnwindSafe};
use journal::Journal;
use open_error::Reason;
use redb::{Database, StorageBackend, backends::FileBackend};
use shadow_proto::{ShadowId, Timestamp};
use std::{fs, io, path::Path, path::PathBuf};
use table::Batch;

pub use open_error::OpenError;

/// A [`Store`] in a directory.
///
/// One process at a time has it: a second one is refused, so that two services can never
/// answer from one set of documents.
///
/// ```
/// use shadow_service::{FileStore, Service, Settings, UnixTime, shadow_proto::ShadowId};
///
/// # let directory = std::env::temp_dir().join(format!("file-store-{}", std::process::id()));
/// let (lamp, now) = (ShadowId::classic("lamp")?, UnixTime::from_seconds(1_767_225_600));
/// let mut service = Service::with_store(Settings::default(), FileStore::open(&directory)?);
/// service.update(&lamp, br#"{"state": {"reported": {"on": true}}}"#, now)?;
/// assert!(FileStore::open(&directory).unwrap_err().is_in_use());
/// drop(service);
///
/// // What was accepted is there the next time.
/// let service = Service::with_store(Settings::default(), FileStore::open(&directory)?);
/// assert_eq!(service.document(&lamp, now)?.unwrap().version(), 1);
/// # drop(service);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A [`Server`](crate::local::Server) takes it as [`Options::store`](crate::local::Options::store).
#[derive(Debug)]
pub struct FileStore {
    database: Database,
    journal: Journal,
    /// What the journal holds: it goes before the database.
    newest: BTreeMap<ShadowId, Box<str>>,
    /// Tombstones older than this are forgotten, whatever the files say.
    purge_before: u64,
}

impl FileStore {
    /// The database's name in its directory.
    pub const FILE_NAME: &'static str = "shadows.redb";
    /// The journal's name, beside it.
    pub const JOURNAL_NAME: &'static str = "shadows.journal";

    /// Opens the store in `directory`, which is created if need be.
    ///
    /// # Errors
    /// [`OpenError`] if another process has it, or it is not such a store, or half of it is
    /// missing, or on any failure of the file system.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(Self::FILE_NAME);
        let failed = |reason| OpenError::new(path.clone(), reason);
        if directory.exists() && !directory.is_dir() {
            let error = io::Error::new(io::ErrorKind::NotADirectory, "it is in no directory");
            return Err(failed(Reason::Io(error)));
        }
        fs::create_dir_all(directory).map_err(|error| failed(Reason::Io(error)))?;
        let open = || {
            let journal = directory.join(Self::JOURNAL_NAME);
            // A database without its journal may lack the newest records, and must not look
            // whole. So the journal is made first.
            if fs::metadata(&path).map_or(true, |file| file.len() == 0) {
                let mut file = fs::OpenOptions::new();
                file.write(true).create(true).truncate(false);
                file.open(&journal)?.sync_all()?;
                sync_directory(directory);
            }
            let database = Database::create(&path)?;
            let file = fs::OpenOptions::new().read(true).write(true).open(journal);
            let file = file.map_err(|error| {
                if error.kind() == io::ErrorKind::NotFound {
                    return Reason::NoJournal(Self::JOURNAL_NAME);
                }
                Reason::Io(error)
            })?;
            Self::new(database, FileBackend::new(file)?, ROOM)
        };
        guarded(open, || Reason::Damaged(PANICKED.to_string())).map_err(failed)
    }

    /// Opens a store on other media: for tests that let them fail. A journal that has a length
    /// keeps it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_backends(
        database: impl StorageBackend,
        journal: impl StorageBackend,
    ) -> Result<Self, OpenError> {
        let open = || {
            let room = if journal.len()? == 0 { ROOM } else { 0 };
            let database = Database::builder().create_with_backend(database)?;
            Self::new(database, journal, room)
        };
        open().map_err(|reason| OpenError::new(PathBuf::new(), reason))
    }

    fn new(database: Database, journal: impl StorageBackend, room: u64) -> Result<Self, Reason> {
        let epoch = table::prepare(&database)?;
        let mut newest = BTreeMap::new();
        let journal = Journal::open(Box::new(journal), epoch, room, |shadow, text| {
            newest.insert(shadow, text.into());
        })?;
        Ok(Self {
            database,
            journal,
            newest,
            purge_before: 0,
        })
    }

    fn read(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, str>>, redb::Error> {
        if let Some(text) = self.newest.get(shadow) {
            return Ok(Some(Cow::Borrowed(text)));
        }
        let text = table::read(&self.database, shadow)?;
        Ok(text.map(Cow::Owned))
    }

    fn write(&mut self, shadow: &ShadowId, text: &str) -> Result<(), redb::Error> {
        if self.journal.append(shadow, text)? {
            self.newest.insert(shadow.clone(), text.into());
            return Ok(());
        }
        // One more record is no more work for the database.
        self.settle(Some((shadow, text)))
    }

    /// Puts what the journal holds into the database, and `last` with it.
    fn settle(&mut self, last: Option<(&ShadowId, &str)>) -> Result<(), redb::Error> {
        let newest = self.newest.iter().map(|(shadow, text)| (shadow, &**text));
        let mut epoch = self.journal.epoch();
        let batch = Batch {
            records: newest.chain(last),
            purge_before: self.purge_before,
            epoch: &mut epoch,
        };
        if let Err(error) = table::apply(&self.database, batch) {
            // It may have taken effect all the same, and with it the new epoch: what the journal
            // took from here on would not be found.
            self.journal.give_up();
            return Err(error);
        }
        self.journal.restart(epoch);
        self.newest.clear();
        Ok(())
    }

    fn names(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, redb::Error> {
        let superseded = |shadow: &ShadowId| self.newest.contains_key(shadow);
        let mut names = table::names(&self.database, after, limit, superseded)?;
        let from = match after {
            After::Start => Bound::Unbounded,
            After::Shadow(shadow) => Bound::Excluded(shadow),
        };
        let newest = self.newest.range::<ShadowId, _>((from, Bound::Unbounded));
        let live = newest.filter(|(_, text)| table::buried(text).is_none());
        names.extend(live.take(limit).map(|(shadow, _)| shadow.clone()));
        // Two sorted lists: cheap for this sort.
        names.sort();
        names.truncate(limit);
        Ok(names)
    }
}

impl Drop for FileStore {
    /// Leaves an empty journal behind. Nothing depends on it.
    fn drop(&mut self) {
        if !self.journal.is_empty() {
            let _ = served(|| self.settle(None));
        }
    }
}

impl Store for FileStore {
    fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError> {
        let Some(text) = served(|| self.read(shadow))? else {
            return Ok(None);
        };
        match Record::decode(&text) {
            Ok(Record::Tombstone(tombstone)) if tombstone.deleted.seconds() < self.purge_before => {
                Ok(None)
            }
            Ok(record) => Ok(Some(Cow::Owned(record))),
            Err(error) => Err(StoreError::new(error.to_string())),
        }
    }

    fn commit(&mut self, shadow: &ShadowId, record: Record) -> Result<(), StoreError> {
        let text = record.encode();
        served(|| self.write(shadow, &text))
    }

    /// Notes it: the database forgets them when it is written the next time.
    fn purge(&mut self, deleted_before: Timestamp) -> Result<(), StoreError> {
        self.purge_before = self.purge_before.max(deleted_before.seconds());
        Ok(())
    }

    fn list(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, StoreError> {
        served(|| self.names(after, limit))
    }
}

/// Not every system can: the next sync of a file in it then has to do.
fn sync_directory(directory: &Path) {
    let opened = fs::OpenOptions::new().read(true).open(directory);
    let _ = opened.and_then(|directory| directory.sync_all());
}

fn served<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
    let work = || work().map_err(|error| StoreError::new(error.to_string()));
    guarded(work, || StoreError::new(PANICKED))
}

/// redb panics over files that were damaged behind its back. That is an error of the file; after
/// it, the database gives errors itself.
fn guarded<T, E>(
    work: impl FnOnce() -> Result<T, E>,
    panicked: impl FnOnce() -> E,
) -> Result<T, E> {
    let result = std::panic::catch_unwind(AssertUnwindSafe(work));
    result.unwrap_or_else(|_| Err(panicked()))
}

const PANICKED: &str = "what it holds makes no sense";
/// Length of a new journal in bytes: some 1800 records of 1 KB. More of them would make fewer
/// and longer pauses for the database.
const ROOM: u64 = 2 << 20;
