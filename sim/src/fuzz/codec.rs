//! Our reading of a server's packets beside that of another library, mqtt-protocol-core, which shares nothing with it.

use super::session::connected;
use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};
use shadow_proto::Instant;
use std::sync::Arc;
use transport_core::BytesMut;
use transport_core::mqtt_session::{
    DisconnectReason, Event, Input, Owner, Publish, PublishOutcome, Qos, Restore, TopicFilter,
    Version,
};

/// The first byte chooses the version, the second is the packet's first one, the others its body. Whatever a session takes
/// the other library takes too, and reads the same in it. (The session may be stricter: it knows what it asked for.)
pub fn codec_differential(bytes: &[u8]) {
    let [how, first, body @ ..] = bytes else {
        return;
    };
    // Longer ones say nothing new.
    let body = &body[..body.len().min(500)];
    let version = match how & 1 {
        0 => Version::V3_1_1,
        _ => Version::V5,
    };
    let now = Instant::ORIGIN;
    let mut session = connected(version, now);
    let filter = TopicFilter::new("t/#").expect("it is legal");
    let wanted = [(filter, Qos::AtLeastOnce)];
    let asked = session.subscribe(Owner::new(1), &wanted, Restore::BySession, now);
    asked.expect("there is room");
    let publish = Publish::new("p", "1").with_qos(Qos::AtLeastOnce);
    session.publish(publish, now).expect("there is room");
    let mut output = BytesMut::new();
    session.write_output(&mut output, now);
    let mut frame = BytesMut::new();
    frame.extend_from_slice(&[*first]);
    match body.len() {
        short @ 0..128 => frame.extend_from_slice(&[short as u8]),
        long => frame.extend_from_slice(&[long as u8 | 0x80, (long >> 7) as u8]),
    }
    frame.extend_from_slice(body);
    assert_eq!(session.handle_bytes(&mut frame, now), Input::Taken);
    while let Some(event) = session.poll_event() {
        match &event {
            Event::Message(message) => {
                let (topic, payload) = published(version, *first, body);
                assert_eq!((&*message.topic, &*message.payload), (&*topic, &*payload));
                assert_eq!(message.qos.level(), first >> 1 & 3);
            }
            Event::Published {
                outcome: PublishOutcome::Acknowledged { code, .. },
                ..
            } => assert_eq!(code.value(), acknowledged(version, body), "{event:?}"),
            Event::Subscribed { codes, .. } => {
                let codes: Vec<u8> = codes.iter().map(|code| code.value()).collect();
                assert_eq!(codes, granted(version, body), "{event:?}");
            }
            // Bad authentication method: MQTT 5 has a DISCONNECT send it in section 2.4 and not in 3.14.2.1, which is
            // what the other goes by.
            Event::Disconnected {
                reason: DisconnectReason::ByServer { code, .. },
            } if code.value() == 0x8c => {}
            Event::Disconnected {
                reason: DisconnectReason::ByServer { code, .. },
            } => {
                let other = v5_0::Disconnect::parse(body).expect("the other takes it");
                let other = other.0.reason_code().map_or(0, |code| code as u8);
                assert_eq!(code.value(), other);
            }
            _ => {}
        }
    }
}

fn published(version: Version, first: u8, body: &[u8]) -> (String, Vec<u8>) {
    let body: Arc<[u8]> = body.into();
    match version {
        Version::V3_1_1 => {
            let (publish, _) =
                v3_1_1::Publish::parse(first & 15, body).expect("the other takes it");
            let payload = publish.payload().as_slice().to_vec();
            (publish.topic_name().to_owned(), payload)
        }
        Version::V5 => {
            let (publish, _) = v5_0::Publish::parse(first & 15, body).expect("the other takes it");
            let payload = publish.payload().as_slice().to_vec();
            (publish.topic_name().to_owned(), payload)
        }
    }
}

fn acknowledged(version: Version, body: &[u8]) -> u8 {
    match version {
        Version::V3_1_1 => {
            v3_1_1::Puback::parse(body).expect("the other takes it");
            0
        }
        Version::V5 => {
            let (puback, _) = v5_0::Puback::parse(body).expect("the other takes it");
            puback.reason_code().map_or(0, |code| code as u8)
        }
    }
}

fn granted(version: Version, body: &[u8]) -> Vec<u8> {
    match version {
        Version::V3_1_1 => {
            let (suback, _) = v3_1_1::Suback::parse(body).expect("the other takes it");
            let codes = suback.return_codes();
            codes.iter().map(|code| *code as u8).collect()
        }
        Version::V5 => {
            let (suback, _) = v5_0::Suback::parse(body).expect("the other takes it");
            let codes = suback.reason_codes();
            codes.iter().map(|code| *code as u8).collect()
        }
    }
}
