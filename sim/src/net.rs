//! The network between clients and broker: packets in order on a connection that may die, and a broker that passes
//! messages on late, twice or in another order.

use crate::{
    broker::{Message, Order},
    cloud::{Request, text},
    node::Phase,
    totals::{Fault, Sum},
    world::{Happening, World},
};
use shadow_proto::{Instant, PubackCode, PublishId, Qos, SubackCode, SubscribeId, Topic};
use std::rc::Rc;
use std::time::Duration;

/// A packet from a client.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    Connect {
        clean: bool,
    },
    Subscribe {
        id: SubscribeId,
        filters: Vec<Rc<str>>,
        qos: Qos,
    },
    Unsubscribe {
        id: SubscribeId,
        filters: Vec<Rc<str>>,
    },
    Publish {
        publish: Rc<Outbound>,
        /// Whether the session repeats it.
        again: bool,
    },
    Puback {
        number: u64,
    },
}

/// A publish of a client.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) id: PublishId,
    pub(crate) topic: Rc<str>,
    pub(crate) payload: Rc<[u8]>,
    pub(crate) qos: Qos,
    pub(crate) expires: Option<Instant>,
    /// Whether an answer is waited for.
    pub(crate) answered: bool,
}

/// A packet to a client.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Connack {
        session_present: bool,
    },
    Suback {
        id: SubscribeId,
        codes: Vec<SubackCode>,
    },
    Unsuback {
        id: SubscribeId,
    },
    Puback {
        id: PublishId,
        code: PubackCode,
    },
    Publish {
        number: Option<u64>,
        message: Message,
    },
}

impl World {
    /// A packet goes out on what the client believes to be its connection.
    pub(crate) fn send_up(&mut self, node: usize, packet: Up) {
        let delay = self.wire_delay();
        let Self { nodes, now, .. } = self;
        let it = &mut nodes[node];
        // Before CONNACK nothing but CONNECT is sent; what the session keeps it repeats then.
        let early = it.phase == Phase::Connecting && !matches!(packet, Up::Connect { .. });
        if early || it.wire != Some(it.conn) {
            return;
        }
        let at = it.up_at.max(*now + delay);
        it.up_at = at;
        let conn = it.conn;
        self.schedule(at, Happening::ToBroker { node, conn, packet });
    }

    fn send_down(&mut self, node: usize, conn: u64, packet: Down) {
        let delay = self.wire_delay();
        let Self { nodes, now, .. } = self;
        let it = &mut nodes[node];
        if it.wire != Some(conn) {
            return;
        }
        let at = it.down_at.max(*now + delay);
        it.down_at = at;
        self.schedule(at, Happening::ToNode { node, conn, packet });
    }

    fn wire_delay(&mut self) -> Duration {
        let (low, high) = self.faults.wire;
        self.net.millis(low, high)
    }

    fn broker_delay(&mut self) -> Duration {
        let usual = self.net.millis(0, self.faults.broker);
        if self.fault(self.faults.delayed, Fault::Delayed) {
            return usual + self.net.millis(1_000, 8_000);
        }
        usual
    }

    /// The connection dies. Each side notices when it does.
    pub(crate) fn cut(&mut self, node: usize) {
        if let Some(mean) = self.faults.cut {
            let at = self.now + self.net.around(mean);
            self.schedule(at, Happening::Cut { node });
        }
        let Some(conn) = self.nodes[node].wire.take() else {
            return;
        };
        self.totals.note(Fault::Cut);
        self.log(|| format!("client {node}: connection {conn} is cut"));
        for what in [
            Happening::NodeNotices { node, conn },
            Happening::BrokerNotices { node, conn },
        ] {
            let after = match self.net.chance(500) {
                true => Duration::ZERO,
                false => self.net.millis(0, 4_000),
            };
            self.schedule(self.now + after, what);
        }
    }

    pub(crate) fn node_notices(&mut self, node: usize, conn: u64) {
        let it = &mut self.nodes[node];
        if it.conn != conn || it.phase == Phase::Down {
            return;
        }
        let was_up = it.phase == Phase::Up;
        it.phase = Phase::Down;
        let silent = was_up && self.fault(self.faults.second_connect, Fault::SecondConnect);
        self.log(|| format!("client {node}: notices, and says so: {}", !silent));
        let restart = self.net.chance(self.faults.restart);
        if was_up && !silent {
            self.feed(node, |client, now| client.handle_disconnected(now));
        }
        if restart {
            self.restart(node);
        }
        let away = if self.fault(self.faults.long_outage, Fault::LongOutage) {
            self.net.millis(8_000, 30_000)
        } else {
            self.net.millis(10, 3_000)
        };
        self.schedule(self.now + away, Happening::Connect { node });
    }

    pub(crate) fn broker_notices(&mut self, node: usize, conn: u64) {
        if let Some(session) = &mut self.broker.sessions[node]
            && session.conn == Some(conn)
        {
            session.conn = None;
        }
    }

    pub(crate) fn connect(&mut self, node: usize) {
        let conn = self.broker.number();
        let clean = self.plan.nodes[node].clean;
        let now = self.now;
        let it = &mut self.nodes[node];
        if it.phase != Phase::Down {
            return;
        }
        it.phase = Phase::Connecting;
        it.unanswered = (true, it.unanswered.0 || it.unanswered.1);
        it.conn = conn;
        it.wire = Some(conn);
        (it.up_at, it.down_at) = (now, now);
        if !it.cuts {
            it.cuts = true;
            if let Some(mean) = self.faults.cut {
                let at = now + self.net.around(mean);
                self.schedule(at, Happening::Cut { node });
            }
        }
        self.log(|| format!("client {node}: connects, connection {conn}"));
        self.send_up(node, Up::Connect { clean });
    }

    pub(crate) fn broker_receives(&mut self, node: usize, conn: u64, packet: Up) {
        if self.nodes[node].wire != Some(conn) {
            return;
        }
        match packet {
            Up::Connect { clean } => self.open_session(node, conn, clean),
            Up::Subscribe { id, filters, qos } => self.subscribe(node, conn, id, filters, qos),
            Up::Unsubscribe { id, filters } => {
                if let Some(session) = &mut self.broker.sessions[node] {
                    for filter in &filters {
                        session.filters.remove(filter);
                    }
                }
                if !self.fault(self.faults.withhold_unsuback, Fault::UnsubackWithheld) {
                    self.send_down(node, conn, Down::Unsuback { id });
                }
            }
            Up::Publish { publish, again } => {
                if !again {
                    self.check_answerable(node, &publish);
                }
                self.broker_takes(node, conn, &publish);
            }
            Up::Puback { number } => {
                if let Some(session) = &mut self.broker.sessions[node] {
                    session.in_flight.retain(|(other, _)| *other != number);
                }
            }
        }
    }

    fn open_session(&mut self, node: usize, conn: u64, clean: bool) {
        let known = self.broker.sessions[node].is_some();
        let lost = known && self.net.chance(self.faults.session_loss);
        let present = known && !clean && !lost;
        if !present {
            if known {
                self.totals.note(Fault::SessionLost);
            }
            self.broker.begin(node);
        } else {
            self.totals.note(Fault::SessionResumed);
        }
        self.log(|| format!("broker: client {node} has connection {conn}, session {present}"));
        let session_present = present;
        self.send_down(node, conn, Down::Connack { session_present });
        let Some(session) = &mut self.broker.sessions[node] else {
            return;
        };
        session.conn = Some(conn);
        let again = session.in_flight.clone();
        let queue = std::mem::take(&mut session.queue);
        for (number, message) in again {
            self.totals.note(Fault::Redelivered);
            let number = Some(number);
            self.send_down(node, conn, Down::Publish { number, message });
        }
        for message in queue {
            self.totals.note(Fault::QueuedDelivery);
            self.deliver(node, conn, message);
        }
    }

    fn subscribe(
        &mut self,
        node: usize,
        conn: u64,
        id: SubscribeId,
        filters: Vec<Rc<str>>,
        qos: Qos,
    ) {
        if self.fault(self.faults.withhold_suback, Fault::SubackWithheld) {
            // Sometimes the broker did what it does not confirm.
            if self.net.chance(500) {
                return;
            }
            self.grant(node, &filters, qos);
            return;
        }
        let codes = self.grant(node, &filters, qos);
        self.send_down(node, conn, Down::Suback { id, codes });
    }

    fn grant(&mut self, node: usize, filters: &[Rc<str>], qos: Qos) -> Vec<SubackCode> {
        let mut codes = Vec::new();
        for filter in filters {
            let key = (node, filter.clone());
            if self.fault(self.faults.refuse_filter, Fault::FilterRefused) {
                let until = self.now + self.net.millis(0, 10_000);
                self.broker.refused.insert(key.clone(), until);
            }
            let refused = self.broker.refused.get(&key);
            if !self.healed && refused.is_some_and(|until| *until > self.now) {
                codes.push(SubackCode::new(*self.net.pick(&[0x80, 0x87, 0x97])));
                continue;
            }
            if let Some(session) = &mut self.broker.sessions[node] {
                session.filters.insert(filter.clone(), qos);
            }
            codes.push(SubackCode::new(match qos {
                Qos::AtMostOnce => 0,
                Qos::AtLeastOnce => 1,
            }));
        }
        self.check_budget(node);
        codes
    }

    fn broker_takes(&mut self, node: usize, conn: u64, publish: &Outbound) {
        let at_least_once = publish.qos == Qos::AtLeastOnce;
        let id = publish.id;
        if at_least_once && self.fault(self.faults.refuse_publish, Fault::PublishRefused) {
            let code = PubackCode::new(*self.net.pick(&[0x80, 0x87, 0x97]));
            self.send_down(node, conn, Down::Puback { id, code });
            return;
        }
        if at_least_once && !self.fault(self.faults.lose_puback, Fault::PubackLost) {
            let code = match self.net.chance(100) {
                true => PubackCode::new(0x10),
                false => PubackCode::SUCCESS,
            };
            self.send_down(node, conn, Down::Puback { id, code });
        }
        self.route_request(
            &publish.topic,
            &publish.payload,
            publish.qos,
            publish.expires,
        );
    }

    /// Passes a request on to the service.
    pub(crate) fn route_request(
        &mut self,
        topic: &Rc<str>,
        payload: &Rc<[u8]>,
        qos: Qos,
        expires: Option<Instant>,
    ) {
        let mut copies = 1;
        match qos {
            Qos::AtMostOnce if self.fault(self.faults.loss, Fault::Lost) => return,
            Qos::AtLeastOnce if self.fault(self.faults.duplicate / 4, Fault::Duplicated) => {
                copies = 2;
            }
            Qos::AtMostOnce | Qos::AtLeastOnce => {}
        }
        for _ in 0..copies {
            let at = self.now + self.broker_delay();
            let request = Request {
                topic: topic.clone(),
                payload: payload.clone(),
                expires,
                doubled: copies > 1,
            };
            self.schedule(at, Happening::Request(request));
        }
    }

    /// A message goes to all who subscribe its topic.
    pub(crate) fn fan_out(&mut self, topic: &Rc<str>, payload: &Rc<[u8]>, qos: Qos) {
        debug_assert!(Topic::parse(topic).is_some(), "all topics are of shadows");
        for node in 0..self.nodes.len() {
            let Some(session) = &self.broker.sessions[node] else {
                continue;
            };
            let Some(granted) = session.takes(topic) else {
                continue;
            };
            let generation = session.generation;
            let message = Message {
                topic: topic.clone(),
                payload: payload.clone(),
                qos: qos.min(granted),
            };
            let mut copies = 1;
            match message.qos {
                Qos::AtMostOnce if self.fault(self.faults.loss, Fault::Lost) => continue,
                Qos::AtLeastOnce if self.fault(self.faults.duplicate, Fault::Duplicated) => {
                    copies = 2;
                }
                Qos::AtMostOnce | Qos::AtLeastOnce => {}
            }
            for _ in 0..copies {
                let at = self.now + self.broker_delay();
                let overtake = self.faults.overtake;
                let Some(session) = &mut self.broker.sessions[node] else {
                    continue;
                };
                let (at, order) = session.schedule(topic, at, overtake);
                match order {
                    Order::Kept => {}
                    Order::Overtakes => self.totals.note(Fault::Reordered),
                    Order::OvertakesOwn => self.totals.note(Fault::Overtaken),
                }
                let message = message.clone();
                self.schedule(
                    at,
                    Happening::FanOut {
                        node,
                        generation,
                        message,
                    },
                );
            }
        }
    }

    /// A message leaves the broker for one session.
    pub(crate) fn pass_on(&mut self, node: usize, generation: u64, message: Message) {
        let Some(session) = &mut self.broker.sessions[node] else {
            return;
        };
        if session.generation != generation {
            return;
        }
        match (session.conn, message.qos) {
            (Some(conn), _) => self.deliver(node, conn, message),
            (None, Qos::AtLeastOnce) => session.queue.push(message),
            (None, Qos::AtMostOnce) => self.totals.note(Fault::Lost),
        }
    }

    fn deliver(&mut self, node: usize, conn: u64, message: Message) {
        let mut number = None;
        if message.qos == Qos::AtLeastOnce {
            let new = self.broker.number();
            number = Some(new);
            if let Some(session) = &mut self.broker.sessions[node] {
                session.in_flight.push((new, message.clone()));
            }
        }
        self.send_down(node, conn, Down::Publish { number, message });
    }

    pub(crate) fn node_receives(&mut self, node: usize, conn: u64, packet: Down) {
        if self.nodes[node].wire != Some(conn) {
            return;
        }
        match packet {
            Down::Connack { session_present } => self.connected(node, session_present),
            Down::Suback { id, codes } => {
                self.nodes[node].check.suback(id, &codes);
                self.log(|| format!("client {node}: SUBACK {id:?} {codes:?}"));
                self.feed(node, |client, now| client.handle_suback(id, &codes, now));
            }
            Down::Unsuback { id } => self.feed(node, |client, now| client.handle_unsuback(id, now)),
            Down::Puback { id, code } => {
                self.log(|| format!("client {node}: PUBACK {id:?} {code}"));
                self.nodes[node].unacked.retain(|publish| publish.id != id);
                self.nodes[node].check.puback(id, code);
                self.feed(node, |client, now| client.handle_puback(id, code, now));
            }
            Down::Publish { number, message } => {
                self.totals.note(Sum::Messages);
                self.log(|| {
                    let (topic, payload) = (&message.topic, text(&message.payload));
                    format!("client {node}: receives {topic} {payload}")
                });
                self.receive(node, &message.topic, &message.payload);
                if let Some(number) = number {
                    self.send_up(node, Up::Puback { number });
                }
            }
        }
    }

    /// CONNACK: the session repeats what was not acknowledged, then the client goes on.
    fn connected(&mut self, node: usize, session_present: bool) {
        // A CONNECT that was not answered may have begun a new session: that a session is there
        // then proves nothing, and a driver that cannot know has to say that it was lost.
        let (_, doubtful) = std::mem::take(&mut self.nodes[node].unanswered);
        if session_present && doubtful {
            self.totals.note(Fault::DoubtfulSession);
            self.nodes[node].inherited = true;
        }
        let session_present = session_present && !doubtful;
        self.log(|| format!("client {node}: connected, session {session_present}"));
        self.totals.note(Sum::Reconnects);
        let stubborn = self.plan.nodes[node].stubborn;
        let now = self.now;
        let it = &mut self.nodes[node];
        it.phase = Phase::Up;
        if !session_present && !stubborn {
            it.unacked.clear();
        }
        it.unacked
            .retain(|publish| publish.expires.is_none_or(|end| end > now));
        it.check.connected(session_present, now);
        for publish in it.unacked.clone() {
            self.totals.note(match session_present {
                true => Fault::Retransmitted,
                false => Fault::Stubborn,
            });
            let again = true;
            self.send_up(node, Up::Publish { publish, again });
        }
        self.feed(node, |client, now| {
            client.handle_connected(session_present, now);
        });
    }
}
