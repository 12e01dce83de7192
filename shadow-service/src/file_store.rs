//! Records in a file (feature `store`).
//!
//! The file is a redb database: a B-tree with copy on write, pure Rust, whose commit is one
//! write of a root. A commit is on the disk when [`Store::commit`] returns, and after a crash
//! at any moment the file holds all of the last commit or none of it.
//!
//! Opening reads no records: it takes well under a millisecond, however many there are. After a
//! crash it reads the file once, about 1.5 µs a shadow of 1 KB. (redb can avoid that with twice
//! the syncs for each commit; a start after a crash is the rarer thing.)

use crate::{
    document::Record,
    store::{After, Store, StoreError},
};
use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, ops::Bound, panic::AssertUnwindSafe};
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    StorageError, TableDefinition, TableError,
};
use shadow_proto::{ShadowId, Timestamp};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A [`Store`] in a directory.
///
/// One process at a time has it: a second one is refused, so that two services can never
/// answer from one set of documents.
#[derive(Debug)]
pub struct FileStore {
    database: Database,
}

impl FileStore {
    /// The file's name in its directory.
    pub const FILE_NAME: &'static str = "shadows.redb";

    /// Opens the store in `directory`, which is created if need be.
    ///
    /// # Errors
    /// [`OpenError`] if another process has it, or it is not such a store, or on any failure
    /// of the file system.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(Self::FILE_NAME);
        let failed = |reason| OpenError {
            path: path.clone(),
            reason,
        };
        if directory.exists() && !directory.is_dir() {
            let error = io::Error::new(io::ErrorKind::NotADirectory, "it is in no directory");
            return Err(failed(Reason::Io(error)));
        }
        std::fs::create_dir_all(directory).map_err(|error| failed(Reason::Io(error)))?;
        guarded(
            || Self::prepare(Database::create(&path)?),
            || Reason::Damaged(PANICKED.to_string()),
        )
        .map_err(failed)
    }

    /// Opens a store on another medium: for tests that let it fail.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_backend(backend: impl StorageBackend) -> Result<Self, OpenError> {
        let database = Database::builder().create_with_backend(backend);
        let database = database.map_err(Reason::from);
        database
            .and_then(Self::prepare)
            .map_err(|reason| OpenError {
                path: PathBuf::new(),
                reason,
            })
    }

    /// Checks the format, or sets it in a new file, and makes sure that the tables exist.
    fn prepare(database: Database) -> Result<Self, Reason> {
        let store = Self { database };
        match store.mark_format() {
            Ok(FORMAT) => Ok(store),
            Ok(format) => Err(Reason::Format(format)),
            Err(error) => Err(Reason::Other(error.to_string())),
        }
    }

    /// The format of a store that is one already; a store that is only opened is not written.
    fn format(&self) -> Result<Option<u64>, redb::Error> {
        let transaction = self.database.begin_read()?;
        match transaction.open_table(PROPERTIES) {
            Ok(properties) => Ok(properties.get("format")?.map(|format| format.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn mark_format(&self) -> Result<u64, redb::Error> {
        if let Some(format) = self.format()? {
            return Ok(format);
        }
        let transaction = self.database.begin_write()?;
        let format = {
            transaction.open_table(RECORDS)?;
            transaction.open_table(TOMBSTONES)?;
            let mut properties = transaction.open_table(PROPERTIES)?;
            let found = properties.get("format")?.map(|format| format.value());
            if found.is_none() {
                properties.insert("format", FORMAT)?;
            }
            found.unwrap_or(FORMAT)
        };
        transaction.commit()?;
        Ok(format)
    }

    fn read(&self, shadow: &ShadowId) -> Result<Option<String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let records = transaction.open_table(RECORDS)?;
        let record = records.get(key(shadow))?;
        Ok(record.map(|record| record.value().to_string()))
    }

    fn write(&self, shadow: &ShadowId, record: &Record) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut records = transaction.open_table(RECORDS)?;
            let (thing, name) = key(shadow);
            let text = record.encode();
            let replaced = records.insert((thing, name), text.as_str())?;
            let replaced = replaced.and_then(|old| buried(old.value()));
            let mut tombstones = transaction.open_table(TOMBSTONES)?;
            if let Some(deleted) = replaced {
                tombstones.remove((deleted, thing, name))?;
            }
            if let Record::Tombstone(tombstone) = record {
                tombstones.insert((tombstone.deleted.seconds(), thing, name), ())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn forget(&self, deleted_before: u64) -> Result<(), redb::Error> {
        let end = (deleted_before, "", "");
        {
            let transaction = self.database.begin_read()?;
            let tombstones = transaction.open_table(TOMBSTONES)?;
            if tombstones.range(..end)?.next().is_none() {
                return Ok(());
            }
        }
        let transaction = self.database.begin_write()?;
        {
            let mut records = transaction.open_table(RECORDS)?;
            let mut tombstones = transaction.open_table(TOMBSTONES)?;
            for old in tombstones.extract_from_if(..end, |_, ()| true)? {
                let (old, _) = old?;
                let (_, thing, name) = old.value();
                records.remove((thing, name))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn names(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let records = transaction.open_table(RECORDS)?;
        let from = match after {
            After::Start => Bound::Unbounded,
            After::Shadow(shadow) => Bound::Excluded(key(shadow)),
        };
        let mut names = Vec::new();
        for record in records.range::<(&str, &str)>((from, Bound::Unbounded))? {
            if names.len() == limit {
                break;
            }
            let (shadow, record) = record?;
            let (thing, name) = shadow.value();
            let name = Some(name).filter(|name| !name.is_empty());
            if buried(record.value()).is_none() {
                // Only legal names are ever written.
                names.extend(ShadowId::new(thing, name));
            }
        }
        Ok(names)
    }
}

impl Store for FileStore {
    fn load(&self, shadow: &ShadowId) -> Result<Option<Cow<'_, Record>>, StoreError> {
        let Some(text) = served(|| self.read(shadow))? else {
            return Ok(None);
        };
        let record = Record::decode(&text);
        let record = record.map_err(|error| StoreError::new(error.to_string()))?;
        Ok(Some(Cow::Owned(record)))
    }

    fn commit(&mut self, shadow: &ShadowId, record: Record) -> Result<(), StoreError> {
        served(|| self.write(shadow, &record))
    }

    fn purge(&mut self, deleted_before: Timestamp) -> Result<(), StoreError> {
        served(|| self.forget(deleted_before.seconds()))
    }

    fn list(&self, after: After<'_>, limit: usize) -> Result<Vec<ShadowId>, StoreError> {
        served(|| self.names(after, limit))
    }
}

/// Why a store cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    InUse,
    Format(u64),
    Io(io::Error),
    Damaged(String),
    Other(String),
}

impl OpenError {
    /// Whether another process has the store.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self.reason, Reason::InUse)
    }
}

impl From<DatabaseError> for Reason {
    fn from(error: DatabaseError) -> Self {
        if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
            return Self::InUse;
        }
        if let DatabaseError::Storage(StorageError::Io(error)) = error {
            let damaged = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
            if damaged.contains(&error.kind()) {
                return Self::Damaged(error.to_string());
            }
            return Self::Io(error);
        }
        if let DatabaseError::Storage(StorageError::Corrupted(text)) = error {
            return Self::Damaged(text);
        }
        Self::Other(error.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.reason {
            Reason::InUse => write!(f, "{path} is in use by another process"),
            Reason::Format(format) => write!(
                f,
                "{path} has format {format}, and this version reads {FORMAT}"
            ),
            Reason::Io(error) => write!(f, "cannot open {path}: {error}"),
            Reason::Damaged(text) => {
                write!(f, "{path} is no store of shadows, or is damaged: {text}")
            }
            Reason::Other(text) => write!(f, "cannot open {path}: {text}"),
        }
    }
}

impl core::error::Error for OpenError {}

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

/// An empty name, which no named shadow has, stands for the classic shadow and sorts first.
fn key(shadow: &ShadowId) -> (&str, &str) {
    (shadow.thing(), shadow.shadow().unwrap_or_default())
}

/// When the shadow of this record was deleted, if it was.
fn buried(text: &str) -> Option<u64> {
    match Record::decode(text) {
        Ok(Record::Tombstone(tombstone)) => Some(tombstone.deleted.seconds()),
        Ok(Record::Document(_)) | Err(_) => None,
    }
}

/// Records by thing and shadow name.
const RECORDS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("records");
/// Tombstones by age, so that the old ones are found without a search.
const TOMBSTONES: TableDefinition<'_, (u64, &str, &str), ()> = TableDefinition::new("tombstones");
const PROPERTIES: TableDefinition<'_, &str, u64> = TableDefinition::new("properties");
const FORMAT: u64 = 1;
