//! Packets to bytes.
//!
//! Lengths of texts were checked when options, messages and filters were taken (G14). mqttbytes
//! leaves half a packet behind when it fails, and returns wrong lengths, so [`guarded`] takes the
//! rest back and looks at the buffer alone (G13).

use core::{mem, time::Duration};

use bytes::{BufMut, BytesMut};
use mqttbytes::{QoS, v4, v5};

use super::inbound::{length_bytes, put_variable};
use crate::{
    DisconnectCode, MessageProperties, Options, PubackCode, Publish, Qos, TopicFilter, Version,
    options::whole_seconds,
};

/// mqttbytes could not write it: it is larger than MQTT can say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EncodeError;

/// CONNECT, in a buffer of its own: mqttbytes patches the flags at an absolute index (G12).
///
/// A user name or password is never `Some("")`, since mqttbytes takes that for absent (G15).
pub(crate) fn connect(options: &Options, client_id: &str) -> Result<BytesMut, EncodeError> {
    let mut fresh = BytesMut::new();
    let keep_alive = u16::try_from(whole_seconds(options.keep_alive)).map_err(|_| EncodeError)?;
    let user_name = options.user_name.clone().unwrap_or_default();
    let password = options.password.clone().unwrap_or_default();
    let has_login = options.user_name.is_some() || options.password.is_some();
    match options.version {
        Version::V3_1_1 => {
            let packet = v4::Connect {
                protocol: mqttbytes::Protocol::V4,
                keep_alive,
                client_id: client_id.to_owned(),
                clean_session: options.clean_start,
                last_will: options.will.as_ref().map(|will| v4::LastWill {
                    topic: will.topic.clone(),
                    message: will.payload.clone(),
                    qos: qos(will.qos),
                    retain: will.retain,
                }),
                login: has_login.then(|| v4::Login::new(user_name, password)),
            };
            guarded(&mut fresh, |out| packet.write(out))?;
        }
        Version::V5 => {
            let packet = v5::Connect {
                protocol: mqttbytes::Protocol::V5,
                keep_alive,
                client_id: client_id.to_owned(),
                clean_session: options.clean_start,
                last_will: options.will.as_ref().map(|will| v5::LastWill {
                    topic: will.topic.clone(),
                    message: will.payload.clone(),
                    qos: qos(will.qos),
                    retain: will.retain,
                    properties: will_properties(will),
                }),
                login: has_login.then(|| v5::Login::new(user_name, password)),
                properties: Some(v5::ConnectProperties {
                    session_expiry_interval: options.session_expiry.map(seconds),
                    receive_maximum: Some(options.receive_maximum),
                    max_packet_size: Some(options.max_packet_size),
                    topic_alias_max: Some(0),
                    request_response_info: None,
                    request_problem_info: None,
                    user_properties: options.user_properties.clone(),
                    authentication_method: None,
                    authentication_data: None,
                }),
            };
            guarded(&mut fresh, |out| packet.write(out))?;
        }
    }
    Ok(fresh)
}

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

pub(crate) fn puback(id: u16, output: &mut BytesMut) {
    ack(0x40, id, None, output);
}

pub(crate) fn pubrec(id: u16, output: &mut BytesMut) {
    ack(0x50, id, None, output);
}

/// PUBREL; `found` is whether the PUBREC it answers was expected.
pub(crate) fn pubrel(version: Version, id: u16, found: bool, output: &mut BytesMut) {
    ack(0x62, id, not_found(version, found), output);
}

/// PUBCOMP; `found` is whether the PUBREL it answers was expected.
pub(crate) fn pubcomp(version: Version, id: u16, found: bool, output: &mut BytesMut) {
    ack(0x70, id, not_found(version, found), output);
}

/// SUBSCRIBE; at least one filter, `id` not 0 (G17).
pub(crate) fn subscribe(
    version: Version,
    id: u16,
    filters: &[(&TopicFilter, Qos)],
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    debug_assert!(id != 0 && !filters.is_empty());
    if id == 0 || filters.is_empty() {
        return Err(EncodeError);
    }
    match version {
        Version::V3_1_1 => {
            let filters = filters.iter().map(|(filter, wanted)| {
                v4::SubscribeFilter::new(filter.as_str().to_owned(), qos(*wanted))
            });
            let mut packet = v4::Subscribe::new_many(filters);
            packet.pkid = id;
            guarded(output, |out| packet.write(out))
        }
        Version::V5 => {
            let filters = filters.iter().map(|(filter, wanted)| {
                v5::SubscribeFilter::new(filter.as_str().to_owned(), qos(*wanted))
            });
            let mut packet = v5::Subscribe::new_many(filters);
            packet.pkid = id;
            guarded(output, |out| packet.write(out))
        }
    }
}

/// Bytes of a SUBSCRIBE with these lengths of filters; an UNSUBSCRIBE is never longer.
pub(crate) fn subscribe_size(version: Version, filters: impl Iterator<Item = usize>) -> usize {
    let filters: usize = filters.map(|length| 2 + length + 1).sum();
    let remaining = 2 + usize::from(version == Version::V5) + filters;
    1 + length_bytes(remaining) + remaining
}

/// UNSUBSCRIBE; at least one filter, `id` not 0 (G17).
pub(crate) fn unsubscribe(
    version: Version,
    id: u16,
    filters: &[TopicFilter],
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    debug_assert!(id != 0 && !filters.is_empty());
    if id == 0 || filters.is_empty() {
        return Err(EncodeError);
    }
    let filters = filters
        .iter()
        .map(|filter| filter.as_str().to_owned())
        .collect();
    match version {
        Version::V3_1_1 => {
            let packet = v4::Unsubscribe {
                pkid: id,
                topics: filters,
            };
            guarded(output, |out| packet.write(out))
        }
        Version::V5 => {
            let packet = v5::Unsubscribe {
                pkid: id,
                filters,
                properties: None,
            };
            guarded(output, |out| packet.write(out))
        }
    }
}

pub(crate) fn ping_request(output: &mut BytesMut) -> Result<(), EncodeError> {
    guarded(output, |out| v4::PingReq.write(out))
}

/// DISCONNECT. Properties are left out when there is nothing in them: with empty ones mqttbytes
/// would lose the reason (G16).
pub(crate) fn disconnect(
    version: Version,
    code: DisconnectCode,
    session_expiry: Option<Duration>,
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    match version {
        Version::V3_1_1 => guarded(output, |out| v4::Disconnect.write(out)),
        Version::V5 => {
            let packet = v5::Disconnect {
                reason_code: code.value().try_into().map_err(|_| EncodeError)?,
                properties: session_expiry.map(|expiry| {
                    let mut properties = v5::DisconnectProperties::new();
                    properties.session_expiry_interval = Some(seconds(expiry));
                    properties
                }),
            };
            guarded(output, |out| packet.write(out))
        }
    }
}

/// An acknowledgement is a number and perhaps a reason: the same bytes in both versions, and as
/// many of them as messages, so they are written here.
fn ack(first_byte: u8, id: u16, reason: Option<u8>, output: &mut BytesMut) {
    let [high, low] = id.to_be_bytes();
    match reason {
        None => output.extend_from_slice(&[first_byte, 2, high, low]),
        Some(reason) => output.extend_from_slice(&[first_byte, 3, high, low, reason]),
    }
}

fn not_found(version: Version, found: bool) -> Option<u8> {
    let told = !found && version == Version::V5;
    told.then(|| PubackCode::PACKET_IDENTIFIER_NOT_FOUND.value())
}

/// Runs a write of mqttbytes and takes back what a failed one left behind (G13).
fn guarded(
    output: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<usize, mqttbytes::Error>,
) -> Result<(), EncodeError> {
    let before = output.len();
    write(output).map(|_wrong| ()).map_err(|_| {
        output.truncate(before);
        EncodeError
    })
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

fn will_properties(will: &crate::Will) -> Option<v5::WillProperties> {
    let all = &will.properties;
    if will.delay.is_none() && *all == MessageProperties::default() {
        return None;
    }
    Some(v5::WillProperties {
        delay_interval: will.delay.map(seconds),
        payload_format_indicator: all.payload_is_utf8.map(u8::from),
        message_expiry_interval: all.message_expiry.map(seconds),
        content_type: all.content_type.clone(),
        response_topic: all.response_topic.clone(),
        correlation_data: all.correlation_data.clone(),
        user_properties: all.user_properties.clone(),
    })
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

/// Whole seconds, rounded up; more than the wire can say is its largest value.
fn seconds(length: Duration) -> u32 {
    u32::try_from(whole_seconds(length)).unwrap_or(u32::MAX)
}

const fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// The largest remaining length MQTT can say.
const MAX_REMAINING: usize = 268_435_455;

#[cfg(test)]
mod tests {
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

    #[test]
    fn g13_a_failed_encoding_leaves_nothing_behind() {
        let mut output = BytesMut::from(&[1, 2][..]);
        // mqttbytes itself: five bytes stay behind.
        let packet = v4::Publish::new("t", QoS::AtLeastOnce, Vec::new());
        let mut bare = output.clone();
        assert!(packet.write(&mut bare).is_err());
        assert_ne!(bare, output);
        let result = guarded(&mut output, |out| packet.write(out));
        assert_eq!(result, Err(EncodeError));
        assert_eq!(output, [1, 2][..]);
    }

    #[test]
    fn g13_sizes_are_our_own() {
        let mut message = Publish::new("t", vec![0; 200]).with_expiry(Duration::from_secs(9));
        let properties = message.properties.as_deref_mut().unwrap();
        properties.payload_is_utf8 = Some(false);
        properties.content_type = Some("c".repeat(130));
        properties.response_topic = Some("r".into());
        properties.correlation_data = Some(bytes::Bytes::from_static(&[1]));
        properties.user_properties = vec![("k".into(), "v".into())];
        for version in [Version::V3_1_1, Version::V5] {
            for (wanted, id) in [(Qos::AtMostOnce, 0), (Qos::ExactlyOnce, 9)] {
                message.qos = wanted;
                let before = message.clone();
                let mut output = BytesMut::new();
                let expiry = Some(Duration::from_secs(5));
                publish(version, &mut message, id, false, expiry, &mut output).unwrap();
                assert_eq!(output.len(), publish_size(version, &message));
                assert_eq!(message, before, "what was lent came back");
            }
            let filters = ["a".repeat(100), "b".repeat(100)]
                .map(|text| (TopicFilter::new(text).unwrap(), Qos::AtLeastOnce));
            let pairs: Vec<_> = filters.iter().map(|(filter, qos)| (filter, *qos)).collect();
            let mut output = BytesMut::new();
            subscribe(version, 1, &pairs, &mut output).unwrap();
            assert_eq!(
                output.len(),
                subscribe_size(version, [100, 100].into_iter())
            );
        }
    }

    #[test]
    fn g16_a_disconnect_keeps_its_reason() {
        let encode = |code, expiry| {
            let mut output = BytesMut::new();
            disconnect(Version::V5, code, expiry, &mut output).unwrap();
            output
        };
        // mqttbytes itself: the reason is lost with empty properties.
        let packet = v5::Disconnect {
            reason_code: v5::DisconnectReasonCode::ProtocolError,
            properties: Some(v5::DisconnectProperties::new()),
        };
        let mut bare = BytesMut::new();
        let _ = packet.write(&mut bare);
        assert_eq!(bare, [0xe0, 0x00][..]);
        assert_eq!(
            encode(DisconnectCode::PROTOCOL_ERROR, None),
            [0xe0, 0x01, 0x82][..]
        );
        assert_eq!(encode(DisconnectCode::NORMAL, None), [0xe0, 0x00][..]);
        assert_eq!(
            encode(DisconnectCode::WITH_WILL_MESSAGE, Some(Duration::MAX)),
            [0xe0, 0x07, 0x04, 0x05, 0x11, 0xff, 0xff, 0xff, 0xff][..]
        );
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn g17_a_request_without_identifier_or_filters_is_not_written() {
        g17_cases();
    }

    #[test]
    #[cfg(debug_assertions)]
    fn g17_a_request_without_identifier_or_filters_is_asserted_against() {
        for case in G17 {
            assert!(std::panic::catch_unwind(case).is_err());
        }
    }

    #[cfg(not(debug_assertions))]
    fn g17_cases() {
        for case in G17 {
            assert_eq!(case(), Err(EncodeError));
        }
    }

    const G17: [fn() -> Result<(), EncodeError>; 4] = [
        || subscribe(Version::V5, 1, &[], &mut BytesMut::new()),
        || unsubscribe(Version::V3_1_1, 1, &[], &mut BytesMut::new()),
        || {
            let filter = TopicFilter::new("a").unwrap();
            let filters = [(&filter, Qos::AtMostOnce)];
            subscribe(Version::V5, 0, &filters, &mut BytesMut::new())
        },
        || {
            let filters = [TopicFilter::new("a").unwrap()];
            unsubscribe(Version::V5, 0, &filters, &mut BytesMut::new())
        },
    ];
}
