//! Bytes of a server, to a session of ours.

use shadow_proto::Instant;
use std::collections::BTreeSet;
use std::time::Duration;
use transport_core::BytesMut;
use transport_core::mqtt_session::{
    Event, Input, Options, Owner, Publish, Qos, Restore, Session, TopicFilter, Version,
};

/// What became of some bytes: events in order, packets sent, and whether the connection stands.
type Outcome = (Vec<Event>, BTreeSet<Vec<u8>>, bool);

/// The first byte chooses the version and how the others are cut: all at once, one by one and in pieces they mean the
/// same, whatever they are, and what the session keeps of them is bounded.
pub fn session_bytes(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else {
        return;
    };
    let version = match how & 1 {
        0 => Version::V3_1_1,
        _ => Version::V5,
    };
    let size = usize::from(how >> 1) + 1;
    let whole = run(version, [bytes]);
    assert_eq!(run(version, bytes.chunks(1)), whole, "one by one");
    assert_eq!(
        run(version, bytes.chunks(size)),
        whole,
        "in pieces of {size}"
    );
}

/// A session that is connected, has subscribed, and has published at each quality of service, reads these pieces.
fn run<'a>(version: Version, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let now = Instant::ORIGIN;
    let mut session = connected(version, now);
    let filter = TopicFilter::new("t/#").expect("it is legal");
    let wanted = [(filter, Qos::AtLeastOnce)];
    let asked = session.subscribe(Owner::new(1), &wanted, Restore::BySession, now);
    asked.expect("there is room");
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let publish = Publish::new("p", "1").with_qos(qos);
        session.publish(publish, now).expect("there is room");
    }
    let mut output = BytesMut::new();
    session.write_output(&mut output, now);
    let mut events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
    let mut input = BytesMut::new();
    let mut sent = BTreeSet::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let taken = session.handle_bytes(&mut input, now);
            while let Some(event) = session.poll_event() {
                events.push(event);
            }
            output.clear();
            session.write_output(&mut output, now);
            packets(&output, &mut sent);
            if taken == Input::Taken {
                break;
            }
        }
        let most = session.options().max_packet_size as usize + piece.len();
        assert!(input.len() <= most, "{} bytes are kept", input.len());
    }
    // What was acknowledged before the end depends on when the end was read, and a PUBREC is left out when its PUBREL has
    // come; what was said last depends on neither.
    let (open, pubrec, disconnect) = (session.is_connected(), 5, 14);
    sent.retain(|packet| match packet[0] >> 4 {
        kind if open => kind != pubrec,
        kind => kind == disconnect,
    });
    (events, sent, session.is_connected())
}

/// A session after its CONNACK, which allows everything.
pub(super) fn connected(version: Version, now: Instant) -> Session {
    let mut options = Options::new("c");
    options.version = version;
    options.max_packet_size = 1024;
    options.keep_alive = Duration::ZERO;
    let mut session = Session::new(options).expect("the options can be said");
    session.handle_opened(now);
    let mut output = BytesMut::new();
    session.write_output(&mut output, now);
    let connack: &[u8] = match version {
        Version::V3_1_1 => &[0x20, 2, 0, 0],
        Version::V5 => &[0x20, 3, 0, 0, 0],
    };
    let mut input = BytesMut::from(connack);
    assert_eq!(session.handle_bytes(&mut input, now), Input::Taken);
    let connected = session.poll_event();
    assert!(matches!(connected, Some(Event::Connected(_))));
    session
}

/// Splits what a session wrote.
fn packets(mut bytes: &[u8], into: &mut BTreeSet<Vec<u8>>) {
    while !bytes.is_empty() {
        let (mut length, mut digits) = (0, 0);
        loop {
            let digit = bytes[1 + digits];
            length |= usize::from(digit & 0x7f) << (7 * digits);
            digits += 1;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let (packet, rest) = bytes.split_at(1 + digits + length);
        into.insert(packet.to_vec());
        bytes = rest;
    }
}
