//! The client: public methods and their dispatch. Each duty has a file of its own below.

mod answers;
mod flow;
mod incoming;
mod index;
mod merge;
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
    document::Accepted,
    error::{AddError, NotShadowTopic, RegisterError, RequestError, UnknownRequest, UnknownShadow},
    event::{
        Event, Failure, NotSent, Output, PubackCode, PublishId, RequestId, ShadowHandle, Stage,
        SubackCode, SubscribeId,
    },
    name::{ClientToken, ShadowId},
    record::{Input, Options, Payload, Recorder, TooLateToRecord, pair},
    request::{Interest, RequestOptions, Update},
    stats::Stats,
    time::Instant,
    topic::Operation,
};
use alloc::{borrow::ToOwned, boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::time::Duration;
use outputs::Outputs;
use requests::{Place, Purpose, Requests};
use serde::{Deserialize, Serialize};
use shadows::Shadows;
pub use snapshot::RestoreError;
use submit::Ask;
use subscriptions::PendingSubscribe;
use timers::{Timer, Timers};

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
    pending: Vec<PendingSubscribe>,
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
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            now: Instant::ORIGIN,
            connected: false,
            shadows: Shadows::default(),
            requests: Requests::new(config.limits.remembered),
            outputs: Outputs::new(&config.limits),
            timers: Timers::default(),
            pending: Vec::new(),
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
            return Err(AddError::Budget(budget));
        }
        if let Some(entry) = self.shadows.get_mut(shadow) {
            entry.interest = interest;
        }
        self.interest_changed(shadow, Interest::NONE);
        self.settle();
        Ok(shadow)
    }

    /// Forgets a shadow. Its requests end as [`Failure::Removed`], its filters are unsubscribed.
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
        self.unsubscribe_all(shadow);
        self.shadows.remove(shadow);
        self.settle();
        Ok(())
    }

    /// Changes which topics of a shadow are subscribed besides those its operations need.
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
    #[must_use]
    pub fn find_shadow(&self, id: &ShadowId) -> Option<ShadowHandle> {
        self.shadows.find(id.thing(), id.shadow())
    }

    /// The names of a shadow.
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
    #[must_use]
    pub fn subscriptions(&self, shadow: ShadowHandle) -> Option<(Interest, Interest)> {
        let entry = self.shadows.get(shadow)?;
        Some((self.wanted(shadow, entry), entry.granted))
    }

    /// Asks for the document. The outcome is [`Accepted::Get`], or a rejection with the code 404
    /// if there is no such shadow.
    ///
    /// # Errors
    /// [`RequestError`]; then nothing was kept of it.
    pub fn get(
        &mut self,
        shadow: ShadowHandle,
        options: RequestOptions<'_>,
        now: Instant,
    ) -> Result<RequestId, RequestError> {
        self.advance(now);
        self.record(|| Input::Get {
            shadow: pair(shadow),
            options: Options::of(&options),
        });
        let id = self.submit(
            shadow,
            Ask::plain(Operation::Get, options),
            Purpose::Application,
        )?;
        self.settle();
        Ok(id)
    }

    /// Merges a partial document into the shadow, and makes the shadow if there is none. The
    /// outcome is [`Accepted::Update`], or a rejection: with the code 409 if `update` insisted on
    /// a version that the document does not have.
    ///
    /// # Errors
    /// [`RequestError`]; then nothing was kept of it.
    pub fn update(
        &mut self,
        shadow: ShadowHandle,
        update: Update<'_>,
        now: Instant,
    ) -> Result<RequestId, RequestError> {
        self.advance(now);
        self.record(|| Input::update(shadow, &update));
        let id = self.submit(shadow, Ask::update(&update)?, Purpose::Application)?;
        self.settle();
        Ok(id)
    }

    /// Removes the shadow. The outcome is [`Accepted::Delete`], or a rejection with the code 404
    /// if there is no such shadow.
    ///
    /// # Errors
    /// [`RequestError`]; then nothing was kept of it.
    pub fn delete(
        &mut self,
        shadow: ShadowHandle,
        options: RequestOptions<'_>,
        now: Instant,
    ) -> Result<RequestId, RequestError> {
        self.advance(now);
        self.record(|| Input::Delete {
            shadow: pair(shadow),
            options: Options::of(&options),
        });
        let id = self.submit(
            shadow,
            Ask::plain(Operation::Delete, options),
            Purpose::Application,
        )?;
        self.settle();
        Ok(id)
    }

    /// Ends a request: its outcome is [`Failure::Cancelled`] with the stage it had reached. What
    /// was sent cannot be called back; its answer comes as [`Event::LateAnswer`].
    ///
    /// # Errors
    /// The request is over.
    pub fn cancel(&mut self, request: RequestId, now: Instant) -> Result<(), UnknownRequest> {
        self.advance(now);
        self.record(|| Input::Cancel {
            request: (request.serial, request.slot),
        });
        let known = self.requests.get(request);
        known
            .filter(|known| known.purpose == Purpose::Application)
            .ok_or(UnknownRequest)?;
        self.fail(request, |stage| Failure::Cancelled { stage });
        self.settle();
        Ok(())
    }

    /// The token a request was sent with last; before it is sent, the caller's own.
    #[must_use]
    pub fn token(&self, request: RequestId) -> Option<ClientToken> {
        let request = self.leader(self.requests.get(request)?);
        match &request.own_token {
            Some(token) => Some(**token),
            None if request.counter == 0 || request.publish_only => None,
            None => Some(self.generate(request.counter, request.id.slot)),
        }
    }

    /// The request that one of our tokens belongs to: the inverse of [`token`](Self::token), for
    /// a message that was received by other means. `None` if the request is over, or the token is
    /// somebody else's.
    #[must_use]
    pub fn request_of(&self, token: &str) -> Option<RequestId> {
        let prefix = &self.config.token_prefix;
        Some(self.requests.live(token, prefix)?.id)
    }

    /// How far a request got; `None` once it is over.
    #[must_use]
    pub fn stage(&self, request: RequestId) -> Option<Stage> {
        Some(self.stage_of(self.leader(self.requests.get(request)?)))
    }

    /// Fetches the document of a followed shadow again, however young the last one is; answered by
    /// [`Event::Ready`].
    ///
    /// # Errors
    /// The handle is stale.
    pub fn resync(&mut self, shadow: ShadowHandle, now: Instant) -> Result<(), UnknownShadow> {
        self.advance(now);
        self.record(|| Input::Resync {
            shadow: pair(shadow),
        });
        self.shadows.get(shadow).ok_or(UnknownShadow)?;
        self.start_resync(shadow);
        self.settle();
        Ok(())
    }

    /// Whether there is a connection.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// How many requests are not yet over, those of the client itself included.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.requests.iter().count()
    }

    /// Counts of what happened since the client was made.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Counts a publish of the application's own against [`Rates::publishes`](crate::Rates).
    pub fn note_publish(&mut self, now: Instant) {
        self.advance(now);
        self.record(|| Input::NotePublish);
        self.take_publish();
        self.settle();
    }

    /// The connection is up: CONNACK said whether the session is the one of before.
    ///
    /// A lost session fails the requests in flight and subscribes everything wanted again; a
    /// resumed one keeps both.
    pub fn handle_connected(&mut self, session_present: bool, now: Instant) {
        self.advance(now);
        self.record(|| Input::Connected { session_present });
        if self.connected {
            self.disconnect();
        }
        self.connected = true;
        self.stats.connects += 1;
        if !session_present {
            self.stats.sessions_lost += 1;
            self.lose_session();
        }
        for shadow in self.shadows.handles() {
            if let Some(entry) = self.shadows.get_mut(shadow) {
                entry.refused = Interest::NONE;
                entry.resubscribe_at = None;
                entry.failures = 0;
                entry.ready_due |= !session_present && !entry.interest.is_empty();
            }
            self.mark_dirty(shadow);
            self.resync_on_connect(shadow, session_present);
        }
        self.settle();
    }

    /// The connection is down. What was not polled counts as not sent; what was sent stays in
    /// flight until its deadline, or until the next connection says that the session was lost.
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.advance(now);
        self.record(|| Input::Disconnected);
        if self.connected {
            self.disconnect();
        }
        self.settle();
    }

    /// The SUBACK to [`Output::Subscribe`], a code for each filter. Ids of an earlier connection
    /// are ignored.
    pub fn handle_suback(&mut self, id: SubscribeId, codes: &[SubackCode], now: Instant) {
        self.advance(now);
        self.record(|| Input::Suback {
            id: id.0,
            codes: codes.iter().map(|code| code.number()).collect(),
        });
        self.subscribed(id, codes);
        self.settle();
    }

    /// A SUBSCRIBE could not be sent; its filters are asked for again after a backoff.
    pub fn handle_subscribe_failed(&mut self, id: SubscribeId, now: Instant) {
        self.advance(now);
        self.record(|| Input::SubscribeFailed { id: id.0 });
        self.subscribe_failed(id);
        self.settle();
    }

    /// The UNSUBACK to [`Output::Unsubscribe`].
    pub fn handle_unsuback(&mut self, id: SubscribeId, now: Instant) {
        self.advance(now);
        self.record(|| Input::Unsuback { id: id.0 });
        self.unsubscribed(id);
        self.settle();
    }

    /// The PUBACK to [`Output::Publish`] at QoS 1. That of a publish the session repeated after it
    /// was resumed counts as well.
    pub fn handle_puback(&mut self, id: PublishId, code: PubackCode, now: Instant) {
        self.advance(now);
        self.record(|| Input::Puback {
            id: (id.counter, id.slot),
            code: code.number(),
        });
        self.acknowledged(id, code);
        self.settle();
    }

    /// A PUBLISH could not be sent (too large for the broker, say): its request fails.
    pub fn handle_send_failed(&mut self, id: PublishId, now: Instant) {
        self.advance(now);
        self.record(|| Input::SendFailed {
            id: (id.counter, id.slot),
        });
        if let Some(request) = self.try_of(id) {
            self.fail(request, |_| Failure::NotSent {
                stage: Stage::Queued,
                reason: NotSent::Refused,
            });
        }
        self.settle();
    }

    /// A message arrived on the connection. What is ours but cannot be read becomes
    /// [`Event::Undecodable`] and changes nothing.
    ///
    /// # Errors
    /// It is not on a response topic of a shadow of this client; nothing was done with it.
    pub fn handle_publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), NotShadowTopic> {
        self.advance(now);
        self.record(|| Input::Publish {
            topic: topic.to_owned(),
            payload: Payload::of(payload),
        });
        self.receive(topic, payload)?;
        self.settle();
        Ok(())
    }

    /// Time has passed: call it when [`poll_timeout`](Self::poll_timeout) says so, with a fresh
    /// reading of the clock.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.record(|| Input::Timeout);
        while let Some((at, timer)) = self.timers.peek().filter(|(at, _)| *at <= self.now) {
            self.timers.pop();
            if self.is_alive(at, timer) {
                self.fire(timer);
            }
        }
        self.settle();
    }

    /// The next thing to do, in the order things happened. A [`Output::Publish`] that was taken
    /// counts as sent.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(recorder) = &mut self.recorder {
            recorder.polled();
        }
        loop {
            let output = self.outputs.pop()?;
            let Output::Publish { id, .. } = &output else {
                return Some(output);
            };
            let id = *id;
            // A request that ended meanwhile is not published any more.
            let Some(request) = self.try_of(id) else {
                continue;
            };
            let Some(entry) = self.requests.get_mut(request) else {
                continue;
            };
            entry.place = Place::InFlight;
            entry.stage = entry.stage.max(Stage::Sent);
            self.stats.publishes += 1;
            if entry.publish_only && entry.qos == Qos::AtMostOnce {
                self.finish(request, Ok(Accepted::Published), None);
                self.settle();
            }
            return Some(output);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|(at, _)| at);
        match (timer, self.pump_at) {
            (Some(timer), Some(pump)) => Some(timer.min(pump)),
            (timer, pump) => timer.or(pump),
        }
    }

    /// Records every input from here on, so that [`replay`](crate::replay) comes to the same
    /// outputs. Take what was recorded from time to time with
    /// [`take_recording`](Self::take_recording); when more than
    /// [`Limits::recording`](crate::Limits) waits, the recording ends.
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

    fn disconnect(&mut self) {
        self.connected = false;
        self.stats.disconnects += 1;
        self.forget_pending();
        self.withdraw();
    }

    /// Whether a timer's owner still wants to be woken at that time.
    fn is_alive(&self, at: Instant, timer: Timer) -> bool {
        match timer {
            Timer::Deadline(id) => self
                .requests
                .get(id)
                .is_some_and(|request| request.deadline == Some(at)),
            Timer::Retry(id) => self
                .requests
                .get(id)
                .is_some_and(|request| request.retry_at == Some(at)),
            Timer::Suback(id) => self
                .pending
                .iter()
                .any(|pending| pending.id == id && pending.deadline == at),
            Timer::Resubscribe(shadow) => self
                .shadows
                .get(shadow)
                .is_some_and(|entry| entry.resubscribe_at == Some(at)),
            Timer::Linger(shadow, operation) => self.lingering.contains(&(shadow, operation, at)),
            Timer::Resync(shadow) => self
                .shadows
                .get(shadow)
                .is_some_and(|entry| entry.resync_at == Some(at)),
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Deadline(id) => self.expire(id),
            Timer::Retry(id) => self.retry_now(id),
            Timer::Suback(id) => self.subscribe_failed(id),
            Timer::Resubscribe(shadow) => {
                if let Some(entry) = self.shadows.get_mut(shadow) {
                    entry.resubscribe_at = None;
                }
                self.mark_dirty(shadow);
            }
            Timer::Linger(shadow, operation) => self.linger_over(shadow, operation),
            Timer::Resync(shadow) => {
                if let Some(entry) = self.shadows.get_mut(shadow) {
                    entry.resync_at = None;
                }
                self.start_resync(shadow);
            }
        }
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

    /// Checks what must hold between any two calls. Panics when it does not: for tests.
    #[cfg(any(test, fuzzing, debug_assertions))]
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        self.outputs.check_invariants();
        let mut in_flight = 0;
        let mut users = alloc::collections::BTreeMap::new();
        for request in self.requests.iter() {
            let shadow = self.shadows.get(request.shadow);
            debug_assert!(shadow.is_some(), "a request's shadow is there");
            match request.place {
                Place::Waiting => {
                    debug_assert!(self.waiting.contains(&request.id), "it is in the list")
                }
                Place::Ready => debug_assert!(self.connected, "nothing is ready while offline"),
                Place::Output => {
                    debug_assert!(self.connected, "nothing is queued for a lost connection");
                    in_flight += 1;
                }
                Place::InFlight => in_flight += 1,
                Place::Backoff => {
                    debug_assert!(request.retry_at.is_some(), "it will be tried again")
                }
                Place::Follower(leader) => {
                    let leader = self.requests.get(leader);
                    debug_assert!(
                        leader.is_some_and(|leader| leader.followers.contains(&request.id))
                    );
                }
            }
            if !request.publish_only && !matches!(request.place, Place::Follower(_)) {
                *users
                    .entry((request.shadow, request.operation))
                    .or_insert(0) += 1;
            }
        }
        debug_assert_eq!(self.in_flight, in_flight, "what is in flight is counted");
        let by_thing: u32 = self.shadows.things().map(|thing| thing.in_flight).sum();
        debug_assert_eq!(by_thing, in_flight, "and by thing");
        debug_assert!(
            in_flight <= self.config.window.per_connection.max(1),
            "the window holds"
        );
        let mut filters = 0;
        for (handle, entry) in self.shadows.iter() {
            filters += u32::from(entry.filters);
            let both = entry.granted.intersection(entry.asked);
            debug_assert!(both.is_empty(), "what is granted is not asked for");
            for operation in Operation::ALL {
                let counted = entry
                    .users
                    .get(operation as usize)
                    .copied()
                    .unwrap_or_default();
                let users = users.get(&(handle, operation)).copied().unwrap_or(0);
                debug_assert_eq!(counted, users, "users are counted");
            }
        }
        debug_assert_eq!(self.filters, filters, "the budget is counted");
        debug_assert!(
            self.requests.asked <= self.config.limits.requests,
            "the queue is bounded"
        );
    }
}
