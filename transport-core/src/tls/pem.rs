//! Reading certificates and keys.

use core::fmt;
use std::{fs, path::PathBuf};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject, SectionKind},
};

use super::error::{PemFound, PemItem, PemSource, TlsError};

/// A PEM text: a file, read anew at each connect, or bytes. `Debug` shows no bytes.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pem {
    /// A file.
    File(PathBuf),
    /// The text itself.
    Bytes(Vec<u8>),
}

impl Pem {
    /// A file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The text itself.
    #[must_use]
    pub fn bytes(text: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(text.into())
    }

    /// Where it is, for errors.
    #[must_use]
    pub fn source(&self) -> PemSource {
        match self {
            Self::File(path) => PemSource::File(path.clone()),
            Self::Bytes(_) => PemSource::Bytes,
        }
    }

    /// The certificates in it, at least one.
    pub(super) fn certificates(
        &self,
        item: PemItem,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read(item)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => Err(self.without(item, &text)),
            Ok(certificates) => Ok(certificates),
            Err(_) => Err(self.damaged(item, BROKEN_PEM)),
        }
    }

    /// The first private key in it: PKCS#1, PKCS#8 or SEC1.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let item = PemItem::PrivateKey;
        let text = self.read(item)?;
        match PrivateKeyDer::from_pem_slice(&text) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => Err(self.without(item, &text)),
            Err(_) => Err(self.damaged(item, BROKEN_PEM)),
        }
    }

    pub(super) fn damaged(&self, item: PemItem, error: impl fmt::Display) -> TlsError {
        TlsError::Damaged {
            source: self.source(),
            item,
            message: error.to_string().into(),
        }
    }

    fn read(&self, item: PemItem) -> Result<Vec<u8>, TlsError> {
        match self {
            Self::Bytes(text) => Ok(text.clone()),
            Self::File(path) => fs::read(path).map_err(|error| TlsError::File {
                path: path.clone(),
                item,
                kind: error.kind(),
                message: error.to_string().into(),
            }),
        }
    }

    /// What there is to say about a text without what was looked for.
    fn without(&self, item: PemItem, text: &[u8]) -> TlsError {
        const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
        let encrypted = text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED);
        let any = <(SectionKind, Vec<u8>)>::pem_slice_iter(text).any(|section| section.is_ok());
        let found = if encrypted && item == PemItem::PrivateKey {
            PemFound::EncryptedKey
        } else if any || encrypted {
            PemFound::Other
        } else {
            PemFound::Nothing
        };
        TlsError::NotPem {
            source: self.source(),
            item,
            found,
        }
    }
}

/// Text is meant as a path, which is what flags and configuration files give.
impl From<&str> for Pem {
    fn from(path: &str) -> Self {
        Self::file(path)
    }
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Bytes(_) => f.write_str("Bytes(***)"),
        }
    }
}

/// Not in the library's words, which may quote the text: it can be a key.
const BROKEN_PEM: &str = "its base64 is damaged, or its END line is missing";
