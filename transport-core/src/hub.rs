//! One shadow client, and everyone who waits for something of it.

mod filters;
mod offline;
mod plain;
mod requests;
mod shadows;
mod state;
mod unclaimed;

use alloc::sync::Arc;
use core::{
    fmt,
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::{Poll, Waker},
    time::Duration,
};
use std::sync::{Condvar, Mutex};

use shadow_proto::{Config, Instant, PubackCode, SubackCode};

pub use self::offline::{DropPolicy, OfflineQueue};
pub(crate) use self::{
    filters::MessageSink,
    requests::Waiter,
    shadows::{Follower, Readiness, Sink},
    state::{Phase, Shared, State},
};
use crate::{
    action::{Action, ActionId, Of},
    backoff::Reconnect,
    event::ConnectionEvent,
    handle::ShadowClient,
    message::Message,
    trace::Connections,
};

/// A clock: what an adapter reads time from, such as a runtime's clock that tests can stop.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A clock that counts from now on with the system's monotonic clock.
#[must_use]
pub fn system_clock() -> Clock {
    let origin = std::time::Instant::now();
    Arc::new(move || Instant::from_origin(origin.elapsed()))
}

/// The driver's side of a client: one [`shadow_proto::Client`], who waits for which answer, and
/// the streams and callbacks of the application, behind one lock.
///
/// [`Link`](crate::Link) drives it over this project's own MQTT session. Whoever has an MQTT
/// client already gives it to [`serve`](Self::serve), in about thirty lines. A loop of one's own
/// does what [`next_action`](Self::next_action) says, and reports what happened with the `handle_`
/// methods. They may be called from anywhere, such as a callback of that client or another thread:
/// the loop is woken. One that is not asynchronous takes [`poll_action`](Self::poll_action) and
/// waits for as long as [`time_left`](Self::time_left) says. See the [crate's documentation](crate).
///
/// The lock is never held across IO, an await or code of the application's. Cheap to clone. A hub
/// must be given up with [`finish`](Self::finish), or nobody learns that nothing more will come.
#[derive(Clone)]
pub struct Hub {
    pub(crate) shared: Arc<Shared>,
    /// Whether what it is told wakes the driver, who may be another than the one that tells.
    wakes: bool,
}

/// The settings of a [`Hub`] that are not the shadow client's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HubOptions {
    /// How long a plain publish, subscribe or unsubscribe may take. Default 5 s.
    pub operation_timeout: Duration,
    /// How many plain publishes may wait for their end. Default 1,000.
    pub publishes: usize,
    /// A queue for plain publishes without a connection. Default none.
    pub offline_queue: Option<OfflineQueue>,
    /// How many messages a plain subscription holds before it drops the oldest; also how many of a
    /// session that was there before wait for the first subscription that wants them. Default 256.
    pub message_buffer: usize,
    /// Whether what the shadow client is told is recorded from the start; see
    /// [`ShadowClient::take_recording`](crate::ShadowClient::take_recording). Default false.
    pub record: bool,
    /// How many callbacks may wait for the one that runs before the oldest message on a topic is
    /// dropped; outcomes of requests are never dropped. Default 1,024.
    pub callbacks: usize,
    /// How long [`Hub::serve`] and [`PacketHub::serve`](crate::PacketHub::serve) wait before an
    /// attached MQTT client connects again. Any failure may pass, to them.
    pub reconnect: Reconnect,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            operation_timeout: Duration::from_secs(5),
            publishes: 1_000,
            offline_queue: None,
            message_buffer: 256,
            record: false,
            callbacks: 1_024,
            reconnect: Reconnect::default(),
        }
    }
}

/// What the handles want of the driver: to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must have an answer to each"
)]
pub enum StopRequest {
    /// At once: nobody is left to wait for anything.
    Now,
    /// Once [`Hub::is_idle`], at this time at the latest.
    By(Instant),
}

impl Hub {
    /// A hub without connection, and the first handle to it.
    #[must_use]
    pub fn new(config: Config, options: HubOptions, clock: Clock) -> (ShadowClient, Self) {
        let hub = Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(config, options)),
                changed: AtomicBool::new(false),
                woken: AtomicBool::new(false),
                ending: AtomicBool::new(false),
                jobs: Condvar::new(),
                clock,
            }),
            wakes: true,
        };
        (ShadowClient::new(hub.clone()), hub)
    }

    /// How the connections of an attached client are spaced.
    pub(crate) fn reconnect(&self) -> Reconnect {
        self.shared.lock().options.reconnect
    }

    /// Says whose connections these are, and to where.
    pub(crate) fn set_connections(&self, connections: Connections) {
        self.shared.lock().traced = connections;
    }

    /// The same hub for a driver that looks for something to do whenever it has told something: it
    /// is not woken by that.
    pub(crate) fn for_its_driver(mut self) -> Self {
        self.wakes = false;
        self
    }

    /// The time on the hub's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        (self.shared.clock)()
    }

    /// The connection is up; whether the broker kept the session is what the CONNACK said.
    pub fn handle_connected(&self, session_present: bool) {
        self.told(|state, now| {
            let until = now + state.options.operation_timeout;
            state.unclaimed.handle_connected(session_present, until);
            state.client.handle_connected(session_present, now);
            state.plain_connected(session_present, now);
            state.restart_readiness(session_present);
        });
    }

    /// The session that the broker kept may be a newer one than the hub's, since a CONNECT went
    /// unanswered before: after [`handle_connected`](Self::handle_connected), for drivers that see
    /// to the subscriptions themselves then. Documents are fetched anew.
    pub fn handle_session_doubted(&self) {
        self.told(|state, now| state.client.handle_session_doubted(now));
    }

    /// The connection is down. Requests that were sent stay in flight until their deadline, or
    /// until the next connection says that the session was lost.
    pub fn handle_disconnected(&self) {
        self.told(|state, now| {
            state.client.handle_disconnected(now);
            state.plain_disconnected();
        });
    }

    /// A message arrived. Whether it was anybody's: a shadow's or a plain subscription's. One of a
    /// kept session that waits for somebody to want it (see
    /// [`ConnectOptions::clean_start`](crate::ConnectOptions)) is nobody's yet.
    pub fn handle_publish(&self, topic: &str, payload: &[u8]) -> bool {
        self.told(|state, now| {
            if state.unclaimed.is_open(now) {
                let message = Message::new(topic, payload.to_vec());
                return !state.hold_unclaimed(&message, now) && state.take_message(&message, now);
            }
            let ours = state.client.handle_publish(topic, payload, now).is_ok();
            let plain =
                state.plain.matches(topic) && state.deliver(&Message::new(topic, payload.to_vec()));
            ours || plain
        })
    }

    /// [`handle_publish`](Self::handle_publish) for a driver that knows more of a message than its
    /// topic and payload, and holds the payload so that plain subscriptions need no copy.
    pub fn handle_message(&self, message: &Message) -> bool {
        self.told(|state, now| {
            !state.hold_unclaimed(message, now) && state.take_message(message, now)
        })
    }

    /// The SUBACK to [`Action::Subscribe`], a code for each filter. Ids of an earlier connection
    /// are ignored.
    pub fn handle_suback(&self, id: ActionId, codes: &[SubackCode]) {
        self.told(|state, now| match id.0 {
            Of::Shadows(id) => state.client.handle_suback(id, codes, now),
            Of::Filter(id) => {
                let code = codes.first().copied();
                state.filter_answered(id, code.unwrap_or(SubackCode::new(0x80)));
            }
            Of::Request(_) | Of::Message(_) => {}
        });
    }

    /// A SUBSCRIBE could not be sent, or its connection was lost; it is asked for again.
    pub fn handle_subscribe_failed(&self, id: ActionId) {
        self.told(|state, now| match id.0 {
            Of::Shadows(id) => state.client.handle_subscribe_failed(id, now),
            Of::Filter(id) => state.filter_failed(id),
            Of::Request(_) | Of::Message(_) => {}
        });
    }

    /// The UNSUBACK to [`Action::Unsubscribe`].
    pub fn handle_unsuback(&self, id: ActionId) {
        self.told(|state, now| match id.0 {
            Of::Shadows(id) => state.client.handle_unsuback(id, now),
            Of::Filter(id) => state.filter_ended(id),
            Of::Request(_) | Of::Message(_) => {}
        });
    }

    /// The broker's answer to [`Action::Publish`] at QoS 1 (PUBACK) or 2 (PUBREC or PUBCOMP).
    pub fn handle_puback(&self, id: ActionId, code: PubackCode) {
        self.told(|state, now| match id.0 {
            Of::Request(id) => state.client.handle_puback(id, code, now),
            Of::Message(id) => state.message_answered(id, code),
            Of::Shadows(_) | Of::Filter(_) => {}
        });
    }

    /// An [`Action::Publish`] at QoS 0 was written.
    pub fn handle_written(&self, id: ActionId) {
        self.handle_puback(id, PubackCode::SUCCESS);
    }

    /// An action was certainly not done. While connected, because the session does not take it: a
    /// publish has failed. After [`handle_disconnected`](Self::handle_disconnected), because the
    /// connection went first: a shadow's request waits for the next one, a plain message has failed.
    /// Subscriptions are asked for again.
    pub fn handle_send_failed(&self, id: ActionId) {
        self.told(|state, now| match id.0 {
            Of::Request(id) => state.client.handle_send_failed(id, now),
            Of::Message(id) => state.message_failed(id, crate::PublishFailure::NotSent),
            Of::Shadows(id) => state.client.handle_subscribe_failed(id, now),
            Of::Filter(id) => state.filter_failed(id),
        });
    }

    /// [`handle_send_failed`](Self::handle_send_failed) for a driver that knows why.
    pub fn handle_publish_failed(&self, id: ActionId, failure: crate::PublishFailure) {
        match id.0 {
            Of::Message(id) => self.told(|state, _| state.message_failed(id, failure)),
            Of::Request(_) | Of::Shadows(_) | Of::Filter(_) => self.handle_send_failed(id),
        }
    }

    /// An action was sent, and the session was lost before its answer. A publish has failed; the
    /// others are asked for again.
    pub fn handle_lost(&self, id: ActionId) {
        match id.0 {
            // The shadow client knows, from the next connect, that the session is lost.
            Of::Request(_) => {}
            Of::Message(id) => {
                self.told(|state, _| state.message_failed(id, crate::PublishFailure::Lost));
            }
            Of::Shadows(_) | Of::Filter(_) => self.handle_send_failed(id),
        }
    }

    /// Tells the handles what happened to the connection.
    pub fn emit(&self, event: ConnectionEvent) {
        self.drive(|state, _| state.emit(event));
    }

    /// Time has passed: to be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&self) {
        self.drive(|state, now| {
            state.client.handle_timeout(now);
            state.expire_plain(now);
            state.unclaimed.handle_timeout(now);
        });
    }

    /// The next thing to do on the connection; hands events to whoever waits for them on the way.
    /// To be called until `None` after each `handle_` method, and whenever
    /// [`changed`](Self::changed) resolves, connected or not.
    #[must_use]
    pub fn poll_action(&self) -> Option<Action> {
        self.drive(State::next_action)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = self.shared.lock();
        let (shadows, plain) = (state.client.poll_timeout(), state.plain.poll_timeout());
        let unclaimed = state.unclaimed.poll_timeout();
        shadows.into_iter().chain(plain).chain(unclaimed).min()
    }

    /// How long a driver may wait, at most an hour: until [`poll_timeout`](Self::poll_timeout) is
    /// due or the time for a shutdown is over; no time at all once [`is_over`](Self::is_over).
    #[must_use]
    pub fn time_left(&self) -> Duration {
        if self.is_over() {
            return Duration::ZERO;
        }
        let stop = match self.stop_request() {
            Some(StopRequest::By(deadline)) => Some(deadline),
            Some(StopRequest::Now) | None => None,
        };
        let hour = Duration::from_secs(60 * 60);
        let left = |at: Instant| at.saturating_since(self.now()).min(hour);
        let next = self.poll_timeout().into_iter().chain(stop).min();
        next.map_or(hour, left)
    }

    /// Resolves once a handle was used since the last time, so that there may be something to do.
    /// Cancel-safe; for one driver at a time.
    pub async fn changed(&self) {
        poll_fn(|cx| {
            // It is set under the lock.
            let mut state = self.shared.lock();
            if self.take_changed() {
                return Poll::Ready(());
            }
            state.driver = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Has `waker` woken at the next use of a handle: for drivers that are polled by hand. To be
    /// called before looking for something to do.
    pub fn register(&self, waker: &Waker) {
        let mut state = self.shared.lock();
        match &mut state.driver {
            Some(driver) => driver.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Whether, and how, the driver is to end: the last handle is gone, or `shutdown` was called.
    #[must_use]
    pub fn stop_request(&self) -> Option<StopRequest> {
        if !self.shared.ending.load(Ordering::Acquire) {
            return None;
        }
        let state = self.shared.lock();
        match state.phase {
            _ if state.orphaned => Some(StopRequest::Now),
            Phase::Running => None,
            Phase::Stopping(deadline) => Some(StopRequest::By(deadline)),
            Phase::Stopped => Some(StopRequest::Now),
        }
    }

    /// Whether the driver is to end now: nobody is left, or a shutdown has nothing more to wait
    /// for.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.stop_request() {
            None => false,
            Some(StopRequest::Now) => true,
            Some(StopRequest::By(deadline)) => deadline <= self.now() || self.is_idle(),
        }
    }

    /// Whether there is a connection, as far as the driver told.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.lock().client.is_connected()
    }

    /// Whether nobody waits for the outcome of a request or a plain publish.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.lock().is_idle()
    }

    /// The driver has ended: every request, publish and stream ends, and
    /// [`ConnectionEvent::Stopped`] is told last. Without effect when called again.
    pub fn finish(&self) {
        self.drive(State::finish);
    }

    /// Whether a handle was used since the last [`take_changed`](Self::take_changed).
    pub(crate) fn is_changed(&self) -> bool {
        self.shared.changed.load(Ordering::Acquire)
    }

    /// Whether a handle was used since the last call.
    pub(crate) fn take_changed(&self) -> bool {
        self.shared.changed.swap(false, Ordering::AcqRel)
    }

    /// Whether somebody was woken since the last call.
    pub(crate) fn take_woken(&self) -> bool {
        self.shared.woken.swap(false, Ordering::Relaxed)
    }

    /// For handles: acts on the state, then wakes the driver.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut State, Instant) -> R) -> R {
        self.with(act, true)
    }

    /// For what the hub is told.
    fn told<R>(&self, act: impl FnOnce(&mut State, Instant) -> R) -> R {
        self.with(act, self.wakes)
    }

    /// For the driver, who is awake.
    fn drive<R>(&self, act: impl FnOnce(&mut State, Instant) -> R) -> R {
        self.with(act, false)
    }

    fn with<R>(&self, act: impl FnOnce(&mut State, Instant) -> R, wake: bool) -> R {
        let now = self.now();
        let mut state = self.shared.lock();
        let result = act(&mut state, now);
        let wakers = core::mem::take(&mut state.wakers);
        let discarded = core::mem::take(&mut state.discarded);
        let records = core::mem::take(&mut state.records);
        let driver = if wake {
            self.shared.changed.store(true, Ordering::Release);
            state.driver.take()
        } else {
            None
        };
        let over = state.phase == Phase::Stopped || state.orphaned;
        if over || state.phase != Phase::Running {
            self.shared.ending.store(true, Ordering::Release);
        }
        let jobs = !state.jobs.is_empty() || over;
        drop(state);
        if !wakers.is_empty() {
            self.shared.woken.store(true, Ordering::Relaxed);
        }
        for waker in wakers.into_iter().chain(driver) {
            waker.wake();
        }
        drop(discarded);
        for record in records {
            record();
        }
        if jobs {
            self.shared.jobs.notify_all();
        }
        result
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Hub")
            .field("connected", &state.client.is_connected())
            .field("phase", &state.phase)
            .field("shadows", &state.shadows.len())
            .field("requests", &state.requests.len())
            .finish_non_exhaustive()
    }
}
