//! What a seed decides beforehand: who is there, how they are configured, what goes wrong how often.

use crate::rng::Rng;
use shadow_proto::{
    Backoff, Budget, Config, Interest, Qos, Rate, Rates, Resync, ResyncPolicy, ShadowId,
    Subscriptions, TokenPrefix, Window,
};
use shadow_service::{DeltaPolicy, MessageOrder, Refusal, Settings};
use std::time::Duration;

/// How often things go wrong; per mille where nothing else is said. A fault that a seed leaves out is 0: a run with
/// few kinds of faults reaches states that a run with all of them never does.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Delay of the wire, milliseconds from and to.
    pub wire: (u64, u64),
    /// Delay inside the broker, milliseconds at most. Messages of different topics overtake each other by it.
    pub broker: u64,
    /// Whether messages of one topic overtake each other, too.
    pub overtake: bool,
    /// A message waits for seconds.
    pub delayed: u32,
    /// A QoS 1 message is passed on twice.
    pub duplicate: u32,
    /// A QoS 0 message is lost.
    pub loss: u32,
    /// Mean time between two cuts of one client's connection.
    pub cut: Option<Duration>,
    /// A cut lasts for long.
    pub long_outage: u32,
    /// The session is gone at a connect.
    pub session_loss: u32,
    /// A driver says `connected` without having said `disconnected`.
    pub second_connect: u32,
    /// A filter is refused for a while.
    pub refuse_filter: u32,
    /// A SUBACK is withheld.
    pub withhold_suback: u32,
    /// An UNSUBACK is withheld.
    pub withhold_unsuback: u32,
    /// A PUBACK is lost.
    pub lose_puback: u32,
    /// A publish is refused by the broker.
    pub refuse_publish: u32,
    /// A driver cannot send a SUBSCRIBE or UNSUBSCRIBE.
    pub fail_subscribe: u32,
    /// A driver cannot send a publish.
    pub fail_send: u32,
    /// A driver does not take outputs for a while.
    pub stall: u32,
    /// A client is restarted, at each cut.
    pub restart: u32,
    /// What the service does with requests and answers.
    pub service: shadow_service::Faults,
    /// 500 by the store.
    pub fail_store: u32,
    /// Mean time between two restarts of the service.
    pub service_restart: Option<Duration>,
    /// Whether requests wait while the service is away, else they are lost.
    pub service_backlog: bool,
}

impl Faults {
    fn draw(rng: &mut Rng) -> Self {
        let mut rate = |on: u32, most: u64| {
            if rng.chance(on) {
                rng.between(1, most) as u32
            } else {
                0
            }
        };
        let mut faults = Self {
            delayed: rate(400, 30),
            duplicate: rate(500, 200),
            loss: rate(500, 300),
            long_outage: rate(400, 300),
            session_loss: rate(500, 700),
            second_connect: rate(300, 500),
            refuse_filter: rate(300, 60),
            withhold_suback: rate(400, 100),
            withhold_unsuback: rate(300, 200),
            lose_puback: rate(400, 100),
            refuse_publish: rate(300, 60),
            fail_subscribe: rate(300, 100),
            fail_send: rate(300, 40),
            stall: rate(300, 40),
            restart: rate(300, 300),
            ..Self::default()
        };
        let throttle = rate(400, 150);
        faults.service.nameless = rate(400, 700);
        let fail = rate(400, 100);
        faults.service.refuse = [(429, throttle), (500, fail)]
            .into_iter()
            .filter_map(|(code, often)| Refusal::new(code, often))
            .collect();
        faults.service.fail_applied = rate(300, 60);
        faults.fail_store = rate(300, 60);
        faults.service.swallow = rate(400, 60);
        faults.service.lose_answer = rate(400, 60);
        let wire = *rng.pick(&[(0, 0), (1, 5), (5, 60), (20, 400), (1, 1500)]);
        faults.wire = wire;
        faults.broker = *rng.pick(&[0, 2, 30, 300, 1500]);
        faults.overtake = rng.chance(250);
        faults.cut = rng
            .chance(700)
            .then(|| Duration::from_millis(rng.between(1_000, 30_000)));
        faults.service_restart = rng
            .chance(350)
            .then(|| Duration::from_millis(rng.between(3_000, 30_000)));
        faults.service_backlog = rng.chance(500);
        faults
    }

    /// The faults once the network has healed: messages take their time, nothing else.
    #[must_use]
    pub fn healed(&self) -> Self {
        Self {
            wire: (self.wire.0.min(50), self.wire.1.min(200)),
            broker: self.broker.min(50),
            service_backlog: true,
            ..Self::default()
        }
    }
}

/// What a client is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Applies every delta and reports it.
    Device,
    /// Sets what it wants, asks, deletes.
    Application,
    /// Follows the documents.
    Watcher,
    /// Reports values and subscribes nothing: publish-only.
    Sensor,
}

/// One client.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// What it is for.
    pub role: Role,
    /// Its configuration, all but the token prefix, which each life has its own of.
    pub config: Config,
    /// The shadows it has, as indexes into [`Plan::shadows`], and its interest in each.
    pub shadows: Vec<(usize, Interest)>,
    /// Whether each connect begins a new session.
    pub clean: bool,
    /// Whether its MQTT session repeats publishes even though the server lost the session.
    pub stubborn: bool,
    /// How late its driver wakes at most, in milliseconds.
    pub lateness: u64,
    /// Mean time between two things it does by itself.
    pub pace: Duration,
}

/// Everything that a seed decides beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long faults and work go on.
    pub chaos: Duration,
    /// What goes wrong.
    pub faults: Faults,
    /// The shadows that anybody speaks of.
    pub shadows: Vec<ShadowId>,
    /// The clients.
    pub nodes: Vec<NodePlan>,
    /// The service's settings.
    pub settings: Settings,
    /// Whether it refuses more than 10 requests in flight per thing.
    pub in_flight: Option<u32>,
    /// How long it takes to serve a request, milliseconds at most.
    pub serving: u64,
    /// By how many milliseconds the clocks of its hosts are ahead.
    pub clocks: Vec<u64>,
    /// Mean time between two messages of foreign clients.
    pub foreign: Option<Duration>,
    /// Whether foreign clients may publish to response topics (not on AWS, but on brokers of one's own).
    pub poison: bool,
    /// Whether clients that start again in a surviving session go on from a snapshot.
    pub snapshots: bool,
}

impl Plan {
    /// What a seed decides.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let faults = Faults::draw(rng);
        let shadows = draw_shadows(rng);
        let short_memory = rng.chance(350);
        let mut settings = Settings::default();
        settings.limits.max_document_bytes = 1024;
        if rng.chance(300) {
            settings.rate = Some(*rng.pick(&[
                shadow_service::Rate::AWS,
                shadow_service::Rate::new(5, 5),
                shadow_service::Rate::new(2, 1),
            ]));
        }
        if rng.chance(500) {
            settings.order = MessageOrder::Shuffled { seed: rng.draw() };
        }
        if rng.chance(300) {
            settings.behaviour.delta = DeltaPolicy::WhenChanged;
        }
        settings.behaviour.echo_throttled_token = rng.chance(700);
        settings.behaviour.delete_takes_version = rng.chance(700);
        if short_memory {
            settings.tombstone = Duration::from_secs(5);
        }
        let count = rng.between(1, 4) as usize + 1;
        let nodes = (0..count)
            .map(|at| NodePlan::draw(rng, at, &shadows, short_memory))
            .collect();
        Self {
            chaos: Duration::from_secs(if short_memory {
                rng.between(60, 150)
            } else {
                rng.between(5, 60)
            }),
            faults,
            shadows,
            nodes,
            settings,
            in_flight: rng.chance(400).then_some(10),
            serving: *rng.pick(&[0, 5, 100, 1000]),
            clocks: match rng.chance(400) {
                true => vec![0, rng.between(0, 2000), rng.between(0, 2000)],
                false => vec![0],
            },
            foreign: rng
                .chance(600)
                .then(|| Duration::from_millis(rng.between(300, 10_000))),
            poison: rng.chance(300),
            snapshots: rng.chance(600),
        }
    }
}

fn draw_shadows(rng: &mut Rng) -> Vec<ShadowId> {
    let things = rng.between(1, 2);
    let mut shadows = Vec::new();
    for thing in 0..things {
        let thing = format!("thing-{thing}");
        let names: &[Option<&str>] = match rng.below(4) {
            0 | 1 => &[None],
            2 => &[None, Some("config")],
            _ => &[Some("get"), Some("config")],
        };
        for name in names {
            shadows.push(ShadowId::new(&thing, *name).expect("the names are legal"));
        }
    }
    shadows
}

impl NodePlan {
    fn draw(rng: &mut Rng, at: usize, shadows: &[ShadowId], short_memory: bool) -> Self {
        let role = match at {
            0 => Role::Device,
            1 => Role::Application,
            _ => *rng.pick(&[
                Role::Device,
                Role::Device,
                Role::Application,
                Role::Application,
                Role::Watcher,
                Role::Watcher,
                Role::Sensor,
            ]),
        };
        let config = draw_config(rng, role, short_memory);
        let mut held: Vec<(usize, Interest)> = Vec::new();
        for shadow in 0..shadows.len() {
            if rng.chance(800) {
                held.push((shadow, draw_interest(rng, role)));
            }
        }
        if held.is_empty() {
            held.push((rng.index(shadows.len()), draw_interest(rng, role)));
        }
        Self {
            role,
            config,
            shadows: held,
            clean: rng.chance(300),
            stubborn: rng.chance(300),
            lateness: *rng.pick(&[0, 0, 1, 50]),
            pace: Duration::from_millis(match role {
                Role::Device | Role::Sensor => rng.between(500, 10_000),
                Role::Application => rng.between(100, 3_000),
                Role::Watcher => rng.between(2_000, 20_000),
            }),
        }
    }
}

fn draw_interest(rng: &mut Rng, role: Role) -> Interest {
    let delete = Interest::DELETE_ACCEPTED;
    match role {
        Role::Device => match rng.below(4) {
            0 | 1 => Interest::DELTA,
            2 => Interest::DELTA | delete,
            _ => Interest::ALL,
        },
        Role::Watcher => match rng.below(3) {
            0 => Interest::DOCUMENTS | delete,
            1 => Interest::ALL,
            _ => Interest::DOCUMENTS | delete | Interest::UPDATE,
        },
        Role::Application => match rng.below(5) {
            0 | 1 => Interest::NONE,
            2 => Interest::DOCUMENTS,
            3 => Interest::DELTA | Interest::GET,
            _ => Interest::UPDATE | Interest::DELETE,
        },
        Role::Sensor => Interest::NONE,
    }
}

fn draw_config(rng: &mut Rng, role: Role, short_memory: bool) -> Config {
    let prefix = TokenPrefix::new("replaced").expect("the prefix is legal");
    let mut config = Config::new(prefix);
    config.jitter_seed = rng.draw();
    config.response_timeout = *rng.pick(&[
        Duration::from_millis(800),
        Duration::from_secs(3),
        Duration::from_secs(5),
        Duration::from_secs(15),
        Duration::from_secs(40),
    ]);
    config.suback_timeout = *rng.pick(&[Duration::from_millis(700), Duration::from_secs(5)]);
    config.backoff = *rng.pick(&[
        Backoff::default(),
        Backoff::new(Duration::from_millis(50), Duration::from_secs(2)),
        Backoff::new(Duration::from_millis(200), Duration::from_secs(10)),
    ]);
    config.qos = *rng.pick(&[Qos::AtLeastOnce, Qos::AtLeastOnce, Qos::AtMostOnce]);
    config.subscriptions = match role {
        Role::Sensor => Subscriptions::PublishOnly,
        _ => *rng.pick(&[
            Subscriptions::Persistent,
            Subscriptions::Persistent,
            Subscriptions::PerRequest {
                linger: Duration::ZERO,
            },
            Subscriptions::PerRequest {
                linger: Duration::from_secs(1),
            },
        ]),
    };
    config.resync = draw_resync(rng);
    config.gate_reports = rng.chance(300);
    config.window = *rng.pick(&[
        Window::default(),
        Window::default(),
        Window::new(1, 1),
        Window::new(2, 3),
        Window::unlimited(),
    ]);
    config.rates = *rng.pick(&[Rates::default(), Rates::default(), Rates::unlimited(), {
        let mut rates = Rates::default();
        rates.requests_per_thing = Some(Rate::new(3, 2));
        rates.publishes = Some(Rate::new(5, 3));
        rates
    }]);
    config.budget = *rng.pick(&[Budget::aws(), Budget::aws(), Budget::unlimited()]);
    if role == Role::Application && rng.chance(400) {
        config.budget.per_connection = rng.between(4, 14) as u32;
        config.budget.per_subscribe = rng.between(1, 4) as u16;
        config.budget.wildcards = rng.chance(600);
    }
    config.limits.requests = *rng.pick(&[1000, 1000, 12, 40]);
    config.limits.remembered = *rng.pick(&[256, 256, 4, 0]);
    config.limits.events = *rng.pick(&[1024, 1024, 2, 6]);
    config.limits.event_bytes = *rng.pick(&[4 << 20, 4 << 20, 8_000]);
    config.limits.payload = *rng.pick(&[256 * 1024, 4096]);
    config.limits.state = *rng.pick(&[128 * 1024, 900]);
    config.message_expiry = rng.chance(700);
    config.keep_payloads = rng.chance(300);
    if short_memory {
        // The service forgets after 5 seconds, its clocks differ by 2 at most.
        config.epoch_gap = Duration::from_secs(3);
        config.clock_skew = Duration::from_secs(2);
    }
    config
}

fn draw_resync(rng: &mut Rng) -> Resync {
    let mut resync = Resync::default();
    resync.policy = *rng.pick(&[
        ResyncPolicy::Always,
        ResyncPolicy::Always,
        ResyncPolicy::SessionLost,
        ResyncPolicy::SessionLost,
        ResyncPolicy::Never,
    ]);
    resync.min_interval = *rng.pick(&[
        Duration::ZERO,
        Duration::from_secs(1),
        Duration::from_secs(4),
    ]);
    resync.max_age = match resync.policy {
        ResyncPolicy::Never => None,
        _ => rng
            .chance(200)
            .then(|| Duration::from_millis(rng.between(3_000, 20_000))),
    };
    resync
}
