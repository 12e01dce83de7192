//! The guards around mqttbytes, each from its input on the wire. Those that cannot be reached
//! from outside are tested beside the code (G13, G16, G17).

use mqtt_session::{
    ConnectCode, DisconnectCode, DisconnectReason, Event, Message, Owner, ProtocolError, Qos,
    Restore, TopicFilter, Version,
};

use crate::peer::{Peer, accept, options};

/// What a connected session of MQTT 5 makes of these bytes, and its DISCONNECT.
fn breaks_v5(bytes: &str, code: DisconnectCode) -> ProtocolError {
    let goodbye = format!("e001{:02x}", code.value());
    Peer::connected(Version::V5).breaks(bytes, &goodbye)
}

/// The same over 3.1.1, which has no DISCONNECT for it.
fn breaks_v3(bytes: &str) -> ProtocolError {
    Peer::connected(Version::V3_1_1).breaks(bytes, "")
}

fn message(bytes: &str) -> Message {
    let mut peer = Peer::connected(Version::V5);
    peer.receive(bytes);
    let Event::Message(message) = peer.events().remove(0) else {
        panic!("no message from {bytes}");
    };
    message
}

fn ended(bytes: &str) -> (DisconnectCode, Option<Box<str>>) {
    let mut peer = Peer::connected(Version::V5);
    peer.receive(bytes);
    assert_eq!(peer.output(), "");
    let Event::Disconnected {
        reason:
            DisconnectReason::ByServer {
                code,
                reason_string,
                ..
            },
    } = peer.events().remove(0)
    else {
        panic!("not the end by {bytes}");
    };
    (code, reason_string)
}

fn malformed(packet: &'static str) -> ProtocolError {
    ProtocolError::Malformed { packet }
}

#[test]
fn g1_a_bad_packet_type_is_refused_at_its_first_byte() {
    assert_eq!(
        breaks_v5("00 ff ff 03", DisconnectCode::MALFORMED_PACKET),
        ProtocolError::ReservedPacketType
    );
    assert_eq!(breaks_v3("00"), ProtocolError::ReservedPacketType);
}

#[test]
fn g1_flags_are_checked() {
    // PUBREL without its flag, QoS 3, DUP at QoS 0.
    for first_byte in [0x60, 0x36, 0x38] {
        let flags = ProtocolError::Flags { first_byte };
        let bytes = format!("{first_byte:02x}");
        assert_eq!(breaks_v3(&bytes), flags);
        assert_eq!(breaks_v5(&bytes, DisconnectCode::MALFORMED_PACKET), flags);
    }
}

#[test]
fn g1_an_oversized_packet_is_refused_by_its_header() {
    let mut small = options(Version::V5);
    small.max_packet_size = 20;
    let mut peer = Peer::new(small);
    peer.connect(accept(Version::V5, false));
    peer.receive("30 12 0001 74 00 0102030405060708090a0b0c0d0e");
    assert_eq!(peer.events().len(), 1, "20 bytes are allowed, all counted");
    assert_eq!(
        peer.breaks("30 13", "e0 01 95"),
        ProtocolError::TooLarge {
            size: 21,
            limit: 20
        }
    );
}

#[test]
fn g1_long_lengths_are_refused() {
    for bytes in ["30 80 00", "d0 80 80 80 80", "30 ff ff ff ff"] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::MALFORMED_PACKET),
            ProtocolError::RemainingLength
        );
        assert_eq!(breaks_v3(bytes), ProtocolError::RemainingLength);
    }
}

#[test]
fn g2_a_whole_frame_with_too_few_bytes_is_malformed_and_not_waited_for() {
    // The topic, a property, a property length and a SUBACK's properties want more.
    for (bytes, packet) in [
        ("30 03 0009 74", "PUBLISH"),
        ("30 06 0001 74 02 02 00", "PUBLISH"),
        ("30 04 0001 74 80", "PUBLISH"),
        ("90 04 0001 05 00", "SUBACK"),
        ("20 03 00 00 80", "CONNACK"),
    ] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::MALFORMED_PACKET),
            malformed(packet)
        );
    }
    assert_eq!(breaks_v3("30 03 0009 74"), malformed("PUBLISH"));
}

#[test]
fn g3_short_disconnects_of_5_are_read() {
    assert_eq!(ended("e0 00"), (DisconnectCode::NORMAL, None));
    // Mosquitto 2.0 sends this one.
    assert_eq!(ended("e0 01 82"), (DisconnectCode::PROTOCOL_ERROR, None));
    assert_eq!(
        ended("e0 01 8e"),
        (DisconnectCode::SESSION_TAKEN_OVER, None)
    );
    assert_eq!(
        ended("e0 02 8e 00"),
        (DisconnectCode::SESSION_TAKEN_OVER, None)
    );
    assert_eq!(
        ended("e0 06 8b 04 1f 0001 74"),
        (DisconnectCode::SERVER_SHUTTING_DOWN, Some("t".into()))
    );
    // Legal, though mqttbytes does not know it.
    assert_eq!(
        ended("e0 01 8c"),
        (DisconnectCode::BAD_AUTHENTICATION_METHOD, None)
    );
}

#[test]
fn g4_a_server_of_3_1_1_is_recognized_by_its_refusal() {
    for code in 1..=5 {
        let mut peer = Peer::new(options(Version::V5));
        let events = peer.connect(&format!("20 02 00 {code:02x}"));
        match &events[..] {
            [Event::ConnectRefused(refusal)] => {
                assert!(refusal.only_3_1_1 && refusal.is_permanent());
                assert_eq!(refusal.code, ConnectCode::new(code));
                assert!(refusal.to_string().contains("MQTT 3.1.1"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn g4_a_connack_of_5_without_property_length_is_completed() {
    let mut peer = Peer::new(options(Version::V5));
    assert!(matches!(
        peer.connect("20 02 00 00")[..],
        [Event::Connected(_)]
    ));
    let mut peer = Peer::new(options(Version::V5));
    match &peer.connect("20 02 00 87")[..] {
        [Event::ConnectRefused(refusal)] => {
            assert!(!refusal.only_3_1_1);
            assert_eq!(refusal.code, ConnectCode::NOT_AUTHORIZED);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn g5_a_property_may_not_run_past_the_declared_length() {
    // A content type that would eat the payload.
    assert_eq!(
        breaks_v5(
            "30 0a 0001 74 03 03 0003 61 7b 7d",
            DisconnectCode::MALFORMED_PACKET
        ),
        malformed("PUBLISH")
    );
}

#[test]
fn g5_a_property_may_not_be_repeated() {
    for (bytes, packet, id) in [
        ("30 0e 0001 74 0a 02 00000001 02 00000001", "PUBLISH", 0x02),
        ("30 0a 0001 74 06 23 0001 23 0001", "PUBLISH", 0x23),
        ("40 0c 0001 00 08 1f 0001 74 1f 0001 74", "PUBACK", 0x1f),
    ] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::PROTOCOL_ERROR),
            ProtocolError::PropertyRepeated { packet, id }
        );
    }
    // User properties may.
    let properties =
        message("30 13 0001 74 0e 26 0001 6b 0001 76 26 0001 6b 0001 76 7b").properties;
    assert_eq!(properties.unwrap().user_properties.len(), 2);
}

#[test]
fn g5_a_property_must_be_known_and_belong_to_its_packet() {
    for (bytes, packet, id) in [
        ("30 06 0001 74 02 7e 00", "PUBLISH", 0x7e),
        ("30 07 0001 74 03 21 0001", "PUBLISH", 0x21),
        ("40 06 0001 00 02 01 00", "PUBACK", 0x01),
        ("e0 07 00 05 11 00000000", "DISCONNECT", 0x11),
        ("30 07 0001 74 03 81 01 00", "PUBLISH", 0x81),
    ] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::PROTOCOL_ERROR),
            ProtocolError::Property { packet, id }
        );
    }
}

#[test]
fn g5_a_property_must_have_a_legal_value() {
    for (bytes, packet, id) in [
        ("30 06 0001 74 02 0b 00", "PUBLISH", 0x0b),
        ("30 06 0001 74 02 01 02", "PUBLISH", 0x01),
    ] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::PROTOCOL_ERROR),
            ProtocolError::Property { packet, id }
        );
    }
    for (connack, id) in [
        ("20 06 00 00 03 21 0000", 0x21),
        ("20 08 00 00 05 27 00000000", 0x27),
        ("20 05 00 00 02 24 02", 0x24),
        ("20 05 00 00 02 2a 02", 0x2a),
        ("20 07 00 00 04 15 0001 61", 0x15),
    ] {
        let mut peer = Peer::new(options(Version::V5));
        peer.session.handle_opened(peer.now);
        peer.output();
        let packet = "CONNACK";
        assert_eq!(
            peer.breaks(connack, ""),
            ProtocolError::Property { packet, id }
        );
    }
}

#[test]
fn g5_text_of_a_property_is_utf8_without_nul() {
    for bytes in [
        "30 09 0001 74 04 03 0001 ff 7b",
        "30 09 0001 74 04 03 0001 00 7b",
    ] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::MALFORMED_PACKET),
            malformed("PUBLISH")
        );
    }
}

#[test]
fn g6_three_subscription_ids_keep_the_payload() {
    let read = message("30 0c 0001 74 06 0b01 0b02 0b03 7b 7d");
    assert_eq!(read.payload, "{}");
    assert_eq!(read.properties.unwrap().subscription_ids, [1, 2, 3]);
}

#[test]
fn g6_two_subscription_ids_keep_the_properties_behind_them() {
    let read = message("30 0c 0001 74 06 0b01 0b02 0101 7b 7d");
    assert_eq!(read.payload, "{}");
    let properties = read.properties.unwrap();
    assert_eq!(properties.subscription_ids, [1, 2]);
    assert_eq!(properties.payload_is_utf8, Some(true));
}

#[test]
fn g6_subscription_ids_among_other_properties_lose_nothing() {
    let read = message("32 1a 0001 74 0005 12 0b01 03 0001 63 0bff7f 0101 0b8001 08 0001 72 7b 7d");
    assert_eq!(read.payload, "{}");
    assert_eq!(read.qos, Qos::AtLeastOnce);
    let properties = read.properties.unwrap();
    assert_eq!(properties.subscription_ids, [1, 16_383, 128]);
    assert_eq!(properties.content_type.as_deref(), Some("c"));
    assert_eq!(properties.response_topic.as_deref(), Some("r"));
    assert_eq!(properties.payload_is_utf8, Some(true));
}

#[test]
fn g6_many_subscription_ids_cross_the_boundary_of_the_length() {
    // 70 identifiers are 140 bytes of properties: two bytes of length, one after the cut.
    let ids = "0b01".repeat(70);
    let read = message(&format!("30 93 01 0001 74 8c01 {ids} 7b7d"));
    assert_eq!(read.payload, "{}");
    assert_eq!(read.properties.unwrap().subscription_ids, [1; 70]);
}

#[test]
fn g7_the_topic_of_a_message_is_checked() {
    for (v3, v5) in [
        ("30 03 0001 23", "30 04 0001 23 00"),
        ("30 03 0001 2b", "30 04 0001 2b 00"),
        ("30 03 0001 00", "30 04 0001 00 00"),
        ("30 05 0003 612f23", "30 06 0003 612f23 00"),
        ("30 03 0000 7b", "30 03 0000 00"),
    ] {
        assert_eq!(breaks_v3(v3), ProtocolError::TopicName);
        assert_eq!(
            breaks_v5(v5, DisconnectCode::TOPIC_NAME_INVALID),
            ProtocolError::TopicName
        );
    }
    assert_eq!(breaks_v3("30 03 0001 ff"), malformed("PUBLISH"));
}

#[test]
fn g7_any_topic_alias_is_one_too_high() {
    for (bytes, alias) in [
        ("30 07 0001 74 03 23 0001", 1),
        ("30 06 0000 03 23 0005", 5),
        ("30 07 0001 74 03 23 0000", 0),
    ] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::TOPIC_ALIAS_INVALID),
            ProtocolError::TopicAlias { alias }
        );
    }
}

#[test]
fn g8_packet_identifier_zero_is_refused() {
    for (first_byte, packet) in [
        (0x40, "PUBACK"),
        (0x50, "PUBREC"),
        (0x62, "PUBREL"),
        (0x70, "PUBCOMP"),
    ] {
        let zero = ProtocolError::PacketIdZero { packet };
        let bytes = format!("{first_byte:02x} 02 0000");
        assert_eq!(breaks_v3(&bytes), zero);
        assert_eq!(breaks_v5(&bytes, DisconnectCode::PROTOCOL_ERROR), zero);
    }
    for (v3, v5, packet) in [
        ("90 03 0000 00", "90 04 0000 00 00", "SUBACK"),
        ("b0 02 0000", "b0 04 0000 00 00", "UNSUBACK"),
        ("32 06 0001 74 0000 7b", "32 06 0001 74 0000 00", "PUBLISH"),
    ] {
        let zero = ProtocolError::PacketIdZero { packet };
        assert_eq!(breaks_v3(v3), zero);
        assert_eq!(breaks_v5(v5, DisconnectCode::PROTOCOL_ERROR), zero);
    }
}

#[test]
fn g8_codes_are_compared_with_the_request() {
    let asked = || {
        let mut peer = Peer::connected(Version::V5);
        let filters = ["a", "b"].map(|text| (TopicFilter::new(text).unwrap(), Qos::AtMostOnce));
        peer.session
            .subscribe(Owner::new(1), &filters, Restore::ByOwner, peer.now)
            .unwrap();
        peer.output();
        peer
    };
    assert_eq!(
        asked().breaks("90 04 0001 00 00", "e0 01 82"),
        ProtocolError::CodeCount {
            packet: "SUBACK",
            asked: 2,
            received: 1
        }
    );
    assert_eq!(
        asked().breaks("90 05 0001 00 00 01", "e0 01 82"),
        ProtocolError::GrantedAboveAsked
    );
    assert_eq!(
        asked().breaks("90 05 0007 00 00 00", "e0 01 82"),
        ProtocolError::PacketIdUnknown {
            packet: "SUBACK",
            id: 7
        }
    );
    let mut peer = asked();
    peer.receive("90 05 0001 00 00 00");
    let filters = ["a", "b"].map(|text| TopicFilter::new(text).unwrap());
    peer.session
        .unsubscribe(Owner::new(1), &filters, peer.now)
        .unwrap();
    peer.output();
    peer.events();
    assert_eq!(
        peer.breaks("b0 06 0002 00 00 00 00", "e0 01 82"),
        ProtocolError::CodeCount {
            packet: "UNSUBACK",
            asked: 2,
            received: 3
        }
    );
}

#[test]
fn g9_trailing_bytes_are_refused() {
    assert_eq!(breaks_v3("40 03 0001 00"), malformed("PUBACK"));
    assert_eq!(breaks_v3("d0 01 00"), malformed("PINGRESP"));
    assert_eq!(
        breaks_v5("40 05 0001 00 00 00", DisconnectCode::MALFORMED_PACKET),
        malformed("PUBACK")
    );
    assert_eq!(
        breaks_v5("e0 03 00 00 00", DisconnectCode::MALFORMED_PACKET),
        malformed("DISCONNECT")
    );
}

#[test]
fn g9_flags_and_length_of_a_connack_are_checked() {
    for (version, connack) in [
        (Version::V3_1_1, "20 03 00 00 00"),
        (Version::V3_1_1, "20 02 02 00"),
        (Version::V3_1_1, "20 02 81 00"),
        (Version::V5, "20 03 02 00 00"),
        (Version::V5, "20 04 00 00 00 00"),
    ] {
        let mut peer = Peer::new(options(version));
        peer.session.handle_opened(peer.now);
        peer.output();
        assert_eq!(peer.breaks(connack, ""), malformed("CONNACK"));
    }
}

#[test]
fn g10_unknown_reason_codes_are_protocol_errors() {
    for (bytes, packet, code) in [
        ("40 03 0001 11", "PUBACK", 0x11),
        ("50 03 0001 92", "PUBREC", 0x92),
        ("62 03 0001 80", "PUBREL", 0x80),
        ("70 03 0001 10", "PUBCOMP", 0x10),
        ("90 04 0001 00 03", "SUBACK", 0x03),
        ("b0 04 0001 00 01", "UNSUBACK", 0x01),
        ("e0 01 7f", "DISCONNECT", 0x7f),
    ] {
        assert_eq!(
            breaks_v5(bytes, DisconnectCode::PROTOCOL_ERROR),
            ProtocolError::ReasonCode { packet, code }
        );
    }
    assert_eq!(
        breaks_v3("90 03 0001 03"),
        ProtocolError::ReasonCode {
            packet: "SUBACK",
            code: 3
        }
    );
    for (version, connack) in [
        (Version::V3_1_1, "20 02 00 06"),
        (Version::V5, "20 03 00 06 00"),
    ] {
        let mut peer = Peer::new(options(version));
        peer.session.handle_opened(peer.now);
        peer.output();
        assert_eq!(
            peer.breaks(connack, ""),
            ProtocolError::ReasonCode {
                packet: "CONNACK",
                code: 6
            }
        );
    }
}

#[test]
fn g11_auth_is_answered_with_a_protocol_error() {
    assert_eq!(
        breaks_v5("f0 02 18 00", DisconnectCode::PROTOCOL_ERROR),
        ProtocolError::Auth
    );
    assert_eq!(breaks_v3("f0 02 18 00"), ProtocolError::ReservedPacketType);
}

#[test]
fn g16_a_disconnect_keeps_its_reason() {
    assert_eq!(
        breaks_v5("30 03 0000 00", DisconnectCode::TOPIC_NAME_INVALID),
        ProtocolError::TopicName
    );
}

#[test]
fn g19_an_unsubscribe_from_a_server_is_never_read() {
    assert_eq!(
        breaks_v5("a2 05 0001 00 0000", DisconnectCode::PROTOCOL_ERROR),
        ProtocolError::UnexpectedPacket {
            packet: "UNSUBSCRIBE"
        }
    );
}
