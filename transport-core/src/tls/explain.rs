//! What the errors of a TLS handshake mean.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's errors are open-ended, and what is not known here is told in its words"
)]

use alloc::sync::Arc;
use std::{io, time::SystemTime};

use rustls::{AlertDescription, CertificateError, Error, pki_types::UnixTime};

use super::{error::TlsError, identity::Missing};
use crate::calendar::from_seconds;

/// Knows what was asked for, which the errors do not say.
#[derive(Clone)]
pub(super) struct Explainer {
    host: Box<str>,
    trusted: Box<str>,
    offered: Vec<Box<str>>,
    certificate: bool,
    missing: Option<Arc<Missing>>,
}

impl Explainer {
    pub(super) fn new(
        host: &str,
        trusted: Box<str>,
        offered: &[Vec<u8>],
        certificate: bool,
        missing: Option<Arc<Missing>>,
    ) -> Self {
        let text = |name: &Vec<u8>| String::from_utf8_lossy(name).into();
        Self {
            host: host.into(),
            trusted,
            offered: offered.iter().map(text).collect(),
            certificate,
            missing,
        }
    }

    pub(super) fn explain(&self, error: &io::Error, now: SystemTime) -> Option<TlsError> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        let host = self.host.clone();
        Some(match error {
            Error::InvalidCertificate(error) => self.server_certificate(error, now),
            Error::AlertReceived(alert) => self.alert(*alert),
            Error::NoApplicationProtocol => TlsError::NoCommonProtocol {
                host,
                offered: self.offered.clone(),
            },
            Error::InvalidMessage(_) => TlsError::NotTls { host },
            error => TlsError::Other {
                host,
                message: error.to_string().into(),
            },
        })
    }

    fn server_certificate(&self, error: &CertificateError, now: SystemTime) -> TlsError {
        let host = self.host.clone();
        match error {
            CertificateError::Expired => TlsError::ServerCertificateExpired {
                host,
                not_after: None,
                now,
            },
            CertificateError::ExpiredContext { time, not_after } => {
                TlsError::ServerCertificateExpired {
                    host,
                    not_after: Some(system_time(*not_after)),
                    now: system_time(*time),
                }
            }
            CertificateError::NotValidYet => TlsError::ServerCertificateNotYetValid {
                host,
                not_before: None,
                now,
            },
            CertificateError::NotValidYetContext { time, not_before } => {
                TlsError::ServerCertificateNotYetValid {
                    host,
                    not_before: Some(system_time(*not_before)),
                    now: system_time(*time),
                }
            }
            // A bad signature is that of an authority with the name, but not the key, of one that is
            // trusted: it was made anew.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsError::UnknownAuthority {
                    host,
                    trusted: self.trusted.clone(),
                }
            }
            CertificateError::NotValidForName => TlsError::WrongHost {
                host,
                names: Vec::new(),
            },
            CertificateError::NotValidForNameContext { presented, .. } => TlsError::WrongHost {
                host,
                names: presented
                    .iter()
                    .take(SHOWN)
                    .map(|name| plain(name).into())
                    .collect(),
            },
            error => TlsError::BadServerCertificate {
                host,
                message: error.to_string().into(),
            },
        }
    }

    fn alert(&self, alert: AlertDescription) -> TlsError {
        let host = self.host.clone();
        let asked_in_vain = self.missing.as_ref().is_some_and(|it| it.was_asked());
        match alert {
            AlertDescription::CertificateRequired => TlsError::CertificateRequired { host },
            AlertDescription::HandshakeFailure
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied
                if asked_in_vain =>
            {
                TlsError::CertificateRequired { host }
            }
            AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied
                if self.certificate =>
            {
                TlsError::CertificateRefused {
                    host,
                    alert: format!("{alert:?}").into(),
                }
            }
            AlertDescription::NoApplicationProtocol => TlsError::NoCommonProtocol {
                host,
                offered: self.offered.clone(),
            },
            alert => TlsError::Other {
                host,
                message: format!("the server ended it with the alert {alert:?}").into(),
            },
        }
    }
}

/// The names in a certificate come as `DnsName("broker.example")`.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn system_time(time: UnixTime) -> SystemTime {
    from_seconds(time.as_secs())
}

/// So many names of a certificate are told: it can have thousands.
const SHOWN: usize = 8;
