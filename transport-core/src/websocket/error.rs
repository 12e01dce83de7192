//! What goes wrong with a WebSocket.

use core::{fmt, time::Duration};
use std::time::SystemTime;

use crate::calendar::Utc;

/// Why a WebSocket is of no use.
///
/// ```
/// use transport_core::{UpgradeError, WebSocketError};
///
/// let error = WebSocketError::from(UpgradeError::Closed);
/// assert!(!error.is_permanent(), "another attempt may do better");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The server opened none.
    Upgrade(UpgradeError),
    /// The server sent something that it may not send.
    Protocol(&'static str),
    /// The server ended it, with a reason.
    Closed {
        /// The code: RFC 6455, section 7.4.
        code: Option<u16>,
        /// Its words.
        reason: Box<str>,
    },
}

impl WebSocketError {
    /// Whether trying again with the same options is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Upgrade(error) => error.is_permanent(),
            Self::Protocol(_) | Self::Closed { .. } => false,
        }
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgrade(error) => error.fmt(f),
            Self::Protocol(what) => write!(f, "the server broke the WebSocket protocol: {what}"),
            Self::Closed { code, reason } => {
                f.write_str("the server closed the WebSocket:")?;
                if let Some(code) = code {
                    write!(f, " {code}")?;
                }
                write!(f, " {reason}")
            }
        }
    }
}

impl core::error::Error for WebSocketError {}

impl From<UpgradeError> for WebSocketError {
    fn from(error: UpgradeError) -> Self {
        Self::Upgrade(error)
    }
}

/// Why a server opened no WebSocket.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// It refused.
    Refused {
        /// The status code.
        status: u16,
        /// What it said beside it.
        reason: Box<str>,
        /// AWS's name of the error.
        kind: Option<Box<str>>,
        /// What time it is there, if it said so.
        server_time: Option<SystemTime>,
        /// What this machine's clock said.
        now: SystemTime,
    },
    /// It speaks HTTP, but opened no WebSocket.
    NotWebSocket,
    /// It opened a WebSocket that is not for MQTT.
    NotMqtt,
    /// Its answer is longer than 8 KiB.
    TooLong,
    /// It does not speak HTTP.
    NotHttp,
    /// It ended the connection without an answer.
    Closed,
}

impl UpgradeError {
    /// Whether trying again with the same options is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            // A clock gets set, a server comes back.
            Self::Refused { status, .. } => {
                *status < 500 && *status != 429 && !self.clock_may_be_wrong()
            }
            Self::NotWebSocket | Self::NotMqtt | Self::TooLong | Self::NotHttp => true,
            Self::Closed => false,
        }
    }

    /// Whether it refused, and its clock and ours differ by more than the five minutes that AWS
    /// allows a signature.
    #[must_use]
    pub fn clock_may_be_wrong(&self) -> bool {
        let Self::Refused {
            server_time: Some(server),
            now,
            ..
        } = self
        else {
            return false;
        };
        let ahead = now.duration_since(*server).unwrap_or_default();
        let behind = server.duration_since(*now).unwrap_or_default();
        ahead.max(behind) > Duration::from_secs(300)
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                status,
                reason,
                kind,
                server_time,
                now,
            } => {
                write!(f, "the server refused the WebSocket: {status} {reason}")?;
                if let Some(kind) = kind {
                    write!(f, " ({kind})")?;
                }
                if let Some(server) = server_time.filter(|_| self.clock_may_be_wrong()) {
                    let (here, there) = (Utc::new(*now), Utc::new(server));
                    return write!(
                        f,
                        "; this machine's clock says {here}, the server's {there}: set the clock"
                    );
                }
                match status {
                    401 | 403 => f.write_str("; check the credentials and their permissions"),
                    404 | 405 => f.write_str("; check the path"),
                    _ => Ok(()),
                }
            }
            Self::NotWebSocket => {
                f.write_str("the server opened no WebSocket: check the port and the path")
            }
            Self::NotMqtt => {
                f.write_str("the server opened a WebSocket that is not for MQTT: check the path")
            }
            Self::TooLong => f.write_str("the server's answer is longer than 8 KiB"),
            Self::NotHttp => {
                f.write_str("the server does not speak HTTP, which WebSockets need: check the port")
            }
            Self::Closed => {
                f.write_str("the server ended the connection before it opened the WebSocket")
            }
        }
    }
}

impl core::error::Error for UpgradeError {}
