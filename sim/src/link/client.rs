//! A client: its link, and the driver that moves bytes and time.

use super::{
    app::Application,
    totals::{LinkFault, LinkSum},
    wire::Way,
    world::{Happening, LinkWorld},
};
use shadow_proto::{Instant, TokenPrefix};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use transport_core::{
    BytesMut, DisconnectReason, Hub, HubOptions, Link, LinkEvent, ShadowClient,
    mqtt_session::{Input, Session},
};

/// One client, its driver, its application.
#[derive(Debug)]
pub(super) struct Node {
    /// Counts its starts.
    pub(super) life: u32,
    pub(super) client: ShadowClient,
    pub(super) hub: Hub,
    pub(super) link: Link,
    /// The connection it holds open.
    pub(super) conn: Option<u64>,
    /// What it read and did not take.
    pub(super) input: BytesMut,
    /// Whether it does not read before it has written.
    blocked: bool,
    pub(super) app: Application,
    /// Whether its application did what is left to it after the faults.
    pub(super) remedied: bool,
}

impl Node {
    pub(super) fn new(world: &LinkWorld, at: usize, life: u32) -> Self {
        let plan = &world.plan.nodes[at];
        let mut config = plan.config.clone();
        config.token_prefix = TokenPrefix::new(&format!("n{at}l{life}")).expect("it is legal");
        let mut options = plan.options.clone();
        options.client_id = format!("client-{at}");
        let clock = Arc::clone(&world.clock);
        let clock =
            move || Instant::from_origin(Duration::from_nanos(clock.load(Ordering::Relaxed)));
        let (client, hub) = Hub::new(config, HubOptions::default(), Arc::new(clock));
        let session = Session::new(options).expect("the options can be said");
        Self {
            life,
            client,
            link: Link::new(hub.clone(), session),
            hub,
            conn: None,
            input: BytesMut::new(),
            blocked: false,
            app: Application::default(),
            remedied: false,
        }
    }
}

impl LinkWorld {
    /// A client's deadline has come.
    pub(super) fn wake(&mut self, node: usize) {
        let now = self.now;
        let it = &mut self.nodes[node];
        it.link.handle_timeout();
        let next = it.link.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now),
            "client {node}: handle_timeout at {now:?} leaves a deadline at {next:?}"
        );
        self.settle(node);
    }

    /// Bytes reach a client.
    pub(super) fn client_reads(&mut self, id: u64, chunk: &[u8]) {
        let Some(conn) = self.conns.get(&id).filter(|conn| conn.client_open) else {
            return;
        };
        let node = conn.node;
        self.nodes[node].input.extend_from_slice(chunk);
        self.take_input(node);
        self.settle(node);
    }

    fn take_input(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.blocked = it.link.handle_bytes(&mut it.input) == Input::Blocked;
        if it.blocked {
            self.totals.note(LinkFault::Blocked);
        }
        let blocked = it.blocked;
        let Some(id) = it.conn else { return };
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.paused = blocked;
            if !blocked {
                self.flow(id, Way::ToClient);
            }
        }
    }

    /// Does what a driver does after each call, until nothing moves.
    pub(super) fn settle(&mut self, node: usize) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 10_000, "client {node}: it never comes to rest");
            let mut moved = false;
            while let Some(event) = self.nodes[node].link.poll_event() {
                self.link_event(node, event);
                moved = true;
            }
            moved |= self.write(node);
            moved |= self.run_application(node);
            if !moved {
                return;
            }
        }
    }

    /// Writes what the link has to say, once what it said last has gone out.
    fn write(&mut self, node: usize) -> bool {
        let it = &mut self.nodes[node];
        let Some(id) = it.conn else { return false };
        let conn = &self.conns[&id];
        if conn.alive && !conn.is_written() {
            return false;
        }
        let mut output = BytesMut::new();
        it.link.write_output(&mut output);
        self.send(id, Way::ToBroker, &output);
        if !self.nodes[node].blocked {
            return !output.is_empty();
        }
        if output.is_empty() {
            // Everything is written, so there is room.
            let before = self.nodes[node].input.len();
            self.take_input(node);
            let it = &self.nodes[node];
            assert!(
                !it.blocked || it.input.len() < before,
                "client {node}: blocked for ever"
            );
        }
        true
    }

    fn link_event(&mut self, node: usize, event: LinkEvent) {
        self.log(|| format!("client {node}: {event:?}"));
        let Some(id) = self.nodes[node].conn else {
            panic!("client {node}: {event:?} without a connection");
        };
        match event {
            LinkEvent::Connected(connected) => {
                let conn = &self.conns[&id];
                assert_eq!(
                    (true, connected.session_present),
                    (conn.accepted, conn.present),
                    "client {node}: what the CONNACK said"
                );
                return;
            }
            LinkEvent::Refused(_) => {}
            LinkEvent::Disconnected(reason) => {
                let nonsense = self.conns[&id].nonsense;
                match reason {
                    DisconnectReason::PingTimeout => self.totals.note(LinkFault::PingTimeout),
                    DisconnectReason::ConnackTimeout => {
                        self.totals.note(LinkFault::ConnackTimeout);
                    }
                    DisconnectReason::Protocol(error) => {
                        assert!(nonsense, "client {node} takes offence: {error}");
                    }
                    _ => {}
                }
            }
        }
        self.leave(node, id);
    }

    /// A client's connection is over: it says what it has still to say, and comes back later.
    fn leave(&mut self, node: usize, id: u64) {
        let it = &mut self.nodes[node];
        let mut output = BytesMut::new();
        it.link.write_output(&mut output);
        it.input.clear();
        it.conn = None;
        it.blocked = false;
        self.send(id, Way::ToBroker, &output);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.client_open = false;
            let (alive, written) = (conn.alive, conn.is_written());
            if !conn.broker_open {
                self.conns.remove(&id);
            } else if alive && written {
                self.schedule(Duration::ZERO, Happening::Close { conn: id });
            }
        }
        if self.net.chance(self.plan.restart) {
            self.restart(node);
        }
        let away = match self.net.chance(150) {
            true => self.net.millis(1_000, 8_000),
            false => self.net.millis(5, 1_000),
        };
        self.schedule(away, Happening::Open { node });
    }

    /// The program of a client ends and starts again; the broker keeps the session, or not.
    fn restart(&mut self, node: usize) {
        self.totals.note(LinkFault::Restarted);
        self.log(|| format!("client {node}: restarts"));
        let life = self.nodes[node].life;
        self.nodes[node].hub.finish();
        // What a stream still holds may make it ask once more.
        while self.run_application(node) {}
        let it = &self.nodes[node];
        assert!(
            it.app.is_idle(),
            "client {node}: no outcome although the client has stopped"
        );
        self.sessions[node].client_restarts();
        let fresh = Node::new(self, node, life + 1);
        self.nodes[node] = fresh;
        self.begin(node);
    }

    pub(super) fn begin(&mut self, node: usize) {
        self.totals.note(LinkSum::Clients);
        self.start_application(node);
        let life = self.nodes[node].life;
        let after = self.work.around(self.plan.nodes[node].pace);
        self.schedule(after, Happening::Act { node, life });
    }
}
