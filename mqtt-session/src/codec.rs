//! Packets to bytes and back: mqttbytes behind guards.
//!
//! This module and its children are the only ones that name mqttbytes, so that it can be
//! replaced. It decodes and encodes every packet of both versions, but it is lenient where a
//! session must not be, and wrong in a few places. What is done about that, by number:
//!
//! | guard | where |
//! | --- | --- |
//! | G1 frame header, flags, lengths and size limit checked before anything is buffered | `frame` |
//! | G2 exactly one frame is handed over; "needs more bytes" then means malformed | [`malformed`] |
//! | G3 short MQTT 5 DISCONNECT completed | `inbound` |
//! | G4 CONNACK of a 3.1.1 server to an MQTT 5 CONNECT | `inbound` |
//! | G5 properties end inside their length, are allowed, once, with legal values | `properties` |
//! | G6 several subscription identifiers | `inbound` |
//! | G7 topic of a PUBLISH, topic alias | `inbound` |
//! | G8 packet identifier 0; codes of SUBACK and UNSUBACK against the request | `inbound`, session |
//! | G9 trailing bytes, bodies where there is none, CONNACK flags | `frame`, `inbound` |
//! | G10 unknown reason codes | [`malformed`] |
//! | G11 AUTH | `frame` |
//! | G12 CONNECT only into a fresh buffer | `outbound` |
//! | G13 a failed encoding leaves nothing behind; returned lengths are not used | `outbound` |
//! | G14 texts beyond 65,535 bytes | checked when options, messages and filters are taken |
//! | G15 user name and password | checked when options are taken |
//! | G16 DISCONNECT with a reason has no empty properties | `outbound` |
//! | G17 SUBSCRIBE and UNSUBSCRIBE have an identifier and filters | `outbound` |
//! | G18 filters and topics are matched and checked by our own `filter` module | |
//! | G19 UNSUBSCRIBE is never read; it is refused by its header | `frame` |
//!
//! Two kinds of packet pass it by, since a session handles as many of them as messages and the
//! guards have read them to the end anyway: acknowledgements that are a number alone, and a
//! PUBLISH without properties. A test holds them against what mqttbytes writes.

mod frame;
mod inbound;
mod outbound;
mod properties;

use bytes::{Buf, BytesMut};

use crate::{
    ConnectCode, DisconnectCode, Message, ProtocolError, PubackCode, SubackCode, UnsubackCode,
    Version,
};

pub(crate) use outbound::{
    EncodeError, connect, disconnect, ping_request, puback, pubcomp, publish, publish_size, pubrec,
    pubrel, subscribe, subscribe_size, unsubscribe,
};

/// A packet from the server, checked as far as it can be without the session's state.
#[derive(Debug)]
pub(crate) enum Packet {
    ConnAck(Box<ConnAck>),
    Publish { id: u16, message: Message },
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    SubAck { id: u16, codes: Vec<SubackCode> },
    UnsubAck { id: u16, codes: UnsubackCodes },
    PingResp,
    Disconnect(Box<ServerDisconnect>),
}

impl Packet {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::ConnAck(_) => "CONNACK",
            Self::Publish { .. } => "PUBLISH",
            Self::PubAck(_) => "PUBACK",
            Self::PubRec(_) => "PUBREC",
            Self::PubRel(_) => "PUBREL",
            Self::PubComp(_) => "PUBCOMP",
            Self::SubAck { .. } => "SUBACK",
            Self::UnsubAck { .. } => "UNSUBACK",
            Self::PingResp => "PINGRESP",
            Self::Disconnect(_) => "DISCONNECT",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct ConnAck {
    pub(crate) session_present: bool,
    pub(crate) code: ConnectCode,
    /// A two-byte CONNACK with a code of 3.1.1, though we asked for MQTT 5.
    pub(crate) only_3_1_1: bool,
    pub(crate) session_expiry: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_qos: Option<u8>,
    pub(crate) retain_available: Option<u8>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) assigned_client_id: Option<String>,
    pub(crate) wildcard_subscriptions: Option<u8>,
    pub(crate) shared_subscriptions: Option<u8>,
    pub(crate) server_keep_alive: Option<u16>,
    pub(crate) response_information: Option<String>,
    pub(crate) server_reference: Option<String>,
    pub(crate) reason_string: Option<String>,
    pub(crate) user_properties: Vec<(String, String)>,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug)]
pub(crate) struct Ack {
    pub(crate) id: u16,
    pub(crate) code: PubackCode,
    pub(crate) reason_string: Option<Box<str>>,
}

/// MQTT 3.1.1 answers UNSUBSCRIBE as a whole.
#[derive(Debug)]
pub(crate) enum UnsubackCodes {
    All,
    Each(Vec<UnsubackCode>),
}

#[derive(Debug)]
pub(crate) struct ServerDisconnect {
    pub(crate) code: DisconnectCode,
    pub(crate) reason_string: Option<Box<str>>,
    pub(crate) server_reference: Option<Box<str>>,
}

/// Takes the first packet off `input`, or nothing if it is not complete.
///
/// After an error the position in the stream is lost and the connection cannot go on.
#[inline]
pub(crate) fn decode(
    input: &mut BytesMut,
    version: Version,
    limit: u32,
) -> Result<Option<Packet>, ProtocolError> {
    let Some(frame) = frame::Frame::parse(input, version, limit)? else {
        return Ok(None);
    };
    if input.len() < frame.size() {
        return Ok(None);
    }
    if let Some(ack) = inbound::read_plain_ack(frame, input)? {
        input.advance(frame.size());
        return Ok(Some(ack));
    }
    if frame.kind == frame::Kind::Publish {
        let publish = inbound::read_plain_publish(frame, version, input)?;
        if publish.is_some() {
            return Ok(publish);
        }
    }
    let bytes = input.split_to(frame.size()).freeze();
    match version {
        Version::V3_1_1 => inbound::read_v4(frame, bytes).map(Some),
        Version::V5 => inbound::read_v5(frame, bytes).map(Some),
    }
}

/// What an error of mqttbytes about one whole frame means.
///
/// The frame was complete, so "insufficient bytes" is as malformed as the rest (G2). Reason codes
/// it does not know come under several names (G10).
fn malformed(packet: &'static str, error: mqttbytes::Error) -> ProtocolError {
    use mqttbytes::Error;
    match error {
        Error::InvalidConnectReturnCode(code)
        | Error::InvalidReason(code)
        | Error::InvalidSubscribeReasonCode(code) => ProtocolError::ReasonCode { packet, code },
        Error::PacketIdZero => ProtocolError::PacketIdZero { packet },
        Error::NotConnect(_)
        | Error::UnexpectedConnect
        | Error::InvalidProtocol
        | Error::InvalidProtocolLevel(_)
        | Error::IncorrectPacketFormat
        | Error::InvalidPacketType(_)
        | Error::InvalidPropertyType(_)
        | Error::InvalidRetainForwardRule(_)
        | Error::InvalidQoS(_)
        | Error::SubscriptionIdZero
        | Error::PayloadSizeIncorrect
        | Error::PayloadTooLong
        | Error::PayloadSizeLimitExceeded(_)
        | Error::PayloadRequired
        | Error::TopicNotUtf8
        | Error::BoundaryCrossed(_)
        | Error::MalformedPacket
        | Error::MalformedRemainingLength
        | Error::InsufficientBytes(_) => ProtocolError::Malformed { packet },
    }
}
