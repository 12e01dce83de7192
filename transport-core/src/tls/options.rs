//! What an application can say about TLS, and what a connection needs to know.

use alloc::sync::Arc;
use core::fmt;
use std::{io, time::SystemTime};

use rustls::{ClientConfig, client::Resumption, crypto::CryptoProvider, pki_types::ServerName};

use super::{
    error::TlsError,
    explain::Explainer,
    identity::{Identity, Missing},
    pem::Pem,
    roots::Roots,
};
use crate::endpoint::Purpose;

/// How to verify the server and what to show it. The default trusts Amazon's authorities for
/// `*.amazonaws.com`, the system's otherwise, and shows no certificate.
///
/// ```
/// use transport_core::{ConnectOptions, Pem, Roots, TlsOptions};
///
/// let mut options = ConnectOptions::from_url("mqtts://broker.example")?;
/// options.tls.roots = Roots::Pem("ca.pem".into());
/// options.tls.set_identity("device.pem.crt", "private.pem.key");
/// # Ok::<(), transport_core::EndpointError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// The authorities that may have signed the server's certificate.
    pub roots: Roots,
    /// The client certificate and its key.
    pub identity: Option<Identity>,
    /// The protocol to name in the handshake.
    pub alpn: Alpn,
    /// The name to send to the server (SNI) and to look for in its certificate; default the
    /// endpoint's host.
    pub server_name: Option<String>,
    /// Whose cryptography to use.
    pub provider: Provider,
    /// A configuration to use as it is, in place of `roots`, `identity` and `provider`. The rule
    /// for `alpn` applies where it names no protocols itself.
    pub config: Option<ReadyConfig>,
}

/// A ready configuration of the rustls library.
pub type ReadyConfig = Arc<ClientConfig>;

impl TlsOptions {
    /// Sets the client certificate and its private key: PEM files (a path), or PEM bytes.
    pub fn set_identity(&mut self, certificate: impl Into<Pem>, key: impl Into<Pem>) {
        self.identity = Some(Identity::Pem {
            certificate: certificate.into(),
            key: key.into(),
        });
    }

    /// Reads the files, checks them, and makes what a handshake with this host needs. `purpose`
    /// and `port` decide the protocol to name where [`Alpn::Auto`] asks for it, `now` is this
    /// machine's wall clock.
    ///
    /// # Errors
    /// [`TlsError`] says which file is wrong and what to do.
    pub fn prepare(
        &self,
        host: &str,
        port: u16,
        purpose: Purpose,
        now: SystemTime,
    ) -> Result<TlsSetup, TlsError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let other = |message: String| TlsError::Other {
            host: name.into(),
            message: message.into(),
        };
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| other(format!("{name:?} is not a name that can be verified")))?;
        let mut missing = None;
        let (mut config, trusted) = match &self.config {
            Some(config) => (
                ClientConfig::clone(config),
                "those that the given configuration trusts".into(),
            ),
            None => {
                let provider = self.provider.get().map_err(|error| other(error.into()))?;
                let resolver = match &self.identity {
                    Some(identity) => identity.resolver(&provider, now)?,
                    None => Arc::clone(missing.insert(Arc::new(Missing::default()))) as _,
                };
                let (roots, trusted) = self.roots.load(name)?;
                let mut config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| other(error.to_string()))?
                    .with_root_certificates(roots)
                    .with_client_cert_resolver(resolver);
                // Each connection has a configuration of its own, so nothing would ever be resumed;
                // AWS IoT Core supports no session tickets anyway.
                config.resumption = Resumption::disabled();
                (config, trusted)
            }
        };
        let certificate = config.client_auth_cert_resolver.has_certs();
        match &self.alpn {
            Alpn::Auto if config.alpn_protocols.is_empty() => {
                let protocol = purpose.alpn(port, certificate);
                config.alpn_protocols = protocol
                    .map(|it| it.as_bytes().to_vec())
                    .into_iter()
                    .collect();
            }
            Alpn::Auto => {}
            Alpn::None => config.alpn_protocols.clear(),
            Alpn::Protocols(protocols) => {
                config.alpn_protocols = protocols.iter().map(|it| it.clone().into()).collect();
            }
        }
        let explainer = Explainer::new(name, trusted, &config.alpn_protocols, certificate, missing);
        Ok(TlsSetup {
            config: Arc::new(config),
            server_name,
            explainer,
        })
    }
}

/// The protocol named in the handshake (ALPN), by which a server tells apart what it speaks on
/// one port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Alpn {
    /// What AWS IoT Core wants: see [`Purpose::alpn`]. The default.
    #[default]
    Auto,
    /// None.
    None,
    /// These, the preferred one first.
    Protocols(Vec<String>),
}

/// Whose cryptography TLS uses.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Provider {
    /// ring if it is built in (feature `tls`), else AWS-LC (feature `tls-aws-lc`). The default.
    /// What the process installed as its own default plays no role.
    #[default]
    Auto,
    /// ring.
    #[cfg(feature = "tls")]
    Ring,
    /// AWS-LC.
    #[cfg(feature = "tls-aws-lc")]
    AwsLc,
    /// Another one: FIPS, hardware, a choice of cipher suites.
    Custom(Arc<CryptoProvider>),
}

impl Provider {
    pub(super) fn get(&self) -> Result<Arc<CryptoProvider>, &'static str> {
        match self {
            #[cfg(feature = "tls")]
            Self::Auto | Self::Ring => Ok(Arc::new(rustls::crypto::ring::default_provider())),
            #[cfg(all(feature = "tls-aws-lc", not(feature = "tls")))]
            Self::Auto => Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider())),
            #[cfg(feature = "tls-aws-lc")]
            Self::AwsLc => Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider())),
            #[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
            Self::Auto => Err("this build has no cryptography: enable the feature `tls`"),
            Self::Custom(provider) => Ok(Arc::clone(provider)),
        }
    }
}

/// What a runtime's TLS connector needs for one connection.
#[derive(Clone)]
#[non_exhaustive]
pub struct TlsSetup {
    /// The configuration.
    pub config: Arc<ClientConfig>,
    /// The name to verify.
    pub server_name: ServerName<'static>,
    explainer: Explainer,
}

impl TlsSetup {
    /// What an error of the handshake, or of the stream after it, means; `None` if it is none of
    /// TLS. With TLS 1.3 a server refuses a client certificate only after the handshake, so the
    /// first read can fail for that reason.
    #[must_use]
    pub fn explain(&self, error: &io::Error, now: SystemTime) -> Option<TlsError> {
        self.explainer.explain(error, now)
    }
}

impl fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSetup")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
