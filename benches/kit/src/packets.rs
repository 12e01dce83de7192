//! MQTT 3.1.1 as bytes, as little of it as the floor needs: nothing is checked, both ends are ours.

use std::io::{self, Read, Write};

/// Appends a CONNECT with a clean session and no keep alive.
pub fn connect(id: &str, out: &mut Vec<u8>) {
    let mut body = b"\0\x04MQTT\x04\x02\0\0".to_vec();
    text(id, &mut body);
    packet(0x10, &body, out);
}

/// Appends a SUBSCRIBE at QoS 1.
pub fn subscribe(id: u16, filter: &str, out: &mut Vec<u8>) {
    let mut body = id.to_be_bytes().to_vec();
    text(filter, &mut body);
    body.push(1);
    packet(0x82, &body, out);
}

/// Appends a PUBLISH at QoS 1.
pub fn publish(id: u16, topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    let length = 2 + topic.len() + 2 + payload.len();
    header(0x32, length, out);
    out.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    out.extend_from_slice(topic);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends a PUBACK.
pub fn puback(id: [u8; 2], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x40, 2, id[0], id[1]]);
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn packet(first: u8, body: &[u8], out: &mut Vec<u8>) {
    header(first, body.len(), out);
    out.extend_from_slice(body);
}

fn header(first: u8, mut length: usize, out: &mut Vec<u8>) {
    out.push(first);
    loop {
        let digit = (length & 127) as u8;
        length >>= 7;
        if length == 0 {
            out.push(digit);
            return;
        }
        out.push(digit | 128);
    }
}

/// A packet that arrived.
#[derive(Debug)]
pub enum Arrived<'a> {
    /// CONNACK with its code.
    ConnAck(u8),
    /// PUBLISH at QoS 1.
    Publish {
        /// Where it was published.
        topic: &'a [u8],
        /// Its packet identifier.
        id: [u8; 2],
        /// Its payload.
        payload: &'a [u8],
    },
    /// PUBACK.
    PubAck,
    /// SUBACK with its first code.
    SubAck(u8),
}

/// Whole packets out of what a socket brings.
#[derive(Debug, Default)]
pub struct Packets {
    bytes: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl Packets {
    /// Reads once, for as much as there is.
    ///
    /// # Errors
    /// The socket's, and the end of the connection.
    pub fn fill(&mut self, from: &mut impl Read) -> io::Result<()> {
        self.bytes.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        self.bytes.resize(64 * 1024, 0);
        let count = from.read(&mut self.bytes[self.filled..])?;
        self.filled += count;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// The next whole packet.
    ///
    /// # Panics
    /// When the broker sends what it has no reason to.
    pub fn take(&mut self) -> Option<Arrived<'_>> {
        let bytes = &self.bytes[self.taken..self.filled];
        let (mut length, mut at) = (0, 1);
        loop {
            let digit = *bytes.get(at)?;
            length |= usize::from(digit & 127) << (7 * (at - 1));
            at += 1;
            if digit < 128 {
                break;
            }
        }
        let body = bytes.get(at..at + length)?;
        self.taken += at + length;
        Some(match bytes[0] >> 4 {
            2 => Arrived::ConnAck(body[1]),
            3 => {
                assert_eq!(bytes[0] & 6, 2, "not at QoS 1");
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                Arrived::Publish {
                    topic: &body[2..2 + topic],
                    id: [body[2 + topic], body[3 + topic]],
                    payload: &body[4 + topic..],
                }
            }
            4 => Arrived::PubAck,
            9 => Arrived::SubAck(body[2]),
            other => panic!("a packet of type {other}"),
        })
    }

    /// Connects and subscribes, and returns when all is granted.
    ///
    /// # Errors
    /// The socket's, and a refusal.
    pub fn begin(
        &mut self,
        id: &str,
        filters: &[String],
        stream: &mut (impl Read + Write),
    ) -> io::Result<()> {
        let mut out = Vec::new();
        connect(id, &mut out);
        stream.write_all(&out)?;
        stream.flush()?;
        self.await_success(1, stream)?;
        out.clear();
        for (n, filter) in (1..).zip(filters) {
            subscribe(n, filter, &mut out);
        }
        stream.write_all(&out)?;
        stream.flush()?;
        self.await_success(filters.len(), stream)
    }

    fn await_success(&mut self, mut count: usize, stream: &mut impl Read) -> io::Result<()> {
        while count > 0 {
            match self.take() {
                Some(Arrived::ConnAck(0) | Arrived::SubAck(0 | 1)) => count -= 1,
                Some(other) => return Err(io::Error::other(format!("refused: {other:?}"))),
                None => self.fill(stream)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let mut bytes = b"\x20\x02\0\0".to_vec();
        publish(0x1234, b"a/b", &[b'x'; 300], &mut bytes);
        puback([1, 2], &mut bytes);
        let mut packets = Packets::default();
        let mut seen = Vec::new();
        for byte in bytes {
            packets.fill(&mut [byte].as_slice()).expect("a byte");
            if let Some(packet) = packets.take() {
                seen.push(match packet {
                    Arrived::Publish { topic, id, payload } => {
                        assert_eq!((topic, id, payload.len()), (&b"a/b"[..], [0x12, 0x34], 300));
                        "publish"
                    }
                    Arrived::ConnAck(0) => "connack",
                    Arrived::PubAck => "puback",
                    other => panic!("{other:?}"),
                });
            }
        }
        assert_eq!(seen, ["connack", "publish", "puback"]);
    }
}
