//! TLS for what the server listens on (feature `tls`): certificates from files.

use alloc::{borrow::ToOwned, boxed::Box, string::ToString, sync::Arc, vec::Vec};
use core::fmt;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem},
    server::WebPkiClientVerifier,
};
use std::path::{Path, PathBuf};

/// The server's certificate, its key, and whose clients may come: PEM files.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The server's certificate, those of intermediate authorities after it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that sign clients' certificates. With them, a client must have such a
    /// certificate; without, any client may come. Default: none.
    pub authority: Option<PathBuf>,
}

impl TlsFiles {
    /// A certificate and its key, for any client.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            authority: None,
        }
    }

    /// Only clients whose certificate one of the authorities in this file has signed.
    #[must_use]
    pub fn with_authority(mut self, authority: impl Into<PathBuf>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Reads the files. `protocols` are what a client that offers protocols (ALPN) may choose.
    ///
    /// # Errors
    /// [`TlsFilesError`] says which file, and what is wrong with it.
    pub(crate) fn load(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsFilesError> {
        let chain = certificates(&self.certificate, Item::Certificate)?;
        let key = private_key(&self.key)?;
        let provider = provider();
        let other = |path: &Path, error: &dyn fmt::Display| TlsFilesError {
            path: path.to_owned(),
            reason: Reason::Other(error.to_string().into()),
        };
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions();
        let config = config.map_err(|error| other(&self.certificate, &error))?;
        let config = match &self.authority {
            None => config.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.build().map_err(|error| other(path, &error))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|error| {
            if !matches!(error, rustls::Error::InconsistentKeys(_)) {
                return other(&self.certificate, &error);
            }
            TlsFilesError {
                path: self.key.clone(),
                reason: Reason::Mismatch(self.certificate.clone()),
            }
        })?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// What is wrong with a file of [`TlsFiles`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFilesError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Reason {
    Unreadable(Item, Box<str>),
    Absent(Item),
    Damaged(Item, Box<str>),
    /// The key is not that of this certificate.
    Mismatch(PathBuf),
    Other(Box<str>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    Certificate,
    Key,
    Authority,
}

impl TlsFilesError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
            Self::Authority => "certificate of an authority",
        })
    }
}

impl fmt::Display for TlsFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.reason {
            Reason::Unreadable(item, error) => {
                write!(f, "cannot read {path}, which should hold a {item}: {error}")
            }
            Reason::Absent(item) => write!(
                f,
                "{path} holds no {item}: expected PEM text, with a line -----BEGIN {}-----",
                match item {
                    Item::Certificate | Item::Authority => "CERTIFICATE",
                    Item::Key => "PRIVATE KEY",
                }
            ),
            Reason::Damaged(item, error) => {
                write!(f, "{path} holds a {item} that is damaged: {error}")
            }
            Reason::Mismatch(certificate) => write!(
                f,
                "the private key in {path} is not that of the certificate in {}",
                certificate.display()
            ),
            Reason::Other(error) => write!(f, "{path} cannot be used: {error}"),
        }
    }
}

impl core::error::Error for TlsFilesError {}

/// Named wherever one is needed: a build with two of them has no default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

pub(crate) fn certificates(
    path: &Path,
    item: Item,
) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    use pem::PemObject as _;
    let text = read(path, item)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| damaged(path, item, &error))?;
    if found.is_empty() {
        return Err(absent(path, item));
    }
    Ok(found)
}

pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsFilesError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, Item::Authority)? {
        let added = roots.add(certificate);
        added.map_err(|error| damaged(path, Item::Authority, &error))?;
    }
    Ok(roots)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFilesError> {
    use pem::PemObject as _;
    let text = read(path, Item::Key)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(absent(path, Item::Key)),
        Err(error) => Err(damaged(path, Item::Key, &error)),
    }
}

fn read(path: &Path, item: Item) -> Result<Vec<u8>, TlsFilesError> {
    std::fs::read(path).map_err(|error| TlsFilesError {
        path: path.to_owned(),
        reason: Reason::Unreadable(item, error.to_string().into()),
    })
}

fn absent(path: &Path, item: Item) -> TlsFilesError {
    TlsFilesError {
        path: path.to_owned(),
        reason: Reason::Absent(item),
    }
}

fn damaged(path: &Path, item: Item, error: &dyn fmt::Display) -> TlsFilesError {
    TlsFilesError {
        path: path.to_owned(),
        reason: Reason::Damaged(item, error.to_string().into()),
    }
}
