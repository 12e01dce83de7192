//! Publishes: what clients send, and what is passed on to them.

use crate::link::{
    encode::Answer,
    packet::Publish,
    totals::{LinkFault, LinkSum},
    world::{Happening, LinkWorld},
};
use shadow_proto::Topic;
use std::rc::Rc;
use transport_core::MqttVersion;

impl LinkWorld {
    pub(super) fn published(&mut self, id: u64, node: usize, five: bool, publish: Publish) {
        self.check_repeated(id, node, &publish);
        if publish.qos == 1 {
            let session = &mut self.sessions[node];
            let number = publish.id;
            session.count += 1;
            let known = session.last.get(&number).filter(|_| publish.dup);
            let known = known.filter(|(other, _)| other.is_same(&publish));
            let first = known.map_or(session.count, |(_, first)| *first);
            session.unanswered.insert(first, publish.clone());
            session.last.insert(number, (publish.clone(), first));
            let open = session.unanswered.len();
            if let Some(most) = self.plan.receive_maximum.filter(|_| five) {
                assert!(
                    open <= most.into(),
                    "client {node} has {open} publishes on their way, {most} are allowed"
                );
                if open == usize::from(most) {
                    self.totals.note(LinkFault::WindowFull);
                }
            }
            if five && self.fault(self.plan.refuse_publish, LinkFault::PublishRefused) {
                self.sessions[node]
                    .unanswered
                    .retain(|_, other| other.id != number);
                let code = *self.net.pick(&[0x80, 0x87, 0x97]);
                self.answer(id, &Answer::Puback { id: number, code });
                return;
            }
            if self.fault(self.plan.delay_puback, LinkFault::PubackDelayed) {
                let after = self.net.millis(0, 5_000);
                let (conn, id) = (id, number);
                self.schedule(after, Happening::Puback { conn, id });
            } else {
                self.puback(id, number);
            }
        } else if self.fault(self.plan.loss, LinkFault::Lost) {
            return;
        }
        if let Some(number) = publish.topic.strip_prefix("app/") {
            self.plain
                .insert(number.parse().expect("plain topics are numbered"));
            return;
        }
        let topic = Topic::parse(&publish.topic);
        let asks = topic.is_some_and(|topic| topic.kind().is_request());
        assert!(asks, "client {node} publishes to {}", publish.topic);
        let config = &self.plan.nodes[node].config;
        let most = config.response_timeout.as_secs() + 1;
        let expires = publish
            .expiry
            .is_some_and(|expiry| u64::from(expiry) <= most);
        assert_eq!(
            expires,
            five && config.message_expiry,
            "client {node}: {publish:?} expires in {:?} s",
            publish.expiry
        );
        let after = self.net.millis(0, self.plan.serving);
        let (topic, payload) = (publish.topic, publish.payload);
        self.schedule(after, Happening::Request { topic, payload });
    }

    /// What a resumed session repeats comes first, in order, and is what it was.
    fn check_repeated(&mut self, id: u64, node: usize, publish: &Publish) {
        let session = &self.sessions[node];
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if !publish.dup {
            assert!(
                conn.owed.is_empty(),
                "client {node}: {publish:?} comes before {:?} are repeated",
                conn.owed
            );
            if publish.qos == 1 {
                self.check_id(node, publish.id);
            }
            return;
        }
        assert!(
            conn.present,
            "client {node}: {publish:?} is repeated in a new session"
        );
        let mut unanswered = session.unanswered.values();
        if let Some(known) = unanswered.find(|known| known.id == publish.id) {
            assert!(
                known.is_same(publish),
                "client {node}: {known:?} is repeated as {publish:?}"
            );
            assert_eq!(
                conn.owed.pop_front(),
                Some(publish.id),
                "client {node}: repeated in the order of before"
            );
        }
        let known = session.last.get(&publish.id);
        let known = known.is_some_and(|(known, _)| known.is_same(publish));
        self.totals.note(match known {
            true => LinkFault::Retransmitted,
            false => LinkFault::RepeatedUnknown,
        });
    }

    /// A publish is acknowledged, if its connection is still there.
    pub(in crate::link) fn puback(&mut self, id: u64, number: u16) {
        let Some(conn) = self.conns.get(&id).filter(|conn| conn.broker_open) else {
            return;
        };
        let node = conn.node;
        let unanswered = &mut self.sessions[node].unanswered;
        let before = unanswered.len();
        unanswered.retain(|_, other| other.id != number);
        if unanswered.len() == before || self.sessions[node].conn != Some(id) {
            return;
        }
        let code = match conn.version {
            Some(MqttVersion::V5) if self.net.chance(100) => 0x10,
            _ => 0,
        };
        self.answer(id, &Answer::Puback { id: number, code });
    }

    /// A message goes to all who subscribe its topic.
    pub(in crate::link) fn fan_out(&mut self, topic: &Rc<str>, payload: &Rc<[u8]>) {
        for node in 0..self.sessions.len() {
            let session = &mut self.sessions[node];
            let Some(qos) = session.takes(topic).filter(|_| session.exists) else {
                continue;
            };
            if qos == 1 {
                session.queue.push_back((topic.clone(), payload.clone()));
                self.flush(node);
                continue;
            }
            let accepted = |id: &u64| self.conns.get(id).is_some_and(|conn| conn.accepted);
            match session.conn.filter(accepted) {
                Some(conn) if !self.net.chance(self.plan.loss) => {
                    self.deliver(conn, false, None, topic.clone(), payload.clone());
                }
                _ => self.totals.note(LinkFault::Lost),
            }
        }
    }

    /// What waits for a client is sent, as far as its window goes.
    pub(super) fn flush(&mut self, node: usize) {
        loop {
            let session = &mut self.sessions[node];
            let Some(id) = session.conn else { return };
            if !self.conns.get(&id).is_some_and(|conn| conn.accepted) {
                return;
            }
            if session.in_flight.len() >= session.window {
                let waits = u64::from(!session.queue.is_empty());
                self.totals.add(LinkFault::ClientWindowFull, waits);
                return;
            }
            let Some((topic, payload)) = session.queue.pop_front() else {
                return;
            };
            session.last_id = session.last_id.checked_add(1).unwrap_or(1);
            let message = session.last_id;
            session
                .in_flight
                .push_back((message, topic.clone(), payload.clone()));
            self.deliver(id, false, Some(message), topic, payload);
        }
    }

    pub(super) fn deliver(
        &mut self,
        conn: u64,
        dup: bool,
        id: Option<u16>,
        topic: Rc<str>,
        payload: Rc<[u8]>,
    ) {
        self.totals.note(LinkSum::Messages);
        let publish = Answer::Publish {
            dup,
            id,
            topic,
            payload,
        };
        self.answer(conn, &publish);
    }
}
