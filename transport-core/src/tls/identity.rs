//! The client certificate.

use alloc::sync::Arc;
use core::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};
use std::time::SystemTime;

use rustls::{
    Error, SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{
    error::{PemItem, TlsError},
    pem::Pem,
    x509,
};

/// The client certificate and what proves that it is ours. `Debug` shows no key.
#[derive(Clone)]
#[non_exhaustive]
pub enum Identity {
    /// Certificate and private key as PEM.
    Pem {
        /// The certificate, followed by those that signed it, if the server needs them.
        certificate: Pem,
        /// The private key: PKCS#1, PKCS#8 or SEC1, not encrypted.
        key: Pem,
    },
    /// Something that finds the certificate and signs: a key in a TPM, behind PKCS#11, in another
    /// process.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use transport_core::{
    ///     Identity,
    ///     rustls::{
    ///         Error, SignatureAlgorithm, SignatureScheme,
    ///         pki_types::CertificateDer,
    ///         sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
    ///     },
    /// };
    ///
    /// /// A P-256 key that never leaves its chip.
    /// #[derive(Debug)]
    /// struct Chip;
    ///
    /// # fn ask_the_chip(_digest_this_and_sign: &[u8]) -> Result<Vec<u8>, String> { Err("no chip".into()) }
    /// impl SigningKey for Chip {
    ///     fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
    ///         let known = offered.contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
    ///         known.then(|| Box::new(Chip) as Box<dyn Signer>)
    ///     }
    ///     fn algorithm(&self) -> SignatureAlgorithm { SignatureAlgorithm::ECDSA }
    /// }
    ///
    /// impl Signer for Chip {
    ///     fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
    ///         ask_the_chip(message).map_err(Error::General) // an ECDSA signature in DER
    ///     }
    ///     fn scheme(&self) -> SignatureScheme { SignatureScheme::ECDSA_NISTP256_SHA256 }
    /// }
    ///
    /// let chain = vec![CertificateDer::from(vec![/* the certificate, DER */])];
    /// let key = CertifiedKey::new(chain, Arc::new(Chip));
    /// let identity = Identity::Resolver(Arc::new(SingleCertAndKey::from(key)));
    /// ```
    Resolver(Arc<dyn ResolvesClientCert>),
}

impl Identity {
    /// Reads files and checks what can be checked here.
    pub(super) fn resolver(
        &self,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Arc<dyn ResolvesClientCert>, TlsError> {
        match (self, self.check(Some(provider), now)?) {
            (Self::Resolver(resolver), _) => Ok(Arc::clone(resolver)),
            (Self::Pem { .. }, Some(both)) => Ok(Arc::new(SingleCertAndKey::from(both))),
            (Self::Pem { .. }, None) => Ok(Arc::new(Missing::default())),
        }
    }

    /// The same without the use of it: whether certificate and key can be read and are valid now
    /// and, with a provider, whether they belong together.
    pub(super) fn check(
        &self,
        provider: Option<&CryptoProvider>,
        now: SystemTime,
    ) -> Result<Option<CertifiedKey>, TlsError> {
        let (certificate, key) = match self {
            Self::Resolver(_) => return Ok(None),
            Self::Pem { certificate, key } => (certificate, key),
        };
        let chain = certificate.certificates(PemItem::Certificate)?;
        if let Some((not_before, not_after)) = chain.first().and_then(|own| x509::validity(own)) {
            let source = certificate.source();
            if now > not_after {
                return Err(TlsError::OwnCertificateExpired {
                    source,
                    not_after,
                    now,
                });
            }
            if now < not_before {
                return Err(TlsError::OwnCertificateNotYetValid {
                    source,
                    not_before,
                    now,
                });
            }
        }
        let secret = key.private_key()?;
        let Some(provider) = provider else {
            return Ok(None);
        };
        match CertifiedKey::from_der(chain.clone(), secret.clone_key(), provider) {
            Ok(both) => Ok(Some(both)),
            Err(Error::InconsistentKeys(_)) => Err(TlsError::KeyMismatch {
                certificate: certificate.source(),
                key: key.source(),
            }),
            // Brokers take one of version 1. Whether the key is its own is for them to say.
            Err(Error::InvalidCertificate(_))
                if chain.first().is_some_and(|own| x509::is_version_1(own)) =>
            {
                let loaded = provider.key_provider.load_private_key(secret);
                let loaded = loaded.map_err(|error| key.damaged(PemItem::PrivateKey, error))?;
                Ok(Some(CertifiedKey::new(chain, loaded)))
            }
            Err(error @ Error::InvalidCertificate(_)) => {
                Err(certificate.damaged(PemItem::Certificate, error))
            }
            Err(error) => Err(key.damaged(PemItem::PrivateKey, error)),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem { certificate, key } => f
                .debug_struct("Pem")
                .field("certificate", certificate)
                .field("key", key)
                .finish(),
            Self::Resolver(_) => f.write_str("Resolver(..)"),
        }
    }
}

/// Has no certificate, and remembers that the server asked for one: what it then does to the
/// connection has its reason there.
#[derive(Debug, Default)]
pub(super) struct Missing {
    asked: AtomicBool,
}

impl Missing {
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Missing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
