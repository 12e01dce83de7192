//! What can be set, with the defaults.

use crate::{name::TopicPrefix, token::TokenPrefix};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// MQTT quality of service of a shadow message; AWS IoT Core knows these two.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the service has two, and drivers must handle each"
)]
pub enum Qos {
    /// QoS 0: may be lost on the way.
    AtMostOnce,
    /// QoS 1: acknowledged, may arrive twice. The default.
    #[default]
    AtLeastOnce,
}

/// The settings of a [`Client`](crate::Client). Make one with [`Config::new`], then assign fields.
///
/// ```
/// use core::time::Duration;
/// use shadow_proto::{Config, Rate, ResyncPolicy, Subscriptions, TokenPrefix, Window};
///
/// let mut config = Config::new(TokenPrefix::new("lamp-7")?);
/// config.response_timeout = Duration::from_secs(20);
/// config.subscriptions = Subscriptions::PerRequest { linger: Duration::from_secs(60) };
/// config.resync.policy = ResyncPolicy::SessionLost;
/// config.window = Window::new(5, 50);
/// config.rates.publishes = Some(Rate::new(20, 5));
/// # Ok::<(), shadow_proto::NameError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// What every token begins with; unique per client and start of the program.
    pub token_prefix: TokenPrefix,
    /// What every topic begins with. Default `$aws`.
    pub topic_prefix: TopicPrefix,
    /// QoS of subscriptions and requests, where a shadow or request sets none. Default 1.
    pub qos: Qos,
    /// How long a request may take from the call to its outcome, where the call does not say.
    /// Default 5 s.
    pub response_timeout: Duration,
    /// How long a SUBACK may take before the filter is asked for again. Default 5 s.
    pub suback_timeout: Duration,
    /// How subscriptions of shadows are kept, where a shadow sets none. Default
    /// [`Subscriptions::Persistent`].
    pub subscriptions: Subscriptions,
    /// When the document of a followed shadow is fetched, where a shadow sets none.
    pub resync: Resync,
    /// Whether updates that report wait until the shadow is ready, where a shadow sets nothing.
    /// Default false.
    pub gate_reports: bool,
    /// How many requests may be in flight.
    pub window: Window,
    /// How many requests and publishes may be sent a second.
    pub rates: Rates,
    /// How many filters may be subscribed.
    pub budget: Budget,
    /// How rejected requests, SUBSCRIBEs without SUBACK and failed resyncs are repeated.
    pub backoff: Backoff,
    /// Bounds of memory.
    pub limits: Limits,
    /// A message with a lower version than the newest seen, or with the same, begins a new epoch
    /// (the shadow was deleted and made anew) when the service's clock is later by this much.
    /// Default 48 h, after which AWS forgets the version of a deleted shadow. The same version in
    /// the answer to a get, whose time is not that of the version, begins none.
    pub epoch_gap: Duration,
    /// By how much the clocks of the service's hosts may differ: after an observed delete, a
    /// lower version counts as a new shadow's when its time is later by more. Default 5 s.
    pub clock_skew: Duration,
    /// Whether requests carry the time they have left as message expiry interval (MQTT 5 drivers
    /// send it). Default true.
    pub message_expiry: bool,
    /// Whether events keep the payload they were read from. Default false: it costs a copy.
    /// [`Client::keep_payloads`](crate::Client::keep_payloads) changes it later.
    pub keep_payloads: bool,
    /// What jitter is drawn from. Default 0; adapters put random bits here.
    pub jitter_seed: u64,
}

impl Config {
    /// The defaults, which suit AWS IoT Core.
    #[must_use]
    pub fn new(token_prefix: TokenPrefix) -> Self {
        Self {
            token_prefix,
            topic_prefix: TopicPrefix::default(),
            qos: Qos::default(),
            response_timeout: Duration::from_secs(5),
            suback_timeout: Duration::from_secs(5),
            subscriptions: Subscriptions::default(),
            resync: Resync::default(),
            gate_reports: false,
            window: Window::default(),
            rates: Rates::default(),
            budget: Budget::default(),
            backoff: Backoff::default(),
            limits: Limits::default(),
            epoch_gap: Duration::from_secs(48 * 60 * 60),
            clock_skew: Duration::from_secs(5),
            message_expiry: true,
            keep_payloads: false,
            jitter_seed: 0,
        }
    }

    /// Lifts what protects the quotas of AWS (window, rates, budget): for a broker of one's own.
    pub fn unlimited(&mut self) {
        self.window = Window::unlimited();
        self.rates = Rates::unlimited();
        self.budget = Budget::unlimited();
    }
}

/// How the subscriptions a shadow's operations need are kept. What
/// [`Interest`](crate::Interest) asks for is kept in every mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Subscriptions {
    /// Subscribed at the first use of an operation and kept.
    #[default]
    Persistent,
    /// Subscribed for a request, and unsubscribed when the last request of that operation has
    /// been over for `linger`.
    PerRequest {
        /// How long the subscription outlives the last request.
        linger: Duration,
    },
    /// Never subscribed: a request ends with its PUBACK (QoS 1), or once written (QoS 0), and
    /// carries no token of ours. Works under a policy that grants nothing but publish.
    PublishOnly,
}

/// When the document of a shadow that is followed (its interest has deltas or documents) is
/// fetched by the client itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resync {
    /// On which connects. Default [`ResyncPolicy::Always`].
    pub policy: ResyncPolicy,
    /// The least time between two such gets of one shadow, so that a flapping link does not
    /// multiply them. Default 1 s.
    pub min_interval: Duration,
    /// After how long without a document it is fetched again, which finds a delta that was lost
    /// at QoS 0. Default `None`: never.
    pub max_age: Option<Duration>,
}

impl Default for Resync {
    fn default() -> Self {
        Self {
            policy: ResyncPolicy::Always,
            min_interval: Duration::from_secs(1),
            max_age: None,
        }
    }
}

impl Resync {
    /// No gets of the client's own.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            policy: ResyncPolicy::Never,
            min_interval: Duration::ZERO,
            max_age: None,
        }
    }
}

/// On which connects a followed shadow's document is fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ResyncPolicy {
    /// On every connect: the service's queue for a lost connection is bounded and expires.
    Always,
    /// When the session was lost, and with it the subscriptions.
    SessionLost,
    /// Never.
    Never,
}

/// How many requests may be in flight: sent and not answered. Beyond that AWS answers 429.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Window {
    /// For each thing, all its shadows together. Default 10.
    pub per_thing: u32,
    /// In total. Default 10.
    pub per_connection: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            per_thing: 10,
            per_connection: 10,
        }
    }
}

impl Window {
    /// No limit but the size of the queue.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            per_thing: u32::MAX,
            per_connection: u32::MAX,
        }
    }

    /// At most `per_thing` for each thing and `per_connection` in total; zero counts as one.
    #[must_use]
    pub const fn new(per_thing: u32, per_connection: u32) -> Self {
        Self {
            per_thing,
            per_connection,
        }
    }
}

/// A token bucket: `per_second` on average, `burst` at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rate {
    /// The average a second; zero counts as one.
    pub per_second: u32,
    /// How many may be sent at once after a pause; zero counts as one.
    pub burst: u32,
}

impl Rate {
    /// `per_second` on average, `burst` at once.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// How much may be sent a second. AWS discards the excess, or answers 429.
///
/// The bursts of the defaults are half of AWS's second, so that what the network bunches together
/// still passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rates {
    /// Shadow requests for each thing. Default 20 a second.
    pub requests_per_thing: Option<Rate>,
    /// Publishes in total, plain ones included (see
    /// [`Client::note_publish`](crate::Client::note_publish)). Default 100 a second.
    pub publishes: Option<Rate>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            requests_per_thing: Some(Rate::new(20, 10)),
            publishes: Some(Rate::new(100, 50)),
        }
    }
}

impl Rates {
    /// As fast as the driver takes them.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            requests_per_thing: None,
            publishes: None,
        }
    }
}

/// How many filters may be subscribed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Budget {
    /// Filters in one SUBSCRIBE packet.
    pub per_subscribe: u16,
    /// Filters on the connection, all shadows together.
    pub per_connection: u32,
    /// Whether `get/+` and `delete/+` may stand for two filters each when the exact ones would
    /// not fit. They need a policy of their own.
    pub wildcards: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self::aws()
    }
}

impl Budget {
    /// AWS IoT Core's quotas: 8 filters a SUBSCRIBE, 50 a connection.
    #[must_use]
    pub const fn aws() -> Self {
        Self {
            per_subscribe: 8,
            per_connection: 50,
            wildcards: true,
        }
    }

    /// As many as the shadows want, 64 in a SUBSCRIBE.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            per_subscribe: 64,
            per_connection: u32::MAX,
            wildcards: false,
        }
    }
}

/// Exponential backoff: `base`, doubled at each try up to `max`, of which jitter takes up to half.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Backoff {
    /// The first delay. Default 500 ms.
    pub base: Duration,
    /// The longest delay. Default 30 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            max: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// From `base` to `max`.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self { base, max }
    }

    /// The delay before try `attempt` (the first is 0): between half of the full delay and the
    /// full delay, by `random`.
    pub(crate) fn delay(&self, attempt: u32, random: u64) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt)
            .and_then(|factor| self.base.checked_mul(factor));
        let full = doubled
            .unwrap_or(self.max)
            .min(self.max)
            .max(Duration::from_millis(1));
        let half = full / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(random.checked_rem(nanos.saturating_add(1)).unwrap_or(0))
    }
}

/// Bounds of memory. What would exceed one is a typed error at the call, or is reported by an
/// event; nothing is lost silently.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// Shadows added at the same time. Default 1,000.
    pub shadows: usize,
    /// Requests not yet over, queued and in flight together; at most 16,777,215. Default 1,000.
    /// One that was cancelled counts as long as it goes on for others that were merged into it.
    pub requests: usize,
    /// Bytes of an incoming payload; a larger one is reported undecodable. Default 256 KiB.
    pub payload: usize,
    /// Bytes of an update's state. Default 128 KiB, the largest MQTT payload of AWS.
    pub state: usize,
    /// Requests that are over and whose tokens are remembered, to recognize late answers.
    /// Default 256.
    pub remembered: usize,
    /// Events not yet polled. Default 1,024.
    pub events: usize,
    /// Bytes of JSON in events not yet polled. Default 4 MiB.
    pub event_bytes: usize,
    /// Bytes of an undecodable payload that its event keeps. Default 1,024.
    pub undecodable: usize,
    /// Bytes of a recording not yet taken; see
    /// [`Client::start_recording`](crate::Client::start_recording). Default 4 MiB.
    pub recording: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shadows: 1_000,
            requests: 1_000,
            payload: 256 * 1024,
            state: 128 * 1024,
            remembered: 256,
            events: 1_024,
            event_bytes: 4 * 1024 * 1024,
            undecodable: 1_024,
            recording: 4 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_within_bounds() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(32));
        for (attempt, full) in [
            (0, 1),
            (1, 2),
            (4, 16),
            (5, 32),
            (6, 32),
            (31, 32),
            (32, 32),
            (u32::MAX, 32),
        ] {
            for random in [0, 1, u64::MAX / 2, u64::MAX] {
                let delay = backoff.delay(attempt, random);
                assert!(
                    delay >= Duration::from_millis(full * 500),
                    "{attempt} {random} {delay:?}"
                );
                assert!(
                    delay <= Duration::from_secs(full),
                    "{attempt} {random} {delay:?}"
                );
            }
        }
    }

    #[test]
    fn a_delay_is_never_zero() {
        assert!(Backoff::new(Duration::ZERO, Duration::ZERO).delay(3, 0) > Duration::ZERO);
    }
}
