//! TLS: which authorities to trust, which certificate to show, which protocol to name.
//!
//! Everything but the wrapping of a stream, which each runtime has its own crate for. Files are
//! read when [`TlsOptions::prepare`] is called, which is at each connect: a certificate that was
//! renewed meanwhile is used from the next connection on.

mod error;
#[cfg(feature = "_rustls")]
mod explain;
#[cfg(feature = "_rustls")]
mod files;
#[cfg(feature = "_rustls")]
mod identity;
#[cfg(feature = "_rustls")]
mod options;
#[cfg(feature = "_rustls")]
mod pem;
#[cfg(feature = "_rustls")]
mod roots;
#[cfg(feature = "_rustls")]
mod x509;

pub use error::{PemFound, PemItem, PemSource, TlsError};
#[cfg(feature = "_rustls")]
pub use identity::Identity;
#[cfg(feature = "_rustls")]
pub use options::{Alpn, Provider, ReadyConfig, TlsOptions, TlsSetup};
#[cfg(feature = "_rustls")]
pub use pem::Pem;
#[cfg(feature = "_rustls")]
pub use roots::Roots;
