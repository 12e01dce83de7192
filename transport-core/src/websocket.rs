//! MQTT in a WebSocket (RFC 6455): the client's side as a byte stream, without IO.
//!
//! By hand, for two reasons. The crates for it log requests and payloads, in which there are
//! signatures and passwords. And a byte stream needs little of a WebSocket: frames of payload are
//! passed on as they arrive, whole messages are never put together, so no length is too long.

mod error;
mod frame;
mod handshake;

pub use error::{UpgradeError, WebSocketError};
pub(crate) use handshake::Request;

use core::fmt;

use bytes::{Buf as _, BytesMut};

use crate::random::random_bits;
use frame::{Decoder, Event, Opcode};
use handshake::Handshake;

/// The client's side of one WebSocket.
///
/// Write [`output`](Self::output), pass on what comes to [`handle_bytes`](Self::handle_bytes),
/// until [`is_open`](Self::is_open) or [`end`](Self::end). From then on [`send`](Self::send) puts
/// bytes into frames, and [`received`](Self::received) are those that came in frames; `output` has
/// to be written after each call of any kind, because a ping is answered by itself.
pub struct WebSocket {
    state: State,
    output: BytesMut,
    received: BytesMut,
}

enum State {
    Opening(Handshake),
    Open(Decoder),
    /// We have said goodbye; what still comes counts.
    Closing(Decoder),
    /// The server has said goodbye, or something has gone wrong.
    Ended(Option<WebSocketError>),
}

impl WebSocket {
    /// Asks for one.
    pub(crate) fn new(request: Request) -> Self {
        let (handshake, output) = Handshake::new(request);
        Self {
            state: State::Opening(handshake),
            output,
            received: BytesMut::new(),
        }
    }

    /// Bytes of the server.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.decode(bytes) {
            self.state = State::Ended(Some(error));
        }
    }

    /// The server ended the connection.
    pub fn handle_end(&mut self) {
        let error = match self.state {
            State::Opening(_) => Some(UpgradeError::Closed.into()),
            State::Open(_) | State::Closing(_) => None,
            State::Ended(_) => return,
        };
        self.state = State::Ended(error);
    }

    /// Puts bytes into a frame, to be written.
    pub fn send(&mut self, payload: &[u8]) {
        if self.is_open() {
            self.frame(Opcode::Binary, payload);
        }
    }

    /// Says goodbye. Nothing can be sent after that.
    pub fn close(&mut self) {
        if let State::Open(decoder) = &mut self.state {
            let decoder = core::mem::take(decoder);
            self.frame(Opcode::Close, &1000_u16.to_be_bytes());
            self.state = State::Closing(decoder);
        }
    }

    /// The bytes to be written; take off what was.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// The payload that has arrived; take off what was read.
    pub fn received(&mut self) -> &mut BytesMut {
        &mut self.received
    }

    /// Whether bytes can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// What ended it, once what was [`received`](Self::received) before is taken: `Ok` if nothing
    /// more comes.
    pub fn end(&mut self) -> Option<Result<(), WebSocketError>> {
        match &mut self.state {
            State::Ended(error) if self.received.is_empty() => {
                Some(error.take().map_or(Ok(()), Err))
            }
            State::Ended(_) | State::Opening(_) | State::Open(_) | State::Closing(_) => None,
        }
    }

    /// Whether to read: not while answers to pings pile up that the server does not take.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.output.len() < OUTPUT_LIMIT
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<(), WebSocketError> {
        let rest;
        let mut bytes = bytes;
        if let State::Opening(handshake) = &mut self.state {
            let Some(after) = handshake.handle_bytes(bytes)? else {
                return Ok(());
            };
            self.state = State::Open(Decoder::default());
            rest = after;
            bytes = &rest;
        }
        while let State::Open(decoder) | State::Closing(decoder) = &mut self.state {
            let Some(event) = decoder.decode(&mut bytes)? else {
                break;
            };
            match event {
                Event::Payload(payload) => self.received.extend_from_slice(payload),
                Event::Ping(payload) => self.frame(Opcode::Pong, &payload),
                Event::Pong => {}
                Event::Close { code, reason } => {
                    self.close();
                    // 1000: all is done; 1001: the server goes down.
                    let quiet = matches!(code, None | Some(1000 | 1001));
                    let error = WebSocketError::Closed { code, reason };
                    self.state = State::Ended((!quiet).then_some(error));
                }
            }
        }
        Ok(())
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        // Masks only have to be unpredictable for whoever chooses the payload.
        let [a, b, c, d, ..] = random_bits().to_le_bytes();
        frame::encode(opcode, payload, [a, b, c, d], &mut self.output);
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("is_open", &self.is_open())
            .field("output", &self.output.remaining())
            .field("received", &self.received.remaining())
            .finish_non_exhaustive()
    }
}

/// Bytes of output beyond which no more input is read.
const OUTPUT_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn request() -> Request {
        Request {
            host: "broker.example".into(),
            target: Secret::new("/mqtt?secret=hush"),
            headers: vec![("x-token".into(), Secret::new("hush"))],
            now: std::time::SystemTime::UNIX_EPOCH,
        }
    }

    /// One whose handshake is done.
    fn open() -> WebSocket {
        let mut socket = WebSocket::new(request());
        let accept = handshake::accept_of(&socket.output);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        socket.handle_bytes(answer.as_bytes());
        socket.output.clear();
        assert!(socket.is_open());
        socket
    }

    /// What the client sent, unmasked: opcode and payload of each frame.
    fn sent(socket: &mut WebSocket) -> Vec<(u8, Vec<u8>)> {
        let output = socket.output.split();
        let mut bytes = &output[..];
        let mut frames = Vec::new();
        while let [first, second, rest @ ..] = bytes {
            assert_eq!(first & 0xf0, 0x80, "whole messages");
            assert_eq!(second & 0x80, 0x80, "masked");
            let (length, rest) = match second & 0x7f {
                126 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
                127 => (
                    u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize,
                    &rest[8..],
                ),
                short => (usize::from(short), rest),
            };
            let (mask, rest) = rest.split_at(4);
            let (payload, rest) = rest.split_at(length);
            let payload = payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b);
            frames.push((first & 0x0f, payload.collect()));
            bytes = rest;
        }
        frames
    }

    #[test]
    fn payload_both_ways() {
        let mut socket = open();
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            socket.send(&payload);
            assert_eq!(sent(&mut socket), [(2, payload)]);
        }
        // Frames and MQTT packets do not align, a message may be in pieces, pings in between.
        socket.handle_bytes(b"\x02\x02ab\x89\x01!\x00\x01c\x8a\x00\x80\x01d\x82\x00");
        assert_eq!(&socket.received().split()[..], b"abcd");
        assert_eq!(sent(&mut socket), [(10, b"!".to_vec())]);
    }

    #[test]
    fn any_chunking() {
        let long = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let very_long = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[8; 65_536]].concat();
        let stream = [
            &b"\x82\x03abc\x89\x02hi"[..],
            &long,
            &very_long,
            b"\x88\x02\x03\xe8",
        ]
        .concat();
        for size in [1, 2, 3, 5, 64, 1000, stream.len()] {
            let mut socket = open();
            for chunk in stream.chunks(size) {
                socket.handle_bytes(chunk);
            }
            let received = socket.received().split();
            assert_eq!(received.len(), 3 + 256 + 65_536, "{size}");
            assert_eq!(socket.end(), Some(Ok(())));
            assert_eq!(
                sent(&mut socket),
                [(10, b"hi".to_vec()), (8, vec![0x03, 0xe8])]
            );
        }
    }

    #[test]
    fn goodbyes() {
        let mut ours = open();
        ours.close();
        ours.close();
        ours.send(b"too late");
        assert_eq!(sent(&mut ours), [(8, vec![0x03, 0xe8])]);
        ours.handle_bytes(b"\x82\x01x\x88\x02\x03\xe8");
        assert_eq!(ours.end(), None, "there is something to read");
        assert_eq!(&ours.received().split()[..], b"x");
        assert_eq!(ours.end(), Some(Ok(())));
        assert!(ours.output().is_empty());

        let mut refused = open();
        refused.handle_bytes(b"\x82\x01x\x88\x08\x03\xf0policy");
        assert_eq!(refused.end(), None);
        refused.received().clear();
        let error = refused.end().unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server closed the WebSocket: 1008 policy"
        );
        for quiet in [&b"\x88\x00"[..], b"\x88\x02\x03\xe9"] {
            let mut socket = open();
            socket.handle_bytes(quiet);
            // Whatever follows does not count.
            socket.handle_bytes(b"\x82\x01x");
            assert_eq!(socket.end(), Some(Ok(())));
        }
        let ended = |mut socket: WebSocket| {
            socket.handle_end();
            socket.end().unwrap()
        };
        assert_eq!(ended(open()), Ok(()));
        let closed = Err(WebSocketError::Upgrade(UpgradeError::Closed));
        assert_eq!(ended(WebSocket::new(request())), closed);
    }

    #[test]
    fn what_breaks_the_protocol() {
        for bad in [
            &b"\xc2\x00"[..],                            // a reserved bit
            b"\x82\x81mask\x00",                         // masked by the server
            b"\x81\x01x",                                // text
            b"\x83\x00",                                 // an unknown opcode
            b"\x8b\x00",                                 // an unknown control opcode
            b"\x80\x00",                                 // a continuation of nothing
            b"\x02\x00\x82\x00",                         // a message within a message
            b"\x09\x00",                                 // a control frame in pieces
            b"\x89\x7e\x00\x7e",                         // a long control frame
            b"\x88\x01\x03",                             // half a code
            b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", // a length with its highest bit
        ] {
            let mut socket = open();
            socket.handle_bytes(bad);
            let error = socket.end().unwrap().unwrap_err();
            assert!(
                matches!(error, WebSocketError::Protocol(_)),
                "{bad:x?}: {error:?}"
            );
        }
    }

    #[test]
    fn no_bytes_make_it_fall() {
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut socket = open();
            let bytes: Vec<u8> = (0..12)
                .map(|_| {
                    seed = crate::random::mix(seed);
                    if seed & 0x300 == 0 { 0x82 } else { seed as u8 }
                })
                .collect();
            socket.handle_bytes(&bytes);
        }
    }

    #[test]
    fn a_flood_of_pings_stops_reading() {
        let mut socket = open();
        let pings = [b"\x89\x7d".as_slice(), &[0; 125]].concat().repeat(600);
        socket.handle_bytes(&pings);
        assert!(!socket.wants_input());
        socket.output().clear();
        assert!(socket.wants_input());
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:?}", request(), WebSocket::new(request()));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
