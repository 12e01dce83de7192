//! What happens to the connection.

use core::{fmt, time::Duration};

use mqtt_session::{Connected, DisconnectReason};

use crate::error::{ConnectError, OpenError};

/// What happened to the connection, in order.
///
/// Each [`Connecting`](Self::Connecting) is followed by [`Connected`](Self::Connected) or
/// [`ConnectFailed`](Self::ConnectFailed), each `Connected` by
/// [`Disconnected`](Self::Disconnected), and [`Stopped`](Self::Stopped) comes last, once.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// An attempt begins.
    Connecting {
        /// Which one since the last connection that lasted: 1, 2, ...
        attempt: u32,
    },
    /// The broker accepted the connection.
    Connected(Box<ConnectionInfo>),
    /// An attempt failed.
    ConnectFailed {
        /// Why.
        error: ConnectError,
        /// After what time the next one begins; `None` if there will be none.
        retry_in: Option<Duration>,
    },
    /// The connection ended.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
        /// What the transport said, if it broke.
        error: Option<OpenError>,
        /// After what time the next attempt begins; `None` if there will be none.
        retry_in: Option<Duration>,
    },
    /// A callback of the application's panicked. It stays registered.
    CallbackPanicked {
        /// What the panic said, if it said anything.
        message: Box<str>,
    },
    /// The client has stopped: nothing works on it any more.
    Stopped,
}

impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = |f: &mut fmt::Formatter<'_>, retry_in: &Option<Duration>| match retry_in {
            Some(delay) => write!(f, "; next attempt in {delay:.1?}"),
            None => f.write_str("; no further attempt"),
        };
        match self {
            Self::Connecting { attempt } => write!(f, "connecting (attempt {attempt})"),
            Self::Connected(info) if info.session_present => {
                f.write_str("connected, session resumed")
            }
            Self::Connected(_) => f.write_str("connected"),
            Self::ConnectFailed { error, retry_in } => {
                write!(f, "not connected: {error}")?;
                next(f, retry_in)
            }
            Self::Disconnected {
                reason,
                error,
                retry_in,
            } => {
                write!(f, "{reason}")?;
                if let Some(error) = error {
                    write!(f, " ({error})")?;
                }
                next(f, retry_in)
            }
            Self::CallbackPanicked { message } => write!(f, "a callback panicked: {message}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// What is known of a connection that the broker accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Whether the broker kept the session: its subscriptions and the messages in flight.
    pub session_present: bool,
    /// All that the CONNACK said; `None` from a transport that does not show it.
    pub connack: Option<Connected>,
}

impl ConnectionInfo {
    /// What every MQTT client can tell.
    #[must_use]
    pub const fn new(session_present: bool) -> Self {
        Self {
            session_present,
            connack: None,
        }
    }
}

impl From<Connected> for ConnectionInfo {
    fn from(connected: Connected) -> Self {
        Self {
            session_present: connected.session_present,
            connack: Some(connected),
        }
    }
}
