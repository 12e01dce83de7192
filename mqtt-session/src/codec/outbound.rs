//! Packets to bytes.
//!
//! Lengths of texts were checked when options, messages and filters were taken (G14). mqttbytes
//! leaves half a packet behind when it fails, and returns wrong lengths, so [`guarded`] takes the
//! rest back and looks at the buffer alone (G13).

mod publish;

use core::time::Duration;

use bytes::BytesMut;
use mqttbytes::{QoS, v4, v5};

pub(crate) use self::publish::{publish, publish_size};
use super::inbound::length_bytes;
use crate::{
    DisconnectCode, MessageProperties, Options, PubackCode, Qos, TopicFilter, Version,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Publish;

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
