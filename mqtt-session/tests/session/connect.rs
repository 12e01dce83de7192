//! CONNECT, CONNACK, keep-alive, goodbye.

use core::time::Duration;

use mqtt_session::{
    Bytes, BytesMut, ConnectCode, Connected, Disconnect, DisconnectCode, DisconnectReason, Event,
    Instant, Options, OptionsError, ProtocolError, Publish, Qos, Refusal, Session, Version, Will,
};

use crate::peer::{BOTH, Peer, accept, assert_hex, options, resuming, seconds, unhex, unspaced};

fn connect_bytes(options: Options) -> String {
    let mut peer = Peer::new(options);
    peer.session.handle_opened(peer.now);
    peer.output()
}

fn connected(events: Vec<Event>) -> Connected {
    match events.into_iter().next() {
        Some(Event::Connected(connected)) => *connected,
        other => panic!("{other:?}"),
    }
}

fn refused(version: Version, connack: &str) -> Refusal {
    let mut peer = Peer::new(options(version));
    let mut events = peer.connect(connack);
    assert_eq!(events.len(), 1);
    assert_eq!(peer.output(), "");
    assert_eq!(peer.session.poll_timeout(), None);
    let Event::ConnectRefused(refusal) = events.remove(0) else {
        panic!("accepted");
    };
    *refusal
}

#[test]
fn connect_of_3_1_1() {
    assert_hex(
        &connect_bytes(options(Version::V3_1_1)),
        "10 0d 0004 4d515454 04 02 003c 0001 63",
    );
    let mut options = resuming(Version::V3_1_1);
    options.keep_alive = Duration::ZERO;
    assert_hex(
        &connect_bytes(options),
        "10 0d 0004 4d515454 04 00 0000 0001 63",
    );
}

#[test]
fn connect_of_5_announces_its_limits_and_no_topic_aliases() {
    assert_hex(
        &connect_bytes(options(Version::V5)),
        "10 19 0004 4d515454 05 02 003c 0b 21 0040 27 00040000 22 0000 0001 63",
    );
    let mut options = resuming(Version::V5);
    options.receive_maximum = 10;
    options.max_packet_size = 0x1234;
    options.keep_alive = Duration::from_millis(1500);
    options.user_properties = vec![("k".into(), "v".into())];
    assert_hex(
        &connect_bytes(options),
        "10 25 0004 4d515454 05 00 0002 17 11 00000e10 21 000a 27 00001234 22 0000 \
         26 0001 6b 0001 76 0001 63",
    );
}

#[test]
fn connect_with_will_and_login() {
    let with_all = |version| {
        let mut options = options(version);
        let mut will = Will::new("w", Bytes::from_static(b"bye"));
        will.retain = true;
        will.delay = Some(seconds(5));
        options.will = Some(will);
        options.user_name = Some("u".into());
        options.password = Some("p".into());
        options
    };
    assert_hex(
        &connect_bytes(with_all(Version::V3_1_1)),
        "10 1b 0004 4d515454 04 ee 003c 0001 63 0001 77 0003 627965 0001 75 0001 70",
    );
    assert_hex(
        &connect_bytes(with_all(Version::V5)),
        "10 2d 0004 4d515454 05 ee 003c 0b 21 0040 27 00040000 22 0000 0001 63 \
         05 18 00000005 0001 77 0003 627965 0001 75 0001 70",
    );
}

#[test]
fn mqtt_5_sends_a_password_without_a_user_name() {
    let mut options = options(Version::V5);
    options.password = Some("p".into());
    assert_hex(
        &connect_bytes(options),
        "10 1c 0004 4d515454 05 42 003c 0b 21 0040 27 00040000 22 0000 0001 63 0001 70",
    );
}

#[test]
fn options_that_cannot_be_said_are_refused() {
    let check = |version, change: fn(&mut Options)| {
        let mut options = options(version);
        change(&mut options);
        Session::new(options).err()
    };
    assert_eq!(
        check(Version::V3_1_1, |options| options.password =
            Some("p".into())),
        Some(OptionsError::PasswordWithoutUserName)
    );
    let resume_unnamed: fn(&mut Options) = |options| {
        options.client_id = String::new();
        options.clean_start = false;
    };
    assert_eq!(
        check(Version::V3_1_1, resume_unnamed),
        Some(OptionsError::EmptyClientIdNeedsCleanStart)
    );
    assert_eq!(check(Version::V5, resume_unnamed), None);
    assert_eq!(
        check(Version::V5, |options| options.keep_alive = seconds(65_536)),
        Some(OptionsError::KeepAliveTooLong)
    );
    assert_eq!(
        check(Version::V5, |options| options.receive_maximum = 0),
        Some(OptionsError::Zero {
            field: "receive maximum"
        })
    );
    assert_eq!(
        check(Version::V5, |options| options.limits.events = 0),
        Some(OptionsError::Zero {
            field: "limits.events"
        })
    );
    assert_eq!(
        check(Version::V5, |options| options.client_id = "a\0".into()),
        Some(OptionsError::Nul { field: "client id" })
    );
    assert!(matches!(
        check(Version::V5, |options| options.will =
            Some(Will::new("a/#", ""))),
        Some(OptionsError::WillTopic(_))
    ));
}

#[test]
fn connect_is_alone_until_the_connack() {
    for version in BOTH {
        let mut peer = Peer::new(options(version));
        peer.session
            .publish(Publish::new("t", "x"), peer.now)
            .unwrap();
        peer.session.handle_opened(peer.now);
        peer.session
            .publish(Publish::new("t", "y"), peer.now)
            .unwrap();
        let connect = peer.output();
        let bytes = unhex(&connect);
        assert_eq!(bytes[0], 0x10);
        assert_eq!(bytes.len(), 2 + usize::from(bytes[1]), "and no more");
        assert_eq!(peer.output(), "");
        peer.receive(accept(version, false));
        let (x, y) = match version {
            Version::V3_1_1 => ("32060001740001 78", "32060001740002 79"),
            Version::V5 => ("3207000174000100 78", "3207000174000200 79"),
        };
        assert_hex(&peer.output(), &format!("{x}{y}"));
    }
}

#[test]
fn accepted() {
    for version in BOTH {
        let mut peer = Peer::new(options(version));
        assert!(!peer.session.is_connected());
        let event = connected(peer.connect(accept(version, false)));
        assert!(!event.session_present);
        assert_eq!(event.keep_alive, seconds(60));
        assert!(!event.keep_alive_from_server);
        assert_eq!(event.limits, mqtt_session::ServerLimits::default());
        assert_eq!(
            event.session_expiry,
            (version == Version::V5).then_some(Duration::ZERO)
        );
        assert!(peer.session.is_connected());
    }
}

#[test]
fn everything_a_server_of_5_can_say() {
    let mut peer = Peer::new(options(Version::V5));
    peer.session
        .set_options({
            let mut options = options(Version::V5);
            options.client_id = String::new();
            options
        })
        .unwrap();
    let event = connected(peer.connect(
        "20 38 00 00 35 \
         11 00000078 12 0002 6964 13 000a 1a 0001 72 1c 0001 73 1f 0001 74 21 0005 22 0007 24 01 \
         25 00 26 0001 6b 0001 76 27 00000100 28 00 29 00 2a 00",
    ));
    assert_eq!(event.session_expiry, Some(seconds(120)));
    assert_eq!(event.assigned_client_id.as_deref(), Some("id"));
    assert_eq!(event.keep_alive, seconds(10));
    assert!(event.keep_alive_from_server);
    assert_eq!(event.response_information.as_deref(), Some("r"));
    assert_eq!(event.server_reference.as_deref(), Some("s"));
    assert_eq!(event.reason_string.as_deref(), Some("t"));
    assert_eq!(event.user_properties, [("k".into(), "v".into())]);
    assert_eq!(event.limits.receive_maximum, 5);
    assert_eq!(event.limits.maximum_qos, Qos::AtLeastOnce);
    assert!(!event.limits.retain_available);
    assert_eq!(event.limits.maximum_packet_size, Some(256));
    assert!(!event.limits.wildcard_subscriptions);
    assert!(!event.limits.shared_subscriptions);
    assert_eq!(peer.session.client_id(), "id");

    // The assigned id is used again.
    peer.session.handle_closed(peer.now);
    peer.session.handle_opened(peer.now);
    assert!(peer.output().ends_with(&unspaced("0002 6964")));
}

#[test]
fn refusals_are_typed() {
    let refusal = refused(Version::V3_1_1, "20 02 00 05");
    assert_eq!(refusal.code, ConnectCode::V3_NOT_AUTHORIZED);
    assert!(refusal.is_permanent() && !refusal.only_3_1_1);
    let refusal = refused(Version::V3_1_1, "20 02 00 03");
    assert!(!refusal.is_permanent());

    let refusal = refused(Version::V5, "20 0b 00 9c 08 1c 0001 73 1f 0001 74");
    assert_eq!(refusal.code, ConnectCode::USE_ANOTHER_SERVER);
    assert!(!refusal.is_permanent());
    assert_eq!(
        refusal.to_string(),
        "connection refused: use another server (0x9c): t; use server s"
    );
    assert!(refused(Version::V5, "20 03 00 86 00").is_permanent());
}

#[test]
fn a_connack_has_a_deadline() {
    let mut peer = Peer::new(options(Version::V5));
    peer.session.handle_opened(peer.now);
    assert_eq!(
        peer.session.poll_timeout(),
        Some(Instant::from_origin(seconds(30)))
    );
    peer.pass(seconds(30));
    assert_eq!(
        peer.events(),
        [Event::Disconnected {
            reason: DisconnectReason::ConnackTimeout
        }]
    );
    assert_eq!(peer.session.poll_timeout(), None);
}

#[test]
fn each_opened_connection_ends_once() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        peer.session.handle_opened(peer.now);
        let closed = Event::Disconnected {
            reason: DisconnectReason::TransportClosed,
        };
        assert_eq!(peer.events(), core::slice::from_ref(&closed));
        peer.session.handle_closed(peer.now);
        peer.session.handle_closed(peer.now);
        assert_eq!(peer.events(), [closed]);
        assert_eq!(peer.output(), "", "a closed transport takes no CONNECT");
    }
}

#[test]
fn bytes_after_the_end_are_dropped() {
    let mut peer = Peer::connected(Version::V5);
    peer.receive("e0 00 ff ff ff ff");
    assert_eq!(peer.events().len(), 1);
    peer.receive("ff ff");
    assert_eq!(peer.events(), []);
    assert_eq!(peer.connect("20 03 00 00 00").len(), 1);
}

#[test]
fn a_present_session_contradicts_a_clean_start() {
    for version in BOTH {
        let mut peer = Peer::new(options(version));
        peer.session.handle_opened(peer.now);
        peer.output();
        assert_eq!(
            peer.breaks(accept(version, true), ""),
            ProtocolError::SessionPresent
        );
    }
}

#[test]
fn packets_before_the_connack_end_the_connection_without_a_disconnect() {
    for version in BOTH {
        let mut peer = Peer::new(options(version));
        peer.session.handle_opened(peer.now);
        peer.output();
        assert_eq!(
            peer.breaks("d0 00", ""),
            ProtocolError::UnexpectedPacket { packet: "PINGRESP" }
        );
    }
}

#[test]
fn a_second_connack_is_a_protocol_error() {
    let unexpected = ProtocolError::UnexpectedPacket { packet: "CONNACK" };
    let mut peer = Peer::connected(Version::V5);
    assert_eq!(peer.breaks("20 03 00 00 00", "e0 01 82"), unexpected);
    let mut peer = Peer::connected(Version::V3_1_1);
    assert_eq!(peer.breaks("20 02 00 00", ""), unexpected);
}

#[test]
fn a_disconnect_of_the_server_says_why() {
    let mut peer = Peer::connected(Version::V5);
    peer.receive("e0 0a 8e 08 1c 0001 73 1f 0001 74");
    assert_eq!(
        peer.events(),
        [Event::Disconnected {
            reason: DisconnectReason::ByServer {
                code: DisconnectCode::SESSION_TAKEN_OVER,
                reason_string: Some("t".into()),
                server_reference: Some("s".into()),
            }
        }]
    );
    assert_eq!(peer.output(), "", "a DISCONNECT is not answered");
}

#[test]
fn silence_is_broken_by_a_ping_and_its_answer_awaited() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        peer.pass(seconds(59));
        assert_eq!(peer.output(), "");
        peer.pass(seconds(1));
        assert_eq!(peer.output(), "c000");
        peer.receive("d0 00");
        assert_eq!(peer.events(), []);
        peer.pass(seconds(60));
        assert_eq!(peer.output(), "c000");
        peer.pass(seconds(9));
        assert_eq!(peer.events(), []);
        peer.pass(seconds(1));
        assert_eq!(
            peer.events(),
            [Event::Disconnected {
                reason: DisconnectReason::PingTimeout
            }]
        );
        assert_eq!(peer.session.poll_timeout(), None);
    }
}

#[test]
fn half_a_packet_is_a_sign_of_life() {
    let mut peer = Peer::connected(Version::V3_1_1);
    peer.pass(seconds(60));
    assert_eq!(peer.output(), "c000");
    peer.receive("30");
    peer.pass(seconds(20));
    assert_eq!(peer.events(), []);
    // The same bytes offered again are none.
    peer.pass(seconds(40));
    assert_eq!(peer.output(), "c000");
    peer.receive("");
    peer.pass(seconds(10));
    assert_eq!(peer.events().len(), 1);
}

#[test]
fn the_servers_keep_alive_counts_and_zero_disables() {
    let mut peer = Peer::new(options(Version::V5));
    peer.connect("20 06 00 00 03 13 0005");
    peer.pass(seconds(5));
    assert_eq!(peer.output(), "c000");

    let mut peer = Peer::new(options(Version::V5));
    peer.connect("20 06 00 00 03 13 0000");
    assert_eq!(peer.session.poll_timeout(), None);
}

#[test]
fn sending_puts_off_the_ping_only_while_something_comes_back() {
    let mut peer = Peer::connected(Version::V3_1_1);
    let publish = |peer: &mut Peer| {
        let publish = Publish::new("t", "").with_qos(Qos::AtMostOnce);
        peer.session.publish(publish, peer.now).unwrap();
    };
    peer.pass(seconds(30));
    publish(&mut peer);
    peer.output();
    peer.receive("d0 00");
    peer.pass(seconds(59));
    assert_eq!(peer.output(), "");
    publish(&mut peer);
    assert_ne!(peer.output(), "");
    peer.pass(seconds(1));
    assert_eq!(peer.output(), "c000", "nothing was received for a minute");
}

#[test]
fn goodbyes() {
    let say = |version, options: Options, how: Disconnect| {
        let mut peer = Peer::new(options);
        peer.connect(accept(version, false));
        peer.session.disconnect(how, peer.now);
        assert_eq!(
            peer.events(),
            [Event::Disconnected {
                reason: DisconnectReason::Requested
            }]
        );
        peer.output()
    };
    for version in BOTH {
        assert_eq!(
            say(version, options(version), Disconnect::default()),
            "e000"
        );
    }
    let mut with_will = Disconnect::default();
    with_will.publish_will = true;
    let willing = |version| {
        let mut options = resuming(version);
        options.will = Some(Will::new("w", ""));
        options
    };
    let (v3, v5) = (Version::V3_1_1, Version::V5);
    assert_eq!(say(v3, willing(v3), with_will), "");
    assert_eq!(say(v5, willing(v5), with_will), "e00104");
    assert_eq!(say(v5, resuming(v5), with_will), "e000", "there is no will");

    let mut forget = Disconnect::default();
    forget.session_expiry = Some(Duration::ZERO);
    assert_hex(&say(v5, resuming(v5), forget), "e0 07 00 05 11 00000000");
    let mut keep = Disconnect::default();
    keep.session_expiry = Some(seconds(60));
    assert_eq!(say(v5, options(v5), keep), "e000", "it began without one");
}

#[test]
fn what_can_be_sent_goes_out_before_the_goodbye() {
    let mut peer = Peer::connected(Version::V3_1_1);
    let publish = Publish::new("t", "x").with_qos(Qos::AtMostOnce);
    peer.session.publish(publish, peer.now).unwrap();
    peer.session.disconnect(Disconnect::default(), peer.now);
    assert_hex(&peer.output(), "30 04 0001 74 78 e0 00");
    assert_eq!(peer.events().len(), 2);
}

#[test]
fn fresh_options_count_from_the_next_connect() {
    let mut peer = Peer::connected(Version::V5);
    let mut older = options(Version::V3_1_1);
    older.user_name = Some("u".into());
    peer.session.set_options(older).unwrap();
    let publish = Publish::new("t", "").with_qos(Qos::AtMostOnce);
    peer.session.publish(publish, peer.now).unwrap();
    assert_hex(&peer.output(), "30 04 0001 74 00");
    peer.session.handle_closed(peer.now);
    peer.session.handle_opened(peer.now);
    assert_hex(
        &peer.output(),
        "10 10 0004 4d515454 04 82 003c 0001 63 0001 75",
    );
}

#[test]
fn time_does_not_go_back() {
    let mut peer = Peer::connected(Version::V5);
    peer.pass(seconds(59));
    peer.session.handle_timeout(Instant::ORIGIN);
    peer.session
        .write_output(&mut BytesMut::new(), Instant::ORIGIN);
    peer.pass(seconds(1));
    assert_eq!(peer.output(), "c000");
}

#[test]
fn secrets_are_not_shown() {
    for version in BOTH {
        let mut options = options(version);
        options.user_name = Some("sesame-user".into());
        options.password = Some("sesame-password".into());
        options.user_properties = vec![("token".into(), "sesame-property".into())];
        options.will = Some(Will::new("w", "sesame-will"));
        assert!(!format!("{options:?} {options:#?}").contains("sesame"));
        let mut peer = Peer::new(options);
        peer.session.handle_opened(peer.now);
        assert!(!format!("{:?}", peer.session).contains("sesame"));
    }
}
