//! A small server, strict about its client, for random runs.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_session::Version;

/// xorshift64*: enough for choices, the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    pub(crate) fn one_in(&mut self, end: usize) -> bool {
        self.below(end) == 0
    }
}

/// The server's half of the protocol, as short as it can be and strict about the client.
pub(crate) struct Server {
    version: Version,
    receive_maximum: usize,
    pub(crate) session: Option<Kept>,
    /// Counts sessions, to tell which message was sent in which.
    pub(crate) epoch: u32,
    pub(crate) connected: bool,
    input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// Payloads received, in order.
    pub(crate) received: Vec<String>,
    /// Refuse filters now and then.
    pub(crate) refuses: bool,
}

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) filters: BTreeMap<String, u8>,
    /// QoS 1 and 2 of the client without PUBACK or PUBCOMP from us.
    unfinished: BTreeSet<u16>,
    /// QoS 2 of the client without PUBREL.
    received: BTreeSet<u16>,
    pub(crate) sending: VecDeque<Sending>,
    next_id: u16,
}

pub(crate) struct Sending {
    id: u16,
    qos: u8,
    payload: String,
    released: bool,
}

impl Server {
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            receive_maximum: usize::MAX,
            session: None,
            epoch: 0,
            connected: false,
            input: Vec::new(),
            output: Vec::new(),
            received: Vec::new(),
            refuses: true,
        }
    }

    pub(crate) fn open(&mut self) {
        self.connected = false;
        self.input.clear();
        self.output.clear();
    }

    pub(crate) fn lose_session(&mut self) {
        self.session = None;
        self.epoch += 1;
    }

    pub(crate) fn handle(&mut self, bytes: &[u8], random: &mut Random) {
        self.input.extend_from_slice(bytes);
        while self.input.len() >= 2 && self.input.len() >= 2 + usize::from(self.input[1]) {
            assert!(self.input[1] < 128, "the model knows short packets");
            let rest = self.input.split_off(2 + usize::from(self.input[1]));
            let packet = core::mem::replace(&mut self.input, rest);
            self.handle_packet(packet[0], &packet[2..], random);
        }
    }

    fn handle_packet(&mut self, first_byte: u8, body: &[u8], random: &mut Random) {
        let v5 = self.version == Version::V5;
        if !self.connected {
            assert_eq!(first_byte, 0x10, "CONNECT comes first");
            let present = u8::from(self.session.is_some() && body[7] & 2 == 0);
            if present == 0 {
                self.lose_session();
                self.session = Some(Kept::default());
            }
            self.connected = true;
            if v5 {
                let maximum = 1 + random.below(4) as u8;
                self.receive_maximum = usize::from(maximum);
                self.send(0x20, &[present, 0, 3, 0x21, 0, maximum]);
            } else {
                self.send(0x20, &[present, 0]);
            }
            self.resume();
            return;
        }
        let kept = self.session.as_mut().unwrap();
        let id = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        match first_byte >> 4 {
            3 => self.handle_publish(first_byte, body),
            4 => kept.sending.retain(|message| message.id != id(0)),
            5 => {
                let id = id(0);
                for message in kept.sending.iter_mut().filter(|message| message.id == id) {
                    message.released = true;
                }
                self.send(0x62, &id.to_be_bytes());
            }
            6 => {
                let id = id(0);
                kept.received.remove(&id);
                kept.unfinished.remove(&id);
                self.send(0x70, &id.to_be_bytes());
            }
            7 => kept.sending.retain(|message| message.id != id(0)),
            8 | 10 => {
                let subscribe = first_byte >> 4 == 8;
                let mut answer = body[..2].to_vec();
                let mut at = 2;
                if v5 {
                    answer.push(0);
                    at += 1;
                }
                while at < body.len() {
                    let end = at + 2 + usize::from(id(at));
                    let filter = String::from_utf8(body[at + 2..end].to_vec()).unwrap();
                    at = end;
                    if !subscribe {
                        kept.filters.remove(&filter);
                        if v5 {
                            answer.push(0);
                        }
                    } else {
                        if self.refuses && random.one_in(6) {
                            answer.push(0x80);
                        } else {
                            kept.filters.insert(filter, body[at]);
                            answer.push(body[at]);
                        }
                        at += 1;
                    }
                }
                self.send(if subscribe { 0x90 } else { 0xb0 }, &answer);
            }
            12 => self.send(0xd0, &[]),
            14 => {}
            other => panic!("packet type {other} from a client"),
        }
    }

    fn handle_publish(&mut self, first_byte: u8, body: &[u8]) {
        let kept = self.session.as_mut().unwrap();
        let (qos, dup) = (first_byte >> 1 & 3, first_byte & 8 != 0);
        let mut at = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([body[at], body[at + 1]]);
            at += 2;
        }
        if self.version == Version::V5 {
            at += 1;
        }
        let payload = String::from_utf8(body[at..].to_vec()).unwrap();
        if qos > 0 {
            // An identifier comes again only for the same message, and then says so.
            assert!(
                dup || kept.unfinished.insert(id),
                "identifier {id} is in use"
            );
        }
        match qos {
            0 => self.received.push(payload),
            1 => {
                kept.unfinished.remove(&id);
                self.received.push(payload);
                self.send(0x40, &id.to_be_bytes());
            }
            _ => {
                kept.unfinished.insert(id);
                if kept.received.insert(id) {
                    self.received.push(payload);
                }
                self.send(0x50, &id.to_be_bytes());
            }
        }
        let kept = self.session.as_ref().unwrap();
        assert!(kept.unfinished.len() <= self.receive_maximum.max(4));
    }

    pub(crate) fn publish(&mut self, qos: u8, payload: String) {
        let kept = self.session.as_mut().unwrap();
        if qos == 0 {
            self.write_publish(0x30, None, &payload);
            return;
        }
        kept.next_id += 1;
        let id = kept.next_id;
        kept.sending.push_back(Sending {
            id,
            qos,
            payload: payload.clone(),
            released: false,
        });
        self.write_publish(0x30 | qos << 1, Some(id), &payload);
    }

    fn resume(&mut self) {
        let kept = self.session.as_ref().unwrap();
        let again: Vec<_> = kept
            .sending
            .iter()
            .map(|message| {
                let payload = message.payload.clone();
                (message.id, message.qos, message.released, payload)
            })
            .collect();
        for (id, qos, released, payload) in again {
            if released {
                self.send(0x62, &id.to_be_bytes());
            } else {
                self.write_publish(0x38 | qos << 1, Some(id), &payload);
            }
        }
    }

    fn write_publish(&mut self, first_byte: u8, id: Option<u16>, payload: &str) {
        let mut body = vec![0, 1, b't'];
        body.extend(id.into_iter().flat_map(u16::to_be_bytes));
        if self.version == Version::V5 {
            body.push(0);
        }
        body.extend_from_slice(payload.as_bytes());
        self.send(first_byte, &body);
    }

    fn send(&mut self, first_byte: u8, body: &[u8]) {
        self.output.push(first_byte);
        self.output.push(u8::try_from(body.len()).unwrap());
        self.output.extend_from_slice(body);
    }
}
