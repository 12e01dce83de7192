//! A client with its driver and its application.

use crate::{
    checker::NodeCheck,
    held::Held,
    net::{Outbound, Up},
    plan::{Plan, Role},
    totals::{Fault, Happened, Sum},
    world::{Happening, Unsent, World},
};
use shadow_proto::{AddError, Client, Instant, Output, PublishId, Qos, RequestId, TokenPrefix};
use std::rc::Rc;
use std::time::Duration;

/// Whether a client has a connection, in its own eyes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Down,
    Connecting,
    Up,
}

/// One client, its driver, its application.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: Role,
    /// Counts its starts.
    pub(crate) life: u32,
    pub(crate) client: Client,
    pub(crate) phase: Phase,
    /// The last connection it made.
    pub(crate) conn: u64,
    /// The connection that works, if there is one.
    pub(crate) wire: Option<u64>,
    /// When the last packet arrives: a connection keeps their order.
    pub(crate) up_at: Instant,
    pub(crate) down_at: Instant,
    /// Whether its last CONNECT was not answered, and whether that is so of the one before.
    pub(crate) unanswered: (bool, bool),
    /// Whether cuts of its connection are under way.
    pub(crate) cuts: bool,
    /// QoS 1 publishes that its MQTT session repeats.
    pub(crate) unacked: Vec<Rc<Outbound>>,
    /// Whether its driver takes no outputs for now.
    pub(crate) stalled: bool,
    /// Whether outputs are being taken: some that come next may be outcomes.
    pub(crate) draining: bool,
    /// Whether it ever stalled in this life, which makes times inexact.
    pub(crate) dozed: bool,
    lateness: Duration,
    /// Whether its session may have filters of an earlier life.
    pub(crate) inherited: bool,
    pub(crate) held: Vec<Held>,
    pub(crate) check: NodeCheck,
    /// Whether its application did what is left to it after the faults.
    pub(crate) remedied: bool,
}

impl Node {
    pub(crate) fn new(at: usize, plan: &Plan) -> Self {
        let node = &plan.nodes[at];
        Self {
            role: node.role,
            life: 0,
            client: Client::new(node.config.clone()),
            phase: Phase::Down,
            conn: 0,
            wire: None,
            up_at: Instant::ORIGIN,
            down_at: Instant::ORIGIN,
            unanswered: (false, false),
            cuts: false,
            unacked: Vec::new(),
            stalled: false,
            draining: false,
            remedied: false,
            dozed: false,
            lateness: Duration::from_millis(node.lateness),
            inherited: false,
            held: Vec::new(),
            check: NodeCheck::default(),
        }
    }

    /// When its driver wakes for a deadline.
    pub(crate) fn wakes(&self) -> Option<Instant> {
        Some(self.client.poll_timeout()? + self.lateness)
    }
}

impl World {
    /// A life of a client begins: the program starts, adds its shadows, and knows nothing of before.
    pub(crate) fn start(&mut self, node: usize) {
        let plan = &self.plan.nodes[node];
        let life = self.nodes[node].life + 1;
        let mut config = plan.config.clone();
        // Some prefixes begin with another on purpose: "n11" and "n112".
        let prefix = format!("n{}{life}", node + 1);
        config.token_prefix = TokenPrefix::new(&prefix).expect("the prefix is legal");
        self.totals.note(Sum::Clients);
        let check = NodeCheck::new(&config);
        let it = &mut self.nodes[node];
        it.life = life;
        it.client = Client::new(config);
        it.held = Vec::new();
        it.check = check;
        (it.stalled, it.dozed) = (false, false);
        self.add_shadows(node);
        self.act_later(node);
        self.after(node);
    }

    /// A life of a client begins where the one before ended: all that is lost is what was under way.
    fn start_from(&mut self, node: usize, snapshot: &str) {
        let life = self.nodes[node].life + 1;
        let mut config = self.plan.nodes[node].config.clone();
        let prefix = format!("n{}{life}", node + 1);
        config.token_prefix = TokenPrefix::new(&prefix).expect("the prefix is legal");
        self.totals.note(Sum::Clients);
        let it = &mut self.nodes[node];
        let mut check = NodeCheck::new(&config);
        check.goes_on_from(&it.check);
        it.check = check;
        it.life = life;
        it.client = Client::restore(config, snapshot).expect("a snapshot is restored");
        (it.stalled, it.dozed) = (false, false);
        for at in 0..self.nodes[node].held.len() {
            let shadow = &self.plan.shadows[self.nodes[node].held[at].shadow];
            let it = &mut self.nodes[node];
            let handle = it
                .client
                .find_shadow(shadow)
                .expect("it was in the snapshot");
            it.held[at].goes_on_as(handle);
            self.report_later(node, at);
        }
        self.act_later(node);
        self.after(node);
    }

    fn act_later(&mut self, node: usize) {
        let life = self.nodes[node].life;
        let pace = self.plan.nodes[node].pace;
        let at = self.now + self.work.around(pace);
        self.schedule(at, Happening::Act { node, life });
    }

    fn add_shadows(&mut self, node: usize) {
        let now = self.now;
        let plan = &self.plan.nodes[node];
        for (shadow, interest) in plan.shadows.clone() {
            let id = self.plan.shadows[shadow].clone();
            match self.nodes[node].client.add_shadow(id, interest, now) {
                Ok(handle) => {
                    let held = Held::new(shadow, handle, interest);
                    self.nodes[node].held.push(held);
                }
                Err(AddError::Budget(_)) => self.totals.note(Happened::Budget),
                Err(error) => panic!("client {node}: a shadow is not added: {error}"),
            }
        }
    }

    /// The program of a client ends without a word and starts again.
    pub(crate) fn restart(&mut self, node: usize) {
        self.count_stats(node);
        let keeps = self.net.chance(700);
        if keeps {
            self.totals.note(Fault::ClientRestart);
            self.nodes[node].inherited = true;
        } else {
            self.totals.note(Fault::ClientReplaced);
            self.broker.sessions[node] = None;
            self.nodes[node].inherited = false;
        }
        let snapshot = keeps && self.plan.snapshots;
        self.log(|| {
            let from = if snapshot { ", from a snapshot" } else { "" };
            format!("client {node}: restarts, session kept: {keeps}{from}")
        });
        if self.net.chance(700) {
            // Its MQTT session was in memory, too.
            self.nodes[node].unacked.clear();
        }
        if snapshot {
            self.totals.note(Fault::ClientRestored);
            let snapshot = self.nodes[node].client.snapshot();
            self.start_from(node, &snapshot);
        } else {
            self.start(node);
        }
    }

    pub(crate) fn count_stats(&mut self, node: usize) {
        let stats = *self.nodes[node].client.stats();
        for (kind, count) in [
            (Happened::Retry, stats.retries),
            (Happened::Merged, stats.merged),
            (Happened::DuplicateDropped, stats.duplicates),
            (Happened::OldDropped, stats.old),
        ] {
            self.totals.add(kind, count);
        }
        self.totals.add(Sum::Requests, stats.requests);
        self.totals.add(Sum::Published, stats.publishes);
        self.totals.add(Sum::Resyncs, stats.resyncs);
        self.totals.add(Sum::Deltas, stats.deltas);
    }

    /// Tells a client something, and does what it then wants.
    pub(crate) fn feed<R>(
        &mut self,
        node: usize,
        what: impl FnOnce(&mut Client, Instant) -> R,
    ) -> R {
        let now = self.now;
        let result = what(&mut self.nodes[node].client, now);
        self.after(node);
        result
    }

    /// A message reaches a client.
    pub(crate) fn receive(&mut self, node: usize, topic: &str, payload: &[u8]) {
        self.nodes[node].check.receives(topic, payload, &self.model);
        let now = self.now;
        // What is left of an earlier life, or of a shadow that was removed, is nobody's.
        let _ = self.nodes[node].client.handle_publish(topic, payload, now);
        self.after(node);
    }

    /// A client's deadline has come.
    pub(crate) fn wake(&mut self, node: usize) {
        let now = self.now;
        let it = &mut self.nodes[node];
        if !it.lateness.is_zero() {
            self.totals.note(Fault::LateWake);
        }
        it.client.handle_timeout(now);
        let next = it.client.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now),
            "client {node}: handle_timeout at {now:?} leaves a deadline at {next:?}"
        );
        self.after(node);
    }

    /// Takes out what a client wants done.
    pub(crate) fn after(&mut self, node: usize) {
        self.check_bounds(node);
        if self.nodes[node].stalled {
            return;
        }
        if !self.healed && self.fault(self.faults.stall, Fault::Stalled) {
            self.log(|| format!("client {node}: its driver stalls"));
            (self.nodes[node].stalled, self.nodes[node].dozed) = (true, true);
            let at = self.now + self.net.millis(10, 2_000);
            self.schedule(at, Happening::Unstall { node });
            return;
        }
        self.drain(node);
    }

    pub(crate) fn unstall(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].stalled) {
            self.drain(node);
        }
    }

    fn drain(&mut self, node: usize) {
        self.nodes[node].draining = true;
        while let Some(output) = self.nodes[node].client.poll_output() {
            self.act_on(node, output);
        }
        self.nodes[node].draining = false;
        self.nodes[node].check.unpolled = 0;
        self.check_silence(node);
    }

    fn act_on(&mut self, node: usize, output: Output) {
        match output {
            Output::Event(event) => self.event(node, event),
            Output::Subscribe { id, filters, qos } => {
                let filters: Vec<Rc<str>> =
                    filters.iter().map(|filter| (&**filter).into()).collect();
                self.log(|| format!("client {node}: SUBSCRIBE {id:?} {filters:?} {qos:?}"));
                self.nodes[node].check.subscribes(id, &filters);
                if self.fault(self.faults.fail_subscribe, Fault::SubscribeFailed) {
                    self.driver_fails(node, Unsent::Subscribe(id));
                } else {
                    self.send_up(node, Up::Subscribe { id, filters, qos });
                }
            }
            Output::Unsubscribe { id, filters } => {
                let filters: Vec<Rc<str>> =
                    filters.iter().map(|filter| (&**filter).into()).collect();
                self.log(|| format!("client {node}: UNSUBSCRIBE {id:?} {filters:?}"));
                self.nodes[node].check.unsubscribes(id, &filters);
                if self.fault(self.faults.fail_subscribe, Fault::SubscribeFailed) {
                    self.driver_fails(node, Unsent::Subscribe(id));
                } else {
                    self.send_up(node, Up::Unsubscribe { id, filters });
                }
            }
            Output::Publish {
                id,
                request,
                topic,
                payload,
                qos,
                expiry,
            } => {
                self.log(|| {
                    let payload = crate::cloud::text(&payload);
                    format!("client {node}: PUBLISH {request:?} {topic} {payload} {qos:?}")
                });
                let answered = self.check_publish(node, id, request, &topic, &payload);
                if qos == Qos::AtLeastOnce || answered {
                    // A publish-only one at QoS 0 is over once polled: it cannot fail any more.
                    if self.fault(self.faults.fail_send, Fault::SendFailed) {
                        self.nodes[node].check.send_failed(request);
                        self.driver_fails(node, Unsent::Publish(id));
                        return;
                    }
                }
                self.send_publish(node, id, request, &topic, &payload, qos, expiry, answered);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one output")]
    fn send_publish(
        &mut self,
        node: usize,
        id: PublishId,
        _: RequestId,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        expiry: Option<Duration>,
        answered: bool,
    ) {
        let publish = Rc::new(Outbound {
            id,
            topic: topic.into(),
            payload: payload.into(),
            qos,
            expires: expiry.map(|expiry| self.now + expiry),
            answered,
        });
        if qos == Qos::AtLeastOnce {
            self.nodes[node].unacked.push(publish.clone());
        }
        let again = false;
        self.send_up(node, Up::Publish { publish, again });
    }

    /// The driver reports what it could not send, a little later.
    fn driver_fails(&mut self, node: usize, what: Unsent) {
        let at = self.now + self.net.millis(0, 50);
        let life = self.nodes[node].life;
        self.schedule(at, Happening::Failed { node, life, what });
    }

    pub(crate) fn driver_failed(&mut self, node: usize, life: u32, what: Unsent) {
        if self.nodes[node].life != life {
            return;
        }
        self.log(|| format!("client {node}: not sent: {what:?}"));
        match what {
            Unsent::Subscribe(id) => self.nodes[node].check.subscribe_failed(id),
            Unsent::Publish(id) => self.nodes[node].check.not_sent(id),
        }
        self.feed(node, |client, now| match what {
            Unsent::Subscribe(id) => client.handle_subscribe_failed(id, now),
            Unsent::Publish(id) => client.handle_send_failed(id, now),
        });
    }

    /// Whether a shadow is still held in this life.
    pub(crate) fn held_of(&self, node: usize, handle: shadow_proto::ShadowHandle) -> Option<usize> {
        let held = &self.nodes[node].held;
        held.iter().position(|held| held.handle == handle)
    }
}
