//! What is behind a hub's lock.

use alloc::collections::{BTreeMap, VecDeque};
use core::{
    sync::atomic::AtomicBool,
    task::{Poll, Waker},
};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use mqtt_session::Publish;
use shadow_proto::{Client, Config, Instant, Output, RequestId, ShadowHandle, TopicPrefix};

use super::{
    Clock, HubOptions, plain::Plain, requests::Pending, shadows::Entry, unclaimed::Unclaimed,
};
use crate::{
    action::{Action, ActionId, Of},
    callback::{Job, MessageCallback},
    event::{ConnectionEvent, ConnectionInfo},
    ring::Ring,
    trace::{Connections, Record},
};

pub(crate) struct Shared {
    pub(super) state: Mutex<State>,
    /// A handle was used since the driver looked last.
    pub(super) changed: AtomicBool,
    /// Somebody was woken since the driver looked last.
    pub(super) woken: AtomicBool,
    /// The driver is to end, see [`Hub::stop_request`](super::Hub::stop_request). Stays so.
    pub(super) ending: AtomicBool,
    /// Signals the thread that runs callbacks.
    pub(crate) jobs: Condvar,
    pub(super) clock: Clock,
}

pub(crate) struct State {
    pub(crate) client: Client,
    pub(crate) topic_prefix: TopicPrefix,
    pub(crate) options: HubOptions,
    pub(crate) shadows: BTreeMap<ShadowHandle, Entry>,
    pub(crate) requests: BTreeMap<RequestId, Pending>,
    pub(crate) plain: Plain,
    pub(super) unclaimed: Unclaimed,
    pub(crate) withdrawn: VecDeque<ActionId>,
    pub(crate) connection: BTreeMap<u64, Ring<ConnectionEvent>>,
    /// Of the connection that there is.
    pub(crate) info: Option<Box<ConnectionInfo>>,
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) dispatching: bool,
    pub(crate) phase: Phase,
    /// The last handle is gone.
    pub(crate) orphaned: bool,
    /// Woken when the lock is free again.
    pub(crate) wakers: Vec<Waker>,
    /// Dropped when the lock is free again: callbacks often own handles, whose drop takes it.
    pub(super) discarded: Vec<MessageCallback>,
    /// Told to the application's subscriber when the lock is free again.
    pub(super) records: Vec<Record>,
    pub(super) traced: Connections,
    stop_waiters: Vec<Waker>,
    pub(super) driver: Option<Waker>,
    /// What was given up at the end.
    pub(crate) unfinished: usize,
    next: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Running,
    /// Nothing new is taken; the driver ends once idle, or at the deadline.
    Stopping(Instant),
    Stopped,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the application's runs under the lock, so nothing leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn new(config: Config, options: HubOptions) -> Self {
        let topic_prefix = config.topic_prefix.clone();
        let mut client = Client::new(config);
        if options.record {
            // Nobody used it before, so it is not too late.
            let _ = client.start_recording();
        }
        Self {
            client,
            topic_prefix,
            options,
            shadows: BTreeMap::new(),
            requests: BTreeMap::new(),
            plain: Plain::default(),
            unclaimed: Unclaimed::default(),
            withdrawn: VecDeque::new(),
            connection: BTreeMap::new(),
            info: None,
            jobs: VecDeque::new(),
            dispatching: false,
            phase: Phase::Running,
            orphaned: false,
            wakers: Vec::new(),
            discarded: Vec::new(),
            records: Vec::new(),
            traced: Connections::default(),
            stop_waiters: Vec::new(),
            driver: None,
            unfinished: 0,
            next: 1,
        }
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    pub(crate) fn emit(&mut self, event: ConnectionEvent) {
        self.records.extend(self.traced.tell(&event));
        match &event {
            ConnectionEvent::Connected(info) => self.info = Some(info.clone()),
            ConnectionEvent::Connecting { .. }
            | ConnectionEvent::ConnectFailed { .. }
            | ConnectionEvent::Disconnected { .. }
            | ConnectionEvent::Stopped => self.info = None,
            ConnectionEvent::CallbackPanicked { .. } => {}
        }
        for ring in self.connection.values() {
            self.wakers.extend(ring.push(event.clone()));
        }
    }

    /// Waits for [`finish`](Hub::finish).
    pub(crate) fn poll_stopped(&mut self, waker: &Waker) -> Poll<()> {
        if self.phase == Phase::Stopped {
            return Poll::Ready(());
        }
        if !self.stop_waiters.iter().any(|known| known.will_wake(waker)) {
            self.stop_waiters.push(waker.clone());
        }
        Poll::Pending
    }

    pub(super) fn next_action(&mut self, now: Instant) -> Option<Action> {
        if let Some(id) = self.withdrawn.pop_front() {
            return Some(Action::Withdraw { id });
        }
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Event(event) => {
                    self.route(event, now);
                    if let Some(id) = self.withdrawn.pop_front() {
                        return Some(Action::Withdraw { id });
                    }
                }
                Output::Subscribe { id, filters, qos } => {
                    return Some(Action::Subscribe {
                        id: ActionId(Of::Shadows(id)),
                        filters,
                        qos: qos.into(),
                    });
                }
                Output::Unsubscribe { id, filters } => {
                    return Some(Action::Unsubscribe {
                        id: ActionId(Of::Shadows(id)),
                        filters,
                    });
                }
                Output::Publish {
                    id,
                    request,
                    topic,
                    payload,
                    qos,
                    expiry,
                } => {
                    let id = ActionId(Of::Request(id));
                    self.sent(request, id);
                    let mut message = Publish::new(topic, payload.into_vec()).with_qos(qos);
                    if let Some(expiry) = expiry {
                        message = message.with_expiry(expiry);
                    }
                    return Some(Action::Publish { id, message });
                }
            }
        }
        self.next_plain(now)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.plain.is_idle()
    }

    pub(super) fn finish(&mut self, now: Instant) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.client.handle_disconnected(now);
        self.plain_disconnected();
        self.unfinished = self.requests.len() + self.plain.outstanding();
        let requests: Vec<RequestId> = self.requests.keys().copied().collect();
        for request in requests {
            // Unknown is one whose outcome is on its way out already.
            let _ = self.client.cancel(request, now);
        }
        while let Some(output) = self.client.poll_output() {
            if let Output::Event(event) = output {
                self.route(event, now);
            }
        }
        debug_assert!(self.requests.is_empty(), "every request has an outcome");
        self.phase = Phase::Stopped;
        self.stop_shadows();
        self.stop_plain();
        self.emit(ConnectionEvent::Stopped);
        for ring in core::mem::take(&mut self.connection).into_values() {
            self.wakers.extend(ring.close());
        }
        self.wakers.append(&mut self.stop_waiters);
    }
}
