//! Which PEM text an error is about.

use core::fmt;
use std::path::{Path, PathBuf};

/// What a PEM text is read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PemItem {
    /// The certificates of the authorities to trust.
    Authorities,
    /// The client certificate.
    Certificate,
    /// Its private key.
    PrivateKey,
}

impl PemItem {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Authorities | Self::Certificate => "-----BEGIN CERTIFICATE-----",
            Self::PrivateKey => "-----BEGIN PRIVATE KEY-----",
        }
    }
}

impl fmt::Display for PemItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authorities => "CA certificate",
            Self::Certificate => "client certificate",
            Self::PrivateKey => "private key",
        })
    }
}

/// Where a PEM text comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PemSource {
    /// A file.
    File(PathBuf),
    /// Bytes that the application gave.
    Bytes,
}

impl PemSource {
    /// The file, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Bytes => None,
        }
    }
}

impl fmt::Display for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Bytes => f.write_str("the given bytes"),
        }
    }
}

/// What is in a PEM text that lacks what was looked for.
///
/// ```
/// use transport_core::{PemFound, TlsError};
///
/// /// What to tell somebody who gave the wrong file.
/// fn advice(error: &TlsError) -> &'static str {
///     match error {
///         TlsError::NotPem { found: PemFound::EncryptedKey, .. } => "take the pass phrase off",
///         _ => "look at the file",
///     }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PemFound {
    /// Nothing that is PEM.
    Nothing,
    /// PEM of another kind.
    Other,
    /// A key behind a pass phrase.
    EncryptedKey,
}
