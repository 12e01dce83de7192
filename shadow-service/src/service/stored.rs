//! What is stored of a shadow, as a request sees it.

use super::Service;
use crate::{
    document::{Document, Record, Tombstone},
    error::ShadowError,
    settings::AbsentVersion,
    store::{Store, StoreError},
    time::UnixTime,
};
use alloc::borrow::Cow;
use core::time::Duration;
use shadow_proto::ShadowId;

/// A record as a request sees it: an old tombstone is nothing.
pub(super) enum Stored<'a> {
    Document(Cow<'a, Document>),
    Absent { counter: u64 },
}

impl Stored<'_> {
    pub(super) fn document(&self) -> Option<&Document> {
        match self {
            Self::Document(document) => Some(document),
            Self::Absent { .. } => None,
        }
    }

    /// The counter that the next version follows, if `asked` does not conflict with it.
    pub(super) fn check_version(
        &self,
        asked: Option<u64>,
        absent: AbsentVersion,
    ) -> Result<u64, ShadowError> {
        let (counter, free) = match self {
            Self::Document(document) => (document.version(), true),
            Self::Absent { counter } => (
                *counter,
                match absent {
                    AbsentVersion::Counter => true,
                    AbsentVersion::Ignored => return Ok(*counter),
                    AbsentVersion::Conflict => false,
                },
            ),
        };
        match asked {
            None => Ok(counter),
            Some(asked) if free && asked == counter => Ok(counter),
            Some(_) => Err(ShadowError::VersionConflict),
        }
    }
}

impl<S: Store> Service<S> {
    pub(super) fn load(&self, shadow: &ShadowId, now: UnixTime) -> Result<Stored<'_>, StoreError> {
        Ok(match self.store.load(shadow)? {
            Some(Cow::Borrowed(Record::Document(document))) => {
                Stored::Document(Cow::Borrowed(document))
            }
            Some(Cow::Owned(Record::Document(document))) => Stored::Document(Cow::Owned(document)),
            Some(Cow::Borrowed(Record::Tombstone(tombstone))) => self.buried(*tombstone, now),
            Some(Cow::Owned(Record::Tombstone(tombstone))) => self.buried(tombstone, now),
            None => Stored::Absent { counter: 0 },
        })
    }

    fn buried(&self, tombstone: Tombstone, now: UnixTime) -> Stored<'static> {
        let age = now.timestamp().saturating_since(tombstone.deleted);
        let remembered: Duration = self.settings.tombstone;
        let counter = if age < remembered {
            tombstone.counter
        } else {
            0
        };
        Stored::Absent { counter }
    }
}
