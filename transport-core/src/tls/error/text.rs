//! The errors in words.

use core::fmt;
use std::{io, time::SystemTime};

use super::{PemFound, PemItem, TlsError, is_before_release};
use crate::calendar::Utc;

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

fn check_the_clock(f: &mut fmt::Formatter<'_>, now: SystemTime) -> fmt::Result {
    write!(f, "and this machine's clock says {}: ", Utc::new(now))?;
    if is_before_release(now) {
        f.write_str("the clock is wrong, set it (with NTP, say) and try again")
    } else {
        f.write_str("check the clock")
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calendar::from_seconds,
        tls::error::{PemSource, RELEASED},
    };

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
