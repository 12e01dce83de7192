//! Why a store cannot be opened.

use super::table::FORMAT;
use alloc::string::String;
use core::fmt;
use redb::{DatabaseError, StorageError};
use std::{io, path::PathBuf};

/// Why a store cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug)]
pub(super) enum Reason {
    InUse,
    Format(u64),
    Io(io::Error),
    NoJournal(&'static str),
    Damaged(String),
    Other(String),
}

impl OpenError {
    pub(super) const fn new(path: PathBuf, reason: Reason) -> Self {
        Self { path, reason }
    }

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
            return error.into();
        }
        if let DatabaseError::Storage(StorageError::Corrupted(text)) = error {
            return Self::Damaged(text);
        }
        Self::Other(alloc::format!("{error}"))
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        let damaged = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
        if damaged.contains(&error.kind()) {
            return Self::Damaged(alloc::format!("{error}"));
        }
        Self::Io(error)
    }
}

impl From<redb::Error> for Reason {
    fn from(error: redb::Error) -> Self {
        Self::Other(alloc::format!("{error}"))
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
            Reason::NoJournal(name) => write!(
                f,
                "{path} is not whole without {name}, which should be beside it; if that is lost \
                 for good, and the newest updates with it, put an empty file in its place"
            ),
            Reason::Damaged(text) => {
                write!(f, "{path} is no store of shadows, or is damaged: {text}")
            }
            Reason::Other(text) => write!(f, "cannot open {path}: {text}"),
        }
    }
}

impl core::error::Error for OpenError {}
