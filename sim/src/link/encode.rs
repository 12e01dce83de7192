//! What a broker writes.

use std::rc::Rc;
use transport_core::MqttVersion;

/// A packet from the broker, of a version.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Connack {
        present: bool,
        code: u8,
        /// MQTT 5: how many publishes may be on their way to the broker.
        receive_maximum: Option<u16>,
        /// MQTT 5: another keep-alive, seconds.
        keep_alive: Option<u16>,
    },
    Puback {
        id: u16,
        code: u8,
    },
    Suback {
        id: u16,
        codes: Vec<u8>,
    },
    Unsuback {
        id: u16,
        count: usize,
    },
    Publish {
        dup: bool,
        /// None at QoS 0.
        id: Option<u16>,
        topic: Rc<str>,
        payload: Rc<[u8]>,
    },
    Pong,
    /// MQTT 5.
    Disconnect {
        code: u8,
    },
    /// What no broker should say.
    Nonsense,
}

impl Answer {
    /// Appends its bytes. `long` chooses the longer of two ways to say the same.
    pub(crate) fn write(&self, version: MqttVersion, long: bool, out: &mut Vec<u8>) {
        let five = version == MqttVersion::V5;
        let mut body = Vec::new();
        let first = match self {
            Self::Connack {
                present,
                code,
                receive_maximum,
                keep_alive,
            } => {
                body.extend([u8::from(*present), *code]);
                if five {
                    let mut properties = Vec::new();
                    if let Some(maximum) = receive_maximum {
                        properties.push(0x21);
                        properties.extend(maximum.to_be_bytes());
                    }
                    if let Some(keep_alive) = keep_alive {
                        properties.push(0x13);
                        properties.extend(keep_alive.to_be_bytes());
                    }
                    if long {
                        user_property(&mut properties);
                    }
                    body.push(properties.len() as u8);
                    body.extend(properties);
                }
                0x20
            }
            Self::Puback { id, code } => {
                body.extend(id.to_be_bytes());
                if five && (*code != 0 || long) {
                    body.push(*code);
                    if long {
                        body.extend(b"\x05\x1f\0\x02ok");
                    }
                }
                0x40
            }
            Self::Suback { id, codes } => {
                body.extend(id.to_be_bytes());
                if five {
                    body.push(0);
                }
                body.extend(codes);
                0x90
            }
            Self::Unsuback { id, count } => {
                body.extend(id.to_be_bytes());
                if five {
                    body.push(0);
                    body.resize(body.len() + count, 0);
                }
                0xb0
            }
            Self::Publish {
                dup,
                id,
                topic,
                payload,
            } => {
                body.extend((topic.len() as u16).to_be_bytes());
                body.extend(topic.as_bytes());
                if let Some(id) = id {
                    body.extend(id.to_be_bytes());
                }
                if five {
                    let mut properties = Vec::new();
                    if long {
                        properties.extend(b"\x01\x01\x03\0\x10application/json");
                        user_property(&mut properties);
                    }
                    body.push(properties.len() as u8);
                    body.extend(properties);
                }
                body.extend(&**payload);
                0x30 | u8::from(*dup) << 3 | u8::from(id.is_some()) << 1
            }
            Self::Pong => 0xd0,
            Self::Disconnect { code } => {
                body.push(*code);
                if long {
                    body.push(0);
                }
                0xe0
            }
            Self::Nonsense => 0x00,
        };
        out.push(first);
        let mut length = body.len();
        loop {
            let digit = (length % 128) as u8;
            length /= 128;
            if length == 0 {
                out.push(digit);
                break;
            }
            out.push(digit | 0x80);
        }
        out.extend(body);
    }
}

fn user_property(properties: &mut Vec<u8>) {
    properties.extend(b"\x26\0\x01k\0\x01v");
}
