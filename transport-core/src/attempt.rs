//! One attempt to connect, and what it takes to open its stream.

use alloc::sync::Arc;
use std::{io, time::SystemTime};

use crate::{
    endpoint::Endpoint,
    error::{OpenCause, OpenError},
    network::{Network, Plan},
    options::ConnectOptions,
};

#[cfg(feature = "http-proxy")]
use crate::proxy::ProxyHandshake;
#[cfg(feature = "_rustls")]
use crate::tls::TlsSetup;
#[cfg(feature = "websocket")]
use crate::websocket::WebSocket;

/// One attempt to connect.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Where to.
    pub endpoint: Endpoint,
    /// Which one since the last connection that lasted: 1, 2, ...
    pub number: u32,
    network: Arc<Network>,
}

impl Attempt {
    pub(crate) fn new(options: &ConnectOptions, number: u32) -> Self {
        Self {
            endpoint: options.endpoint.clone(),
            number,
            network: Arc::new(Network::of(options)),
        }
    }

    /// Reads the files, asks for credentials and signs with them: everything about the stream
    /// that needs no stream yet. `now` is this machine's wall clock.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the options, or what this build lacks.
    pub async fn prepare(&self, now: SystemTime) -> Result<Opening, OpenError> {
        self.network.mqtt(&self.endpoint, now).await
    }

    /// What there is to know for an MQTT client that opens its own connection.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the options, what this build lacks, or what such a
    /// client cannot be given.
    pub async fn plan(&self, now: SystemTime) -> Result<Plan, OpenError> {
        self.network.plan(&self.endpoint, now).await
    }

    /// [`prepare`](Self::prepare) for a stream that leads to the broker already: without the HTTP proxy.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_over_stream(&self, now: SystemTime) -> Result<Opening, OpenError> {
        let opening = self.prepare(now).await;
        #[cfg(feature = "http-proxy")]
        let opening = opening.map(|opening| Opening {
            proxy: None,
            ..opening
        });
        opening
    }
}

/// What an adapter does to open a stream, in this order: dial [`host`](Self::host) and
/// [`port`](Self::port), then what is not `None` of the rest.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opening {
    pub(crate) doing: Box<str>,
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    /// Ask the proxy for a tunnel.
    #[cfg(feature = "http-proxy")]
    pub proxy: Option<ProxyHandshake>,
    /// Encrypt the stream.
    #[cfg(feature = "_rustls")]
    pub tls: Option<TlsSetup>,
    /// Ask for a WebSocket, and speak through it from then on.
    #[cfg(feature = "websocket")]
    pub websocket: Option<WebSocket>,
}

impl Opening {
    /// Whom to connect to: the broker, or the proxy in front of it. A name or an IP address
    /// without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// On which port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The error to give for what went wrong with the proxy or the WebSocket.
    #[must_use]
    pub fn caused(&self, cause: impl Into<OpenCause>) -> OpenError {
        OpenError::caused(self.doing.clone(), cause)
    }

    /// What an error means that occurred while opening the stream, or on the open stream.
    #[must_use]
    pub fn error(&self, error: &io::Error, now: SystemTime) -> OpenError {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(known) = inner {
            let known: &OpenError = known;
            let mut known = known.clone();
            known.doing.clone_from(&self.doing);
            return known;
        }
        #[cfg(feature = "_rustls")]
        if let Some(cause) = self.tls.as_ref().and_then(|tls| tls.explain(error, now)) {
            return OpenError::caused(self.doing.clone(), cause);
        }
        let _ = now;
        OpenError::new(self.doing.clone(), error)
    }
}
