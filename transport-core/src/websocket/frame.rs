//! Frames: RFC 6455, section 5.

use bytes::{BufMut as _, BytesMut};

use super::error::WebSocketError;

/// What a frame is. Text is not for MQTT (MQTT 5, section 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opcode {
    Continuation,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    fn from_number(number: u8) -> Result<Self, WebSocketError> {
        match number {
            0x0 => Ok(Self::Continuation),
            0x1 => Err(WebSocketError::Protocol("a text message")),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            _ => Err(WebSocketError::Protocol("a frame of an unknown kind")),
        }
    }

    fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Binary => false,
        }
    }
}

/// Appends a whole message in one frame.
pub(super) fn encode(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut BytesMut) {
    out.reserve(14 + payload.len());
    out.put_u8(FIN | opcode.number());
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => {
            let [_, length] = length.to_be_bytes();
            out.put_u8(MASKED | length);
        }
        Ok(length) => {
            out.put_u8(MASKED | LENGTH_16);
            out.put_u16(length);
        }
        Err(_) => {
            out.put_u8(MASKED | LENGTH_64);
            out.put_u64(payload.len() as u64);
        }
    }
    out.put_slice(&mask);
    let start = out.len();
    out.put_slice(payload);
    let masked = out.get_mut(start..).unwrap_or_default();
    for group in masked.chunks_mut(4) {
        for (byte, mask) in group.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// Reads the server's frames, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The start of a frame that is not complete: a header, with the payload if it is a control
    /// frame.
    start: BytesMut,
    /// Bytes of payload that are still to come of a frame whose header is complete.
    remaining: u64,
    /// A message is in pieces, and this was not the last.
    fragmented: bool,
}

/// What was in the bytes.
#[derive(Debug)]
pub(super) enum Event<'a> {
    Payload(&'a [u8]),
    Ping(BytesMut),
    Pong,
    Close { code: Option<u16>, reason: Box<str> },
}

impl Decoder {
    /// Takes bytes off the front; `None` when they are used up.
    pub(super) fn decode<'a>(
        &mut self,
        bytes: &mut &'a [u8],
    ) -> Result<Option<Event<'a>>, WebSocketError> {
        loop {
            if bytes.is_empty() {
                return Ok(None);
            }
            if self.remaining > 0 {
                let length = usize::try_from(self.remaining).unwrap_or(usize::MAX);
                let length = length.min(bytes.len());
                let (payload, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
                *bytes = rest;
                self.remaining -= payload.len() as u64;
                return Ok(Some(Event::Payload(payload)));
            }
            if let Some(event) = self.header(bytes)? {
                return Ok(Some(event));
            }
        }
    }

    /// Collects a header, byte by byte: it is short.
    fn header(&mut self, bytes: &mut &[u8]) -> Result<Option<Event<'static>>, WebSocketError> {
        while let Some((byte, rest)) = bytes.split_first() {
            *bytes = rest;
            self.start.put_u8(*byte);
            let Some(header) = Header::read(&self.start)? else {
                continue;
            };
            if !header.opcode.is_control() {
                self.start.clear();
                let continues = header.opcode == Opcode::Continuation;
                match (continues, self.fragmented) {
                    (true, false) => {
                        return Err(WebSocketError::Protocol("a continuation of no message"));
                    }
                    (false, true) => {
                        return Err(WebSocketError::Protocol("a message within a message"));
                    }
                    (true, true) | (false, false) => {}
                }
                self.fragmented = !header.last;
                self.remaining = header.length;
                return Ok(None);
            }
            if !header.last {
                return Err(WebSocketError::Protocol("a control frame in pieces"));
            }
            if header.length > CONTROL_LIMIT {
                return Err(WebSocketError::Protocol("a control frame that is too long"));
            }
            if ((self.start.len() - header.size) as u64) < header.length {
                continue;
            }
            let payload = self.start.split_off(header.size);
            self.start.clear();
            return match header.opcode {
                Opcode::Ping => Ok(Some(Event::Ping(payload))),
                Opcode::Pong => Ok(Some(Event::Pong)),
                Opcode::Close | Opcode::Continuation | Opcode::Binary => close(&payload).map(Some),
            };
        }
        Ok(None)
    }
}

struct Header {
    last: bool,
    opcode: Opcode,
    length: u64,
    /// Of the header itself.
    size: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Option<Self>, WebSocketError> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(WebSocketError::Protocol(
                "an extension that was not asked for",
            ));
        }
        let opcode = Opcode::from_number(first & 0x0f)?;
        if second & MASKED != 0 {
            return Err(WebSocketError::Protocol("a masked frame"));
        }
        let (length, size) = match *second {
            LENGTH_16 => match rest.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
                None => return Ok(None),
            },
            LENGTH_64 => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return Ok(None),
            },
            length => (u64::from(length), 2),
        };
        if length >> 63 != 0 {
            return Err(WebSocketError::Protocol("a length beyond all bounds"));
        }
        Ok(Some(Self {
            last: first & FIN != 0,
            opcode,
            length,
            size,
        }))
    }
}

fn close(payload: &[u8]) -> Result<Event<'static>, WebSocketError> {
    let (code, reason) = match payload {
        [] => (None, payload),
        [_] => return Err(WebSocketError::Protocol("half a close code")),
        [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
    };
    let reason = crate::http::printable(&String::from_utf8_lossy(reason));
    Ok(Event::Close { code, reason })
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const CONTROL_LIMIT: u64 = 125;
