//! Why a server could not start.

use crate::local::ListenError;
#[cfg(feature = "tls")]
use crate::local::TlsFilesError;
#[cfg(feature = "client")]
use crate::local::mqtt::AttachError;
use core::fmt;

/// Why a server could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be had.
    Listen(ListenError),
    /// A certificate or a key cannot be used.
    #[cfg(feature = "tls")]
    Certificates(TlsFilesError),
    /// TLS is wanted, and there is no certificate.
    #[cfg(feature = "tls")]
    NoCertificate,
    /// The broker to attach to cannot be used.
    #[cfg(feature = "client")]
    Attach(AttachError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Certificates(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::NoCertificate => f.write_str("TLS needs a certificate and its private key"),
            #[cfg(feature = "client")]
            Self::Attach(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

#[cfg(feature = "tls")]
impl From<TlsFilesError> for StartError {
    fn from(error: TlsFilesError) -> Self {
        Self::Certificates(error)
    }
}

#[cfg(feature = "client")]
impl From<AttachError> for StartError {
    fn from(error: AttachError) -> Self {
        Self::Attach(error)
    }
}
