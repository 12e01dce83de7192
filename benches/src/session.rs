//! A PUBLISH comes in and is acknowledged, another one goes out and is acknowledged: all at QoS 1, bytes to bytes.

use std::hint::black_box;
use std::time::Duration;

use mqtt_session::{
    Bytes, BytesMut, Event, Input, Instant, Options, Publish, PublishOutcome, Session, Version,
};
use mqttbytes::QoS;

use crate::{Case, Step, Who, each};

const VERSIONS: [(&str, Version); 2] = [("3.1.1", Version::V3_1_1), ("5", Version::V5)];

/// Does the same with the module of mqttbytes for the input's version: it has one for each, with the same names.
macro_rules! with_codec {
    ($input:ident, $codec:ident => $done:expr) => {
        match version($input) {
            Version::V3_1_1 => {
                use mqttbytes::v4 as $codec;
                $done
            }
            Version::V5 => {
                use mqttbytes::v5 as $codec;
                $done
            }
        }
    };
}

/// Where the messages of shadows go, as long as they are.
const TOPIC: &str = "$aws/things/lamp-00017/shadow/update/accepted";

/// Both versions, two sizes of payload.
#[must_use]
pub fn cases() -> Vec<Case> {
    let inputs = ["3.1.1 0.25 KB", "3.1.1 1 KB", "5 0.25 KB", "5 1 KB"];
    each(
        "session",
        &inputs,
        &[
            (Who::Ours, ours),
            (Who::ByHand("bare mqttbytes"), bare),
            (Who::Floor("copying the bytes"), copy),
        ],
    )
}

fn version(input: &str) -> Version {
    let (name, _) = input.split_once(' ').expect("as above");
    let found = VERSIONS.iter().find(|(version, _)| *version == name);
    found.expect("a version of the table").1
}

fn payload(input: &str) -> Bytes {
    let size = if input.ends_with("0.25 KB") {
        256
    } else {
        1024
    };
    Bytes::from(vec![b'x'; size])
}

/// What the server sends: a PUBLISH with the packet identifier 7.
fn incoming(input: &str) -> BytesMut {
    let mut bytes = BytesMut::new();
    with_codec!(input, codec => {
        let mut publish = codec::Publish::from_bytes(TOPIC, QoS::AtLeastOnce, payload(input));
        publish.pkid = 7;
        publish.write(&mut bytes).expect("it can be said");
    });
    bytes
}

/// A PUBLISH's packet identifier stands behind its header and its topic.
fn packet_id(publish: &[u8]) -> [u8; 2] {
    let length = publish[1..].iter().take_while(|byte| **byte > 127).count() + 1;
    let at = 1 + length + 2 + TOPIC.len();
    [publish[at], publish[at + 1]]
}

/// As a driver does it: bytes in, events out, and one write for what is to be said.
fn ours(input: &str) -> Step {
    let now = Instant::from_origin(Duration::from_secs(1));
    let mut options = Options::new("lamp");
    options.version = version(input);
    let mut session = Session::new(options).expect("legal");
    let (mut read, mut written) = (BytesMut::new(), BytesMut::new());
    session.handle_opened(now);
    session.write_output(&mut written, now);
    read.extend_from_slice(match version(input) {
        Version::V3_1_1 => b"\x20\x02\0\0",
        Version::V5 => b"\x20\x03\0\0\0",
    });
    assert_eq!(session.handle_bytes(&mut read, now), Input::Taken);
    assert!(matches!(session.poll_event(), Some(Event::Connected(_))));
    assert_eq!(session.poll_event(), None);
    let (incoming, payload) = (incoming(input), payload(input));
    Box::new(move || {
        read.extend_from_slice(black_box(&incoming));
        assert_eq!(session.handle_bytes(&mut read, now), Input::Taken);
        let message = session.poll_event();
        assert!(matches!(message, Some(Event::Message(_))));
        drop(black_box(message));
        assert!(session.poll_event().is_none());
        written.clear();
        session.write_output(&mut written, now);
        assert_eq!(written.len(), 4);

        let publish = Publish::new(black_box(TOPIC), payload.clone());
        session.publish(publish, now).expect("room for it");
        written.clear();
        session.write_output(&mut written, now);
        let [high, low] = packet_id(black_box(&written));
        read.extend_from_slice(&[0x40, 2, high, low]);
        assert_eq!(session.handle_bytes(&mut read, now), Input::Taken);
        let done = session.poll_event();
        assert!(matches!(
            done,
            Some(Event::Published {
                outcome: PublishOutcome::Acknowledged { .. },
                ..
            })
        ));
        black_box(done);
        assert!(session.poll_event().is_none());
        black_box(session.poll_timeout());
    })
}

/// The same packets by hand: nothing is remembered, checked or timed.
fn bare(input: &str) -> Step {
    const LIMIT: usize = 256 * 1024;
    let (mut read, mut written) = (BytesMut::new(), BytesMut::new());
    let (incoming, payload) = (incoming(input), payload(input));
    let mut id = 0_u16;
    with_codec!(input, codec => Box::new(move || {
        read.extend_from_slice(black_box(&incoming));
        let Ok(codec::Packet::Publish(message)) = codec::read(&mut read, LIMIT) else {
            panic!("not what was written")
        };
        written.clear();
        let ack = codec::PubAck::new(message.pkid).write(&mut written);
        drop(black_box((message, ack)));

        let mut publish =
            codec::Publish::from_bytes(black_box(TOPIC), QoS::AtLeastOnce, payload.clone());
        id = id.wrapping_add(1).max(1);
        publish.pkid = id;
        written.clear();
        publish.write(&mut written).expect("it can be said");
        let [high, low] = packet_id(black_box(&written));
        read.extend_from_slice(&[0x40, 2, high, low]);
        let done = codec::read(&mut read, LIMIT);
        assert!(matches!(&done, Ok(codec::Packet::PubAck(ack)) if ack.pkid == id));
        drop(black_box(done));
    }))
}

fn copy(input: &str) -> Step {
    let (mut read, mut written) = (BytesMut::new(), BytesMut::new());
    let incoming = incoming(input);
    Box::new(move || {
        read.extend_from_slice(black_box(&incoming));
        written.clear();
        written.extend_from_slice(black_box(&read));
        read.clear();
        black_box(&written);
    })
}
