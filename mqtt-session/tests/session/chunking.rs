//! How bytes are cut into calls makes no difference.

use alloc::collections::BTreeSet;

use mqtt_session::{
    BytesMut, Event, Input, Instant, Owner, Publish, Qos, Restore, Session, TopicFilter, Version,
};

use crate::peer::{BOTH, options, unhex};

/// What a server says in one connection, in steps: each is sent when it has our answer to the one
/// before, so a cut may fall anywhere, but a step never overtakes.
fn recorded(version: Version) -> [Vec<u8>; 4] {
    match version {
        Version::V3_1_1 => [
            "20 02 00 00",
            "90 03 0001 01",
            "40 02 0002  50 02 0003  d0 00  30 07 0001 74 31323334  32 09 0001 74 0009 31323334 \
             34 06 0001 74 000a 35  3c 06 0001 74 000a 35",
            "62 02 000a  70 02 0003  30 03 0001 74  b0 02 0004",
        ],
        Version::V5 => [
            "20 06 00 00 03 13 000a",
            "90 04 0001 00 01",
            "40 03 0002 10  50 04 0003 00 00  d0 00  30 08 0001 74 00 31323334 \
             32 0f 0001 74 0009 05 02 0000000a 31323334 \
             30 15 0001 74 0f 0b 01 0b 02 0b 03 01 01 02 0000000a 0b 04 7b 7d \
             34 07 0001 74 000a 00 35  3c 07 0001 74 000a 00 35",
            "62 02 000a  70 02 0003  b0 04 0004 00 00  e0 0a 8e 08 1c 0001 73 1f 0001 74",
        ],
    }
    .map(unhex)
}

/// What came of it: every event in order, and which packets were sent. Acknowledgements go out
/// when the consumer has taken the message, so their place among others depends on the cuts.
type Outcome = (Vec<Event>, BTreeSet<Vec<u8>>);

/// Feeds the pieces to a session that asks, at the same events, for all that is answered.
fn run<'a>(version: Version, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let now = Instant::ORIGIN;
    let owner = Owner::new(1);
    let filter = TopicFilter::new("t").unwrap();
    let mut session = Session::new(options(version)).unwrap();
    let mut output = BytesMut::new();
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    session.handle_opened(now);
    for piece in pieces {
        input.extend_from_slice(piece);
        assert_eq!(session.handle_bytes(&mut input, now), Input::Taken);
        while let Some(event) = session.poll_event() {
            if matches!(event, Event::Connected(_)) {
                let wanted = [(filter.clone(), Qos::AtLeastOnce)];
                session
                    .subscribe(owner, &wanted, Restore::ByOwner, now)
                    .unwrap();
                session.publish(Publish::new("p", "1"), now).unwrap();
                let twice = Publish::new("p", "2").with_qos(Qos::ExactlyOnce);
                session.publish(twice, now).unwrap();
            }
            if matches!(event, Event::Subscribed { .. }) {
                session
                    .unsubscribe(owner, core::slice::from_ref(&filter), now)
                    .unwrap();
            }
            events.push(event);
        }
        session.write_output(&mut output, now);
    }
    (events, packets(&output))
}

/// Splits packets of less than 128 bytes.
fn packets(mut bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut packets = BTreeSet::new();
    while !bytes.is_empty() {
        let (packet, rest) = bytes.split_at(2 + usize::from(bytes[1]));
        packets.insert(packet.to_vec());
        bytes = rest;
    }
    packets
}

fn whole(version: Version) -> Outcome {
    run(version, recorded(version).iter().map(|step| &step[..]))
}

#[test]
fn the_recording_means_what_it_should() {
    for version in BOTH {
        let (events, packets) = whole(version);
        let count = |test: fn(&Event) -> bool| events.iter().filter(|e| test(e)).count();
        assert_eq!(count(|e| matches!(e, Event::Connected(_))), 1);
        assert_eq!(count(|e| matches!(e, Event::Message(_))), 4);
        assert_eq!(count(|e| matches!(e, Event::Published { .. })), 2);
        assert_eq!(count(|e| matches!(e, Event::Subscribed { .. })), 1);
        assert_eq!(count(|e| matches!(e, Event::Unsubscribed { .. })), 1);
        let ended = usize::from(version == Version::V5);
        assert_eq!(count(|e| matches!(e, Event::Disconnected { .. })), ended);
        assert_eq!(events.len(), 9 + ended);
        for ack in ["40020009", "5002000a", "62020003"] {
            assert!(packets.contains(&unhex(ack)), "{ack}");
        }
    }
}

#[test]
fn bytes_one_by_one_mean_the_same() {
    for version in BOTH {
        let bytes = recorded(version).concat();
        assert_eq!(run(version, bytes.chunks(1)), whole(version));
    }
}

#[test]
fn every_cut_means_the_same() {
    for version in BOTH {
        let steps = recorded(version);
        let whole = whole(version);
        for (place, step) in steps.iter().enumerate() {
            for cut in 0..=step.len() {
                let (one, two) = step.split_at(cut);
                let before = steps[..place].iter().map(|step| &step[..]);
                let after = steps[place + 1..].iter().map(|step| &step[..]);
                let pieces = before.chain([one, two]).chain(after);
                assert_eq!(run(version, pieces), whole, "step {place} cut at {cut}");
            }
        }
    }
}

#[test]
fn every_two_cuts_of_the_messages_mean_the_same() {
    for version in BOTH {
        let steps = recorded(version);
        let whole = whole(version);
        let messages = &steps[2];
        for first in 0..messages.len() {
            for second in first..messages.len() {
                let pieces = [
                    &steps[0],
                    &steps[1],
                    &messages[..first],
                    &messages[first..second],
                    &messages[second..],
                    &steps[3],
                ];
                assert_eq!(run(version, pieces), whole, "{first} {second}");
            }
        }
    }
}

#[test]
fn errors_are_the_same_however_they_arrive() {
    for version in BOTH {
        let steps = recorded(version);
        let messages = &steps[2];
        for at in 0..messages.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut broken = messages.clone();
                broken[at] ^= flip;
                let begun = [&steps[0][..], &steps[1]].into_iter();
                let (together, _) = run(version, begun.clone().chain([&broken[..]]));
                let (apart, _) = run(version, begun.chain(broken.chunks(1)));
                assert_eq!(together, apart, "byte {at} flipped by {flip:#x}");
            }
        }
    }
}
