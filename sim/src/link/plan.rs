//! What a seed decides beforehand.

use crate::rng::Rng;
use shadow_proto::{Config, Qos, Rates, ResyncPolicy, TokenPrefix};
use std::time::Duration;
use transport_core::{MqttVersion, mqtt_session::Options};

/// One client.
#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) options: Options,
    pub(crate) config: Config,
    /// Whether it applies deltas and reports; else it wishes, asks and deletes.
    pub(crate) device: bool,
    /// Mean time between two things it does by itself.
    pub(crate) pace: Duration,
}

/// Everything that a seed decides beforehand. Rates are per mille.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How long faults and work go on.
    pub(crate) chaos: Duration,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) shadows: usize,
    /// The largest chunk to the broker and to a client, in bytes.
    pub(crate) chunks: (u64, u64),
    /// Time between two chunks, microseconds at most.
    pub(crate) pause: u64,
    /// Mean time between two cuts of one client's connection.
    pub(crate) cut: Option<Duration>,
    /// Cuts that nobody notices.
    pub(crate) stall: u32,
    pub(crate) session_loss: u32,
    pub(crate) restart: u32,
    pub(crate) withhold_connack: u32,
    pub(crate) refuse_connect: u32,
    pub(crate) withhold_suback: u32,
    pub(crate) refuse_filter: u32,
    pub(crate) delay_puback: u32,
    pub(crate) refuse_publish: u32,
    pub(crate) loss: u32,
    pub(crate) nonsense: u32,
    pub(crate) goodbye: u32,
    pub(crate) reject: u32,
    pub(crate) swallow: u32,
    /// What the broker announces over MQTT 5.
    pub(crate) receive_maximum: Option<u16>,
    /// Keep-alive that the broker demands over MQTT 5, seconds.
    pub(crate) keep_alive: Option<u16>,
    /// How long a request takes, milliseconds at most.
    pub(crate) serving: u64,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let chaos = Duration::from_secs(rng.between(5, 40));
        let count = rng.between(1, 3) as usize;
        let nodes = (0..count)
            .map(|at| {
                let device = at == 0 || rng.chance(300);
                NodePlan::draw(rng, device)
            })
            .collect();
        let mut rate = |on: u32, most: u64| match rng.chance(on) {
            true => rng.between(1, most) as u32,
            false => 0,
        };
        let mut plan = Self {
            chaos,
            nodes,
            shadows: 1,
            chunks: (0, 0),
            pause: 0,
            cut: None,
            stall: rate(400, 500),
            session_loss: rate(500, 500),
            restart: rate(300, 400),
            withhold_connack: rate(300, 300),
            refuse_connect: rate(300, 300),
            withhold_suback: rate(300, 100),
            refuse_filter: rate(300, 60),
            delay_puback: rate(400, 500),
            refuse_publish: rate(300, 60),
            loss: rate(500, 300),
            nonsense: rate(200, 10),
            goodbye: rate(300, 20),
            reject: rate(400, 100),
            swallow: rate(400, 100),
            receive_maximum: None,
            keep_alive: None,
            serving: 0,
        };
        plan.shadows = rng.between(1, 2) as usize;
        plan.chunks = (draw_chunk(rng), draw_chunk(rng));
        plan.pause = *rng.pick(&[0, 100, 3_000, 20_000]);
        let mean = Duration::from_millis(rng.between(700, 15_000));
        plan.cut = rng.chance(800).then_some(mean);
        plan.receive_maximum = *rng.pick(&[None, None, Some(1), Some(2), Some(10)]);
        plan.keep_alive = *rng.pick(&[None, None, Some(2), Some(20)]);
        plan.serving = *rng.pick(&[1, 50, 800]);
        plan
    }

    /// The same once the network has healed: what is said arrives, in chunks as before.
    pub(crate) fn healed(&self) -> Self {
        Self {
            cut: None,
            stall: 0,
            session_loss: 0,
            restart: 0,
            withhold_connack: 0,
            refuse_connect: 0,
            withhold_suback: 0,
            refuse_filter: 0,
            delay_puback: 0,
            refuse_publish: 0,
            loss: 0,
            nonsense: 0,
            goodbye: 0,
            reject: 0,
            swallow: 0,
            // Fast enough for the shortest timeouts.
            pause: self.pause.min(20),
            ..self.clone()
        }
    }
}

fn draw_chunk(rng: &mut Rng) -> u64 {
    *rng.pick(&[4, 20, 50, 100, 300, 1_000, 1_000, 100_000])
}

impl NodePlan {
    fn draw(rng: &mut Rng, device: bool) -> Self {
        let mut options = Options::new("replaced");
        options.version = *rng.pick(&[MqttVersion::V3_1_1, MqttVersion::V5]);
        options.clean_start = rng.chance(250);
        let seconds = *rng.pick(&[3_600, 3_600, 2, 1]);
        options.session_expiry = (!options.clean_start).then(|| Duration::from_secs(seconds));
        options.keep_alive = Duration::from_secs(*rng.pick(&[1, 3, 10]));
        options.ping_timeout = Duration::from_millis(rng.between(500, 3_000));
        options.connack_timeout = Duration::from_millis(rng.between(1_000, 5_000));
        options.receive_maximum = *rng.pick(&[1, 2, 64, 64]);
        let limits = &mut options.limits;
        limits.in_flight = *rng.pick(&[1, 4, 100]);
        limits.publishes = *rng.pick(&[2, 20, 1_000]);
        limits.events = *rng.pick(&[1, 4, 256]);
        limits.control_bytes = *rng.pick(&[4, 40, 65_536]);
        let mut config = Config::new(TokenPrefix::new("replaced").expect("it is legal"));
        config.jitter_seed = rng.draw();
        config.response_timeout = Duration::from_millis(rng.between(500, 8_000));
        config.suback_timeout = Duration::from_millis(rng.between(500, 4_000));
        config.qos = *rng.pick(&[Qos::AtLeastOnce, Qos::AtMostOnce]);
        config.message_expiry = rng.chance(700);
        config.resync.policy = *rng.pick(&[ResyncPolicy::Always, ResyncPolicy::SessionLost]);
        if rng.chance(500) {
            config.rates = Rates::unlimited();
        }
        Self {
            options,
            config,
            device,
            pace: Duration::from_millis(rng.between(50, 2_000)),
        }
    }
}
