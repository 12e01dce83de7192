//! Subscriptions: requests, owners, connections.

use mqtt_session::{
    Event, Owner, ProtocolError, Qos, RequestError, Restore, SubackCode, SubscribeToken,
    TopicFilter, UnsubackCode, UnsubscribeToken, Version,
};

use crate::peer::{BOTH, Peer, accept, assert_hex, hex, options, resuming};

const SHADOW: Owner = Owner::new(1);
const APPLICATION: Owner = Owner::new(2);
const Q0: Qos = Qos::AtMostOnce;
const Q1: Qos = Qos::AtLeastOnce;

fn filter(text: &str) -> TopicFilter {
    TopicFilter::new(text).unwrap()
}

fn subscribe(peer: &mut Peer, owner: Owner, filters: &[(&str, Qos)]) -> SubscribeToken {
    let restore = if owner == SHADOW {
        Restore::ByOwner
    } else {
        Restore::BySession
    };
    let filters: Vec<_> = filters
        .iter()
        .map(|(text, qos)| (filter(text), *qos))
        .collect();
    peer.session
        .subscribe(owner, &filters, restore, peer.now)
        .unwrap()
}

fn unsubscribe(peer: &mut Peer, owner: Owner, filters: &[&str]) -> UnsubscribeToken {
    let filters: Vec<_> = filters.iter().map(|text| filter(text)).collect();
    peer.session.unsubscribe(owner, &filters, peer.now).unwrap()
}

fn subscribed(token: SubscribeToken, owner: Owner, codes: &[u8]) -> Event {
    Event::Subscribed {
        token,
        owner,
        codes: codes.iter().map(|code| SubackCode::new(*code)).collect(),
    }
}

fn unsubscribed(token: UnsubscribeToken, owner: Owner, codes: &[u8]) -> Event {
    Event::Unsubscribed {
        token,
        owner,
        codes: codes.iter().map(|code| UnsubackCode::new(*code)).collect(),
    }
}

fn owners(peer: &Peer, topic: &str) -> Vec<Owner> {
    peer.session.subscribers(topic).collect()
}

/// SUBSCRIBE with this identifier, as the session writes it.
fn ask(version: Version, id: u16, filters: &[(&str, u8)]) -> String {
    let mut body = format!("{id:04x}");
    if version == Version::V5 {
        body += "00";
    }
    for (text, qos) in filters {
        body += &format!("{:04x}{}{qos:02x}", text.len(), hex(text.as_bytes()));
    }
    format!("82{:02x}{body}", body.len() / 2)
}

/// UNSUBSCRIBE with this identifier, as the session writes it.
fn leave(version: Version, id: u16, filters: &[&str]) -> String {
    let mut body = format!("{id:04x}");
    if version == Version::V5 {
        body += "00";
    }
    for text in filters {
        body += &format!("{:04x}{}", text.len(), hex(text.as_bytes()));
    }
    format!("a2{:02x}{body}", body.len() / 2)
}

/// SUBACK with these codes.
fn suback(version: Version, id: u16, codes: &str) -> String {
    ack(0x90, version, id, codes)
}

/// UNSUBACK; 3.1.1 has no codes.
fn unsuback(version: Version, id: u16, codes: &str) -> String {
    let codes = if version == Version::V5 { codes } else { "" };
    ack(0xb0, version, id, codes)
}

fn ack(first_byte: u8, version: Version, id: u16, codes: &str) -> String {
    let properties = if version == Version::V5 { "00" } else { "" };
    let body = format!("{id:04x}{properties}{codes}");
    format!("{first_byte:02x}{:02x}{body}", body.len() / 2)
}

#[test]
fn a_request_is_answered_once_with_a_code_for_each_filter() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        let token = subscribe(&mut peer, SHADOW, &[("a", Q1), ("b/+", Q0), ("c", Q1)]);
        assert_eq!(
            peer.output(),
            ask(version, 1, &[("a", 1), ("b/+", 0), ("c", 1)])
        );
        assert_eq!(peer.events(), []);
        peer.receive(&suback(version, 1, "000080"));
        assert_eq!(peer.events(), [subscribed(token, SHADOW, &[0, 0, 0x80])]);
        assert_eq!(owners(&peer, "a"), [SHADOW]);
        assert_eq!(owners(&peer, "b/x"), [SHADOW]);
        assert_eq!(owners(&peer, "c"), [], "a refused filter is not held");

        let token = unsubscribe(&mut peer, SHADOW, &["a", "b/+", "c"]);
        assert_eq!(peer.output(), leave(version, 2, &["a", "b/+"]));
        assert_eq!(owners(&peer, "a"), []);
        peer.receive(&unsuback(version, 2, "0000"));
        assert_eq!(peer.events(), [unsubscribed(token, SHADOW, &[0, 0, 0x11])]);
    }
}

#[test]
fn only_the_first_hold_and_the_last_release_are_on_the_wire() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        subscribe(&mut peer, SHADOW, &[("a", Q1)]);
        peer.output();
        peer.receive(&suback(version, 1, "01"));
        peer.events();
        let second = subscribe(&mut peer, APPLICATION, &[("a", Q1)]);
        assert_eq!(peer.output(), "");
        assert_eq!(peer.events(), [subscribed(second, APPLICATION, &[1])]);
        assert_eq!(owners(&peer, "a"), [SHADOW, APPLICATION]);

        let first = unsubscribe(&mut peer, SHADOW, &["a"]);
        assert_eq!(peer.output(), "");
        assert_eq!(peer.events(), [unsubscribed(first, SHADOW, &[0])]);
        let last = unsubscribe(&mut peer, APPLICATION, &["a"]);
        assert_eq!(peer.output(), leave(version, 2, &["a"]));
        peer.receive(&unsuback(version, 2, "00"));
        assert_eq!(peer.events(), [unsubscribed(last, APPLICATION, &[0])]);
    }
}

#[test]
fn a_request_joins_a_subscribe_underway() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        let first = subscribe(&mut peer, SHADOW, &[("a", Q1)]);
        let second = subscribe(&mut peer, APPLICATION, &[("a", Q0), ("b", Q0)]);
        assert_eq!(
            peer.output(),
            ask(version, 1, &[("a", 1)]) + &ask(version, 2, &[("b", 0)])
        );
        peer.receive(&suback(version, 1, "01"));
        assert_eq!(peer.events(), [subscribed(first, SHADOW, &[1])]);
        peer.receive(&suback(version, 2, "00"));
        assert_eq!(peer.events(), [subscribed(second, APPLICATION, &[0, 0])]);
    }
}

#[test]
fn a_higher_quality_goes_on_the_wire() {
    let version = Version::V5;
    let mut peer = Peer::connected(version);
    subscribe(&mut peer, SHADOW, &[("a", Q0)]);
    peer.output();
    peer.receive(&suback(version, 1, "00"));
    peer.events();
    let second = subscribe(&mut peer, APPLICATION, &[("a", Q1)]);
    assert_eq!(peer.output(), ask(version, 2, &[("a", 1)]));
    peer.receive(&suback(version, 2, "87"));
    assert_eq!(peer.events(), [subscribed(second, APPLICATION, &[0x87])]);
    assert_eq!(owners(&peer, "a"), [SHADOW]);
}

#[test]
fn wanting_again_while_leaving_asks_again() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        let first = subscribe(&mut peer, SHADOW, &[("a", Q1)]);
        let left = unsubscribe(&mut peer, SHADOW, &["a"]);
        let again = subscribe(&mut peer, SHADOW, &[("a", Q1)]);
        assert_eq!(
            peer.output(),
            ask(version, 1, &[("a", 1)])
                + &leave(version, 2, &["a"])
                + &ask(version, 3, &[("a", 1)])
        );
        peer.receive(&suback(version, 1, "01"));
        peer.receive(&unsuback(version, 2, "00"));
        peer.receive(&suback(version, 3, "01"));
        assert_eq!(
            peer.events(),
            [
                subscribed(first, SHADOW, &[1]),
                unsubscribed(left, SHADOW, &[0]),
                subscribed(again, SHADOW, &[1])
            ]
        );
        assert_eq!(owners(&peer, "a"), [SHADOW]);
    }
}

#[test]
fn a_large_request_is_several_packets_and_one_answer() {
    let version = Version::V3_1_1;
    let mut options = options(version);
    options.limits.filters_per_packet = 2;
    let mut peer = Peer::new(options);
    peer.connect(accept(version, false));
    let token = subscribe(&mut peer, SHADOW, &[("a", Q1), ("b", Q1), ("c", Q1)]);
    assert_eq!(
        peer.output(),
        ask(version, 1, &[("a", 1), ("b", 1)]) + &ask(version, 2, &[("c", 1)])
    );
    peer.receive(&suback(version, 2, "01"));
    assert_eq!(peer.events(), []);
    peer.receive(&suback(version, 1, "0100"));
    assert_eq!(peer.events(), [subscribed(token, SHADOW, &[1, 0, 1])]);
    let token = unsubscribe(&mut peer, SHADOW, &["a", "b", "c"]);
    assert_eq!(
        peer.output(),
        leave(version, 3, &["a", "b"]) + &leave(version, 4, &["c"])
    );
    peer.receive(&(unsuback(version, 3, "") + &unsuback(version, 4, "")));
    assert_eq!(peer.events(), [unsubscribed(token, SHADOW, &[0, 0, 0])]);
}

#[test]
fn a_lost_session_is_restored_for_the_application_and_left_to_the_shadows() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        subscribe(&mut peer, SHADOW, &[("a", Q1), ("s", Q1)]);
        subscribe(&mut peer, APPLICATION, &[("b", Q1), ("a", Q0)]);
        peer.output();
        peer.receive(&(suback(version, 1, "0101") + &suback(version, 2, "01")));
        peer.events();
        peer.session.handle_closed(peer.now);
        peer.events();

        // A resumed one needs nothing.
        peer.connect(accept(version, true));
        assert_eq!(peer.output(), "");
        assert_eq!(owners(&peer, "a"), [SHADOW, APPLICATION]);
        peer.session.handle_closed(peer.now);
        peer.events();

        peer.connect(accept(version, false));
        assert_eq!(peer.output(), ask(version, 3, &[("a", 0), ("b", 1)]));
        assert_eq!(owners(&peer, "s"), []);
        peer.receive(&suback(version, 3, "0080"));
        let restored = |text, code| Event::Restored {
            owner: APPLICATION,
            filter: filter(text),
            code: SubackCode::new(code),
        };
        assert_eq!(peer.events(), [restored("a", 0), restored("b", 0x80)]);
        assert_eq!(owners(&peer, "a"), [APPLICATION]);
        assert_eq!(owners(&peer, "b"), []);
    }
}

#[test]
fn a_clean_session_forgets_when_it_ends() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        subscribe(&mut peer, SHADOW, &[("a", Q1)]);
        subscribe(&mut peer, APPLICATION, &[("b", Q1)]);
        peer.output();
        peer.receive(&(suback(version, 1, "01") + &suback(version, 2, "01")));
        peer.events();
        peer.session.handle_closed(peer.now);
        assert_eq!(owners(&peer, "a"), []);
        assert_eq!(owners(&peer, "b"), [APPLICATION]);
        peer.events();
        peer.connect(accept(version, false));
        assert_eq!(peer.output(), ask(version, 3, &[("b", 1)]));
    }
}

#[test]
fn an_interrupted_request_is_repeated_or_reported_lost() {
    for version in BOTH {
        for resumed in [false, true] {
            let mut peer = Peer::new(resuming(version));
            peer.connect(accept(version, false));
            let shadow = subscribe(&mut peer, SHADOW, &[("a", Q1)]);
            let application = subscribe(&mut peer, APPLICATION, &[("b", Q1)]);
            peer.output();
            peer.session.handle_closed(peer.now);
            assert_eq!(
                peer.events()[0],
                Event::SubscribeLost {
                    token: shadow,
                    owner: SHADOW
                }
            );
            peer.connect(accept(version, resumed));
            assert_eq!(peer.output(), ask(version, 3, &[("b", 1)]));
            peer.receive(&suback(version, 3, "01"));
            assert_eq!(peer.events(), [subscribed(application, APPLICATION, &[1])]);
        }
    }
}

#[test]
fn a_session_that_may_be_another_is_asked_again_for_everything() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        subscribe(&mut peer, SHADOW, &[("a", Q1)]);
        subscribe(&mut peer, APPLICATION, &[("b", Q1)]);
        peer.output();
        peer.receive(&(suback(version, 1, "01") + &suback(version, 2, "01")));
        peer.session.handle_closed(peer.now);
        // The server begins a new session for this CONNECT; we never hear of it.
        peer.session.handle_opened(peer.now);
        peer.output();
        peer.session.handle_closed(peer.now);
        peer.events();

        peer.connect(accept(version, true));
        assert_eq!(peer.output(), ask(version, 3, &[("a", 1), ("b", 1)]));
        peer.receive(&suback(version, 3, "0101"));
        let restored = |owner, text, code| Event::Restored {
            owner,
            filter: filter(text),
            code: SubackCode::new(code),
        };
        assert_eq!(peer.events(), [restored(APPLICATION, "b", 1)]);
        assert_eq!(owners(&peer, "a"), [SHADOW]);
        peer.session.handle_closed(peer.now);

        // Again, and now they are refused.
        peer.session.handle_opened(peer.now);
        peer.output();
        peer.session.handle_closed(peer.now);
        peer.events();
        peer.connect(accept(version, true));
        assert_eq!(peer.output(), ask(version, 4, &[("a", 1), ("b", 1)]));
        peer.receive(&suback(version, 4, "8080"));
        assert_eq!(
            peer.events(),
            [
                restored(SHADOW, "a", 0x80),
                restored(APPLICATION, "b", 0x80)
            ]
        );
        assert_eq!(owners(&peer, "a"), []);
        assert_eq!(owners(&peer, "b"), []);
        subscribe(&mut peer, APPLICATION, &[("c", Q1)]);
        peer.output();
        peer.receive(&suback(version, 5, "01"));
        peer.session.handle_closed(peer.now);

        // A refused CONNECT, and one that was never written, leave no doubt.
        peer.connect("20 02 00 03");
        peer.session.handle_opened(peer.now);
        peer.session.handle_closed(peer.now);
        peer.events();
        peer.connect(accept(version, true));
        assert_eq!(peer.output(), "");
    }
}

#[test]
fn a_request_without_a_connection_waits_unless_the_owner_restores() {
    for version in BOTH {
        let mut peer = Peer::new(options(version));
        assert_eq!(
            peer.session
                .subscribe(SHADOW, &[(filter("a"), Q1)], Restore::ByOwner, peer.now),
            Err(RequestError::NotConnected)
        );
        let token = subscribe(&mut peer, APPLICATION, &[("a", Q1)]);
        let withdrawn = subscribe(&mut peer, APPLICATION, &[("b", Q1)]);
        let left = unsubscribe(&mut peer, APPLICATION, &["b"]);
        let mut answers = peer.events();
        answers.sort_by_key(|event| matches!(event, Event::Unsubscribed { .. }));
        assert_eq!(
            answers,
            [
                subscribed(withdrawn, APPLICATION, &[0x80]),
                unsubscribed(left, APPLICATION, &[0])
            ]
        );
        peer.connect(accept(version, false));
        assert_eq!(peer.output(), ask(version, 1, &[("a", 1)]));
        peer.receive(&suback(version, 1, "01"));
        assert_eq!(peer.events(), [subscribed(token, APPLICATION, &[1])]);
    }
}

#[test]
fn an_unsubscribe_without_a_connection_is_told_to_a_resumed_session() {
    for version in BOTH {
        for resumed in [false, true] {
            let mut peer = Peer::new(resuming(version));
            peer.connect(accept(version, false));
            subscribe(&mut peer, APPLICATION, &[("a", Q1)]);
            peer.output();
            peer.receive(&suback(version, 1, "01"));
            peer.session.handle_closed(peer.now);
            peer.events();
            let token = unsubscribe(&mut peer, APPLICATION, &["a"]);
            assert_eq!(peer.events(), []);
            let events = peer.connect(accept(version, resumed));
            let done = unsubscribed(token, APPLICATION, &[0]);
            if resumed {
                assert_eq!(peer.output(), leave(version, 2, &["a"]));
                peer.receive(&unsuback(version, 2, "00"));
                assert_eq!(peer.events(), [done]);
            } else {
                assert_eq!(peer.output(), "");
                assert_eq!(events[0], done);
            }
        }
    }
}

#[test]
fn a_request_withdrawn_while_underway_is_answered_even_if_the_connection_ends() {
    let version = Version::V5;
    let mut peer = Peer::new(resuming(version));
    peer.connect(accept(version, false));
    let asked = subscribe(&mut peer, APPLICATION, &[("a", Q1)]);
    unsubscribe(&mut peer, APPLICATION, &["a"]);
    peer.output();
    peer.session.handle_closed(peer.now);
    assert_eq!(peer.events()[0], subscribed(asked, APPLICATION, &[0x80]));
    peer.connect(accept(version, true));
    assert_eq!(peer.output(), leave(version, 3, &["a"]));
}

#[test]
fn what_the_server_does_not_offer_is_not_asked() {
    let mut peer = Peer::new(options(Version::V5));
    peer.connect("20 0c 00 00 09 27 00000013 28 00 2a 00");
    let token = subscribe(
        &mut peer,
        APPLICATION,
        &[
            ("a/#", Q1),
            ("$share/g/a", Q1),
            ("a-filter-of-22-letters", Q1),
            ("a", Q1),
            ("eight-or", Q1),
        ],
    );
    // The two that remain do not fit one packet of 19 bytes.
    assert_eq!(
        peer.output(),
        ask(Version::V5, 1, &[("a", 1)]) + &ask(Version::V5, 2, &[("eight-or", 1)])
    );
    peer.receive(&suback(Version::V5, 1, "01"));
    peer.receive(&suback(Version::V5, 2, "01"));
    assert_eq!(
        peer.events(),
        [subscribed(token, APPLICATION, &[0xa2, 0x9e, 0x95, 1, 1])]
    );
}

#[test]
fn requests_are_bounded() {
    let mut options = options(Version::V5);
    options.limits.filters = 2;
    options.limits.requests = 2;
    let mut peer = Peer::new(options);
    peer.connect(accept(Version::V5, false));
    let call = |peer: &mut Peer, texts: &[&str]| {
        let filters: Vec<_> = texts.iter().map(|text| (filter(text), Q1)).collect();
        peer.session
            .subscribe(APPLICATION, &filters, Restore::BySession, peer.now)
            .err()
    };
    assert_eq!(call(&mut peer, &[]), Some(RequestError::NoFilters));
    assert_eq!(
        call(&mut peer, &["a", "b", "c"]),
        Some(RequestError::TooManyFilters)
    );
    assert_eq!(call(&mut peer, &["a", "b"]), None);
    assert_eq!(call(&mut peer, &["a"]), None);
    assert_eq!(call(&mut peer, &["a"]), Some(RequestError::TooManyRequests));
}

#[test]
fn shared_subscriptions_find_their_owner() {
    let mut peer = Peer::connected(Version::V5);
    subscribe(&mut peer, APPLICATION, &[("$share/g/jobs/+", Q1)]);
    assert_hex(
        &peer.output(),
        "82 15 0001 00 000f 2473686172652f672f6a6f62732f2b 01",
    );
    assert_eq!(owners(&peer, "jobs/1"), [APPLICATION]);
    assert_eq!(owners(&peer, "$share/g/jobs/1"), []);
}

#[test]
fn an_unsuback_for_a_subscribe_is_a_protocol_error() {
    let mut peer = Peer::connected(Version::V5);
    subscribe(&mut peer, SHADOW, &[("a", Q1)]);
    peer.output();
    assert_eq!(
        peer.breaks(&unsuback(Version::V5, 1, "00"), "e0 01 82"),
        ProtocolError::PacketIdUnknown {
            packet: "UNSUBACK",
            id: 1
        }
    );
}
