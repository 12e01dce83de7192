//! The world: links, broker, service and one clock that jumps to whatever is next.

use super::{
    broker::Session,
    client::Node,
    plan::Plan,
    totals::{LinkSum, LinkTotals},
    wire::{Conn, Way},
};
use crate::{agenda::Agenda, model::Model, rng::Rng};
use shadow_proto::{Instant, ShadowId};
use shadow_service::{Service, Settings};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Far more than any seed needs: a run that goes on is going in circles.
const MOST_STEPS: u64 = 5_000_000;

/// How long after the faults everything has to be in step.
const PROGRESS: Duration = Duration::from_secs(300);

/// When the applications do what only they can do.
const REMEDY: Duration = Duration::from_secs(30);

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Happening {
    /// Some of the bytes under way arrive.
    Arrive { conn: u64, way: Way },
    /// The broker learns that a connection is over.
    Close { conn: u64 },
    /// A client does.
    Notice { conn: u64 },
    /// A connection dies.
    Cut { node: usize },
    /// A client opens a connection.
    Open { node: usize },
    /// A client does something by itself.
    Act { node: usize, life: u32 },
    /// A device tries again to report.
    Report {
        node: usize,
        life: u32,
        shadow: usize,
    },
    /// A request reaches the service.
    Request { topic: Rc<str>, payload: Rc<[u8]> },
    /// The broker sends a PUBACK it held back.
    Puback { conn: u64, id: u16 },
    /// What an application does for what was refused, or lost at QoS 0.
    Remedy { node: usize },
    /// A last plain message for all.
    Farewell,
}

/// One byte-level simulation.
#[derive(Debug)]
pub struct LinkWorld {
    pub(super) plan: Plan,
    pub(super) healed: bool,
    pub(super) now: Instant,
    pub(super) clock: Arc<AtomicU64>,
    /// What the network, the broker and the service draw from.
    pub(super) net: Rng,
    /// What the applications' work is drawn from.
    pub(super) work: Rng,
    pub(super) nodes: Vec<Node>,
    pub(super) conns: BTreeMap<u64, Conn>,
    pub(super) last_conn: u64,
    pub(super) sessions: Vec<Session>,
    pub(super) service: Service,
    pub(super) model: Model,
    /// Marks of reports that ended as surely not applied.
    pub(super) harmless: BTreeSet<u64>,
    /// Plain messages that reached the broker.
    pub(super) plain: BTreeSet<u64>,
    pub(super) totals: LinkTotals,
    agenda: Agenda<Happening>,
    steps: u64,
    trace: bool,
}

impl LinkWorld {
    /// The world of a seed; with `trace`, what happens is printed.
    #[must_use]
    pub fn new(seed: u64, trace: bool) -> Self {
        // Neighbouring seeds share nothing.
        Self::draw(&mut Rng::new(Rng::new(!seed).draw()), trace)
    }

    /// The world of bytes that decide everything as long as they last.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::draw(&mut Rng::from_bytes(bytes), false)
    }

    fn draw(rng: &mut Rng, trace: bool) -> Self {
        let plan = Plan::draw(&mut rng.fork());
        let shadows: Vec<ShadowId> = [None, Some("config")][..plan.shadows]
            .iter()
            .map(|name| ShadowId::new("thing", *name).expect("the names are legal"))
            .collect();
        let mut world = Self {
            healed: false,
            now: Instant::ORIGIN,
            clock: Arc::new(AtomicU64::new(0)),
            net: rng.fork(),
            work: rng.fork(),
            nodes: Vec::new(),
            conns: BTreeMap::new(),
            last_conn: 0,
            sessions: plan.nodes.iter().map(|_| Session::default()).collect(),
            service: Service::new(Settings::default()),
            model: Model::new(&shadows),
            harmless: BTreeSet::new(),
            plain: BTreeSet::new(),
            totals: LinkTotals::default(),
            agenda: Agenda::new(),
            steps: 0,
            trace,
            plan,
        };
        world.totals.note(LinkSum::Seeds);
        if trace {
            println!("{:#?}", world.plan);
        }
        for node in 0..world.plan.nodes.len() {
            let fresh = Node::new(&world, node, 1);
            world.nodes.push(fresh);
            world.begin(node);
            let delay = world.work.millis(0, 1_000);
            world.schedule(delay, Happening::Open { node });
        }
        world
    }

    /// Runs it: chaos, then healing, then the demand that everything is in step.
    ///
    /// # Panics
    /// When a rule is broken.
    #[must_use]
    pub fn run(mut self) -> LinkTotals {
        self.pass(self.plan.chaos);
        self.heal();
        let end = self.now + PROGRESS;
        let mut settled = false;
        while !settled && self.now < end {
            // Once more after it looks well: nothing may come undone.
            settled = self.in_step();
            self.pass(Duration::from_secs(40));
        }
        self.audit();
        self.dismiss();
        self.pass(Duration::from_secs(60));
        self.audit_dismissed();
        let seconds = self.now.since_origin().as_secs();
        self.totals.add(LinkSum::VirtualSeconds, seconds);
        self.totals.add(LinkSum::Steps, self.steps);
        self.totals
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.set_time(end);
    }

    fn set_time(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let nanos = self.now.since_origin().as_nanos() as u64;
        self.clock.store(nanos, Ordering::Relaxed);
    }

    /// Does what is next, if that is before `end`.
    fn step(&mut self, end: Instant) -> bool {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "it goes on and on: a hot loop");
        let event = self.agenda.next();
        let due = |(at, node): (usize, &Node)| Some((node.link.poll_timeout()?, at));
        let timeout = self.nodes.iter().enumerate().filter_map(due).min();
        match (event, timeout) {
            (event, Some((at, node))) if at <= end && event.is_none_or(|event| at < event) => {
                self.set_time(at);
                self.wake(node);
            }
            (Some(event), _) if event <= end => {
                let Some((at, what)) = self.agenda.pop() else {
                    return false;
                };
                self.set_time(at);
                self.happen(what);
            }
            _ => return false,
        }
        true
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Arrive { conn, way } => self.arrive(conn, way),
            Happening::Close { conn } => self.close(conn),
            Happening::Notice { conn } => self.notice(conn),
            // One that was still to come when the network healed does not.
            Happening::Cut { .. } if self.healed => {}
            Happening::Cut { node } => self.cut(node),
            Happening::Open { node } => self.open(node),
            Happening::Act { node, life } => self.act(node, life),
            Happening::Report { node, life, shadow } => self.report_again(node, life, shadow),
            Happening::Request { topic, payload } => self.serve(&topic, &payload),
            Happening::Puback { conn, id } => self.puback(conn, id),
            Happening::Remedy { node } => self.remedy(node),
            Happening::Farewell => self.farewell(),
        }
    }

    pub(super) fn schedule(&mut self, after: Duration, what: Happening) {
        self.agenda.schedule(self.now + after, what);
    }

    /// The faults end.
    fn heal(&mut self) {
        self.log(|| "the network heals".to_owned());
        self.healed = true;
        self.plan = self.plan.healed();
        for node in 0..self.nodes.len() {
            self.schedule(REMEDY, Happening::Remedy { node });
        }
        self.schedule(REMEDY * 2, Happening::Farewell);
    }

    /// Prints a line of the trace.
    pub(super) fn log(&self, line: impl FnOnce() -> String) {
        if self.trace {
            let at = self.now.since_origin();
            println!("{:>5}.{:06} {}", at.as_secs(), at.subsec_micros(), line());
        }
    }
}
