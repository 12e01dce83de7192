//! The database: all records but the newest.

use super::open_error::Reason;
use crate::{document::Record, store::After};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{hash::BuildHasher as _, ops::Bound};
use redb::{Database, ReadableDatabase as _, TableDefinition, TableError};
use shadow_proto::ShadowId;
use std::hash::RandomState;

/// What one transaction puts into the database.
#[derive(Debug)]
pub(super) struct Batch<'a, I> {
    /// Records, sorted or not; of two of one shadow the later one stays.
    pub(super) records: I,
    /// Tombstones older than this are forgotten.
    pub(super) purge_before: u64,
    /// The journal that follows.
    pub(super) epoch: &'a mut u64,
}

/// Checks the format, or sets it in a new file, and makes sure that the tables exist. Gives the
/// epoch of the journal.
pub(super) fn prepare(database: &Database) -> Result<u64, Reason> {
    let found = |database: &Database| -> Result<_, redb::Error> {
        let transaction = database.begin_read()?;
        let properties = match transaction.open_table(PROPERTIES) {
            Ok(properties) => properties,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let property = |name| -> Result<_, redb::Error> {
            Ok(properties.get(name)?.map(|found| found.value()))
        };
        Ok(Some((property(FORMAT_KEY)?, property(EPOCH_KEY)?)))
    };
    match found(database)? {
        Some((Some(FORMAT), Some(epoch))) => return Ok(epoch),
        Some((Some(format), _)) => return Err(Reason::Format(format)),
        Some((None, _)) | None => {}
    }
    let mut epoch = 0;
    apply(
        database,
        Batch {
            records: core::iter::empty(),
            purge_before: 0,
            epoch: &mut epoch,
        },
    )?;
    Ok(epoch)
}

/// Puts a batch into the database, wholly or not at all, and gives the journal a new epoch.
///
/// With it goes what redb needs to open the file after a crash without reading it all.
pub(super) fn apply<'a>(
    database: &Database,
    batch: Batch<'_, impl Iterator<Item = (&'a ShadowId, &'a str)>>,
) -> Result<(), redb::Error> {
    let epoch = RandomState::new().hash_one(*batch.epoch);
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut records = transaction.open_table(RECORDS)?;
        let mut tombstones = transaction.open_table(TOMBSTONES)?;
        for (shadow, text) in batch.records {
            let (thing, name) = key(shadow);
            let replaced = records.insert((thing, name), text)?;
            let replaced = replaced.and_then(|old| buried(old.value()));
            if let Some(deleted) = replaced {
                tombstones.remove((deleted, thing, name))?;
            }
            if let Some(deleted) = buried(text) {
                tombstones.insert((deleted, thing, name), ())?;
            }
        }
        let end = (batch.purge_before, "", "");
        for old in tombstones.extract_from_if(..end, |_, ()| true)? {
            let (old, _) = old?;
            let (_, thing, name) = old.value();
            records.remove((thing, name))?;
        }
        let mut properties = transaction.open_table(PROPERTIES)?;
        properties.insert(FORMAT_KEY, FORMAT)?;
        properties.insert(EPOCH_KEY, epoch)?;
    }
    transaction.commit()?;
    *batch.epoch = epoch;
    Ok(())
}

pub(super) fn read(database: &Database, shadow: &ShadowId) -> Result<Option<String>, redb::Error> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(RECORDS)?;
    let record = records.get(key(shadow))?;
    Ok(record.map(|record| record.value().to_string()))
}

/// At most `limit` shadows that exist and that `superseded` does not know better.
pub(super) fn names(
    database: &Database,
    after: After<'_>,
    limit: usize,
    superseded: impl Fn(&ShadowId) -> bool,
) -> Result<Vec<ShadowId>, redb::Error> {
    let transaction = database.begin_read()?;
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
        if buried(record.value()).is_some() {
            continue;
        }
        let (thing, name) = shadow.value();
        let name = Some(name).filter(|name| !name.is_empty());
        // Only legal names are ever written.
        let shadow = ShadowId::new(thing, name).ok();
        names.extend(shadow.filter(|shadow| !superseded(shadow)));
    }
    Ok(names)
}

/// When the shadow of this record was deleted, if it was.
pub(super) fn buried(text: &str) -> Option<u64> {
    // A tombstone begins with its counter; a document is not worth reading here.
    if !text.starts_with("{\"counter\"") {
        return None;
    }
    match Record::decode(text) {
        Ok(Record::Tombstone(tombstone)) => Some(tombstone.deleted.seconds()),
        Ok(Record::Document(_)) | Err(_) => None,
    }
}

/// An empty name, which no named shadow has, stands for the classic shadow and sorts first.
fn key(shadow: &ShadowId) -> (&str, &str) {
    (shadow.thing(), shadow.shadow().unwrap_or_default())
}

/// Records by thing and shadow name.
const RECORDS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("records");
/// Tombstones by age, so that the old ones are found without a search.
const TOMBSTONES: TableDefinition<'_, (u64, &str, &str), ()> = TableDefinition::new("tombstones");
const PROPERTIES: TableDefinition<'_, &str, u64> = TableDefinition::new("properties");
const FORMAT_KEY: &str = "format";
const EPOCH_KEY: &str = "journal";
/// Changes when a version could not read what another one wrote. Format 1 had no journal.
pub(super) const FORMAT: u64 = 2;
