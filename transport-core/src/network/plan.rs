//! What a connection needs, for an MQTT client that opens its own.

use std::{io, path::PathBuf, time::SystemTime};

use super::Network;
use crate::{
    endpoint::{Endpoint, Purpose, Scheme},
    error::{OpenCause, OpenError},
    secret::Secret,
};

/// What an MQTT client with a network stack of its own has to know to connect: what
/// [`Opening`](crate::Opening) is for an adapter that opens streams. Made by
/// [`Attempt::plan`](crate::Attempt::plan), for one connection: a signature in it is soon stale.
///
/// Options that such a client cannot be given (a ready configuration of rustls, keys in memory or
/// in hardware) are errors there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Scheme, host, port and, for a WebSocket, path and query, which may be signed.
    pub url: Secret,
    /// Headers of the request for a WebSocket, beside those that it needs.
    pub headers: Vec<(Box<str>, Secret)>,
    /// The HTTP proxy to go through, `http://user:password@host:port`.
    pub proxy: Option<Secret>,
    /// For `mqtts` and `wss`.
    pub tls: Option<TlsFiles>,
    doing: Box<str>,
}

/// TLS for a library that reads files.
///
/// ```
/// use transport_core::{RootsFile, TlsFiles};
///
/// /// What a library that reads files is told.
/// fn settings(tls: &TlsFiles) -> Vec<String> {
///     let mut settings = Vec::new();
///     match &tls.roots {
///         RootsFile::System => settings.push("the system's authorities".to_owned()),
///         RootsFile::File(path) => settings.push(format!("those in {}", path.display())),
///         RootsFile::Text(pem) => settings.push(format!("{} bytes of PEM", pem.len())),
///     }
///     if let Some((certificate, key)) = &tls.identity {
///         settings.push(format!("{} with {}", certificate.display(), key.display()));
///     }
///     settings
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The authorities to trust.
    pub roots: RootsFile,
    /// The files of the client certificate and of its private key. They can be read, belong
    /// together and are valid now, as far as this build can tell.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The protocols to name in the handshake, the preferred one first.
    pub alpn: Vec<String>,
}

/// Where a library finds the authorities to trust.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "each has to be acted on")]
pub enum RootsFile {
    /// Those the system trusts.
    #[default]
    System,
    /// In this PEM file, and no others.
    File(PathBuf),
    /// In this PEM text, and no others.
    Text(Box<[u8]>),
}

impl Plan {
    /// The error to give for what is known to be wrong.
    #[must_use]
    pub fn caused(&self, cause: impl Into<OpenCause>) -> OpenError {
        OpenError::caused(self.doing.clone(), cause)
    }

    /// The error to give for what the system said.
    #[must_use]
    pub fn error(&self, error: &io::Error) -> OpenError {
        OpenError::new(self.doing.clone(), error)
    }

    /// The error to give for what another attempt will have again.
    #[must_use]
    pub fn impossible(&self, message: impl Into<Box<str>>) -> OpenError {
        OpenError::permanent(self.doing.clone(), message)
    }
}

impl Network {
    pub(crate) async fn plan(
        &self,
        endpoint: &Endpoint,
        now: SystemTime,
    ) -> Result<Plan, OpenError> {
        let doing: Box<str> = format!("connect to {endpoint}").into();
        let scheme = endpoint.scheme();
        let purpose = self.purpose(scheme, &doing)?;
        let tls = match scheme.is_tls() {
            true => Some(self.tls_files(endpoint, purpose, &doing, now)?),
            false => None,
        };
        let scheme = match scheme {
            Scheme::Mqtt => "mqtt",
            Scheme::Mqtts => "mqtts",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        };
        let (host, port) = (endpoint.host(), endpoint.port());
        let mut url = match host.contains(':') {
            true => format!("{scheme}://[{host}]:{port}"),
            false => format!("{scheme}://{host}:{port}"),
        };
        let mut headers = Vec::new();
        #[cfg(feature = "websocket")]
        if endpoint.scheme().is_websocket() {
            let request = self.request(endpoint, now, &doing).await?;
            url.push_str(request.target.expose());
            headers = request.headers;
        }
        #[cfg(not(feature = "websocket"))]
        {
            url.push_str("");
            headers.clear();
        }
        Ok(Plan {
            url: url.into(),
            headers,
            proxy: self.proxy_url(),
            tls,
            doing,
        })
    }

    #[cfg(feature = "http-proxy")]
    fn proxy_url(&self) -> Option<Secret> {
        let proxy = self.proxy.as_ref()?;
        let user = match &proxy.user {
            Some((name, password)) => {
                let (name, password) = (percent(name), percent(password.expose()));
                format!("{name}:{password}@")
            }
            None => String::new(),
        };
        let url = match proxy.host.contains(':') {
            true => format!("http://{user}[{}]:{}", proxy.host, proxy.port),
            false => format!("http://{user}{}:{}", proxy.host, proxy.port),
        };
        Some(url.into())
    }

    #[cfg(not(feature = "http-proxy"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn proxy_url(&self) -> Option<Secret> {
        None
    }

    #[cfg(feature = "_rustls")]
    fn tls_files(
        &self,
        endpoint: &Endpoint,
        purpose: Purpose,
        doing: &str,
        now: SystemTime,
    ) -> Result<TlsFiles, OpenError> {
        use crate::tls::Provider;
        let refused = |message: &str| Err(OpenError::permanent(doing, message));
        let tls = &self.tls;
        if tls.config.is_some() {
            return refused("this transport does not take a configuration of rustls");
        }
        if !matches!(tls.provider, Provider::Auto) {
            return refused("this transport has its own cryptography: leave `provider` alone");
        }
        if tls
            .server_name
            .as_deref()
            .is_some_and(|name| name != endpoint.host())
        {
            return refused("this transport verifies the host it connects to, no `server_name`");
        }
        let files = tls.files(endpoint.host(), now);
        let (roots, identity) =
            files.map_err(|error| OpenError::caused(doing, OpenCause::Tls(error)))?;
        if tls.identity.is_some() && identity.is_none() {
            return refused("this transport reads certificate and key from files: give paths");
        }
        let alpn = tls.protocols(purpose, endpoint.port(), identity.is_some());
        Ok(TlsFiles {
            roots,
            identity,
            alpn,
        })
    }

    /// Without TLS in this build of the options, there is nothing to say about it.
    #[cfg(not(feature = "_rustls"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as with the feature"
    )]
    fn tls_files(
        &self,
        endpoint: &Endpoint,
        purpose: Purpose,
        _: &str,
        _: SystemTime,
    ) -> Result<TlsFiles, OpenError> {
        let alpn = purpose.alpn(endpoint.port(), false);
        Ok(TlsFiles {
            alpn: alpn.map(str::to_owned).into_iter().collect(),
            ..TlsFiles::default()
        })
    }
}

#[cfg(feature = "http-proxy")]
fn percent(text: &str) -> String {
    crate::text::percent(text).to_string()
}
