//! The network between clients and broker: packets in order on a connection that may die, and what each side makes of it.

mod passing;

use crate::{
    broker::Message,
    cloud::text,
    node::Phase,
    totals::{Fault, Sum},
    world::{Happening, World},
};
use shadow_proto::{Instant, PubackCode, PublishId, Qos, SubackCode, SubscribeId};
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
