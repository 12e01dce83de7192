//! A walk over the properties of an MQTT 5 packet before mqttbytes reads them (G5).

use core::{ops::Range, str};

use super::{frame, frame::Kind};
use crate::ProtocolError;

/// What the walk found that the rest of the codec needs.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Where the properties are, their length not included.
    pub(super) span: Range<usize>,
    /// Subscription identifiers, in order, and where each property is.
    pub(super) subscription_ids: Vec<(u32, Range<usize>)>,
    /// The topic alias.
    pub(super) topic_alias: Option<u16>,
}

/// Walks the properties whose length is at `at` in `body`.
///
/// Each must be known, allowed in this packet, there once (save user property and subscription
/// identifier), inside the declared length and of a legal value. mqttbytes lets a property run
/// past the declared length, into the payload, and accepts repeats.
pub(super) fn walk(kind: Kind, body: &[u8], at: usize) -> Result<Walked, ProtocolError> {
    let malformed = ProtocolError::Malformed {
        packet: kind.name(),
    };
    let rest = body.get(at..).ok_or(malformed)?;
    let (length, length_bytes) = frame::variable_integer(rest)
        .ok()
        .flatten()
        .ok_or(malformed)?;
    let start = at + length_bytes;
    let end = start + length;
    let mut walked = Walked {
        span: start..end,
        ..Walked::default()
    };
    let mut reader = Reader {
        bytes: body.get(..end).ok_or(malformed)?,
        at: start,
    };
    let mut seen = 0_u64;
    while reader.at < end {
        let begin = reader.at;
        let id = reader.variable().ok_or(malformed)?;
        let illegal = ProtocolError::Property {
            packet: kind.name(),
            id,
        };
        let (value, packets) = table(id).ok_or(illegal)?;
        if packets & bit(kind) == 0 {
            return Err(illegal);
        }
        let repeatable = id == USER_PROPERTY || id == SUBSCRIPTION_ID;
        if !repeatable && seen & (1 << id) != 0 {
            return Err(ProtocolError::PropertyRepeated {
                packet: kind.name(),
                id,
            });
        }
        seen |= 1 << id;
        let legal = match value {
            Value::Flag => reader.byte().ok_or(malformed)? <= 1,
            Value::U16 => reader.u16().map(|_| true).ok_or(malformed)?,
            Value::NonZero16 => reader.u16().ok_or(malformed)? != 0,
            Value::Alias => {
                walked.topic_alias = Some(reader.u16().ok_or(malformed)?);
                true
            }
            Value::U32 => reader.take(4).map(|_| true).ok_or(malformed)?,
            Value::NonZero32 => reader.take(4).ok_or(malformed)? != [0; 4],
            Value::Text => reader.text().map(|()| true).ok_or(malformed)?,
            Value::Binary => reader.binary().map(|_| true).ok_or(malformed)?,
            Value::Pair => reader
                .text()
                .and_then(|()| reader.text())
                .map(|()| true)
                .ok_or(malformed)?,
            Value::Id => {
                let value = reader.variable().ok_or(malformed)?;
                walked.subscription_ids.push((value, begin..reader.at));
                value != 0
            }
        };
        if !legal {
            return Err(illegal);
        }
    }
    Ok(walked)
}

/// Identifier of the user property.
const USER_PROPERTY: u32 = 0x26;
/// Identifier of the subscription identifier.
const SUBSCRIPTION_ID: u32 = 0x0b;

/// What a property holds.
#[derive(Clone, Copy)]
enum Value {
    /// A byte that is 0 or 1.
    Flag,
    U16,
    NonZero16,
    Alias,
    U32,
    NonZero32,
    Text,
    Binary,
    Pair,
    Id,
}

/// The property of this identifier: what it holds, and the packets a server may send it in.
///
/// Session expiry in DISCONNECT is the client's alone, authentication is never asked for.
fn table(id: u32) -> Option<(Value, u16)> {
    const CONNACK: u16 = bit(Kind::ConnAck);
    const PUBLISH: u16 = bit(Kind::Publish);
    const DISCONNECT: u16 = bit(Kind::Disconnect);
    const ACKS: u16 = bit(Kind::PubAck)
        | bit(Kind::PubRec)
        | bit(Kind::PubRel)
        | bit(Kind::PubComp)
        | bit(Kind::SubAck)
        | bit(Kind::UnsubAck);
    Some(match id {
        0x01 => (Value::Flag, PUBLISH),        // payload format indicator
        0x02 => (Value::U32, PUBLISH),         // message expiry interval
        0x03 | 0x08 => (Value::Text, PUBLISH), // content type, response topic
        0x09 => (Value::Binary, PUBLISH),      // correlation data
        SUBSCRIPTION_ID => (Value::Id, PUBLISH),
        0x11 => (Value::U32, CONNACK),  // session expiry interval
        0x12 => (Value::Text, CONNACK), // assigned client identifier
        0x13 => (Value::U16, CONNACK),  // server keep alive
        0x1a => (Value::Text, CONNACK), // response information
        0x1c => (Value::Text, CONNACK | DISCONNECT), // server reference
        0x1f => (Value::Text, CONNACK | DISCONNECT | ACKS), // reason string
        0x21 => (Value::NonZero16, CONNACK), // receive maximum
        0x22 => (Value::U16, CONNACK),  // topic alias maximum
        0x23 => (Value::Alias, PUBLISH),
        0x24 | 0x25 => (Value::Flag, CONNACK), // maximum QoS, retain available
        USER_PROPERTY => (Value::Pair, CONNACK | DISCONNECT | ACKS | PUBLISH),
        0x27 => (Value::NonZero32, CONNACK), // maximum packet size
        0x28..=0x2a => (Value::Flag, CONNACK), // wildcard, id, shared available
        _ => return None,
    })
}

const fn bit(kind: Kind) -> u16 {
    1 << kind as u16
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// MQTT text: UTF-8 without U+0000.
    fn text(&mut self) -> Option<()> {
        let text = str::from_utf8(self.binary()?).ok()?;
        (!text.contains('\0')).then_some(())
    }

    fn variable(&mut self) -> Option<u32> {
        let (value, length) = frame::variable_integer(self.bytes.get(self.at..)?).ok()??;
        self.at += length;
        u32::try_from(value).ok()
    }
}
