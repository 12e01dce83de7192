//! What can go wrong: at a call, and on the wire.

use core::fmt;

use crate::{DisconnectCode, Qos, filter::TopicError, message::PropertyError};

/// Why [`Session::publish`](crate::Session::publish) did not take a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic cannot be published to.
    Topic(TopicError),
    /// A property cannot be said on the wire.
    Property(PropertyError),
    /// QoS 0 without a connection: nothing would keep it. QoS 1 and 2 are kept.
    NotConnected,
    /// The packet would be larger than the server takes, or than MQTT can say.
    TooLarge {
        /// Size of the packet in bytes.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The server does not take this quality of service.
    QosNotSupported {
        /// The highest it takes.
        maximum: Qos,
    },
    /// The server keeps no retained messages.
    RetainNotSupported,
    /// As many publishes or bytes are waiting as [`Limits`](crate::Limits) allow.
    QueueFull,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::Property(error) => error.fmt(f),
            Self::NotConnected => f.write_str("not connected"),
            Self::TooLarge { size, limit } => {
                write!(f, "packet of {size} bytes; {limit} are allowed")
            }
            Self::QosNotSupported { maximum } => {
                write!(f, "the server takes QoS {} at most", maximum.level())
            }
            Self::RetainNotSupported => f.write_str("the server keeps no retained messages"),
            Self::QueueFull => f.write_str("too many publishes are waiting"),
        }
    }
}

impl core::error::Error for PublishError {}

/// Why [`Session::subscribe`](crate::Session::subscribe) or
/// [`Session::unsubscribe`](crate::Session::unsubscribe) did not take a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// No filter in it.
    NoFilters,
    /// More than [`Limits::filters`](crate::Limits::filters) filters with an owner.
    TooManyFilters,
    /// More than [`Limits::requests`](crate::Limits::requests) requests without an answer.
    TooManyRequests,
    /// Not connected, and the owner restores its own subscriptions
    /// ([`Restore::ByOwner`](crate::Restore::ByOwner)): it asks again once connected.
    NotConnected,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFilters => "no filters",
            Self::TooManyFilters => "too many filters are subscribed",
            Self::TooManyRequests => "too many requests wait for an answer",
            Self::NotConnected => "not connected",
        })
    }
}

impl core::error::Error for RequestError {}

/// How a server broke the protocol or our limits.
///
/// The connection cannot go on after one. Over MQTT 5 the session says why with a DISCONNECT
/// ([`disconnect_code`](Self::disconnect_code)); over 3.1.1, and before the CONNACK, the transport
/// is just closed, so that the server publishes the will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A remaining length of more than four bytes, or one padded with zeros.
    RemainingLength,
    /// A packet larger than [`Options::max_packet_size`](crate::Options::max_packet_size).
    TooLarge {
        /// Its size in bytes, as its header claims.
        size: usize,
        /// What we announced.
        limit: u32,
    },
    /// Packet type 0, which is forbidden.
    ReservedPacketType,
    /// Flags the packet type may not have.
    Flags {
        /// First byte of the packet.
        first_byte: u8,
    },
    /// A packet that only clients send, or that is out of place now.
    UnexpectedPacket {
        /// Its name.
        packet: &'static str,
    },
    /// An AUTH packet: enhanced authentication was not asked for.
    Auth,
    /// A packet that ends too early, goes on too long, or has text that is not UTF-8.
    Malformed {
        /// Its name.
        packet: &'static str,
    },
    /// A property that is unknown, not allowed in this packet, or has a forbidden value.
    Property {
        /// Name of the packet.
        packet: &'static str,
        /// Identifier of the property.
        id: u32,
    },
    /// A property that may appear once and appears again.
    PropertyRepeated {
        /// Name of the packet.
        packet: &'static str,
        /// Identifier of the property.
        id: u32,
    },
    /// A reason code the specification does not list for this packet.
    ReasonCode {
        /// Name of the packet.
        packet: &'static str,
        /// The code.
        code: u8,
    },
    /// Packet identifier zero.
    PacketIdZero {
        /// Name of the packet.
        packet: &'static str,
    },
    /// An acknowledgement of something that was never asked, or of another kind.
    PacketIdUnknown {
        /// Name of the packet.
        packet: &'static str,
        /// The identifier.
        id: u16,
    },
    /// A message whose topic is empty, has a wildcard or U+0000.
    TopicName,
    /// A topic alias, though we take none.
    TopicAlias {
        /// The alias.
        alias: u16,
    },
    /// More unacknowledged messages than [`Options::receive_maximum`](crate::Options::receive_maximum).
    ReceiveMaximum,
    /// A SUBACK or UNSUBACK with another number of codes than filters asked for.
    CodeCount {
        /// Name of the packet.
        packet: &'static str,
        /// Filters asked for.
        asked: usize,
        /// Codes received.
        received: usize,
    },
    /// A SUBACK that grants more than was asked for.
    GrantedAboveAsked,
    /// A session present although a clean one was asked for.
    SessionPresent,
}

impl ProtocolError {
    /// The reason our DISCONNECT gives (MQTT 5).
    #[must_use]
    pub const fn disconnect_code(&self) -> DisconnectCode {
        match self {
            Self::RemainingLength
            | Self::ReservedPacketType
            | Self::Flags { .. }
            | Self::Malformed { .. } => DisconnectCode::MALFORMED_PACKET,
            Self::TooLarge { .. } => DisconnectCode::PACKET_TOO_LARGE,
            Self::TopicName => DisconnectCode::TOPIC_NAME_INVALID,
            Self::TopicAlias { .. } => DisconnectCode::TOPIC_ALIAS_INVALID,
            Self::ReceiveMaximum => DisconnectCode::RECEIVE_MAXIMUM_EXCEEDED,
            Self::UnexpectedPacket { .. }
            | Self::Auth
            | Self::Property { .. }
            | Self::PropertyRepeated { .. }
            | Self::ReasonCode { .. }
            | Self::PacketIdZero { .. }
            | Self::PacketIdUnknown { .. }
            | Self::CodeCount { .. }
            | Self::GrantedAboveAsked
            | Self::SessionPresent => DisconnectCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemainingLength => f.write_str("malformed remaining length"),
            Self::TooLarge { size, limit } => {
                write!(f, "packet of {size} bytes; at most {limit} are taken")
            }
            Self::ReservedPacketType => f.write_str("packet type 0 is reserved"),
            Self::Flags { first_byte } => {
                write!(f, "first byte {first_byte:#04x} has forbidden flags")
            }
            Self::UnexpectedPacket { packet } => write!(f, "unexpected {packet}"),
            Self::Auth => f.write_str("AUTH without enhanced authentication"),
            Self::Malformed { packet } => write!(f, "malformed {packet}"),
            Self::Property { packet, id } => {
                write!(
                    f,
                    "{packet} with property {id:#04x}, not allowed or illegal"
                )
            }
            Self::PropertyRepeated { packet, id } => {
                write!(f, "{packet} repeats property {id:#04x}")
            }
            Self::ReasonCode { packet, code } => {
                write!(f, "{packet} with unknown reason {code:#04x}")
            }
            Self::PacketIdZero { packet } => write!(f, "{packet} with packet identifier 0"),
            Self::PacketIdUnknown { packet, id } => {
                write!(
                    f,
                    "{packet} for packet identifier {id}, which does not wait for one"
                )
            }
            Self::TopicName => f.write_str("PUBLISH with an illegal topic"),
            Self::TopicAlias { alias } => {
                write!(f, "PUBLISH with topic alias {alias}; none are taken")
            }
            Self::ReceiveMaximum => f.write_str(
                "more messages in flight than the receive maximum: Mosquitto does so; raise it to 65535",
            ),
            Self::CodeCount {
                packet,
                asked,
                received,
            } => write!(f, "{packet} with {received} codes for {asked} filters"),
            Self::GrantedAboveAsked => f.write_str("SUBACK grants more than was asked for"),
            Self::SessionPresent => {
                f.write_str("session present although a clean one was asked for")
            }
        }
    }
}

impl core::error::Error for ProtocolError {}
