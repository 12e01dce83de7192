//! Streams of bytes: they arrive in order, in chunks that know nothing of packets, until the connection dies.

use super::{
    totals::{LinkFault, LinkSum},
    world::{Happening, LinkWorld},
};
use std::collections::VecDeque;
use std::time::Duration;
use transport_core::MqttVersion;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    ToBroker,
    ToClient,
}

/// One connection, from its opening to its last byte.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) node: usize,
    to_broker: Stream,
    to_client: Stream,
    /// Whether bytes still get through.
    pub(super) alive: bool,
    /// Whether the client holds it open.
    pub(super) client_open: bool,
    /// Whether the broker does.
    pub(super) broker_open: bool,
    /// What arrived at the broker and is no whole packet yet.
    pub(super) unread: Vec<u8>,
    /// Known from the CONNECT on.
    pub(super) version: Option<MqttVersion>,
    /// Whether a CONNACK accepted it.
    pub(super) accepted: bool,
    /// What the CONNACK said of the session.
    pub(super) present: bool,
    /// Whether the broker said nonsense.
    pub(super) nonsense: bool,
    /// Seconds.
    pub(super) keep_alive: u64,
    /// Whether the client reads: it does not while it has to write first.
    pub(super) paused: bool,
    /// Ids of publishes that the client has to repeat before it sends new ones, in order.
    pub(super) owed: VecDeque<u16>,
}

/// Bytes under way.
#[derive(Debug, Default)]
struct Stream {
    bytes: VecDeque<u8>,
    scheduled: bool,
    /// Lengths of the packets written and not wholly arrived, for the totals.
    packets: VecDeque<usize>,
}

impl Conn {
    fn new(node: usize) -> Self {
        Self {
            node,
            to_broker: Stream::default(),
            to_client: Stream::default(),
            alive: true,
            client_open: true,
            broker_open: true,
            unread: Vec::new(),
            version: None,
            accepted: false,
            present: false,
            nonsense: false,
            keep_alive: 0,
            paused: false,
            owed: VecDeque::new(),
        }
    }

    fn stream(&mut self, way: Way) -> &mut Stream {
        match way {
            Way::ToBroker => &mut self.to_broker,
            Way::ToClient => &mut self.to_client,
        }
    }

    /// Whether the client's last bytes have been taken.
    pub(super) fn is_written(&self) -> bool {
        self.to_broker.bytes.is_empty()
    }
}

impl LinkWorld {
    /// A client opens a connection.
    pub(super) fn open(&mut self, node: usize) {
        if self.nodes[node].conn.is_some() {
            return;
        }
        self.last_conn += 1;
        let conn = self.last_conn;
        self.conns.insert(conn, Conn::new(node));
        self.log(|| format!("client {node}: opens connection {conn}"));
        self.totals.note(LinkSum::Connects);
        let it = &mut self.nodes[node];
        it.conn = Some(conn);
        it.link.handle_opened();
        if let Some(mean) = self.plan.cut {
            let after = self.net.around(mean);
            self.schedule(after, Happening::Cut { node });
        }
        self.settle(node);
    }

    /// Bytes enter a stream.
    pub(super) fn send(&mut self, id: u64, way: Way, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.alive) else {
            return;
        };
        let stream = conn.stream(way);
        stream.bytes.extend(bytes);
        stream.packets.push_back(bytes.len());
        self.flow(id, way);
    }

    /// Sees to it that what is under way arrives.
    pub(super) fn flow(&mut self, id: u64, way: Way) {
        let pause = Duration::from_micros(self.net.between(0, self.plan.pause));
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let held = way == Way::ToClient && conn.paused;
        let stream = conn.stream(way);
        if stream.bytes.is_empty() || stream.scheduled || held {
            return;
        }
        stream.scheduled = true;
        self.schedule(pause, Happening::Arrive { conn: id, way });
    }

    /// A chunk arrives.
    pub(super) fn arrive(&mut self, id: u64, way: Way) {
        let most = match way {
            Way::ToBroker => self.plan.chunks.0,
            Way::ToClient => self.plan.chunks.1,
        };
        let length = self.net.between(1, most) as usize;
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.stream(way).scheduled = false;
        if way == Way::ToClient && conn.paused {
            return;
        }
        self.take(id, way, length);
        self.flow(id, way);
        let Some(conn) = self.conns.get(&id) else {
            return;
        };
        match way {
            Way::ToBroker if !conn.is_written() => {}
            Way::ToBroker if conn.client_open => self.settle(conn.node),
            Way::ToBroker => self.close(id),
            // The last words of the broker come before the end.
            Way::ToClient if !conn.broker_open && conn.to_client.bytes.is_empty() => {
                self.notice(id);
            }
            Way::ToClient => {}
        }
    }

    /// The next bytes of a stream reach their reader.
    fn take(&mut self, id: u64, way: Way, length: usize) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let stream = conn.stream(way);
        let length = length.min(stream.bytes.len());
        if length == 0 {
            return;
        }
        let chunk: Vec<u8> = stream.bytes.drain(..length).collect();
        let (mut rest, mut ends) = (length, 0);
        while let Some(packet) = stream.packets.front_mut() {
            if *packet > rest {
                *packet -= rest;
                break;
            }
            rest -= *packet;
            ends += 1;
            stream.packets.pop_front();
        }
        self.totals.note(LinkSum::Chunks);
        self.totals.add(LinkSum::Bytes, length as u64);
        match way {
            Way::ToBroker => {
                if rest > 0 {
                    self.totals.note(LinkFault::SplitToBroker);
                }
                self.broker_reads(id, &chunk);
            }
            Way::ToClient => {
                if rest > 0 {
                    self.totals.note(LinkFault::SplitToClient);
                }
                if ends > 1 {
                    self.totals.note(LinkFault::JoinedToClient);
                }
                self.client_reads(id, &chunk);
            }
        }
    }

    /// The connection dies: of what is under way some bytes still arrive. Each side notices when it does, or never.
    pub(super) fn cut(&mut self, node: usize) {
        let Some(id) = self.nodes[node].conn else {
            return;
        };
        let Some(conn) = self.conns.get(&id).filter(|conn| conn.alive) else {
            return;
        };
        let keep_alive = conn.keep_alive;
        let silent = keep_alive > 0 && self.fault(self.plan.stall, LinkFault::Stalled);
        if !silent {
            self.totals.note(LinkFault::Cut);
        }
        self.log(|| format!("client {node}: connection {id} is cut, silently: {silent}"));
        for way in [Way::ToBroker, Way::ToClient] {
            let Some(conn) = self.conns.get_mut(&id) else {
                return;
            };
            conn.alive = false;
            let under_way = conn.stream(way).bytes.len();
            let arrives = self.net.between(0, under_way as u64) as usize;
            if !self.conns[&id].paused || way == Way::ToBroker {
                self.take(id, way, arrives);
            }
            let Some(conn) = self.conns.get_mut(&id) else {
                return;
            };
            *conn.stream(way) = Stream::default();
        }
        let broker = match silent {
            true => Duration::from_secs(keep_alive) * 3 / 2,
            false => self.noticing(),
        };
        self.schedule(broker, Happening::Close { conn: id });
        if !silent {
            let client = self.noticing();
            self.schedule(client, Happening::Notice { conn: id });
        }
        // What it had to write is gone, so it can write on, for nothing.
        if self.nodes[node].conn == Some(id) {
            self.settle(node);
        }
    }

    fn noticing(&mut self) -> Duration {
        match self.net.chance(500) {
            true => Duration::ZERO,
            false => self.net.millis(0, 3_000),
        }
    }

    /// A client learns that its connection is over.
    pub(super) fn notice(&mut self, id: u64) {
        let Some(conn) = self.conns.get(&id).filter(|conn| conn.client_open) else {
            return;
        };
        let node = conn.node;
        let it = &mut self.nodes[node];
        if !it.input.is_empty() {
            self.totals.note(LinkFault::CutToClient);
        }
        it.link.handle_closed();
        self.settle(node);
    }

    /// The broker learns that a connection is over: it keeps the session or not.
    pub(super) fn close(&mut self, id: u64) {
        let Some(mut conn) = self.conns.remove(&id) else {
            return;
        };
        if !conn.unread.is_empty() {
            self.totals.note(LinkFault::CutToBroker);
        }
        if conn.broker_open {
            self.connection_ends(conn.node, id, conn.version);
        }
        if conn.client_open {
            self.log(|| format!("broker: connection {id} of client {} is over", conn.node));
            conn.broker_open = false;
            let (alive, idle) = (conn.alive, conn.to_client.bytes.is_empty());
            self.conns.insert(id, conn);
            if alive && idle {
                self.schedule(Duration::ZERO, Happening::Notice { conn: id });
            }
        }
    }

    /// A fault, if it is to happen now.
    pub(super) fn fault(&mut self, per_mille: u32, kind: LinkFault) -> bool {
        let happens = self.net.chance(per_mille);
        if happens {
            self.totals.note(kind);
        }
        happens
    }
}
