//! What can be wrong with certificates, and what to do about it.

use core::fmt;
use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::calendar::Utc;

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

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                path,
                item,
                kind,
                message,
            } => {
                let path = path.display();
                write!(f, "cannot read {path} ({item}): {message}; ")?;
                f.write_str(if *kind == io::ErrorKind::PermissionDenied {
                    "let this user read it"
                } else {
                    "check the path"
                })
            }
            Self::NotPem {
                source,
                item,
                found,
            } => {
                write!(
                    f,
                    "{source} holds no {item} in PEM form ({}): ",
                    item.label()
                )?;
                f.write_str(match (item, found) {
                    (_, PemFound::EncryptedKey) => {
                        "the key is encrypted; decrypt it with `openssl pkey`"
                    }
                    (_, PemFound::Nothing) => {
                        "it is not PEM; convert a DER file with `openssl x509 -inform der` \
                         or `openssl pkey -inform der`"
                    }
                    (PemItem::PrivateKey, PemFound::Other) => {
                        "give the private key; are certificate and key swapped?"
                    }
                    (PemItem::Certificate, PemFound::Other) => {
                        "give the client certificate; are certificate and key swapped?"
                    }
                    (PemItem::Authorities, PemFound::Other) => {
                        "give the certificates of the authorities that sign the server's"
                    }
                })
            }
            Self::Damaged {
                source,
                item,
                message,
            } => write!(
                f,
                "the {item} in {source} cannot be used: {message}; get it anew"
            ),
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the private key in {key} is not the one of the certificate in {certificate}: \
                 give the two files that were made together"
            ),
            Self::OwnCertificateExpired {
                source,
                not_after,
                now,
            } => write!(
                f,
                "the client certificate in {source} expired at {}, it is {} now: \
                 get a new one, or set this machine's clock if it is wrong",
                Utc::new(*not_after),
                Utc::new(*now)
            ),
            Self::OwnCertificateNotYetValid {
                source,
                not_before,
                now,
            } => {
                let not_before = Utc::new(*not_before);
                write!(
                    f,
                    "the client certificate in {source} is valid from {not_before} on, "
                )?;
                check_the_clock(f, *now)
            }
            Self::NoRoots { host, message } => write!(
                f,
                "nothing says which authority to trust for {host}: {message}"
            ),
            Self::UnknownAuthority { host, trusted } => write!(
                f,
                "the certificate of {host} is not signed by any authority in {trusted}: \
                 give the CA file of this server"
            ),
            Self::ServerCertificateExpired {
                host,
                not_after,
                now,
            } => {
                write!(f, "the certificate of {host} expired")?;
                if let Some(not_after) = not_after {
                    write!(f, " at {}", Utc::new(*not_after))?;
                }
                let now = Utc::new(*now);
                write!(
                    f,
                    ", it is {now} now: the server needs a new one, \
                     or set this machine's clock if it is wrong"
                )
            }
            Self::ServerCertificateNotYetValid {
                host,
                not_before,
                now,
            } => {
                write!(f, "the certificate of {host} is not yet valid")?;
                if let Some(not_before) = not_before {
                    write!(f, " (from {} on)", Utc::new(*not_before))?;
                }
                f.write_str(", ")?;
                check_the_clock(f, *now)
            }
            Self::WrongHost { host, names } => {
                write!(f, "the certificate that answers for {host} ")?;
                if names.is_empty() {
                    f.write_str("does not name this host as a subject alternative name")?;
                } else {
                    write!(f, "is for {}", List(names))?;
                }
                f.write_str(": check the endpoint, or set the server name to verify")
            }
            Self::BadServerCertificate { host, message } => {
                write!(f, "the certificate of {host} is not good: {message}")
            }
            Self::CertificateRequired { host } => write!(
                f,
                "{host} wants a client certificate: give a certificate and its private key"
            ),
            Self::CertificateRefused { host, alert } => write!(
                f,
                "{host} does not accept the client certificate ({alert}): check that it is \
                 registered and active there, and has not expired"
            ),
            Self::NoCommonProtocol { host, offered } if offered.is_empty() => write!(
                f,
                "{host} wants a protocol to be named (ALPN), and none was: set the ALPN option"
            ),
            Self::NoCommonProtocol { host, offered } => write!(
                f,
                "{host} does not speak {} on this port (ALPN): check the port and the ALPN option",
                List(offered)
            ),
            Self::NotTls { host } => write!(
                f,
                "what answers at {host} does not speak TLS: check the port"
            ),
            Self::Other { host, message } => write!(f, "no TLS connection to {host}: {message}"),
        }
    }
}

impl core::error::Error for TlsError {}

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
    fn label(self) -> &'static str {
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

fn check_the_clock(f: &mut fmt::Formatter<'_>, now: SystemTime) -> fmt::Result {
    write!(f, "and this machine's clock says {}: ", Utc::new(now))?;
    if is_before_release(now) {
        f.write_str("the clock is wrong, set it (with NTP, say) and try again")
    } else {
        f.write_str("check the clock")
    }
}

fn is_before_release(now: SystemTime) -> bool {
    crate::calendar::seconds(now) < RELEASED
}

/// Names, with commas.
struct List<'a>(&'a [Box<str>]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

/// 2026-11-21: no clock that is right has ever said less to this code. A fixed day and not that
/// of the build, so that the same source builds to the same program.
const RELEASED: u64 = 1_795_219_200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::from_seconds;

    #[test]
    fn a_clock_that_was_never_set_is_said_to_be_wrong() {
        let error = |now| TlsError::ServerCertificateNotYetValid {
            host: "h".into(),
            not_before: Some(from_seconds(RELEASED)),
            now: from_seconds(now),
        };
        assert!(error(17).clock_is_wrong());
        assert!(!error(17).is_permanent());
        assert_eq!(
            error(17).to_string(),
            "the certificate of h is not yet valid (from 2026-11-21 00:00:00 UTC on), and this \
             machine's clock says 1970-01-01 00:00:17 UTC: the clock is wrong, set it (with NTP, \
             say) and try again"
        );
        assert!(error(RELEASED).to_string().ends_with(": check the clock"));
    }

    #[test]
    fn swapped_files_are_suspected() {
        let error = TlsError::NotPem {
            source: PemSource::File("device.key".into()),
            item: PemItem::Certificate,
            found: PemFound::Other,
        };
        let text = error.to_string();
        assert!(
            text.starts_with("device.key holds no client certificate"),
            "{text}"
        );
        assert!(text.ends_with("swapped?"), "{text}");
    }
}
