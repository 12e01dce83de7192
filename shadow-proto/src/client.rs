//! The client: public methods and their dispatch. Each duty has a file of its own below.

mod answers;
mod budget;
#[cfg(any(test, fuzzing, debug_assertions))]
mod check;
mod driver;
mod filters;
mod flow;
mod incoming;
mod index;
mod jitter;
mod latest;
mod manage;
mod merge;
mod operations;
mod orphans;
mod outcome;
mod outputs;
mod pending;
mod recording;
mod requests;
mod resync;
mod settings;
mod shadows;
mod snapshot;
mod suback;
mod submit;
mod subscriptions;
mod timers;
mod users;
mod versions;
mod weight;

use crate::{
    config::Config,
    event::{Event, RequestId, ShadowHandle},
    record::Recorder,
    stats::Stats,
    time::Instant,
    token::ClientToken,
    topic::Operation,
};
use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use orphans::Orphans;
use outputs::Outputs;
use pending::PendingSubscribe;
use requests::{Queues, Requests};
pub use settings::ShadowOptions;
use shadows::Shadows;
pub use snapshot::RestoreError;
use timers::Timers;

/// A Device Shadow client over one MQTT connection, for any number of shadows: a pure state
/// machine that is told what happens and says what to do.
///
/// Tell it with the `handle_` methods and ask it with the operations, in any order; after that
/// take out [`poll_output`](Self::poll_output) until it is `None`, and call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says so.
/// The [crate's documentation](crate) shows a whole loop.
///
/// Contracts:
/// * Every [`RequestId`] has exactly one [`Event::Response`].
/// * A request is published only after the filters of its answers are granted (publish-only
///   shadows excepted), so that no answer is lost.
/// * After `poll_output` was `None` nothing new appears before the next call, and a
///   `handle_timeout` earlier than `poll_timeout` yields nothing. After `handle_timeout` at that
///   time the next one is later, or `None`.
/// * No bytes of a peer make it panic; memory is bounded by [`Limits`](crate::Limits).
/// * A `now` earlier than the last one counts as the last one.
#[derive(Debug)]
pub struct Client {
    config: Config,
    now: Instant,
    connected: bool,
    shadows: Shadows,
    requests: Requests,
    outputs: Outputs,
    timers: Timers,
    /// SUBSCRIBEs and UNSUBSCRIBEs not answered.
    pending: VecDeque<PendingSubscribe>,
    /// Filters that removed shadows left on the broker.
    orphans: Orphans,
    next_subscribe: u64,
    /// Shadows whose filters are to be looked at.
    dirty: Vec<ShadowHandle>,
    /// Operations whose filters outlive their last request.
    lingering: Vec<(ShadowHandle, Operation, Instant)>,
    /// Filters wanted, all shadows together.
    filters: u32,
    /// Requests that wait for a connection, for filters, or for their shadow's gate, by age.
    waiting: Vec<RequestId>,
    /// Whether one of them may have stopped waiting.
    promote_due: bool,
    /// Things with requests that may be sent.
    busy: VecDeque<u32>,
    /// Empty between calls.
    blocked: VecDeque<u32>,
    /// Empty, for the next thing that has requests to send.
    spare_queues: Option<Box<Queues>>,
    in_flight: u32,
    /// When the bucket of the connection's publishes is full again.
    bucket: Instant,
    /// When a request that waits for a rate or a pause can be sent.
    pump_at: Option<Instant>,
    jitter: u64,
    stats: Stats,
    recorder: Option<Box<Recorder>>,
}

impl Client {
    /// A client without shadows and without connection.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// let mut config = Config::new(TokenPrefix::new("lamp-7f3a")?);
    /// config.unlimited(); // no AWS quotas: the broker is our own
    /// let client = Client::new(config);
    /// assert!(!client.is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            now: Instant::ORIGIN,
            connected: false,
            shadows: Shadows::default(),
            requests: Requests::new(config.limits.remembered),
            outputs: Outputs::new(&config.limits),
            timers: Timers::default(),
            pending: VecDeque::new(),
            orphans: Orphans::default(),
            next_subscribe: 1,
            dirty: Vec::new(),
            lingering: Vec::new(),
            filters: 0,
            waiting: Vec::new(),
            promote_due: false,
            busy: VecDeque::new(),
            blocked: VecDeque::new(),
            spare_queues: None,
            in_flight: 0,
            bucket: Instant::ORIGIN,
            pump_at: None,
            jitter: config.jitter_seed,
            stats: Stats::default(),
            recorder: None,
            config,
        }
    }

    /// Whether there is a connection.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// client.handle_connected(false, now);
    /// assert!(client.is_connected());
    /// client.handle_disconnected(now);
    /// assert!(!client.is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// Counts of what happened since the client was made.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// client.get(lamp, RequestOptions::default(), now)?;
    /// assert_eq!(client.stats().requests, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The settings.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// assert_eq!(client.config().token_prefix.as_str(), "doc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// What every call ends with: filters are asked for, requests go out, dead timers go.
    fn settle(&mut self) {
        self.flush_subscriptions();
        self.promote();
        self.pump();
        while let Some((at, timer)) = self.timers.peek() {
            if self.is_alive(at, timer) {
                break;
            }
            self.timers.pop();
        }
        if self.timers.is_crowded() {
            let mut timers = core::mem::take(&mut self.timers);
            timers.sweep(|at, timer| self.is_alive(at, timer));
            self.timers = timers;
        }
        #[cfg(any(test, fuzzing))]
        self.check_invariants();
    }

    fn tell(&mut self, event: Event) {
        self.outputs.tell(event);
    }

    fn generate(&self, counter: u64, slot: u32) -> ClientToken {
        ClientToken::generate(&self.config.token_prefix, counter, slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        name::ShadowId,
        request::{Interest, RequestOptions},
        token::TokenPrefix,
    };

    #[test]
    fn nothing_is_left_of_requests_that_are_over() {
        let now = Instant::ORIGIN;
        let mut client = Client::new(Config::new(TokenPrefix::new("t").unwrap()));
        let lamp = ShadowId::classic("lamp").unwrap();
        let lamp = client.add_shadow(lamp, Interest::NONE, now).unwrap();
        client.handle_connected(false, now);
        for _ in 0..if cfg!(miri) { 300 } else { 10_000 } {
            let request = client.get(lamp, RequestOptions::default(), now).unwrap();
            client.cancel(request, now).unwrap();
            while client.poll_output().is_some() {}
        }
        assert_eq!(client.outstanding(), 0);
        assert!(client.waiting.is_empty());
        assert!(!client.timers.is_crowded(), "dead timers are dropped");
    }
}
