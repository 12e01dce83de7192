//! The broker: it reads what clients write, strictly, and keeps their sessions.

mod publish;

use super::{
    encode::Answer,
    packet::{self, Connect, Packet, Publish},
    totals::{LinkFault, LinkSum},
    wire::Way,
    world::{Happening, LinkWorld},
};
use crate::broker::matches;
use shadow_proto::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use transport_core::MqttVersion;

/// One client's session. It may outlive connections.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Whether the broker knows it.
    exists: bool,
    /// When it ends, if its client stays away.
    expires: Option<Instant>,
    /// Whether it ends with its connection.
    clean: bool,
    session_expiry: u32,
    pub(super) conn: Option<u64>,
    pub(super) filters: BTreeMap<Rc<str>, u8>,
    /// Messages sent to the client and not acknowledged.
    in_flight: VecDeque<(u16, Rc<str>, Rc<[u8]>)>,
    /// Messages that wait for the client.
    queue: VecDeque<(Rc<str>, Rc<[u8]>)>,
    last_id: u16,
    /// How many messages may be in flight to the client.
    window: usize,
    /// Publishes that arrived and were not acknowledged, by when they first came.
    unanswered: BTreeMap<u64, Publish>,
    /// The last publish with each identifier, and when it first came.
    last: BTreeMap<u16, (Publish, u64)>,
    /// Counts publishes.
    count: u64,
    /// Whether the last CONNECT was not answered.
    doubtful: bool,
    /// Whether a filter was refused since the last CONNACK.
    pub(super) refused: bool,
}

impl Session {
    /// The QoS of the subscription that takes a topic.
    pub(super) fn takes(&self, topic: &str) -> Option<u8> {
        let matching = self
            .filters
            .iter()
            .filter(|(filter, _)| matches(filter, topic));
        matching.map(|(_, qos)| *qos).max()
    }

    /// The client's program starts anew, and knows nothing of the identifiers it used.
    pub(super) fn client_restarts(&mut self) {
        self.unanswered.clear();
        self.last.clear();
    }
}

impl LinkWorld {
    /// Bytes of a client arrive.
    pub(super) fn broker_reads(&mut self, id: u64, chunk: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.unread.extend(chunk);
        loop {
            let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.broker_open) else {
                return;
            };
            let node = conn.node;
            match packet::decode(&conn.unread, conn.version) {
                Ok(None) => return,
                Ok(Some((packet, length))) => {
                    conn.unread.drain(..length);
                    self.totals.note(LinkSum::Packets);
                    self.log(|| format!("broker: client {node} says {packet:?}"));
                    self.broker_takes(id, node, packet);
                }
                Err(wrong) => panic!("client {node} sends {wrong}: {:x?}", conn.unread),
            }
        }
    }

    fn broker_takes(&mut self, id: u64, node: usize, packet: Packet) {
        if let Packet::Connect(connect) = packet {
            self.connect(id, node, &connect);
            return;
        }
        assert!(
            self.conns[&id].accepted,
            "client {node} sends {packet:?} before the CONNACK"
        );
        if self.fault(self.plan.nonsense, LinkFault::Nonsense) {
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.nonsense = true;
            }
            self.answer(id, &Answer::Nonsense);
            self.hang_up(id);
            return;
        }
        let five = self.conns[&id].version == Some(MqttVersion::V5);
        if five && self.fault(self.plan.goodbye, LinkFault::ServerDisconnect) {
            let code = *self.net.pick(&[0x8b, 0x89, 0x98]);
            self.answer(id, &Answer::Disconnect { code });
            self.hang_up(id);
            return;
        }
        match packet {
            Packet::Publish(publish) => self.published(id, node, five, publish),
            Packet::Puback { id: message } => {
                let in_flight = &mut self.sessions[node].in_flight;
                let before = in_flight.len();
                in_flight.retain(|(other, ..)| *other != message);
                assert!(
                    in_flight.len() < before,
                    "client {node} acknowledges {message}, which is not on its way"
                );
                self.flush(node);
            }
            Packet::Subscribe {
                id: request,
                filters,
            } => {
                self.check_id(node, request);
                let codes = self.grant(node, five, &filters);
                if !self.fault(self.plan.withhold_suback, LinkFault::SubackWithheld) {
                    let id_of = request;
                    self.answer(id, &Answer::Suback { id: id_of, codes });
                }
            }
            Packet::Unsubscribe {
                id: request,
                filters,
            } => {
                self.check_id(node, request);
                for filter in &filters {
                    self.sessions[node].filters.remove(filter);
                }
                let count = filters.len();
                self.answer(id, &Answer::Unsuback { id: request, count });
            }
            Packet::Ping => self.answer(id, &Answer::Pong),
            Packet::Disconnect { code } => {
                assert_eq!(code, 0, "client {node} takes offence");
                self.hang_up(id);
            }
            Packet::Connect(_) => {}
        }
    }

    /// No identifier is used for two things at once.
    fn check_id(&self, node: usize, id: u16) {
        let mut unanswered = self.sessions[node].unanswered.values();
        assert!(
            unanswered.all(|publish| publish.id != id),
            "client {node}: the packet identifier {id} is in use"
        );
    }

    fn connect(&mut self, id: u64, node: usize, connect: &Connect) {
        assert_eq!(
            connect.client_id,
            format!("client-{node}"),
            "the client's own id"
        );
        let five = connect.version == MqttVersion::V5;
        self.totals.note(match connect.version {
            MqttVersion::V5 => LinkFault::V5,
            MqttVersion::V3_1_1 => LinkFault::V311,
        });
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.version = Some(connect.version);
            conn.keep_alive = connect.keep_alive.into();
        }
        if self.fault(self.plan.refuse_connect, LinkFault::ConnectRefused) {
            let code = if five { 0x88 } else { 3 };
            self.answer(id, &connack(false, code));
            self.hang_up(id);
            return;
        }
        if let Some(old) = self.sessions[node].conn {
            self.totals.note(LinkFault::TakenOver);
            if five {
                self.answer(old, &Answer::Disconnect { code: 0x8e });
            }
            self.hang_up(old);
        }
        let lost = self.fault(self.plan.session_loss, LinkFault::SessionLost);
        let now = self.now;
        let session = &mut self.sessions[node];
        let expired = session.exists && session.expires.is_some_and(|at| at <= now);
        let present = session.exists && !connect.clean && !lost && !expired;
        if expired {
            self.totals.note(LinkFault::SessionExpired);
        }
        if !present {
            *session = Session {
                last_id: session.last_id,
                doubtful: session.doubtful,
                ..Session::default()
            };
        }
        session.exists = true;
        session.expires = None;
        session.conn = Some(id);
        session.clean = connect.clean;
        session.session_expiry = connect.session_expiry;
        session.window = match five {
            true => connect.receive_maximum.into(),
            false => 20,
        };
        session.refused = false;
        if self.fault(self.plan.withhold_connack, LinkFault::ConnackWithheld) {
            self.sessions[node].doubtful = true;
            return;
        }
        let session = &mut self.sessions[node];
        if std::mem::take(&mut session.doubtful) && present {
            self.totals.note(LinkFault::DoubtfulSession);
        }
        if present {
            self.totals.note(LinkFault::SessionResumed);
        }
        let keep_alive = self.plan.keep_alive.filter(|_| five);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.accepted = true;
            conn.present = present;
            conn.keep_alive = keep_alive.map_or(conn.keep_alive, u64::from);
            let unanswered = session.unanswered.values();
            conn.owed = unanswered.map(|publish| publish.id).collect();
        }
        let receive_maximum = self.plan.receive_maximum.filter(|_| five);
        let connack = Answer::Connack {
            present,
            code: 0,
            receive_maximum,
            keep_alive,
        };
        self.answer(id, &connack);
        // What was not acknowledged is sent again, then what came meanwhile.
        for (message, topic, payload) in self.sessions[node].in_flight.clone() {
            self.totals.note(LinkFault::Redelivered);
            let (dup, message) = (true, Some(message));
            self.deliver(id, dup, message, topic, payload);
        }
        let waiting = self.sessions[node].queue.len() as u64;
        self.totals.add(LinkFault::Queued, waiting);
        self.flush(node);
    }

    /// Filters are granted or refused.
    fn grant(&mut self, node: usize, five: bool, filters: &[(Rc<str>, u8)]) -> Vec<u8> {
        let mut codes = Vec::new();
        for (filter, qos) in filters {
            if self.fault(self.plan.refuse_filter, LinkFault::FilterRefused) {
                self.sessions[node].refused = true;
                codes.push(if five { 0x87 } else { 0x80 });
                continue;
            }
            self.sessions[node].filters.insert(filter.clone(), *qos);
            codes.push(*qos);
        }
        codes
    }

    /// The broker writes a packet.
    fn answer(&mut self, id: u64, answer: &Answer) {
        let Some(conn) = self.conns.get(&id) else {
            return;
        };
        let Some(version) = conn.version else { return };
        let node = conn.node;
        self.log(|| match answer {
            Answer::Publish { id, topic, .. } => {
                format!("broker: to client {node}: PUBLISH {id:?} {topic}")
            }
            answer => format!("broker: to client {node}: {answer:?}"),
        });
        let mut bytes = Vec::new();
        answer.write(version, self.net.chance(300), &mut bytes);
        self.send(id, Way::ToClient, &bytes);
    }

    /// The broker ends a connection, after what it wrote.
    fn hang_up(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let (node, version) = (conn.node, conn.version);
        if std::mem::take(&mut conn.broker_open) {
            self.connection_ends(node, id, version);
            self.schedule(Duration::ZERO, Happening::Close { conn: id });
        }
    }

    /// A session's connection is over.
    pub(super) fn connection_ends(&mut self, node: usize, id: u64, version: Option<MqttVersion>) {
        let five = version == Some(MqttVersion::V5);
        let now = self.now;
        let session = &mut self.sessions[node];
        if session.conn != Some(id) {
            return;
        }
        session.conn = None;
        if five {
            session.expires = Some(now + Duration::from_secs(session.session_expiry.into()));
        }
        if five && session.session_expiry == 0 || !five && session.clean {
            *session = Session {
                last_id: session.last_id,
                ..Session::default()
            };
        }
    }
}

fn connack(present: bool, code: u8) -> Answer {
    Answer::Connack {
        present,
        code,
        receive_maximum: None,
        keep_alive: None,
    }
}
