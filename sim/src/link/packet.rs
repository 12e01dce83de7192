//! What a broker reads: the packets of a client, checked to the last bit. Written by hand from the specifications and
//! sharing nothing with the session under test, so that a mistake of its codec is not made twice.

use std::fmt;
use std::rc::Rc;
use transport_core::MqttVersion;

/// A packet from a client.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Connect(Connect),
    Publish(Publish),
    Puback {
        id: u16,
    },
    Subscribe {
        id: u16,
        filters: Vec<(Rc<str>, u8)>,
    },
    Unsubscribe {
        id: u16,
        filters: Vec<Rc<str>>,
    },
    Ping,
    Disconnect {
        code: u8,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) version: MqttVersion,
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    pub(crate) keep_alive: u16,
    pub(crate) session_expiry: u32,
    /// How many messages may be on their way to the client.
    pub(crate) receive_maximum: u16,
}

#[derive(Clone)]
pub(crate) struct Publish {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) id: u16,
    pub(crate) topic: Rc<str>,
    pub(crate) payload: Rc<[u8]>,
    /// Message expiry, seconds.
    pub(crate) expiry: Option<u32>,
}

impl Publish {
    /// Whether the other may be a repetition of it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.id, &self.topic, &self.payload) == (other.id, &other.topic, &other.payload)
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dup,
            qos,
            id,
            topic,
            payload,
            ..
        } = self;
        let payload = String::from_utf8_lossy(payload);
        write!(f, "PUBLISH {id} QoS {qos}, again: {dup}, {topic} {payload}")
    }
}

/// What is wrong with a client's bytes.
type Wrong = &'static str;

/// The first packet of these bytes and its length; `None` if it has not all arrived. `version` is `None` before CONNECT.
pub(crate) fn decode(
    bytes: &[u8],
    version: Option<MqttVersion>,
) -> Result<Option<(Packet, usize)>, Wrong> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let mut length = 0;
    let mut digits = 0;
    loop {
        let Some(&digit) = rest.get(digits) else {
            return Ok(None);
        };
        length |= usize::from(digit & 0x7f) << (7 * digits);
        digits += 1;
        if digit & 0x80 == 0 {
            if digit == 0 && digits > 1 {
                return Err("a length longer than necessary");
            }
            break;
        }
        if digits == 4 {
            return Err("a length of more than four bytes");
        }
    }
    let whole = 1 + digits + length;
    let Some(body) = bytes.get(1 + digits..whole) else {
        return Ok(None);
    };
    let mut body = Reader(body);
    let packet = read(first, &mut body, version)?;
    if !body.0.is_empty() {
        return Err("bytes behind the end");
    }
    Ok(Some((packet, whole)))
}

fn read(first: u8, body: &mut Reader<'_>, version: Option<MqttVersion>) -> Result<Packet, Wrong> {
    let (kind, flags) = (first >> 4, first & 15);
    let Some(version) = version else {
        return match (kind, flags) {
            (1, 0) => connect(body),
            _ => Err("the first packet is no CONNECT"),
        };
    };
    let five = version == MqttVersion::V5;
    match (kind, flags) {
        (3, _) => publish(flags, body, five),
        (4, 0) => {
            let id = body.id()?;
            if five && !body.0.is_empty() {
                body.byte()?;
                if !body.0.is_empty() {
                    body.properties(&[0x1f, 0x26])?;
                }
            }
            Ok(Packet::Puback { id })
        }
        (8, 2) => {
            let id = body.id()?;
            if five {
                body.properties(&[0x0b, 0x26])?;
            }
            let mut filters = Vec::new();
            while !body.0.is_empty() {
                let filter = body.text()?;
                let options = body.byte()?;
                if options > 2 {
                    return Err("a QoS above 2, or options nobody set");
                }
                filters.push((Rc::from(filter), options));
            }
            if filters.is_empty() || filters.len() > 8 {
                return Err("a SUBSCRIBE of no filters, or of more than AWS takes");
            }
            Ok(Packet::Subscribe { id, filters })
        }
        (10, 2) => {
            let id = body.id()?;
            if five {
                body.properties(&[0x26])?;
            }
            let mut filters = Vec::new();
            while !body.0.is_empty() {
                filters.push(Rc::from(body.text()?));
            }
            match filters.is_empty() {
                true => Err("an UNSUBSCRIBE of no filters"),
                false => Ok(Packet::Unsubscribe { id, filters }),
            }
        }
        (12, 0) => Ok(Packet::Ping),
        (14, 0) => {
            let code = match five && !body.0.is_empty() {
                true => body.byte()?,
                false => 0,
            };
            if !body.0.is_empty() {
                body.properties(&[0x11, 0x1f, 0x26])?;
            }
            Ok(Packet::Disconnect { code })
        }
        _ => Err("a packet that a client of shadows does not send"),
    }
}

fn connect(body: &mut Reader<'_>) -> Result<Packet, Wrong> {
    if body.text()? != "MQTT" {
        return Err("not MQTT");
    }
    let version = match body.byte()? {
        4 => MqttVersion::V3_1_1,
        5 => MqttVersion::V5,
        _ => return Err("a version that is not supported"),
    };
    let flags = body.byte()?;
    if flags & !2 != 0 {
        return Err("will, user name or password that nobody set");
    }
    let keep_alive = body.short()?;
    let (mut session_expiry, mut receive_maximum) = (0, u16::MAX);
    if version == MqttVersion::V5 {
        for (id, value) in body.properties(&[0x11, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27])? {
            match id {
                0x11 => session_expiry = value,
                0x21 => receive_maximum = value as u16,
                _ => {}
            }
        }
    }
    let client_id = body.text()?.to_owned();
    Ok(Packet::Connect(Connect {
        version,
        client_id,
        clean: flags & 2 != 0,
        keep_alive,
        session_expiry,
        receive_maximum,
    }))
}

fn publish(flags: u8, body: &mut Reader<'_>, five: bool) -> Result<Packet, Wrong> {
    let (dup, qos, retain) = (flags & 8 != 0, flags >> 1 & 3, flags & 1 != 0);
    if qos > 1 || retain || dup && qos == 0 {
        return Err("QoS 2, retained, or DUP at QoS 0");
    }
    let topic = body.text()?;
    if topic.is_empty() || topic.contains(['+', '#']) {
        return Err("a topic that cannot be published to");
    }
    let topic = Rc::from(topic);
    let id = if qos > 0 { body.id()? } else { 0 };
    let mut expiry = None;
    if five {
        let found = body.properties(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26])?;
        expiry = found.iter().find(|(id, _)| *id == 2).map(|(_, it)| *it);
    }
    let payload = Rc::from(std::mem::take(&mut body.0));
    Ok(Packet::Publish(Publish {
        dup,
        qos,
        id,
        topic,
        payload,
        expiry,
    }))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Wrong> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Wrong> {
        Ok(self.take(1)?[0])
    }

    fn short(&mut self) -> Result<u16, Wrong> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn id(&mut self) -> Result<u16, Wrong> {
        match self.short()? {
            0 => Err("packet identifier 0"),
            id => Ok(id),
        }
    }

    fn text(&mut self) -> Result<&'a str, Wrong> {
        let length = self.short()?;
        let text = std::str::from_utf8(self.take(usize::from(length))?);
        let text = text.map_err(|_| "not UTF-8")?;
        match text.contains('\0') {
            true => Err("U+0000"),
            false => Ok(text),
        }
    }

    /// Properties by id, those that are numbers with their value.
    fn properties(&mut self, allowed: &[u8]) -> Result<Vec<(u8, u32)>, Wrong> {
        let length = match self.byte()? {
            long if long & 0x80 != 0 => usize::from(long & 0x7f) | usize::from(self.byte()?) << 7,
            short => usize::from(short),
        };
        let mut inner = Reader(self.take(length)?);
        let mut found: Vec<(u8, u32)> = Vec::new();
        while !inner.0.is_empty() {
            let id = inner.byte()?;
            if !allowed.contains(&id) {
                return Err("a property that does not belong there");
            }
            if id != 0x26 && found.iter().any(|(other, _)| *other == id) {
                return Err("a property twice");
            }
            let value = match id {
                0x01 | 0x17 | 0x19 => inner.byte()?.into(),
                0x21..=0x23 => inner.short()?.into(),
                0x02 | 0x11 | 0x27 => {
                    let bytes = inner.take(4)?;
                    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
                }
                0x09 => {
                    let length = inner.short()?;
                    inner.take(usize::from(length))?;
                    0
                }
                0x26 => {
                    inner.text()?;
                    inner.text()?;
                    0
                }
                _ => {
                    inner.text()?;
                    0
                }
            };
            found.push((id, value));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Option<MqttVersion> = Some(MqttVersion::V5);

    #[test]
    fn a_packet_is_read_once_it_is_whole() {
        let bytes = b"\x32\x0d\0\x03a/b\0\x07\x05\x02\0\0\0\x09";
        for cut in 0..bytes.len() {
            assert!(matches!(decode(&bytes[..cut], FIVE), Ok(None)), "{cut}");
        }
        let Ok(Some((Packet::Publish(publish), 15))) = decode(bytes, FIVE) else {
            panic!("{:?}", decode(bytes, FIVE));
        };
        assert_eq!((&*publish.topic, publish.id), ("a/b", 7));
        assert_eq!(publish.expiry, Some(9));
        assert!(publish.payload.is_empty());
    }

    #[test]
    fn what_no_client_sends_is_refused() {
        for (bytes, version) in [
            (&b"\x32\x05\0\x01a\0\0"[..], FIVE),
            (b"\x38\x03\0\x01a", FIVE),
            (b"\x82\x02\0\x01", Some(MqttVersion::V3_1_1)),
            (b"\xc0\0", None),
            (b"\xc0\x80\0", FIVE),
            (b"\xd0\0", FIVE),
        ] {
            assert!(decode(bytes, version).is_err(), "{bytes:x?}");
        }
    }
}
