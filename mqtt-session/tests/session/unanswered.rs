//! SUBSCRIBEs that a server never answers.

use mqtt_session::{Event, Owner, Qos, Restore, SubackCode, TopicFilter, Version};

use crate::peer::{BOTH, Peer, accept, assert_hex, resuming};

const SHADOW: Owner = Owner::new(1);
const APPLICATION: Owner = Owner::new(2);

fn subscribe(peer: &mut Peer, owner: Owner) {
    let restore = if owner == SHADOW {
        Restore::ByOwner
    } else {
        Restore::BySession
    };
    let filters = [(TopicFilter::new("a").unwrap(), Qos::AtLeastOnce)];
    let subscribed = peer.session.subscribe(owner, &filters, restore, peer.now);
    subscribed.unwrap();
}

/// SUBSCRIBE of "a" with this identifier.
const fn ask(version: Version, id: u8) -> [&'static str; 2] {
    match (version, id) {
        (Version::V3_1_1, 1) => ["82 06 0001 0001 61 01", "90 03 0001 01"],
        (Version::V3_1_1, 2) => ["82 06 0002 0001 61 01", "90 03 0002 01"],
        (Version::V3_1_1, _) => ["82 06 0003 0001 61 01", "90 03 0003 01"],
        (Version::V5, 1) => ["82 07 0001 00 0001 61 01", "90 04 0001 00 01"],
        (Version::V5, 2) => ["82 07 0002 00 0001 61 01", "90 04 0002 00 01"],
        (Version::V5, _) => ["82 07 0003 00 0001 61 01", "90 04 0003 00 01"],
    }
}

fn answers(events: &[Event]) -> Vec<Owner> {
    let granted = |event: &Event| {
        if let Event::Subscribed { owner, codes, .. } = event {
            assert_eq!(codes, &[SubackCode::GRANTED_QOS_1]);
            return Some(*owner);
        }
        None
    };
    events.iter().filter_map(granted).collect()
}

#[test]
fn an_owner_that_asks_again_does_not_wait_for_a_suback_that_never_comes() {
    for version in BOTH {
        let mut peer = Peer::connected(version);
        subscribe(&mut peer, SHADOW);
        assert_hex(&peer.output(), ask(version, 1)[0]);
        // Others join what is underway; the owner itself has run out of patience.
        subscribe(&mut peer, APPLICATION);
        assert_eq!(peer.output(), "");
        subscribe(&mut peer, SHADOW);
        assert_hex(&peer.output(), ask(version, 3)[0]);
        peer.receive(ask(version, 3)[1]);
        assert_eq!(answers(&peer.events()), [SHADOW, APPLICATION, SHADOW]);
        // The first answer after all: nobody waits for it, and it does no harm.
        peer.receive(ask(version, 1)[1]);
        assert_eq!(peer.events(), []);
        assert!(peer.session.is_connected());
        let owners: Vec<_> = peer.session.subscribers("a").collect();
        assert_eq!(owners, [SHADOW, APPLICATION]);
    }
}

#[test]
fn a_doubt_that_a_cut_leaves_unsettled_is_settled_on_the_next_connection() {
    for version in BOTH {
        let mut peer = Peer::new(resuming(version));
        peer.connect(accept(version, false));
        subscribe(&mut peer, SHADOW);
        assert_hex(&peer.output(), ask(version, 1)[0]);
        peer.receive(ask(version, 1)[1]);
        assert_eq!(answers(&peer.events()), [SHADOW]);
        peer.session.handle_closed(peer.now);

        // A CONNECT without an answer: the next session may be another one.
        peer.session.handle_opened(peer.now);
        peer.output();
        peer.session.handle_closed(peer.now);
        peer.events();
        let events = peer.connect(accept(version, true));
        let doubted = |event: &Event| matches!(event, Event::Connected(it) if it.session_doubted);
        assert!(events.iter().any(doubted));
        assert_hex(&peer.output(), ask(version, 2)[0]);

        // The connection ends before the SUBACK. The shadow client has the filter in its books,
        // and does not ask again for what a resumed session knows.
        peer.session.handle_closed(peer.now);
        peer.events();
        peer.connect(accept(version, true));
        assert_hex(&peer.output(), ask(version, 3)[0]);
        peer.receive(ask(version, 3)[1]);
        assert_eq!(peer.events(), []);
        assert_eq!(peer.session.subscribers("a").next(), Some(SHADOW));
    }
}
