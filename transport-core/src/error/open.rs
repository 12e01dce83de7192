//! Why there is no connection to speak MQTT over.

use core::fmt;
use std::io;

use super::hint::{self, Hint};

#[cfg(feature = "sigv4")]
use crate::credentials::CredentialsError;
#[cfg(feature = "http-proxy")]
use crate::proxy::ProxyError;
use crate::tls::TlsError;
#[cfg(feature = "websocket")]
use crate::websocket::{UpgradeError, WebSocketError};

/// Why a transport could not be opened, or broke.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OpenError {
    /// What was being done: `connect to broker.example:1883`.
    pub doing: Box<str>,
    /// What kind of error it was.
    pub kind: io::ErrorKind,
    /// What the system said of it.
    pub message: Box<str>,
    /// Whether trying again with the same options is pointless (a certificate that does not fit,
    /// a scheme that this transport does not have).
    pub permanent: bool,
    /// What is wrong, where more is known of it than the system's error.
    pub cause: Option<Box<OpenCause>>,
    /// What is likely, where nothing more is known.
    pub hint: Option<Hint>,
}

impl OpenError {
    /// An error that may pass.
    #[must_use]
    pub fn new(doing: impl Into<Box<str>>, error: &io::Error) -> Self {
        Self {
            doing: doing.into(),
            kind: error.kind(),
            message: error.to_string().into(),
            permanent: false,
            cause: None,
            hint: None,
        }
    }

    /// An error that another attempt will have again.
    #[must_use]
    pub fn permanent(doing: impl Into<Box<str>>, message: impl Into<Box<str>>) -> Self {
        Self {
            doing: doing.into(),
            kind: io::ErrorKind::InvalidInput,
            message: message.into(),
            permanent: true,
            cause: None,
            hint: None,
        }
    }

    /// An error of which more is known.
    #[must_use]
    pub fn caused(doing: impl Into<Box<str>>, cause: impl Into<OpenCause>) -> Self {
        let cause = cause.into();
        Self {
            doing: doing.into(),
            kind: cause.kind(),
            message: cause.to_string().into(),
            permanent: cause.is_permanent(),
            cause: Some(Box::new(cause)),
            hint: None,
        }
    }

    /// The same with what is likely, if the peer just ended the connection.
    #[cfg(any(feature = "_rustls", feature = "websocket"))]
    pub(crate) fn if_ended(mut self, hint: Hint) -> Self {
        self.hint_if_ended(hint);
        self
    }

    /// Adds what is likely, if the peer just ended the connection and nothing was said of it yet.
    pub(crate) fn hint_if_ended(&mut self, hint: Hint) {
        let ended = match self.cause.as_deref() {
            #[cfg(feature = "websocket")]
            Some(OpenCause::WebSocket(WebSocketError::Upgrade(UpgradeError::Closed))) => true,
            Some(_) => false,
            None => hint::is_end(self.kind),
        };
        if ended {
            self.hint.get_or_insert(hint);
        }
    }

    /// What is wrong with TLS, if that is it.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsError> {
        match self.cause.as_deref()? {
            OpenCause::Tls(error) => Some(error),
            #[cfg(any(feature = "sigv4", feature = "http-proxy", feature = "websocket"))]
            _ => None,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, message, .. } = self;
        if !doing.is_empty() {
            write!(f, "cannot {doing}: ")?;
        }
        f.write_str(message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for OpenError {}

/// An [`OpenError`] that travelled through a stream's [`io::Error`] comes out as it went in.
impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        inner.cloned().unwrap_or_else(|| Self::new("", &error))
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        Self::new(error.kind, error)
    }
}

/// What is wrong, where more is known than the system's error.
///
/// ```
/// use transport_core::{OpenCause, OpenError, TlsError};
///
/// let error = TlsError::NoRoots { host: "broker.example".into(), message: "none found".into() };
/// let error = OpenError::caused("connect to mqtts://broker.example:8883", error);
/// assert!(matches!(error.cause.as_deref(), Some(OpenCause::Tls(_))));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenCause {
    /// Something with certificates or the TLS handshake.
    Tls(TlsError),
    /// The proxy.
    #[cfg(feature = "http-proxy")]
    Proxy(ProxyError),
    /// The WebSocket.
    #[cfg(feature = "websocket")]
    WebSocket(WebSocketError),
    /// The AWS credentials.
    #[cfg(feature = "sigv4")]
    Credentials(CredentialsError),
}

impl OpenCause {
    fn is_permanent(&self) -> bool {
        match self {
            Self::Tls(error) => error.is_permanent(),
            #[cfg(feature = "http-proxy")]
            Self::Proxy(error) => error.is_permanent(),
            #[cfg(feature = "websocket")]
            Self::WebSocket(error) => error.is_permanent(),
            #[cfg(feature = "sigv4")]
            Self::Credentials(error) => error.is_permanent(),
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Tls(TlsError::File { kind, .. }) => *kind,
            Self::Tls(_) => io::ErrorKind::InvalidData,
            #[cfg(feature = "http-proxy")]
            Self::Proxy(_) => io::ErrorKind::ConnectionRefused,
            #[cfg(feature = "websocket")]
            Self::WebSocket(WebSocketError::Upgrade(_)) => io::ErrorKind::ConnectionRefused,
            #[cfg(feature = "websocket")]
            Self::WebSocket(_) => io::ErrorKind::InvalidData,
            #[cfg(feature = "sigv4")]
            Self::Credentials(_) => io::ErrorKind::PermissionDenied,
        }
    }
}

impl fmt::Display for OpenCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            #[cfg(feature = "http-proxy")]
            Self::Proxy(error) => error.fmt(f),
            #[cfg(feature = "websocket")]
            Self::WebSocket(error) => error.fmt(f),
            #[cfg(feature = "sigv4")]
            Self::Credentials(error) => error.fmt(f),
        }
    }
}

impl From<TlsError> for OpenCause {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

#[cfg(feature = "http-proxy")]
impl From<ProxyError> for OpenCause {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

#[cfg(feature = "websocket")]
impl From<WebSocketError> for OpenCause {
    fn from(error: WebSocketError) -> Self {
        Self::WebSocket(error)
    }
}

#[cfg(feature = "sigv4")]
impl From<CredentialsError> for OpenCause {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_through_a_stream_unchanged() {
        let error = OpenError::caused("connect", TlsError::NotTls { host: "h".into() });
        assert!(error.permanent);
        assert_eq!(OpenError::from(io::Error::from(error.clone())), error);
        assert!(matches!(error.tls(), Some(TlsError::NotTls { .. })));
        let plain = OpenError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(plain.kind, io::ErrorKind::ConnectionReset);
        assert!(!plain.permanent);
    }
}
