//! Messages from the server.

use core::time::Duration;

use mqtt_session::{Bytes, BytesMut, Event, Input, Message, ProtocolError, Qos, Session, Version};

use crate::peer::{BOTH, Peer, accept, assert_hex, options, resuming, unhex};

fn messages(events: Vec<Event>) -> Vec<Message> {
    let message = |event| {
        let Event::Message(message) = event else {
            panic!("{event:?}");
        };
        message
    };
    events.into_iter().map(message).collect()
}

/// A PUBLISH of `{}` to `t`.
fn publish(version: Version, first_byte: u8, id: Option<u16>) -> String {
    let id = id.map(|id| format!("{id:04x}")).unwrap_or_default();
    let properties = if version == Version::V5 { "00" } else { "" };
    let body = format!("000174{id}{properties}7b7d");
    format!("{first_byte:02x}{:02x}{body}", body.len() / 2)
}

#[test]
fn a_message_of_each_quality() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        peer.receive(&publish(version, 0x31, None));
        peer.receive(&publish(version, 0x3a, Some(7)));
        peer.receive(&publish(version, 0x34, Some(8)));
        let messages = messages(peer.events());
        let qos: Vec<_> = messages.iter().map(|message| message.qos).collect();
        assert_eq!(qos, [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]);
        assert_eq!(messages[0].topic, "t");
        assert_eq!(messages[0].payload, "{}");
        assert!(messages[0].retain && !messages[0].dup);
        assert!(!messages[1].retain && messages[1].dup);
        assert_eq!(messages[0].properties, None);
        assert_hex(&peer.output(), "40 02 0007 50 02 0008");
    }
}

#[test]
fn properties_of_a_message() {
    let mut peer = Peer::connected(Version::V5);
    peer.receive(
        "30 24 0001 74 1e 01 01 02 0000000a 03 0001 63 08 0001 72 09 0002 0102 \
         0b 8101 26 0001 6b 0001 76 7b 7d",
    );
    let message = messages(peer.events()).remove(0);
    assert_eq!(message.payload, "{}");
    let properties = message.properties.unwrap();
    assert_eq!(properties.payload_is_utf8, Some(true));
    assert_eq!(properties.message_expiry, Some(Duration::from_secs(10)));
    assert_eq!(properties.content_type.as_deref(), Some("c"));
    assert_eq!(properties.response_topic.as_deref(), Some("r"));
    assert_eq!(
        properties.correlation_data,
        Some(Bytes::from_static(&[1, 2]))
    );
    assert_eq!(properties.subscription_ids, [129]);
    assert_eq!(properties.user_properties, [("k".into(), "v".into())]);
}

#[test]
fn a_payload_is_a_view_into_the_input() {
    let mut session = Session::new(options(Version::V3_1_1)).unwrap();
    session.handle_opened(mqtt_session::Instant::ORIGIN);
    let mut input = BytesMut::from(&unhex("20020000 3005 0001 74 7b7d")[..]);
    let place = input.as_ptr() as usize;
    let _ = session.handle_bytes(&mut input, mqtt_session::Instant::ORIGIN);
    let _ = session.poll_event();
    let Some(Event::Message(message)) = session.poll_event() else {
        panic!("no message");
    };
    assert_eq!(message.payload.as_ptr() as usize, place + 9);
}

#[test]
fn a_message_is_acknowledged_by_the_poll_after_it() {
    for version in BOTH {
        for (first_byte, ack) in [(0x32, "40020007"), (0x34, "50020007")] {
            let mut peer = Peer::connected(version);
            peer.receive(&publish(version, first_byte, Some(7)));
            assert_eq!(peer.output(), "", "not when it arrives");
            assert!(matches!(peer.session.poll_event(), Some(Event::Message(_))));
            assert_eq!(peer.output(), "", "not while the consumer deals with it");
            assert_eq!(peer.session.poll_event(), None);
            assert_eq!(peer.output(), ack);
            assert_eq!(peer.session.poll_event(), None);
            assert_eq!(peer.output(), "");
        }
    }
}

#[test]
fn a_message_of_an_earlier_connection_is_not_acknowledged_on_this_one() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        peer.receive(&publish(version, 0x32, Some(7)));
        peer.session.handle_closed(peer.now);
        peer.connect(accept(version, true));
        assert_eq!(peer.output(), "");
    }
}

#[test]
fn exactly_once_means_once_within_a_connection() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        peer.receive(&publish(version, 0x34, Some(7)));
        peer.receive(&publish(version, 0x3c, Some(7)));
        assert_eq!(messages(peer.events()).len(), 1);
        assert_eq!(peer.output(), "50020007");
        peer.receive(&publish(version, 0x3c, Some(7)));
        assert_eq!(peer.events(), []);
        assert_eq!(peer.output(), "50020007", "only acknowledged again");
        peer.receive("62 02 0007");
        assert_eq!(peer.output(), "70020007");
        peer.receive(&publish(version, 0x34, Some(7)));
        assert_eq!(messages(peer.events()).len(), 1, "a new message");
    }
}

#[test]
fn exactly_once_means_once_across_connections() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        peer.receive(&publish(version, 0x34, Some(7)));
        assert_eq!(messages(peer.events()).len(), 1);
        peer.session.handle_closed(peer.now);
        peer.events();
        peer.connect(accept(version, true));
        peer.receive(&publish(version, 0x3c, Some(7)));
        assert_eq!(peer.events(), []);
        assert_eq!(peer.output(), "50020007");
        peer.session.handle_closed(peer.now);
        peer.events();

        // A lost session forgets it.
        peer.connect(accept(version, false));
        peer.receive(&publish(version, 0x34, Some(7)));
        assert_eq!(messages(peer.events()).len(), 1);
    }
}

#[test]
fn a_message_taken_after_a_reconnect_is_acknowledged_on_the_new_connection() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        peer.receive(&publish(version, 0x34, Some(7)));
        peer.session.handle_closed(peer.now);
        peer.session.handle_opened(peer.now);
        peer.output();
        peer.receive(accept(version, true));
        peer.receive(&publish(version, 0x3c, Some(7)));
        let events = peer.events();
        let count = |event: &&Event| matches!(event, Event::Message(_));
        assert_eq!(events.iter().filter(count).count(), 1);
        assert_eq!(peer.output(), "50020007");
    }
}

#[test]
fn in_a_session_that_may_be_another_a_number_alone_makes_no_duplicate() {
    for version in BOTH {
        let begin = || {
            let mut peer = Peer::new(resuming(version));
            peer.connect(accept(version, false));
            peer.receive(&publish(version, 0x34, Some(7)));
            peer.session.handle_closed(peer.now);
            // The server may begin a new session for this CONNECT; we never hear of it.
            peer.session.handle_opened(peer.now);
            peer.output();
            peer.session.handle_closed(peer.now);
            peer.events();
            peer.connect(accept(version, true));
            peer
        };
        let mut peer = begin();
        peer.receive(&publish(version, 0x34, Some(7)));
        assert_eq!(messages(peer.events()).len(), 1, "new, it says");
        let mut peer = begin();
        peer.receive(&publish(version, 0x3c, Some(7)));
        assert_eq!(peer.events(), [], "again, it says");
        assert_eq!(peer.output(), "50020007");
    }
}

#[test]
fn an_unknown_release_is_completed_with_a_reason() {
    let mut peer = Peer::connected(Version::V5);
    peer.receive("62 02 0007");
    assert_hex(&peer.output(), "70 03 0007 92");
    let mut peer = Peer::connected(Version::V3_1_1);
    peer.receive("62 02 0007");
    assert_hex(&peer.output(), "70 02 0007");
}

#[test]
fn more_than_the_receive_maximum_is_an_error_of_the_server() {
    let mut options = options(Version::V5);
    options.receive_maximum = 2;
    let mut peer = Peer::new(options);
    peer.connect(accept(Version::V5, false));
    peer.receive(&publish(Version::V5, 0x32, Some(1)));
    peer.receive(&publish(Version::V5, 0x34, Some(2)));
    peer.receive(&publish(Version::V5, 0x30, None));
    assert_eq!(messages(peer.events()).len(), 3);
    assert_hex(&peer.output(), "40 02 0001 50 02 0002");
    peer.receive(&publish(Version::V5, 0x32, Some(3)));
    assert_eq!(
        peer.breaks(&publish(Version::V5, 0x32, Some(4)), "e0 01 93"),
        ProtocolError::ReceiveMaximum
    );
}

#[test]
fn a_consumer_that_does_not_poll_blocks_the_input_and_nothing_is_lost() {
    for version in BOTH {
        let mut options = options(version);
        options.limits.events = 3;
        let mut peer = Peer::new(options);
        peer.connect(accept(version, false));
        let one = publish(version, 0x30, None);
        assert_eq!(peer.offer(&one.repeat(5)), Input::Blocked);
        assert_eq!(messages(peer.events()).len(), 3);
        assert_eq!(peer.offer(""), Input::Taken);
        assert_eq!(messages(peer.events()).len(), 2);
    }
}

#[test]
fn bytes_of_waiting_messages_are_bounded_but_one_always_fits() {
    let mut options = options(Version::V3_1_1);
    options.limits.event_bytes = 1;
    let mut peer = Peer::new(options);
    peer.connect(accept(Version::V3_1_1, false));
    let one = publish(Version::V3_1_1, 0x30, None);
    assert_eq!(peer.offer(&one.repeat(2)), Input::Blocked);
    assert_eq!(messages(peer.events()).len(), 1);
    assert_eq!(peer.offer(""), Input::Taken);
    assert_eq!(messages(peer.events()).len(), 1);
}

#[test]
fn acknowledgements_that_are_not_written_block_the_input() {
    let mut options = options(Version::V3_1_1);
    options.limits.control_bytes = 8;
    let mut peer = Peer::new(options);
    peer.connect(accept(Version::V3_1_1, false));
    assert_eq!(peer.offer(&"6202 0007".repeat(3)), Input::Blocked);
    assert_hex(&peer.output(), "7002 0007 7002 0007");
    assert_eq!(peer.offer(""), Input::Taken);
    assert_hex(&peer.output(), "7002 0007");
}
