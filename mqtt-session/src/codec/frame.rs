//! The fixed header, judged as soon as its bytes are there (G1).

use crate::{ProtocolError, Version};

/// Where the first packet of the input begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) first_byte: u8,
    /// Bytes of the remaining length.
    pub(super) length_bytes: usize,
    /// The remaining length.
    pub(super) remaining: usize,
}

impl Frame {
    /// The header of the first packet, or `None` while it is not complete.
    ///
    /// The first byte is judged alone, and the size before the body arrives: mqttbytes would ask
    /// for 65,535 more bytes at `00 ff ff 03`.
    #[inline]
    pub(super) fn parse(
        input: &[u8],
        version: Version,
        limit: u32,
    ) -> Result<Option<Self>, ProtocolError> {
        let Some((&first_byte, rest)) = input.split_first() else {
            return Ok(None);
        };
        let kind = Kind::parse(first_byte, version)?;
        let Some((remaining, length_bytes)) = variable_integer(rest)? else {
            return Ok(None);
        };
        let frame = Self {
            kind,
            first_byte,
            length_bytes,
            remaining,
        };
        if u64::try_from(frame.size()).map_or(true, |size| size > u64::from(limit)) {
            return Err(ProtocolError::TooLarge {
                size: frame.size(),
                limit,
            });
        }
        if !kind.allows(remaining, first_byte, version) {
            return Err(ProtocolError::Malformed {
                packet: kind.name(),
            });
        }
        Ok(Some(frame))
    }

    /// Bytes before the body.
    pub(super) const fn header(self) -> usize {
        1 + self.length_bytes
    }

    /// Bytes of the whole packet.
    pub(super) const fn size(self) -> usize {
        self.header() + self.remaining
    }
}

/// What a server may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    SubAck,
    UnsubAck,
    PingResp,
    Disconnect,
}

impl Kind {
    fn parse(first_byte: u8, version: Version) -> Result<Self, ProtocolError> {
        let unexpected = |packet| Err(ProtocolError::UnexpectedPacket { packet });
        let kind = match first_byte >> 4 {
            1 => return unexpected("CONNECT"),
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => return unexpected("SUBSCRIBE"),
            9 => Self::SubAck,
            10 => return unexpected("UNSUBSCRIBE"),
            11 => Self::UnsubAck,
            12 => return unexpected("PINGREQ"),
            13 => Self::PingResp,
            14 if version == Version::V5 => Self::Disconnect,
            14 => return unexpected("DISCONNECT"),
            15 if version == Version::V5 => return Err(ProtocolError::Auth),
            _ => return Err(ProtocolError::ReservedPacketType),
        };
        let flags = first_byte & 0x0f;
        let legal = match kind {
            // Neither QoS 3 nor DUP on QoS 0.
            Self::Publish => flags & 0b0110 != 0b0110 && flags & 0b1110 != 0b1000,
            Self::PubRel => flags == 0b0010,
            Self::ConnAck
            | Self::PubAck
            | Self::PubRec
            | Self::PubComp
            | Self::SubAck
            | Self::UnsubAck
            | Self::PingResp
            | Self::Disconnect => flags == 0,
        };
        if legal {
            Ok(kind)
        } else {
            Err(ProtocolError::Flags { first_byte })
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::SubAck => "SUBACK",
            Self::UnsubAck => "UNSUBACK",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
        }
    }

    /// Whether a packet of this kind can have a body of this length (G9).
    fn allows(self, remaining: usize, first_byte: u8, version: Version) -> bool {
        let v5 = version == Version::V5;
        match self {
            Self::ConnAck | Self::PubAck | Self::PubRec | Self::PubRel | Self::PubComp => {
                remaining == 2 || (v5 && remaining > 2)
            }
            // Topic length, one byte of topic or property length, identifier.
            Self::Publish => {
                let identifier = if first_byte & 0b0110 == 0 { 0 } else { 2 };
                remaining >= 3 + identifier
            }
            Self::SubAck => remaining >= 3 + usize::from(v5),
            Self::UnsubAck => {
                if v5 {
                    remaining >= 4
                } else {
                    remaining == 2
                }
            }
            Self::PingResp => remaining == 0,
            Self::Disconnect => true,
        }
    }
}

/// A variable byte integer at the front of `bytes` and how many bytes it has; `None` while it is
/// not complete.
pub(super) fn variable_integer(bytes: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    let mut value = 0;
    let mut shift = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            // The shortest form is the only one: a last byte of zero adds nothing.
            if index > 0 && *byte == 0 {
                return Err(ProtocolError::RemainingLength);
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(ProtocolError::RemainingLength)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], version: Version) -> Result<Option<usize>, ProtocolError> {
        Frame::parse(bytes, version, 100).map(|frame| frame.map(Frame::size))
    }

    #[test]
    fn g1_a_bad_first_byte_is_refused_before_the_body_arrives() {
        for version in [Version::V3_1_1, Version::V5] {
            assert_eq!(
                parse(&[0x00, 0xff, 0xff, 0x03], version),
                Err(ProtocolError::ReservedPacketType)
            );
            assert_eq!(
                parse(&[0x00], version),
                Err(ProtocolError::ReservedPacketType)
            );
            for first_byte in [
                0x21, 0x36, 0x37, 0x38, 0x39, 0x3e, 0x41, 0x52, 0x60, 0x61, 0x66, 0x72, 0x92, 0xb2,
                0xd1,
            ] {
                assert_eq!(
                    parse(&[first_byte], version),
                    Err(ProtocolError::Flags { first_byte }),
                    "{first_byte:#x}"
                );
            }
        }
    }

    #[test]
    fn g1_the_limit_counts_the_whole_frame_and_comes_before_the_body() {
        assert_eq!(parse(&[0x30, 98], Version::V5), Ok(Some(100)));
        assert_eq!(
            parse(&[0x30, 99], Version::V5),
            Err(ProtocolError::TooLarge {
                size: 101,
                limit: 100
            })
        );
        assert_eq!(
            parse(&[0x30, 0xff, 0xff, 0xff, 0x7f], Version::V5),
            Err(ProtocolError::TooLarge {
                size: 268_435_460,
                limit: 100
            })
        );
    }

    #[test]
    fn g1_remaining_lengths_are_short_and_at_most_four_bytes() {
        for bytes in [
            &[0x30, 0x80, 0x00][..],
            &[0x30, 0x83, 0x80, 0x00],
            &[0x30, 0x80, 0x80, 0x80, 0x80],
            &[0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            assert_eq!(
                parse(bytes, Version::V5),
                Err(ProtocolError::RemainingLength),
                "{bytes:x?}"
            );
        }
        assert_eq!(parse(&[0x30, 0x80, 0x80, 0x80], Version::V5), Ok(None));
        assert_eq!(parse(&[0x30], Version::V5), Ok(None));
        assert_eq!(parse(&[], Version::V5), Ok(None));
    }

    #[test]
    fn g9_bodies_of_impossible_length_are_refused_by_the_header() {
        for (bytes, packet) in [
            ([0xd0, 1], "PINGRESP"),
            ([0x20, 3], "CONNACK"),
            ([0x40, 3], "PUBACK"),
            ([0x62, 1], "PUBREL"),
            ([0xb0, 3], "UNSUBACK"),
            ([0x90, 2], "SUBACK"),
            ([0x32, 4], "PUBLISH"),
        ] {
            assert_eq!(
                parse(&bytes, Version::V3_1_1),
                Err(ProtocolError::Malformed { packet })
            );
        }
        assert_eq!(parse(&[0x40, 3], Version::V5), Ok(Some(5)));
    }

    #[test]
    fn g11_auth_and_client_packets_are_refused_by_the_header() {
        assert_eq!(
            parse(&[0xf0, 0x02, 0x18, 0x00], Version::V5),
            Err(ProtocolError::Auth)
        );
        assert_eq!(
            parse(&[0xf0, 0x02, 0x18, 0x00], Version::V3_1_1),
            Err(ProtocolError::ReservedPacketType)
        );
        for (first_byte, packet) in [(0x10, "CONNECT"), (0x82, "SUBSCRIBE"), (0xc0, "PINGREQ")] {
            assert_eq!(
                parse(&[first_byte], Version::V5),
                Err(ProtocolError::UnexpectedPacket { packet })
            );
        }
        assert_eq!(
            parse(&[0xe0], Version::V3_1_1),
            Err(ProtocolError::UnexpectedPacket {
                packet: "DISCONNECT"
            })
        );
    }

    /// Reading one would print to standard error, a left-over of mqttbytes.
    #[test]
    fn g19_unsubscribe_is_never_read() {
        for version in [Version::V3_1_1, Version::V5] {
            assert_eq!(
                parse(&[0xa2], version),
                Err(ProtocolError::UnexpectedPacket {
                    packet: "UNSUBSCRIBE"
                })
            );
        }
    }
}
