//! Messages to the server.

use core::time::Duration;

use mqtt_session::{
    Bytes, Event, NotSent, ProtocolError, PubackCode, Publish, PublishError, PublishOutcome,
    PublishToken, Qos, TopicError, Version,
};

use crate::peer::{BOTH, Peer, accept, assert_hex, options, resuming, seconds};

fn send(peer: &mut Peer, payload: &'static str, qos: Qos) -> PublishToken {
    let publish = Publish::new("t", payload).with_qos(qos);
    peer.session.publish(publish, peer.now).unwrap()
}

fn ended(token: PublishToken, outcome: PublishOutcome) -> Event {
    Event::Published { token, outcome }
}

fn acknowledged(token: PublishToken, code: PubackCode) -> Event {
    let reason_string = None;
    ended(
        token,
        PublishOutcome::Acknowledged {
            code,
            reason_string,
        },
    )
}

/// A PUBLISH of one character to `t`, as the session writes it.
fn wire(version: Version, first_byte: u8, id: u16, payload: char) -> String {
    let properties = if version == Version::V5 { "00" } else { "" };
    let id = if first_byte & 6 == 0 {
        String::new()
    } else {
        format!("{id:04x}")
    };
    let body = format!("000174{id}{properties}{:02x}", u32::from(payload));
    format!("{first_byte:02x}{:02x}{body}", body.len() / 2)
}

#[test]
fn quality_0_ends_when_it_is_written() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        let token = send(&mut peer, "x", Qos::AtMostOnce);
        assert_eq!(peer.events(), []);
        assert!(peer.session.has_output());
        assert_eq!(peer.output(), wire(version, 0x30, 0, 'x'));
        assert_eq!(peer.events(), [ended(token, PublishOutcome::Written)]);
    }
}

#[test]
fn quality_1_ends_with_its_acknowledgement() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        let token = send(&mut peer, "x", Qos::AtLeastOnce);
        assert_eq!(peer.output(), wire(version, 0x32, 1, 'x'));
        assert_eq!(peer.events(), []);
        assert_eq!(peer.session.pending_publishes(), 1);
        peer.receive("40 02 0001");
        assert_eq!(peer.events(), [acknowledged(token, PubackCode::SUCCESS)]);
        assert_eq!(peer.session.pending_publishes(), 0);
        peer.receive("40 02 0001");
        assert_eq!(peer.events(), [], "acknowledged twice");
    }
}

#[test]
fn acknowledgements_of_5_have_reasons() {
    let mut peer = Peer::connected(Version::V5);
    let first = send(&mut peer, "x", Qos::AtLeastOnce);
    let second = send(&mut peer, "y", Qos::AtLeastOnce);
    peer.output();
    peer.receive("40 03 0002 10");
    peer.receive("40 08 0001 87 04 1f 0001 6e");
    assert_eq!(
        peer.events(),
        [
            acknowledged(second, PubackCode::NO_MATCHING_SUBSCRIBERS),
            ended(
                first,
                PublishOutcome::Acknowledged {
                    code: PubackCode::NOT_AUTHORIZED,
                    reason_string: Some("n".into())
                }
            )
        ]
    );
}

#[test]
fn quality_2_takes_two_round_trips() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        let token = send(&mut peer, "x", Qos::ExactlyOnce);
        assert_eq!(peer.output(), wire(version, 0x34, 1, 'x'));
        peer.receive("50 02 0001");
        assert_eq!(peer.output(), "62020001");
        peer.receive("50 02 0001");
        assert_eq!(peer.output(), "62020001", "released again");
        assert_eq!(peer.events(), []);
        peer.receive("70 02 0001");
        assert_eq!(peer.events(), [acknowledged(token, PubackCode::SUCCESS)]);
        peer.receive("70 02 0001");
        assert_eq!(peer.events(), []);
    }
}

#[test]
fn a_refused_quality_2_is_not_released() {
    let mut peer = Peer::connected(Version::V5);
    let token = send(&mut peer, "x", Qos::ExactlyOnce);
    peer.output();
    peer.receive("50 03 0001 97");
    assert_eq!(
        peer.events(),
        [acknowledged(token, PubackCode::QUOTA_EXCEEDED)]
    );
    assert_eq!(peer.output(), "");
}

#[test]
fn an_unknown_pubrec_is_released_with_a_reason() {
    let mut peer = Peer::connected(Version::V5);
    peer.receive("50 02 0009");
    assert_hex(&peer.output(), "62 03 0009 92");
    peer.receive("50 03 0009 80");
    assert_eq!(peer.output(), "");
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_a_protocol_error() {
    let mut peer = Peer::connected(Version::V5);
    send(&mut peer, "x", Qos::ExactlyOnce);
    peer.output();
    assert_eq!(
        peer.breaks("40 02 0001", "e0 01 82"),
        ProtocolError::PacketIdUnknown {
            packet: "PUBACK",
            id: 1
        }
    );
    let mut peer = Peer::connected(Version::V3_1_1);
    send(&mut peer, "x", Qos::AtLeastOnce);
    peer.output();
    assert_eq!(
        peer.breaks("50 02 0001", ""),
        ProtocolError::PacketIdUnknown {
            packet: "PUBREC",
            id: 1
        }
    );
}

#[test]
fn a_resumed_session_sends_again_in_order_with_dup() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        let a = send(&mut peer, "a", Qos::AtLeastOnce);
        let b = send(&mut peer, "b", Qos::ExactlyOnce);
        let c = send(&mut peer, "c", Qos::AtLeastOnce);
        let d = send(&mut peer, "d", Qos::ExactlyOnce);
        peer.output();
        peer.receive("50 02 0004");
        peer.receive("40 02 0003");
        assert_eq!(peer.output(), "62020004");
        assert_eq!(peer.events(), [acknowledged(c, PubackCode::SUCCESS)]);
        peer.session.handle_closed(peer.now);
        let e = send(&mut peer, "e", Qos::AtLeastOnce);

        for _ in 0..2 {
            peer.session.handle_closed(peer.now);
            peer.events();
            peer.connect(accept(version, true));
            let expected = [
                "62020004".to_owned(),
                wire(version, 0x3a, 1, 'a'),
                wire(version, 0x3c, 2, 'b'),
            ];
            let output = peer.output();
            assert!(output.starts_with(&expected.concat()), "{output}");
        }
        peer.receive("70 02 0004 40 02 0001 50 02 0002 70 02 0002 40 02 0005");
        let success = |token| acknowledged(token, PubackCode::SUCCESS);
        assert_eq!(
            peer.events(),
            [success(d), success(a), success(b), success(e)]
        );
        assert_eq!(peer.session.pending_publishes(), 0);
    }
}

#[test]
fn a_lost_session_loses_what_was_sent_and_says_so() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        let sent = send(&mut peer, "a", Qos::AtLeastOnce);
        let released = send(&mut peer, "b", Qos::ExactlyOnce);
        peer.output();
        peer.receive("50 02 0002");
        peer.output();
        peer.session.handle_closed(peer.now);
        let queued = send(&mut peer, "c", Qos::AtLeastOnce);
        let never = Publish::new("t", "").with_qos(Qos::AtMostOnce);
        assert_eq!(
            peer.session.publish(never, peer.now),
            Err(PublishError::NotConnected)
        );
        assert_eq!(peer.events().len(), 1);

        let events = peer.connect(accept(version, false));
        assert_eq!(
            events[..2],
            [
                ended(sent, PublishOutcome::Lost),
                ended(released, PublishOutcome::Lost)
            ]
        );
        assert_eq!(peer.output(), wire(version, 0x32, 3, 'c'));
        peer.receive("40 02 0003");
        assert_eq!(peer.events(), [acknowledged(queued, PubackCode::SUCCESS)]);
    }
}

#[test]
fn a_session_that_ends_with_its_connection_loses_at_once() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        let sent = send(&mut peer, "a", Qos::AtLeastOnce);
        peer.output();
        let unsent = send(&mut peer, "b", Qos::AtMostOnce);
        let waiting = send(&mut peer, "c", Qos::AtLeastOnce);
        peer.session.handle_closed(peer.now);
        let events = peer.events();
        assert_eq!(
            events[..2],
            [
                ended(unsent, PublishOutcome::NotSent(NotSent::Disconnected)),
                ended(sent, PublishOutcome::Lost)
            ]
        );
        assert!(matches!(events[2], Event::Disconnected { .. }));
        peer.connect(accept(version, false));
        assert_eq!(peer.output(), wire(version, 0x32, 2, 'c'));
        assert!(!peer.session.cancel(waiting));
    }
}

#[test]
fn the_servers_session_expiry_decides() {
    let mut peer = Peer::new(resuming(Version::V5));
    peer.connect("20 08 00 00 05 11 00000000");
    let sent = send(&mut peer, "a", Qos::AtLeastOnce);
    peer.output();
    peer.session.handle_closed(peer.now);
    assert_eq!(peer.events()[0], ended(sent, PublishOutcome::Lost));
}

#[test]
fn the_servers_receive_maximum_holds_back_in_order() {
    let mut peer = Peer::new(resuming(Version::V5));
    peer.connect("20 06 00 00 03 21 0002");
    for payload in ["a", "b", "c"] {
        send(&mut peer, payload, Qos::AtLeastOnce);
    }
    send(&mut peer, "d", Qos::AtMostOnce);
    let v5 = Version::V5;
    let first = wire(v5, 0x32, 1, 'a') + &wire(v5, 0x32, 2, 'b');
    assert_eq!(peer.output(), first);
    assert_eq!(peer.output(), "");
    peer.receive("40 02 0002");
    assert_eq!(
        peer.output(),
        wire(v5, 0x32, 3, 'c') + &wire(v5, 0x30, 0, 'd')
    );
    peer.session.handle_closed(peer.now);

    // Fewer are allowed on the next connection.
    peer.connect("20 06 01 00 03 21 0001");
    assert_eq!(peer.output(), wire(v5, 0x3a, 1, 'a'));
    peer.receive("40 02 0003");
    assert_eq!(peer.events().len(), 0, "not sent on this connection yet");
    peer.receive("40 02 0001");
    assert_eq!(peer.output(), wire(v5, 0x3a, 3, 'c'));
    peer.receive("40 02 0003");
    assert_eq!(peer.events().len(), 2);
}

#[test]
fn quality_2_occupies_the_window_until_it_is_complete() {
    let mut peer = Peer::new(options(Version::V5));
    peer.connect("20 06 00 00 03 21 0001");
    send(&mut peer, "a", Qos::ExactlyOnce);
    send(&mut peer, "b", Qos::AtLeastOnce);
    peer.output();
    peer.receive("50 02 0001");
    assert_eq!(peer.output(), "62020001");
    peer.receive("70 02 0001");
    assert_eq!(peer.output(), wire(Version::V5, 0x32, 2, 'b'));
}

#[test]
fn our_own_window_holds_for_3_1_1() {
    let mut options = options(Version::V3_1_1);
    options.limits.in_flight = 1;
    let mut peer = Peer::new(options);
    peer.connect(accept(Version::V3_1_1, false));
    send(&mut peer, "a", Qos::AtLeastOnce);
    send(&mut peer, "b", Qos::AtLeastOnce);
    assert_eq!(peer.output(), wire(Version::V3_1_1, 0x32, 1, 'a'));
    peer.receive("40 02 0001");
    assert_eq!(peer.output(), wire(Version::V3_1_1, 0x32, 2, 'b'));
}

#[test]
fn the_queue_is_bounded_by_count_and_bytes() {
    let mut options = options(Version::V5);
    options.limits.publishes = 2;
    options.limits.publish_bytes = 10;
    let mut peer = Peer::new(options);
    // Whether there is room is known before.
    let publish = |peer: &mut Peer, payload: &'static str| {
        let publish = Publish::new("t", payload);
        let room = peer.session.has_room(&publish);
        let taken = peer.session.publish(publish, peer.now);
        assert_eq!(room, taken.is_ok());
        taken
    };
    assert_eq!(
        publish(&mut peer, "0123456789"),
        Err(PublishError::QueueFull)
    );
    let first = publish(&mut peer, "01234567").unwrap();
    assert_eq!(publish(&mut peer, "0"), Err(PublishError::QueueFull));
    assert!(peer.session.cancel(first));
    assert!(!peer.session.cancel(first));
    publish(&mut peer, "0").unwrap();
    publish(&mut peer, "0").unwrap();
    assert_eq!(publish(&mut peer, "0"), Err(PublishError::QueueFull));
}

#[test]
fn events_that_nobody_takes_are_bounded() {
    let mut options = options(Version::V3_1_1);
    options.limits.publishes = 2;
    options.limits.events = 2;
    options.limits.requests = 2;
    let mut peer = Peer::new(options);
    peer.connect(accept(Version::V3_1_1, false));
    let publish = |peer: &mut Peer| {
        let publish = Publish::new("t", "x").with_qos(Qos::AtMostOnce);
        let published = peer.session.publish(publish, peer.now);
        peer.output();
        published.err()
    };
    for _ in 0..6 {
        assert_eq!(publish(&mut peer), None);
    }
    assert_eq!(publish(&mut peer), Some(PublishError::QueueFull));
    assert_eq!(peer.events().len(), 6);
    assert_eq!(publish(&mut peer), None);
}

#[test]
fn another_client_id_is_another_session() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        let sent = send(&mut peer, "a", Qos::AtLeastOnce);
        peer.output();
        peer.session.handle_closed(peer.now);
        peer.events();
        let mut other = resuming(version);
        other.client_id = "d".into();
        peer.session.set_options(other).unwrap();
        let events = peer.connect(accept(version, true));
        assert_eq!(events[0], ended(sent, PublishOutcome::Lost));
        assert_eq!(peer.output(), "");
    }
}

#[test]
fn a_cancelled_publish_leaves_no_trace() {
    let mut peer = Peer::connected(Version::V5);
    let token = send(&mut peer, "a", Qos::AtLeastOnce);
    assert!(peer.session.cancel(token));
    assert_eq!(peer.output(), "");
    let token = send(&mut peer, "b", Qos::AtLeastOnce);
    peer.output();
    assert!(!peer.session.cancel(token), "it is written");
}

#[test]
fn what_the_server_does_not_take_is_refused_at_the_call() {
    let mut peer = Peer::new(options(Version::V5));
    peer.connect("20 0c 00 00 09 24 01 25 00 27 00000010");
    let mut publish = Publish::new("t", "x").with_qos(Qos::ExactlyOnce);
    let call = |peer: &mut Peer, publish: &Publish| peer.session.publish(publish.clone(), peer.now);
    assert_eq!(
        call(&mut peer, &publish),
        Err(PublishError::QosNotSupported {
            maximum: Qos::AtLeastOnce
        })
    );
    publish.qos = Qos::AtLeastOnce;
    publish.retain = true;
    assert_eq!(
        call(&mut peer, &publish),
        Err(PublishError::RetainNotSupported)
    );
    publish.retain = false;
    publish.payload = Bytes::from_static(b"12345678");
    assert_eq!(call(&mut peer, &publish).err(), None);
    assert_eq!(peer.output().len(), 2 * 16, "exactly the maximum");
    publish.payload = Bytes::from_static(b"123456789");
    assert_eq!(
        call(&mut peer, &publish),
        Err(PublishError::TooLarge {
            size: 17,
            limit: 16
        })
    );
    assert_eq!(
        call(&mut peer, &Publish::new("a/#", "")),
        Err(PublishError::Topic(TopicError::Wildcard))
    );
}

#[test]
fn what_the_server_turns_out_not_to_take_ends_unsent() {
    let mut peer = Peer::new(options(Version::V5));
    let large = peer
        .session
        .publish(Publish::new("t", "123456789"), peer.now)
        .unwrap();
    let twice = send(&mut peer, "x", Qos::ExactlyOnce);
    let mut kept = Publish::new("t", "x");
    kept.retain = true;
    let kept = peer.session.publish(kept, peer.now).unwrap();
    let fine = send(&mut peer, "x", Qos::AtLeastOnce);
    peer.connect("20 0c 00 00 09 24 01 25 00 27 00000010");
    assert_eq!(peer.output(), wire(Version::V5, 0x32, 1, 'x'));
    peer.receive("40 02 0001");
    assert_eq!(
        peer.events(),
        [
            ended(large, PublishOutcome::NotSent(NotSent::TooLarge)),
            ended(twice, PublishOutcome::NotSent(NotSent::QosNotSupported)),
            ended(kept, PublishOutcome::NotSent(NotSent::RetainNotSupported)),
            acknowledged(fine, PubackCode::SUCCESS)
        ]
    );
}

#[test]
fn properties_go_out_with_5_and_stay_away_with_3_1_1() {
    let mut publish = Publish::new("t", "x").with_expiry(Duration::from_millis(9_500));
    let properties = publish.properties.as_deref_mut().unwrap();
    properties.payload_is_utf8 = Some(true);
    properties.content_type = Some("c".into());
    properties.response_topic = Some("r".into());
    properties.correlation_data = Some(Bytes::from_static(&[1, 2]));
    properties.user_properties = vec![("k".into(), "v".into())];
    let mut peer = Peer::connected(Version::V5);
    peer.session.publish(publish.clone(), peer.now).unwrap();
    assert_hex(
        &peer.output(),
        "32 22 0001 74 0001 1b 01 01 02 0000000a 08 0001 72 09 0002 0102 26 0001 6b 0001 76 \
         03 0001 63 78",
    );
    let mut peer = Peer::connected(Version::V3_1_1);
    peer.session.publish(publish, peer.now).unwrap();
    assert_eq!(peer.output(), wire(Version::V3_1_1, 0x32, 1, 'x'));
}

#[test]
fn the_expiry_runs_while_a_message_waits() {
    let mut peer = Peer::new(resuming(Version::V5));
    let publish = |peer: &mut Peer, payload: &'static str, expiry: u64| {
        let publish = Publish::new("t", payload).with_expiry(seconds(expiry));
        peer.session.publish(publish, peer.now).unwrap()
    };
    let brief = publish(&mut peer, "a", 5);
    publish(&mut peer, "b", 60);
    peer.pass(seconds(10));
    assert_eq!(
        peer.events(),
        [ended(brief, PublishOutcome::NotSent(NotSent::Expired))]
    );
    peer.connect(accept(Version::V5, false));
    assert_hex(&peer.output(), "32 0c 0001 74 0001 05 02 00000032 62");
    peer.session.handle_closed(peer.now);
    peer.pass(seconds(100));
    peer.connect(accept(Version::V5, true));
    assert_hex(&peer.output(), "3a 0c 0001 74 0001 05 02 00000001 62");
}

#[test]
fn a_message_that_expires_in_the_moment_of_sending_is_not_sent() {
    let mut peer = Peer::connected(Version::V5);
    let publish = Publish::new("t", "a").with_expiry(seconds(5));
    let token = peer.session.publish(publish, peer.now).unwrap();
    peer.now = peer.now + seconds(5);
    assert_eq!(peer.output(), "");
    assert_eq!(
        peer.events(),
        [ended(token, PublishOutcome::NotSent(NotSent::Expired))]
    );
}
