//! The world: clients, broker, service and one clock that jumps to whatever is next.

use crate::{
    agenda::Agenda,
    broker::{Broker, Message},
    cloud::{Cloud, Request},
    model::Model,
    net::{Down, Up},
    node::Node,
    plan::{Faults, Plan},
    rng::Rng,
    totals::{Fault, Sum, Totals},
};
use shadow_proto::Instant;
use std::time::Duration;

/// Far more than any seed needs: a run that goes on is going in circles.
const MOST_STEPS: u64 = 2_000_000;

/// How long after the faults everything has to be in step, at least.
const PROGRESS: Duration = Duration::from_secs(300);

/// How many times in a row a request may be refused without a word to whom: a rejection without
/// token ends no request, so each costs its client the time it waits for an answer.
const REFUSALS: u32 = 16;

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A packet reaches the broker.
    ToBroker { node: usize, conn: u64, packet: Up },
    /// A packet reaches a client.
    ToNode {
        node: usize,
        conn: u64,
        packet: Down,
    },
    /// The broker passes a message on to a session.
    FanOut {
        node: usize,
        generation: u64,
        message: Message,
    },
    /// A request reaches the service.
    Request(Request),
    /// The service takes a request up.
    Serve { request: Request, start: u32 },
    /// The service goes away.
    ServiceStops,
    /// The service is back.
    ServiceStarts,
    /// The network cuts a client's connection.
    Cut { node: usize },
    /// A client notices that its connection is dead.
    NodeNotices { node: usize, conn: u64 },
    /// The broker notices it.
    BrokerNotices { node: usize, conn: u64 },
    /// A client connects.
    Connect { node: usize },
    /// A client does something by itself.
    Act { node: usize, life: u32 },
    /// A device tries again to report.
    Report { node: usize, life: u32, held: usize },
    /// A driver says that a SUBSCRIBE or publish could not be sent.
    Failed {
        node: usize,
        life: u32,
        what: Unsent,
    },
    /// A driver polls outputs again.
    Unstall { node: usize },
    /// A foreign client publishes something.
    Foreign,
    /// An application does what is left to it after the faults.
    Remedy { node: usize },
}

/// What a driver could not send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unsent {
    Subscribe(shadow_proto::SubscribeId),
    Publish(shadow_proto::PublishId),
}

/// One simulation.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Instant,
    pub(crate) faults: Faults,
    /// Whether the faults are over.
    pub(crate) healed: bool,
    /// What the network and the broker draw from.
    pub(crate) net: Rng,
    /// What the clients' work is drawn from.
    pub(crate) work: Rng,
    pub(crate) nodes: Vec<Node>,
    pub(crate) broker: Broker,
    pub(crate) cloud: Cloud,
    pub(crate) model: Model,
    pub(crate) totals: Totals,
    agenda: Agenda<Happening>,
    steps: u64,
    trace: bool,
}

impl World {
    /// The world of a seed; with `trace`, what happens is printed.
    #[must_use]
    pub fn new(seed: u64, trace: bool) -> Self {
        // Neighbouring seeds share nothing.
        let mut rng = Rng::new(Rng::new(seed).draw());
        let plan = Plan::draw(&mut rng.fork());
        Self::with_plan(plan, &mut rng, trace)
    }

    /// A world where something is decided by hand.
    #[must_use]
    pub fn with_plan(plan: Plan, rng: &mut Rng, trace: bool) -> Self {
        let mut world = Self {
            now: Instant::ORIGIN,
            faults: plan.faults.clone(),
            healed: false,
            net: rng.fork(),
            work: rng.fork(),
            nodes: Vec::new(),
            broker: Broker::new(plan.nodes.len()),
            cloud: Cloud::new(plan.settings.clone()),
            model: Model::new(&plan.shadows),
            totals: Totals::default(),
            agenda: Agenda::new(),
            steps: 0,
            trace,
            plan,
        };
        world.totals.note(Sum::Seeds);
        world.log(|| "the plan".to_owned());
        if trace {
            println!("{:#?}", world.plan);
        }
        for at in 0..world.plan.nodes.len() {
            let node = Node::new(at, &world.plan);
            world.nodes.push(node);
            world.start(at);
            let delay = world.work.millis(0, 2_000);
            world.schedule(world.now + delay, Happening::Connect { node: at });
        }
        if world.plan.foreign.is_some() {
            world.schedule(world.now, Happening::Foreign);
        }
        if let Some(mean) = world.faults.service_restart {
            let at = world.now + world.net.around(mean);
            world.schedule(at, Happening::ServiceStops);
        }
        world
    }

    /// Runs it: chaos, then healing, then the demand that everything is in step.
    ///
    /// # Panics
    /// When a rule is broken.
    #[must_use]
    pub fn run(mut self) -> Totals {
        let end = Instant::ORIGIN + self.plan.chaos;
        while self.step(end) {}
        self.now = self.now.max(end);
        self.heal();
        let healed = self.now;
        let mut settled = false;
        let progress = self.progress();
        while !settled && self.now < healed + progress {
            // Once more after it looks well: nothing may come undone.
            settled = self.in_step();
            self.pass(Duration::from_secs(50));
        }
        self.audit();
        self.dismiss();
        self.pass(PROGRESS);
        self.audit_dismissed();
        self.finish()
    }

    /// How long after the faults everything has to be in step.
    fn progress(&self) -> Duration {
        let settings = &self.plan.settings;
        if settings.rate.is_none() || settings.behaviour.echo_throttled_token {
            return PROGRESS;
        }
        // The service goes on to refuse what exceeds its rate, which its clients do not know, and
        // does not say whom: until their backoff outgrows its rate, each try ends as timed out.
        let configs = self.plan.nodes.iter().map(|node| &node.config);
        let waits = configs.map(|config| config.response_timeout + config.backoff.max);
        let longest = waits.max().unwrap_or_default();
        PROGRESS.max(longest * REFUSALS)
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Whether nothing is under way, but for what comes again and again.
    pub(crate) fn is_quiet(&self) -> bool {
        let ages = |node: &Node| node.client.config().resync.max_age.is_some();
        let waits = |node: &Node| node.client.poll_timeout().is_some();
        let again = self.nodes.iter().any(ages);
        (again || self.agenda.is_empty())
            && !self.nodes.iter().any(|node| waits(node) && !ages(node))
    }

    /// Does what is next, if that is before `end`.
    fn step(&mut self, end: Instant) -> bool {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "it goes on and on: a hot loop");
        let event = self.agenda.next();
        let timeout = self
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(at, node)| Some((node.wakes()?, at)))
            .min();
        match (event, timeout) {
            (event, Some((at, node))) if at <= end && event.is_none_or(|event| at < event) => {
                self.now = self.now.max(at);
                self.wake(node);
            }
            (Some(event), _) if event <= end => {
                let Some((at, what)) = self.agenda.pop() else {
                    return false;
                };
                self.now = self.now.max(at);
                self.happen(what);
            }
            _ => return false,
        }
        true
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::ToBroker { node, conn, packet } => self.broker_receives(node, conn, packet),
            Happening::ToNode { node, conn, packet } => self.node_receives(node, conn, packet),
            Happening::FanOut {
                node,
                generation,
                message,
            } => self.pass_on(node, generation, message),
            Happening::Request(request) => self.request_arrives(request),
            Happening::Serve { request, start } => self.serve(&request, start),
            Happening::ServiceStops => {
                self.service_stops();
                if let Some(mean) = self.faults.service_restart {
                    let at = self.now + self.net.around(mean);
                    self.schedule(at, Happening::ServiceStops);
                }
            }
            Happening::ServiceStarts => self.service_starts(),
            // One that was still to come when the network healed does not.
            Happening::Cut { .. } if self.healed => {}
            Happening::Cut { node } => self.cut(node),
            Happening::NodeNotices { node, conn } => self.node_notices(node, conn),
            Happening::BrokerNotices { node, conn } => self.broker_notices(node, conn),
            Happening::Connect { node } => self.connect(node),
            Happening::Act { node, life } => self.act(node, life),
            Happening::Report { node, life, held } => self.report_again(node, life, held),
            Happening::Failed { node, life, what } => self.driver_failed(node, life, what),
            Happening::Unstall { node } => self.unstall(node),
            Happening::Foreign => self.foreign(),
            Happening::Remedy { node } => self.remedy(node),
        }
    }

    pub(crate) fn schedule(&mut self, at: Instant, what: Happening) {
        self.agenda.schedule(at, what);
    }

    /// A fault of the network, if it is to happen now.
    pub(crate) fn fault(&mut self, per_mille: u32, kind: Fault) -> bool {
        let happens = self.net.chance(per_mille);
        if happens {
            self.totals.note(kind);
        }
        happens
    }

    /// Prints a line of the trace.
    pub(crate) fn log(&self, line: impl FnOnce() -> String) {
        if self.trace {
            let at = self.now.since_origin();
            println!("{:>5}.{:06} {}", at.as_secs(), at.subsec_micros(), line());
        }
    }

    fn finish(mut self) -> Totals {
        for at in 0..self.nodes.len() {
            self.count_stats(at);
        }
        let seconds = self.now.since_origin().as_secs();
        self.totals.add(Sum::VirtualSeconds, seconds);
        self.totals.add(Sum::Steps, self.steps);
        self.totals
    }
}
