//! The client: public methods and their dispatch. Each duty has a file of its own below.

mod answers;
#[cfg(any(test, fuzzing, debug_assertions))]
mod check;
mod driver;
mod filters;
mod flow;
mod incoming;
mod index;
mod latest;
mod merge;
mod operations;
mod orphans;
mod outcome;
mod outputs;
mod requests;
mod resync;
mod shadows;
mod snapshot;
mod submit;
mod subscriptions;
mod timers;
mod versions;

use crate::{
    config::{Config, Qos, Resync, ResyncPolicy, Subscriptions},
    error::{AddError, RegisterError, UnknownShadow},
    event::{Event, RequestId, ShadowHandle},
    failure::Failure,
    name::ShadowId,
    record::{Input, Recorder, TooLateToRecord, pair},
    request::Interest,
    stats::Stats,
    time::Instant,
    token::ClientToken,
    topic::Operation,
};
use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::time::Duration;
use orphans::Orphans;
use outputs::Outputs;
use requests::Requests;
use serde::{Deserialize, Serialize};
use shadows::Shadows;
pub use snapshot::RestoreError;
use subscriptions::PendingSubscribe;
use timers::Timers;

/// What is set for one shadow; `None` takes the client's setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShadowOptions {
    /// How the subscriptions of its operations are kept.
    pub subscriptions: Option<Subscriptions>,
    /// When its document is fetched.
    pub resync: Option<Resync>,
    /// QoS of its subscriptions and requests.
    pub qos: Option<Qos>,
    /// Whether updates that report wait until the shadow was ready once.
    pub gate_reports: Option<bool>,
}

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
            in_flight: 0,
            bucket: Instant::ORIGIN,
            pump_at: None,
            jitter: config.jitter_seed,
            stats: Stats::default(),
            recorder: None,
            config,
        }
    }

    /// Adds a shadow and subscribes to what `interest` says. If that holds deltas or documents,
    /// its document is fetched too (see [`Resync`]), and [`Event::Ready`] follows.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
    /// assert_eq!(client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now), Err(AddError::Duplicate));
    /// assert_eq!(client.interest(lamp), Some(Interest::DELTA));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// It was added already, there are too many, or its filters do not fit the budget.
    pub fn add_shadow(
        &mut self,
        id: ShadowId,
        interest: Interest,
        now: Instant,
    ) -> Result<ShadowHandle, AddError> {
        self.advance(now);
        self.record(|| Input::add(&id, interest));
        let max = self.config.limits.shadows.min(u32::MAX as usize - 1);
        if self.find_shadow(&id).is_some() {
            return Err(AddError::Duplicate);
        }
        if self.shadows.len() >= max {
            return Err(AddError::TooMany { max });
        }
        let shadow = self.shadows.insert(id, Interest::NONE);
        if let Err(budget) = self.reserve(shadow, interest) {
            self.shadows.remove(shadow);
            self.settle();
            return Err(AddError::Budget(budget));
        }
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.interest = interest;
        }
        self.adopt(shadow);
        self.interest_changed(shadow, Interest::NONE);
        self.settle();
        Ok(shadow)
    }

    /// Forgets a shadow. Its requests end as [`Failure::Removed`], its filters are unsubscribed.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// client.remove_shadow(lamp, now)?;
    /// assert_eq!(client.remove_shadow(lamp, now), Err(UnknownShadow));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The handle is stale.
    pub fn remove_shadow(
        &mut self,
        shadow: ShadowHandle,
        now: Instant,
    ) -> Result<(), UnknownShadow> {
        self.advance(now);
        self.record(|| Input::Remove {
            shadow: pair(shadow),
        });
        self.shadows.get(shadow).ok_or(UnknownShadow)?;
        let ids: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|request| request.shadow == shadow)
            .map(|request| request.id)
            .collect();
        for id in ids {
            self.fail(id, |stage| Failure::Removed { stage });
        }
        self.lingering.retain(|(other, ..)| *other != shadow);
        self.orphan(shadow);
        self.shadows.remove(shadow);
        self.settle();
        Ok(())
    }

    /// Changes which topics of a shadow are subscribed besides those its operations need.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// client.register(lamp, Interest::DELTA | Interest::DOCUMENTS, now)?; // subscribes
    /// client.register(lamp, Interest::NONE, now)?; // and unsubscribes
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The handle is stale, or the filters do not fit the budget; then nothing changed.
    pub fn register(
        &mut self,
        shadow: ShadowHandle,
        interest: Interest,
        now: Instant,
    ) -> Result<(), RegisterError> {
        self.advance(now);
        self.record(|| Input::Register {
            shadow: pair(shadow),
            interest: interest.bits(),
        });
        let entry = self
            .shadows
            .get_mut(shadow)
            .ok_or(RegisterError::UnknownShadow)?;
        let before = core::mem::replace(&mut entry.interest, Interest::NONE);
        if let Err(budget) = self.reserve(shadow, interest) {
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.interest = before;
            }
            self.filters_changed(shadow);
            self.settle();
            return Err(RegisterError::Budget(budget));
        }
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.interest = interest;
            entry.refused = entry.refused.difference(interest);
        }
        self.interest_changed(shadow, before);
        self.settle();
        Ok(())
    }

    /// Sets what one shadow does otherwise than the client's configuration. Best called right
    /// after [`add_shadow`](Self::add_shadow); requests made before keep what they had.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// let mut options = ShadowOptions::default();
    /// options.subscriptions = Some(Subscriptions::PublishOnly);
    /// client.configure(lamp, options, now)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The handle is stale.
    pub fn configure(
        &mut self,
        shadow: ShadowHandle,
        options: ShadowOptions,
        now: Instant,
    ) -> Result<(), UnknownShadow> {
        self.advance(now);
        self.record(|| Input::Configure {
            shadow: pair(shadow),
            options,
        });
        let entry = self.shadows.get_mut(shadow).ok_or(UnknownShadow)?;
        entry.options = (options != ShadowOptions::default()).then(|| options.into());
        let interest = entry.interest;
        self.interest_changed(shadow, interest);
        self.settle();
        Ok(())
    }

    /// The handle of a shadow that was added.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// assert_eq!(client.find_shadow(&ShadowId::classic("lamp")?), Some(lamp));
    /// assert_eq!(client.find_shadow(&ShadowId::classic("fan")?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn find_shadow(&self, id: &ShadowId) -> Option<ShadowHandle> {
        self.shadows.find(id.thing(), id.shadow())
    }

    /// The names of a shadow.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// assert_eq!(client.shadow_id(lamp), Some(&ShadowId::classic("lamp")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shadow_id(&self, shadow: ShadowHandle) -> Option<&ShadowId> {
        Some(&self.shadows.get(shadow)?.id)
    }

    /// What [`add_shadow`](Self::add_shadow) or [`register`](Self::register) said last.
    #[must_use]
    pub fn interest(&self, shadow: ShadowHandle) -> Option<Interest> {
        Some(self.shadows.get(shadow)?.interest)
    }

    /// The response topics of a shadow whose filters are wanted, and those that are granted.
    /// Once nothing is under way the two are equal, but for what the broker refused.
    ///
    /// ```
    /// # fn grant(client: &mut Client, now: Instant) -> Vec<Output> {
    /// #     let mut rest = Vec::new();
    /// #     while let Some(output) = client.poll_output() {
    /// #         match output {
    /// #             Output::Subscribe { id, filters, .. } => {
    /// #                 client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], now);
    /// #             }
    /// #             other => rest.push(other),
    /// #         }
    /// #     }
    /// #     rest
    /// # }
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// # let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::NONE, now)?;
    /// # client.handle_connected(false, now);
    /// client.register(lamp, Interest::UPDATE, now)?;
    /// assert_eq!(client.subscriptions(lamp), Some((Interest::UPDATE, Interest::NONE)));
    /// grant(&mut client, now); // answers what `poll_output` says
    /// assert_eq!(client.subscriptions(lamp), Some((Interest::UPDATE, Interest::UPDATE)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn subscriptions(&self, shadow: ShadowHandle) -> Option<(Interest, Interest)> {
        let entry = self.shadows.get(shadow)?;
        let wanted = filters::cover(self.wanted(shadow, entry), entry.wildcard);
        let wanted = wanted
            .into_iter()
            .fold(Interest::NONE, |topics, filter| topics | filter);
        Some((wanted, entry.granted))
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

    /// Records every input from here on, so that [`replay`](crate::replay) comes to the same
    /// outputs. Take what was recorded from time to time with
    /// [`take_recording`](Self::take_recording); when more than
    /// [`Limits::recording`](crate::Limits) waits, the recording ends.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// client.start_recording()?;
    /// client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
    /// client.handle_connected(false, now);
    /// let mut outputs = Vec::new();
    /// while let Some(output) = client.poll_output() {
    ///     outputs.push(output);
    /// }
    /// let recording = client.take_recording();
    ///
    /// let mut again = Vec::new();
    /// replay(&recording, |output| again.push(output.clone()))?;
    /// assert_eq!(again, outputs);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The client was used already, so that the recording could not be replayed.
    pub fn start_recording(&mut self) -> Result<(), TooLateToRecord> {
        let unused = self.shadows.len() == 0 && self.stats == Stats::default() && !self.connected;
        if !unused || self.now != Instant::ORIGIN {
            return Err(TooLateToRecord);
        }
        self.recorder = Some(Box::new(Recorder::new(&self.config)));
        Ok(())
    }

    /// Takes what was recorded since the last time: whole lines, to be appended to a file.
    #[must_use]
    pub fn take_recording(&mut self) -> String {
        self.recorder
            .as_mut()
            .map(|recorder| recorder.take())
            .unwrap_or_default()
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn record(&mut self, input: impl FnOnce() -> Input) {
        if let Some(recorder) = &mut self.recorder {
            recorder.push(input(), self.now);
        }
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
        if self.timers.len() > 64 && self.timers.len() > 4 * (self.requests_and_shadows() + 16) {
            let mut timers = core::mem::take(&mut self.timers);
            timers.retain(|at, timer| self.is_alive(at, timer));
            self.timers = timers;
        }
        #[cfg(any(test, fuzzing))]
        self.check_invariants();
    }

    fn requests_and_shadows(&self) -> usize {
        self.requests.asked + self.shadows.len()
    }

    fn tell(&mut self, event: Event) {
        self.outputs.tell(event);
    }

    /// A step of splitmix64: good enough to keep clients from moving in step.
    fn random(&mut self) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.jitter;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn backoff(&mut self, attempt: u32) -> Duration {
        let random = self.random();
        self.config.backoff.delay(attempt, random)
    }

    fn generate(&self, counter: u64, slot: u32) -> ClientToken {
        ClientToken::generate(&self.config.token_prefix, counter, slot)
    }

    fn mode(&self, shadow: ShadowHandle) -> Subscriptions {
        let options = self
            .shadows
            .get(shadow)
            .and_then(|entry| entry.options.as_deref());
        options
            .and_then(|options| options.subscriptions)
            .unwrap_or(self.config.subscriptions)
    }

    fn qos(&self, shadow: ShadowHandle) -> Qos {
        let options = self
            .shadows
            .get(shadow)
            .and_then(|entry| entry.options.as_deref());
        options
            .and_then(|options| options.qos)
            .unwrap_or(self.config.qos)
    }

    fn gates(&self, shadow: ShadowHandle) -> bool {
        let options = self
            .shadows
            .get(shadow)
            .and_then(|entry| entry.options.as_deref());
        options
            .and_then(|options| options.gate_reports)
            .unwrap_or(self.config.gate_reports)
    }

    /// How the shadow's document is fetched; `None` if it is not.
    fn follows(&self, shadow: ShadowHandle) -> Option<Resync> {
        let entry = self.shadows.get(shadow)?;
        let followed = entry
            .interest
            .intersection(Interest::DELTA | Interest::DOCUMENTS);
        if followed.is_empty() || self.mode(shadow) == Subscriptions::PublishOnly {
            return None;
        }
        let own = entry.options.as_deref().and_then(|options| options.resync);
        let resync = own.unwrap_or(self.config.resync);
        (resync.policy != ResyncPolicy::Never).then_some(resync)
    }
}
