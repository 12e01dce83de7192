//! A session and the hand of the server that writes to it.

use core::time::Duration;

use mqtt_session::{
    BytesMut, DisconnectReason, Event, Input, Instant, Options, ProtocolError, Session, Version,
};

/// A session with its buffers and a clock that the test moves.
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    input: BytesMut,
}

impl Peer {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            session: Session::new(options).unwrap(),
            now: Instant::ORIGIN,
            input: BytesMut::new(),
        }
    }

    /// Connected over 3.1.1 or 5, clean, with everything drained.
    pub(crate) fn connected(version: Version) -> Self {
        let mut peer = Self::new(options(version));
        peer.connect(accept(version, false));
        peer
    }

    /// Opens a connection, answers the CONNECT with this CONNACK, and drains.
    pub(crate) fn connect(&mut self, connack: &str) -> Vec<Event> {
        self.session.handle_opened(self.now);
        assert!(self.output().starts_with("10"), "CONNECT comes first");
        self.receive(connack);
        self.events()
    }

    /// Bytes from the server, in hexadecimal.
    pub(crate) fn receive(&mut self, bytes: &str) {
        assert_eq!(self.offer(bytes), Input::Taken);
    }

    /// The same, whatever becomes of it.
    pub(crate) fn offer(&mut self, bytes: &str) -> Input {
        self.input.extend_from_slice(&unhex(bytes));
        self.session.handle_bytes(&mut self.input, self.now)
    }

    /// Everything there is to send, in hexadecimal.
    pub(crate) fn output(&mut self) -> String {
        let mut output = BytesMut::new();
        self.session.write_output(&mut output, self.now);
        assert!(!self.session.has_output());
        hex(&output)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Lets time pass, with a call at each deadline on the way as a driver would make it.
    pub(crate) fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        while let Some(deadline) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(deadline);
            self.session.handle_timeout(self.now);
            assert!(
                self.session
                    .poll_timeout()
                    .is_none_or(|next| next > self.now),
                "a handled deadline is over"
            );
        }
        self.now = end;
        self.session.handle_timeout(self.now);
    }

    /// Feeds bytes that break the protocol; returns the error, and checks that the connection is
    /// over and what was said to the server.
    pub(crate) fn breaks(&mut self, bytes: &str, goodbye: &str) -> ProtocolError {
        let _ = self.offer(bytes);
        assert!(!self.session.is_connected(), "{bytes} is accepted");
        assert_eq!(self.output(), unspaced(goodbye), "goodbye after {bytes}");
        let mut events = self.events();
        match events.pop() {
            Some(Event::Disconnected {
                reason: DisconnectReason::Protocol(error),
            }) => error,
            other => panic!("{other:?} after {bytes}"),
        }
    }
}

pub(crate) fn options(version: Version) -> Options {
    let mut options = Options::new("c");
    options.version = version;
    options
}

/// Options of a session that outlives its connections.
pub(crate) fn resuming(version: Version) -> Options {
    let mut options = options(version);
    options.clean_start = false;
    options.session_expiry = Some(Duration::from_secs(3600));
    options
}

/// A CONNACK that accepts.
pub(crate) const fn accept(version: Version, session_present: bool) -> &'static str {
    match (version, session_present) {
        (Version::V3_1_1, false) => "20 02 00 00",
        (Version::V3_1_1, true) => "20 02 01 00",
        (Version::V5, false) => "20 03 00 00 00",
        (Version::V5, true) => "20 03 01 00 00",
    }
}

pub(crate) const BOTH: [Version; 2] = [Version::V3_1_1, Version::V5];

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    assert!(digits.len() % 2 == 0, "odd number of digits in {text}");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unspaced(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Asserts that output is these bytes; blanks in the expectation do not count.
#[track_caller]
pub(crate) fn assert_hex(output: &str, expected: &str) {
    assert_eq!(output, unspaced(expected));
}
