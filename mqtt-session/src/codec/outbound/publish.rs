//! PUBLISH, of which there are as many as of all others together.

use core::{mem, time::Duration};

use bytes::{BufMut, BytesMut};
use mqttbytes::v5;

use super::{EncodeError, guarded, qos, seconds};
use crate::{
    MessageProperties, Publish, Qos, Version,
    codec::inbound::{length_bytes, put_variable},
};

/// PUBLISH; `id` is 0 for QoS 0 only. `expiry` is what is left of the message's own.
pub(crate) fn publish(
    version: Version,
    publish: &mut Publish,
    id: u16,
    dup: bool,
    expiry: Option<Duration>,
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    debug_assert_eq!(id == 0, publish.qos == Qos::AtMostOnce);
    output.reserve(publish_size(version, publish));
    match (version, &publish.properties) {
        (Version::V5, Some(_)) => publish_with_properties(publish, id, dup, expiry, output),
        (Version::V5, None) | (Version::V3_1_1, _) => {
            plain_publish(version, publish, id, dup, output)
        }
    }
}

/// A PUBLISH without properties, which is most of what a session sends: the same bytes in both
/// versions but for a zero, and nothing in them that mqttbytes would do better.
fn plain_publish(
    version: Version,
    publish: &Publish,
    id: u16,
    dup: bool,
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    let topic = u16::try_from(publish.topic.len()).map_err(|_| EncodeError)?;
    let flags = u8::from(dup) << 3 | publish.qos.level() << 1 | u8::from(publish.retain);
    // Identifier and property length, as far as there are any.
    let [high, low] = id.to_be_bytes();
    let between: &[u8] = match (version, id) {
        (Version::V3_1_1, 0) => &[],
        (Version::V3_1_1, _) => &[high, low],
        (Version::V5, 0) => &[0],
        (Version::V5, _) => &[high, low, 0],
    };
    let remaining = 2 + publish.topic.len() + between.len() + publish.payload.len();
    if remaining > MAX_REMAINING {
        return Err(EncodeError);
    }
    let [high, low] = topic.to_be_bytes();
    let first_byte = 0x30 | flags;
    let low_bits = (remaining % 128) as u8;
    match remaining {
        0..=127 => output.put_slice(&[first_byte, low_bits, high, low]),
        128..=16_383 => {
            let rest = (remaining / 128) as u8;
            output.put_slice(&[first_byte, low_bits | 0x80, rest, high, low]);
        }
        _ => {
            output.put_u8(first_byte);
            put_variable(output, remaining);
            output.put_slice(&[high, low]);
        }
    }
    output.put_slice(publish.topic.as_bytes());
    output.put_slice(between);
    output.put_slice(&publish.payload);
    Ok(())
}

/// Topic and payload are lent to mqttbytes and come back: nothing is copied but into `output`.
fn publish_with_properties(
    publish: &mut Publish,
    id: u16,
    dup: bool,
    expiry: Option<Duration>,
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    let packet = v5::Publish {
        dup,
        qos: qos(publish.qos),
        retain: publish.retain,
        topic: mem::take(&mut publish.topic),
        pkid: id,
        properties: publish
            .properties
            .as_deref()
            .map(|all| publish_properties(all, expiry)),
        payload: mem::take(&mut publish.payload),
    };
    let written = guarded(output, |out| packet.write(out));
    publish.topic = packet.topic;
    publish.payload = packet.payload;
    written
}

/// Bytes of the PUBLISH this message becomes.
pub(crate) fn publish_size(version: Version, publish: &Publish) -> usize {
    let mut remaining = 2 + publish.topic.len() + publish.payload.len();
    if publish.qos != Qos::AtMostOnce {
        remaining += 2;
    }
    if version == Version::V5 {
        let length = publish.properties.as_deref().map_or(0, properties_size);
        remaining += length_bytes(length) + length;
    }
    1 + length_bytes(remaining) + remaining
}

fn publish_properties(all: &MessageProperties, expiry: Option<Duration>) -> v5::PublishProperties {
    v5::PublishProperties {
        payload_format_indicator: all.payload_is_utf8.map(u8::from),
        message_expiry_interval: expiry.map(seconds),
        topic_alias: None,
        response_topic: all.response_topic.clone(),
        correlation_data: all.correlation_data.clone(),
        user_properties: all.user_properties.clone(),
        subscription_identifiers: Vec::new(),
        content_type: all.content_type.clone(),
    }
}

fn properties_size(all: &MessageProperties) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, |text| 3 + text.len());
    let users = all.user_properties.iter();
    let users: usize = users
        .map(|(name, value)| 5 + name.len() + value.len())
        .sum();
    all.payload_is_utf8.map_or(0, |_| 2)
        + all.message_expiry.map_or(0, |_| 5)
        + text(&all.content_type)
        + text(&all.response_topic)
        + all
            .correlation_data
            .as_ref()
            .map_or(0, |data| 3 + data.len())
        + users
}

/// The largest remaining length MQTT can say.
const MAX_REMAINING: usize = 268_435_455;

#[cfg(test)]
mod tests {
    use mqttbytes::v4;

    use super::*;

    #[test]
    fn plain_publishes_are_what_mqttbytes_writes() {
        for length in [0, 1, 119, 120, 121, 16_375, 16_376, 16_377] {
            for (wanted, id) in [
                (Qos::AtMostOnce, 0),
                (Qos::AtLeastOnce, 7),
                (Qos::ExactlyOnce, 7),
            ] {
                for dup in [false, id != 0] {
                    let mut message = Publish::new("a/bc", vec![7; length]).with_qos(wanted);
                    message.retain = dup;
                    let payload = message.payload.clone();
                    let mut v4 = v4::Publish::from_bytes("a/bc", qos(wanted), payload.clone());
                    (v4.pkid, v4.dup, v4.retain) = (id, dup, dup);
                    let mut v5 = v5::Publish::from_bytes("a/bc", qos(wanted), payload);
                    (v5.pkid, v5.dup, v5.retain) = (id, dup, dup);
                    for version in [Version::V3_1_1, Version::V5] {
                        let mut expected = BytesMut::new();
                        match version {
                            Version::V3_1_1 => v4.write(&mut expected).unwrap(),
                            Version::V5 => v5.write(&mut expected).unwrap(),
                        };
                        let mut output = BytesMut::new();
                        publish(version, &mut message, id, dup, None, &mut output).unwrap();
                        assert_eq!(output, expected);
                    }
                }
            }
        }
    }
}
