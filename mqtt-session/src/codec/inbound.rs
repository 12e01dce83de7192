//! One whole frame to one packet, with the guards that need the body.

use core::{ops::Range, str, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mqttbytes::{FixedHeader, v4, v5};

use super::{
    Ack, ConnAck, Packet, ServerDisconnect, UnsubackCodes,
    frame::{Frame, Kind},
    malformed,
    properties::{Walked, walk},
};
use crate::{
    ConnectCode, DisconnectCode, Message, MessageProperties, ProtocolError, PubackCode, Qos,
    SubackCode, UnsubackCode, Version, filter::has_forbidden,
};

/// Reads an acknowledgement that is a number alone: all of 3.1.1, and most of 5. There are as many
/// of them as messages, and nothing in them to get wrong.
pub(super) fn read_plain_ack(frame: Frame, bytes: &[u8]) -> Result<Option<Packet>, ProtocolError> {
    let id = bytes.get(frame.header()..frame.size());
    let Some(&[high, low]) = id else {
        return Ok(None);
    };
    let ack = || {
        let id = not_zero(frame.kind.name(), u16::from_be_bytes([high, low]))?;
        Ok(Ack {
            id,
            code: PubackCode::SUCCESS,
            reason_string: None,
        })
    };
    Ok(Some(match frame.kind {
        Kind::PubAck => Packet::PubAck(ack()?),
        Kind::PubRec => Packet::PubRec(ack()?),
        Kind::PubRel => Packet::PubRel(ack()?),
        Kind::PubComp => Packet::PubComp(ack()?),
        Kind::ConnAck
        | Kind::Publish
        | Kind::SubAck
        | Kind::UnsubAck
        | Kind::PingResp
        | Kind::Disconnect => return Ok(None),
    }))
}

/// Reads a PUBLISH without properties: each one of 3.1.1, and those of 5 whose property length is 0.
/// Topic and identifier are read here, the rest is payload, a view into `input`.
///
/// The message is made in one go, where its parts are: moved on from one function to another while
/// it is still being written, it cost as much time again.
#[inline]
pub(super) fn read_plain_publish(
    frame: Frame,
    version: Version,
    input: &mut BytesMut,
) -> Result<Option<Packet>, ProtocolError> {
    let body = input.get(frame.header()..frame.size());
    let body = body.unwrap_or_default();
    let v5 = version == Version::V5;
    let head = PublishHead::read(frame, body, v5)?;
    let payload = match body.get(head.end) {
        _ if !v5 => head.end,
        Some(0) => head.end + 1,
        Some(_) | None => return Ok(None),
    };
    if head.topic.is_empty() {
        return Err(ProtocolError::TopicName);
    }
    let topic = str::from_utf8(body.get(head.topic).unwrap_or_default())
        .map_err(|_| ProtocolError::Malformed { packet: "PUBLISH" })?
        .to_owned();
    let mut bytes = input.split_to(frame.size()).freeze();
    bytes.advance(frame.header() + payload);
    Ok(Some(Packet::Publish {
        id: head.id,
        message: Message {
            topic,
            payload: bytes,
            qos: match frame.first_byte & 0b0110 {
                0 => Qos::AtMostOnce,
                0b0010 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain: frame.first_byte & 0b0001 != 0,
            dup: frame.first_byte & 0b1000 != 0,
            properties: None,
        },
    }))
}

/// Reads one frame of MQTT 3.1.1.
pub(super) fn read_v4(frame: Frame, bytes: Bytes) -> Result<Packet, ProtocolError> {
    let packet = frame.kind.name();
    let error = |error| malformed(packet, error);
    let header = fixed_header(frame);
    Ok(match frame.kind {
        Kind::ConnAck => {
            check_connack_flags(body(frame, &bytes))?;
            let read = v4::ConnAck::read(header, bytes).map_err(error)?;
            Packet::ConnAck(Box::new(ConnAck {
                session_present: read.session_present,
                code: ConnectCode::new(read.code as u8),
                ..ConnAck::default()
            }))
        }
        Kind::SubAck => {
            let read = v4::SubAck::read(header, bytes).map_err(error)?;
            let codes = read.return_codes.into_iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(granted) => SubackCode::from(qos(granted)),
                v4::SubscribeReasonCode::Failure => SubackCode::UNSPECIFIED_ERROR,
            });
            Packet::SubAck {
                id: not_zero(packet, read.pkid)?,
                codes: codes.collect(),
            }
        }
        Kind::UnsubAck => {
            let read = v4::UnsubAck::read(header, bytes).map_err(error)?;
            Packet::UnsubAck {
                id: not_zero(packet, read.pkid)?,
                codes: UnsubackCodes::All,
            }
        }
        Kind::PingResp => Packet::PingResp,
        // Read already, or refused by its header.
        Kind::Publish
        | Kind::PubAck
        | Kind::PubRec
        | Kind::PubRel
        | Kind::PubComp
        | Kind::Disconnect => return Err(ProtocolError::UnexpectedPacket { packet }),
    })
}

/// Reads one frame of MQTT 5.
pub(super) fn read_v5(frame: Frame, bytes: Bytes) -> Result<Packet, ProtocolError> {
    match frame.kind {
        Kind::ConnAck => read_connack(frame, bytes).map(|read| Packet::ConnAck(Box::new(read))),
        Kind::Publish => read_publish(frame, bytes),
        Kind::PubAck => read_ack(frame, bytes, |header, bytes| {
            let read = v5::PubAck::read(header, bytes)?;
            let text = read.properties.and_then(|all| all.reason_string);
            Ok((read.pkid, read.reason as u8, text))
        })
        .map(Packet::PubAck),
        Kind::PubRec => read_ack(frame, bytes, |header, bytes| {
            let read = v5::PubRec::read(header, bytes)?;
            let text = read.properties.and_then(|all| all.reason_string);
            Ok((read.pkid, read.reason as u8, text))
        })
        .map(Packet::PubRec),
        Kind::PubRel => read_ack(frame, bytes, |header, bytes| {
            let read = v5::PubRel::read(header, bytes)?;
            let text = read.properties.and_then(|all| all.reason_string);
            Ok((read.pkid, read.reason as u8, text))
        })
        .map(Packet::PubRel),
        Kind::PubComp => read_ack(frame, bytes, |header, bytes| {
            let read = v5::PubComp::read(header, bytes)?;
            let text = read.properties.and_then(|all| all.reason_string);
            Ok((read.pkid, read.reason as u8, text))
        })
        .map(Packet::PubComp),
        Kind::SubAck => {
            let packet = frame.kind.name();
            walk(frame.kind, body(frame, &bytes), 2)?;
            let read = v5::SubAck::read(fixed_header(frame), bytes)
                .map_err(|error| malformed(packet, error))?;
            let codes = read.return_codes.into_iter();
            Ok(Packet::SubAck {
                id: not_zero(packet, read.pkid)?,
                codes: codes.map(|code| SubackCode::new(code as u8)).collect(),
            })
        }
        Kind::UnsubAck => {
            let packet = frame.kind.name();
            walk(frame.kind, body(frame, &bytes), 2)?;
            let read = v5::UnsubAck::read(fixed_header(frame), bytes)
                .map_err(|error| malformed(packet, error))?;
            let codes = read.reasons.into_iter();
            Ok(Packet::UnsubAck {
                id: not_zero(packet, read.pkid)?,
                codes: UnsubackCodes::Each(
                    codes.map(|code| UnsubackCode::new(code as u8)).collect(),
                ),
            })
        }
        Kind::PingResp => Ok(Packet::PingResp),
        Kind::Disconnect => read_disconnect(frame, bytes),
    }
}

fn read_connack(frame: Frame, bytes: Bytes) -> Result<ConnAck, ProtocolError> {
    let packet = frame.kind.name();
    let body = body(frame, &bytes);
    check_connack_flags(body)?;
    let (&[flags, code], rest) = body
        .split_first_chunk::<2>()
        .ok_or(ProtocolError::Malformed { packet })?;
    // G4: without even a property length it comes from a server of 3.1.1; its refusals have
    // codes of their own, its success is as good as any.
    if rest.is_empty() && (1..=5).contains(&code) {
        return Ok(ConnAck {
            code: ConnectCode::new(code),
            only_3_1_1: true,
            ..ConnAck::default()
        });
    }
    let (header, bytes) = if rest.is_empty() {
        complete(frame.first_byte, &[flags, code, 0])
    } else {
        let walked = walk(frame.kind, body, 2)?;
        ends_here(frame.kind, &walked, body)?;
        (fixed_header(frame), bytes)
    };
    let read = v5::ConnAck::read(header, bytes).map_err(|error| malformed(packet, error))?;
    let mut connack = ConnAck {
        session_present: read.session_present,
        code: ConnectCode::new(code),
        ..ConnAck::default()
    };
    if let Some(all) = read.properties {
        connack = ConnAck {
            session_expiry: all.session_expiry_interval,
            receive_maximum: all.receive_max,
            maximum_qos: all.max_qos,
            retain_available: all.retain_available,
            maximum_packet_size: all.max_packet_size,
            assigned_client_id: all.assigned_client_identifier,
            wildcard_subscriptions: all.wildcard_subscription_available,
            shared_subscriptions: all.shared_subscription_available,
            server_keep_alive: all.server_keep_alive,
            response_information: all.response_information,
            server_reference: all.server_reference,
            reason_string: all.reason_string,
            user_properties: all.user_properties,
            ..connack
        };
    }
    Ok(connack)
}

fn read_publish(frame: Frame, bytes: Bytes) -> Result<Packet, ProtocolError> {
    let packet = frame.kind.name();
    let body = body(frame, &bytes);
    let head = PublishHead::read(frame, body, true)?;
    let walked = walk(frame.kind, body, head.end)?;
    // We announce a maximum of zero, so any alias is one too high.
    if let Some(alias) = walked.topic_alias {
        return Err(ProtocolError::TopicAlias { alias });
    }
    if head.topic.is_empty() {
        return Err(ProtocolError::TopicName);
    }
    let read = if walked.subscription_ids.len() > 1 {
        read_publish_of_many(frame, &bytes, &walked)
    } else {
        v5::Publish::read(fixed_header(frame), bytes)
    }
    .map_err(|error| malformed(packet, error))?;
    let properties = read.properties.map(|all| {
        Box::new(MessageProperties {
            payload_is_utf8: all.payload_format_indicator.map(|flag| flag == 1),
            message_expiry: all
                .message_expiry_interval
                .map(|seconds| Duration::from_secs(u64::from(seconds))),
            content_type: all.content_type,
            response_topic: all.response_topic,
            correlation_data: all.correlation_data,
            user_properties: all.user_properties,
            subscription_ids: walked.subscription_ids.iter().map(|(id, _)| *id).collect(),
        })
    });
    Ok(Packet::Publish {
        id: read.pkid,
        message: Message {
            topic: read.topic,
            payload: read.payload,
            qos: qos(read.qos),
            retain: read.retain,
            dup: read.dup,
            properties,
        },
    })
}

/// G6: mqttbytes counts each subscription identifier one byte too long, so with several of them
/// it stops early, loses the last properties and leaves their bytes in the payload. It gets a
/// frame with one of them and no payload; the payload comes from the original.
fn read_publish_of_many(
    frame: Frame,
    bytes: &Bytes,
    walked: &Walked,
) -> Result<v5::Publish, mqttbytes::Error> {
    let body = body(frame, bytes);
    let mut properties = BytesMut::with_capacity(walked.span.len());
    let mut at = walked.span.start;
    for (_, span) in walked.subscription_ids.iter().skip(1) {
        properties.put_slice(body.get(at..span.start).unwrap_or_default());
        at = span.end;
    }
    properties.put_slice(body.get(at..walked.span.end).unwrap_or_default());
    let before = walked.span.start - length_bytes(walked.span.len());
    let mut short = BytesMut::with_capacity(before + 4 + properties.len());
    short.put_slice(body.get(..before).unwrap_or_default());
    put_variable(&mut short, properties.len());
    short.put_slice(&properties);
    let (header, short) = complete(frame.first_byte, &short);
    let mut read = v5::Publish::read(header, short)?;
    read.payload = bytes.slice(frame.header() + walked.span.end..);
    Ok(read)
}

fn read_ack(
    frame: Frame,
    bytes: Bytes,
    read: impl FnOnce(FixedHeader, Bytes) -> Result<(u16, u8, Option<String>), mqttbytes::Error>,
) -> Result<Ack, ProtocolError> {
    let packet = frame.kind.name();
    // Identifier and reason alone are legal; the property length may be left out.
    if frame.remaining > 3 {
        let body = body(frame, &bytes);
        let walked = walk(frame.kind, body, 3)?;
        ends_here(frame.kind, &walked, body)?;
    }
    let (id, code, text) =
        read(fixed_header(frame), bytes).map_err(|error| malformed(packet, error))?;
    Ok(Ack {
        id: not_zero(packet, id)?,
        code: PubackCode::new(code),
        reason_string: text.map(String::into_boxed_str),
    })
}

fn read_disconnect(frame: Frame, bytes: Bytes) -> Result<Packet, ProtocolError> {
    let packet = frame.kind.name();
    let body = body(frame, &bytes);
    let code = body.first().copied().unwrap_or(0);
    // mqttbytes does not know this one, which the specification allows here.
    let known = if code == DisconnectCode::BAD_AUTHENTICATION_METHOD.value() {
        DisconnectCode::UNSPECIFIED_ERROR.value()
    } else {
        code
    };
    let rest = body.get(1..).unwrap_or_default();
    // G3: reason and property length may be left out; mqttbytes cannot read that.
    let (header, bytes) = if rest.is_empty() {
        complete(frame.first_byte, &[known, 0])
    } else {
        let walked = walk(frame.kind, body, 1)?;
        ends_here(frame.kind, &walked, body)?;
        let mut whole = BytesMut::with_capacity(body.len());
        whole.put_u8(known);
        whole.put_slice(rest);
        complete(frame.first_byte, &whole)
    };
    let read = v5::Disconnect::read(header, bytes).map_err(|error| malformed(packet, error))?;
    let (text, reference) = read
        .properties
        .map(|all| (all.reason_string, all.server_reference))
        .unwrap_or_default();
    Ok(Packet::Disconnect(Box::new(ServerDisconnect {
        code: DisconnectCode::new(code),
        reason_string: text.map(String::into_boxed_str),
        server_reference: reference.map(String::into_boxed_str),
    })))
}

/// What every PUBLISH begins with.
struct PublishHead {
    /// Where the topic is in the body.
    topic: Range<usize>,
    /// The packet identifier; 0 at QoS 0.
    id: u16,
    /// Where the properties begin, or in 3.1.1 the payload.
    end: usize,
}

impl PublishHead {
    /// G7: the topic has no wildcard and no U+0000, and is not empty unless a topic alias can
    /// stand in for it. G8: the identifier is not 0.
    fn read(frame: Frame, body: &[u8], may_be_empty: bool) -> Result<Self, ProtocolError> {
        let packet = frame.kind.name();
        let malformed = ProtocolError::Malformed { packet };
        let (length, rest) = body.split_first_chunk::<2>().ok_or(malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (topic, rest) = rest.split_at_checked(length).ok_or(malformed)?;
        if topic.is_empty() && !may_be_empty || has_forbidden(topic) {
            return Err(ProtocolError::TopicName);
        }
        let mut head = Self {
            topic: 2..2 + length,
            id: 0,
            end: 2 + length,
        };
        if frame.first_byte & 0b0110 != 0 {
            let (id, _) = rest.split_first_chunk::<2>().ok_or(malformed)?;
            head.id = not_zero(packet, u16::from_be_bytes(*id))?;
            head.end += 2;
        }
        Ok(head)
    }
}

/// G9: only the lowest bit may be set.
fn check_connack_flags(body: &[u8]) -> Result<(), ProtocolError> {
    match body.first() {
        Some(0 | 1) => Ok(()),
        Some(_) | None => Err(ProtocolError::Malformed { packet: "CONNACK" }),
    }
}

/// G9: nothing may follow the properties of a packet without payload.
fn ends_here(kind: Kind, walked: &Walked, body: &[u8]) -> Result<(), ProtocolError> {
    if walked.span.end == body.len() {
        Ok(())
    } else {
        Err(ProtocolError::Malformed {
            packet: kind.name(),
        })
    }
}

/// G8.
fn not_zero(packet: &'static str, id: u16) -> Result<u16, ProtocolError> {
    if id == 0 {
        Err(ProtocolError::PacketIdZero { packet })
    } else {
        Ok(id)
    }
}

fn body(frame: Frame, bytes: &Bytes) -> &[u8] {
    bytes.get(frame.header()..).unwrap_or_default()
}

fn fixed_header(frame: Frame) -> FixedHeader {
    FixedHeader::new(frame.first_byte, frame.length_bytes, frame.remaining)
}

/// A frame of our own making with this body.
fn complete(first_byte: u8, body: &[u8]) -> (FixedHeader, Bytes) {
    let mut bytes = BytesMut::with_capacity(body.len() + 5);
    bytes.put_u8(first_byte);
    put_variable(&mut bytes, body.len());
    bytes.put_slice(body);
    let header = FixedHeader::new(first_byte, length_bytes(body.len()), body.len());
    (header, bytes.freeze())
}

pub(super) fn put_variable(bytes: &mut BytesMut, mut value: usize) {
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            bytes.put_u8(low);
            return;
        }
        bytes.put_u8(low | 0x80);
    }
}

/// How many bytes a variable byte integer of this value has.
pub(super) const fn length_bytes(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

fn qos(qos: mqttbytes::QoS) -> Qos {
    match qos {
        mqttbytes::QoS::AtMostOnce => Qos::AtMostOnce,
        mqttbytes::QoS::AtLeastOnce => Qos::AtLeastOnce,
        mqttbytes::QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}
