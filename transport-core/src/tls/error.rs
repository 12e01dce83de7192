//! What can be wrong with certificates, and what to do about it.

mod pem;
mod text;

pub use pem::{PemFound, PemItem, PemSource};

use std::{io, path::PathBuf, time::SystemTime};

/// Why there is no TLS connection. Each says which file or host it is about, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        item: PemItem,
        /// What kind of error it was.
        kind: io::ErrorKind,
        /// What the system said.
        message: Box<str>,
    },
    /// There is no PEM text of the wanted kind.
    NotPem {
        /// Where.
        source: PemSource,
        /// What it should hold.
        item: PemItem,
        /// What is there instead.
        found: PemFound,
    },
    /// There is PEM text of the wanted kind, but it is damaged.
    Damaged {
        /// Where.
        source: PemSource,
        /// What it should hold.
        item: PemItem,
        /// What is wrong.
        message: Box<str>,
    },
    /// The private key is not the one of the client certificate.
    KeyMismatch {
        /// Where the certificate is.
        certificate: PemSource,
        /// Where the key is.
        key: PemSource,
    },
    /// The client certificate is not valid any more.
    OwnCertificateExpired {
        /// Where the certificate is.
        source: PemSource,
        /// Its last second.
        not_after: SystemTime,
        /// What this machine's clock said.
        now: SystemTime,
    },
    /// The client certificate is not valid yet, or this machine's clock is wrong.
    OwnCertificateNotYetValid {
        /// Where the certificate is.
        source: PemSource,
        /// Its first second.
        not_before: SystemTime,
        /// What this machine's clock said.
        now: SystemTime,
    },
    /// No certificate authority is known to trust.
    NoRoots {
        /// The host that was to be verified.
        host: Box<str>,
        /// What is wrong.
        message: Box<str>,
    },
    /// The server's certificate is not signed by an authority that is trusted here.
    UnknownAuthority {
        /// The host.
        host: Box<str>,
        /// Which authorities are trusted.
        trusted: Box<str>,
    },
    /// The server's certificate is not valid any more.
    ServerCertificateExpired {
        /// The host.
        host: Box<str>,
        /// Its last second, if known.
        not_after: Option<SystemTime>,
        /// What this machine's clock said.
        now: SystemTime,
    },
    /// The server's certificate is not valid yet, or this machine's clock is wrong.
    ServerCertificateNotYetValid {
        /// The host.
        host: Box<str>,
        /// Its first second, if known.
        not_before: Option<SystemTime>,
        /// What this machine's clock said.
        now: SystemTime,
    },
    /// The server's certificate is for other hosts.
    WrongHost {
        /// The host that was asked for.
        host: Box<str>,
        /// The names in the certificate; empty if there is none, or if they are not known.
        names: Vec<Box<str>>,
    },
    /// Something else is wrong with the server's certificate.
    BadServerCertificate {
        /// The host.
        host: Box<str>,
        /// What is wrong.
        message: Box<str>,
    },
    /// The server wants a client certificate, and there is none.
    CertificateRequired {
        /// The host.
        host: Box<str>,
    },
    /// The server did not accept the client certificate.
    CertificateRefused {
        /// The host.
        host: Box<str>,
        /// The alert it sent.
        alert: Box<str>,
    },
    /// The server speaks none of the protocols that were offered (ALPN).
    NoCommonProtocol {
        /// The host.
        host: Box<str>,
        /// What was offered.
        offered: Vec<Box<str>>,
    },
    /// What answers there does not speak TLS.
    NotTls {
        /// The host.
        host: Box<str>,
    },
    /// Anything else.
    Other {
        /// The host.
        host: Box<str>,
        /// What is wrong.
        message: Box<str>,
    },
}

impl TlsError {
    /// Whether trying again with the same files and options is pointless. Not so where a clock
    /// that is not set yet can be the cause: most devices set theirs from the network, after
    /// start.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::File { .. }
            | Self::NotPem { .. }
            | Self::Damaged { .. }
            | Self::KeyMismatch { .. }
            | Self::NoRoots { .. }
            | Self::UnknownAuthority { .. }
            | Self::WrongHost { .. }
            | Self::BadServerCertificate { .. }
            | Self::CertificateRequired { .. }
            | Self::CertificateRefused { .. }
            | Self::NoCommonProtocol { .. }
            | Self::NotTls { .. }
            | Self::OwnCertificateExpired { .. }
            | Self::ServerCertificateExpired { .. } => true,
            Self::OwnCertificateNotYetValid { .. }
            | Self::ServerCertificateNotYetValid { .. }
            | Self::Other { .. } => false,
        }
    }

    /// Whether this machine's clock is before the day that this library was released, so that it
    /// is certainly wrong and has to be set first.
    #[must_use]
    pub fn clock_is_wrong(&self) -> bool {
        match self {
            Self::OwnCertificateNotYetValid { now, .. }
            | Self::ServerCertificateNotYetValid { now, .. } => is_before_release(*now),
            Self::File { .. }
            | Self::NotPem { .. }
            | Self::Damaged { .. }
            | Self::KeyMismatch { .. }
            | Self::NoRoots { .. }
            | Self::UnknownAuthority { .. }
            | Self::WrongHost { .. }
            | Self::BadServerCertificate { .. }
            | Self::CertificateRequired { .. }
            | Self::CertificateRefused { .. }
            | Self::NoCommonProtocol { .. }
            | Self::NotTls { .. }
            | Self::OwnCertificateExpired { .. }
            | Self::ServerCertificateExpired { .. }
            | Self::Other { .. } => false,
        }
    }
}

impl core::error::Error for TlsError {}

fn is_before_release(now: SystemTime) -> bool {
    crate::calendar::seconds(now) < RELEASED
}

/// 2026-11-21: no clock that is right has ever said less to this code. A fixed day and not that
/// of the build, so that the same source builds to the same program.
const RELEASED: u64 = 1_795_219_200;
