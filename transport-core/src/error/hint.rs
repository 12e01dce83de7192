//! What is likely, where the other side just hangs up.

use core::fmt;
use std::io;

use mqtt_session::{DisconnectReason, ProtocolError};

use crate::endpoint::Scheme;

/// What is likely behind a connection that ended without a reason, or behind an answer that is not
/// of the protocol. A guess, for people to read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Hint {
    /// The port is for TLS, and the connection was made without.
    WantsTls,
    /// The port is not for TLS, and the connection was made with it.
    WithoutTls,
    /// The port is for MQTT in a WebSocket, or for something else that speaks HTTP.
    WantsWebSocket,
    /// The port is for MQTT without a WebSocket.
    WithoutWebSocket,
    /// The port is for MQTT without a WebSocket, or for TLS.
    WithoutWebSocketOrWantsTls,
}

impl Hint {
    /// What is likely if no CONNACK came.
    pub(crate) fn unanswered(scheme: Scheme, reason: &DisconnectReason) -> Option<Self> {
        match (reason, scheme) {
            (DisconnectReason::TransportClosed, Scheme::Mqtt) => Some(Self::WantsTls),
            // The first byte of a TLS alert, which is the answer to what is not TLS, is that of a
            // CONNECT, which no server sends.
            (
                DisconnectReason::Protocol(ProtocolError::UnexpectedPacket { packet: "CONNECT" }),
                Scheme::Mqtt,
            ) => Some(Self::WantsTls),
            (
                DisconnectReason::Protocol(ProtocolError::Flags { first_byte: b'H' }),
                Scheme::Mqtt | Scheme::Mqtts,
            ) => Some(Self::WantsWebSocket),
            _ => None,
        }
    }
}

/// Whether this is how a peer that hangs up shows.
pub(super) fn is_end(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
    )
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WantsTls => "this port may be for TLS: use mqtts://, or the port without TLS",
            Self::WithoutTls => {
                "this port may be one without TLS: use the port for TLS, or mqtt:// or ws://"
            }
            Self::WantsWebSocket => {
                "what answers speaks HTTP: use ws:// or wss:// if this port is for WebSocket"
            }
            Self::WithoutWebSocket => {
                "this port may be for MQTT without a WebSocket: use mqtts://, or the port for WebSocket"
            }
            Self::WithoutWebSocketOrWantsTls => {
                "this port may be for TLS (wss://), or for MQTT without a WebSocket (mqtt://)"
            }
        })
    }
}
