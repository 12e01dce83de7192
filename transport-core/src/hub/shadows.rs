//! The shadows in use, and who follows what of them.

use alloc::{collections::BTreeMap, sync::Arc};
use core::task::Waker;

use shadow_proto::{
    AddError, Delta, Document, Documents, Event, Failure, Instant, Interest, Operation,
    RegisterError, ShadowHandle, ShadowId, Topic, TopicKind,
};

use super::State;
use crate::{
    callback::{Job, Response, SharedCallback},
    error::NotReady,
    ring::Ring,
};

/// A shadow in use.
pub(crate) struct Entry {
    /// Handles of the application's.
    handles: usize,
    followers: BTreeMap<u64, Follower>,
    /// At most one for each topic.
    callbacks: BTreeMap<TopicKind, (u64, SharedCallback)>,
    pub(crate) readiness: Readiness,
    pub(crate) ready_waiters: Vec<Waker>,
}

/// A stream of the application's.
pub(crate) struct Follower {
    pub(crate) interest: Interest,
    pub(crate) sink: Sink,
}

pub(crate) enum Sink {
    Deltas(Ring<Delta>),
    Documents(Ring<Documents>),
    Events(Ring<Event>),
}

/// Whether a shadow is in step.
#[derive(Clone, Debug)]
pub(crate) enum Readiness {
    NotYet,
    Ready(Option<Arc<Document>>),
    Failed(NotReady),
}

impl State {
    /// A handle for a shadow, new or known.
    pub(crate) fn open_shadow(
        &mut self,
        id: &ShadowId,
        now: Instant,
    ) -> Result<ShadowHandle, AddError> {
        if let Some(handle) = self.client.find_shadow(id) {
            if let Some(entry) = self.shadows.get_mut(&handle) {
                entry.handles += 1;
                return Ok(handle);
            }
        }
        let handle = self.client.add_shadow(id.clone(), Interest::NONE, now)?;
        self.shadows.insert(
            handle,
            Entry {
                handles: 1,
                followers: BTreeMap::new(),
                callbacks: BTreeMap::new(),
                readiness: Readiness::NotYet,
                ready_waiters: Vec::new(),
            },
        );
        Ok(handle)
    }

    /// A handle is gone.
    pub(crate) fn close_shadow(&mut self, shadow: ShadowHandle, now: Instant) {
        if let Some(entry) = self.shadows.get_mut(&shadow) {
            entry.handles = entry.handles.saturating_sub(1);
        }
        self.release_unused(shadow, now);
    }

    /// Forgets a shadow that has neither handles nor callbacks nor requests.
    pub(super) fn release_unused(&mut self, shadow: ShadowHandle, now: Instant) {
        let Some(entry) = self.shadows.get(&shadow) else {
            return;
        };
        if entry.handles > 0
            || !entry.callbacks.is_empty()
            || self.requests.values().any(|other| other.shadow == shadow)
        {
            return;
        }
        self.shadows.remove(&shadow);
        let _ = self.client.remove_shadow(shadow, now);
    }

    /// Adds a stream.
    pub(crate) fn follow(
        &mut self,
        shadow: ShadowHandle,
        follower: Follower,
        now: Instant,
    ) -> Result<u64, RegisterError> {
        let key = self.next_id();
        let entry = self.entry(shadow)?;
        let wanted = entry.interest() | follower.interest;
        entry.followers.insert(key, follower);
        if let Err(error) = self.register(shadow, wanted, now) {
            self.unfollow(shadow, key, now);
            return Err(error);
        }
        self.claim(now);
        Ok(key)
    }

    /// Removes a stream.
    pub(crate) fn unfollow(&mut self, shadow: ShadowHandle, key: u64, now: Instant) {
        if let Some(entry) = self.shadows.get_mut(&shadow) {
            entry.followers.remove(&key);
            let wanted = entry.interest();
            // Fewer topics always fit.
            let _ = self.register(shadow, wanted, now);
        }
    }

    /// Registers the callback of a topic. Returns the one before, which the caller drops without
    /// the lock: it may own handles.
    pub(crate) fn listen(
        &mut self,
        shadow: ShadowHandle,
        kind: TopicKind,
        callback: &SharedCallback,
        now: Instant,
    ) -> Result<Option<SharedCallback>, RegisterError> {
        let key = self.next_id();
        let wanted = self.entry(shadow)?.interest() | interest_in(kind);
        self.register(shadow, wanted, now)?;
        let entry = self.entry(shadow)?;
        let before = entry.callbacks.insert(kind, (key, Arc::clone(callback)));
        self.claim(now);
        Ok(before.map(|(_, callback)| callback))
    }

    /// Removes the callback of a topic and returns it, as [`listen`](Self::listen) does.
    pub(crate) fn unlisten(
        &mut self,
        shadow: ShadowHandle,
        kind: TopicKind,
        now: Instant,
    ) -> Option<SharedCallback> {
        let entry = self.shadows.get_mut(&shadow)?;
        let (_, callback) = entry.callbacks.remove(&kind)?;
        let wanted = entry.interest();
        let _ = self.register(shadow, wanted, now);
        self.release_unused(shadow, now);
        Some(callback)
    }

    /// All callbacks, when none will run any more.
    pub(crate) fn take_callbacks(&mut self) -> Vec<SharedCallback> {
        let entries = self.shadows.values_mut();
        let callbacks = entries.flat_map(|entry| core::mem::take(&mut entry.callbacks));
        callbacks.map(|(_, (_, callback))| callback).collect()
    }

    /// The callback to run for a message, unless it was replaced or removed since it arrived.
    pub(crate) fn callback(
        &self,
        shadow: ShadowHandle,
        kind: TopicKind,
        key: u64,
    ) -> Option<SharedCallback> {
        let (known, callback) = self.shadows.get(&shadow)?.callbacks.get(&kind)?;
        (*known == key).then(|| Arc::clone(callback))
    }

    /// Hands an event to whoever waits for it.
    pub(super) fn route(&mut self, event: Event, now: Instant) {
        let shadow = event.shadow();
        let (mut operation, mut span) = (None, None);
        if let Event::Response { request, .. } = &event {
            if let Some(pending) = self.requests.get_mut(request) {
                operation = Some(pending.operation);
                span = pending.span.take();
            }
        }
        if let Some(id) = self.client.shadow_id(shadow) {
            self.records.extend(self.traced.tell_of(id, &event, span));
        }
        let topics = topics_of(&event, operation);
        self.note_readiness(&event);
        self.feed_streams(shadow, &event, topics);
        self.feed_callback(shadow, &event, topics);
        if let Event::Response { request, .. } = &event {
            let request = *request;
            self.respond(request, event, now);
        }
    }

    /// A lost session leaves no shadow in step; a refusal is tried again on each connection.
    pub(super) fn restart_readiness(&mut self, session_present: bool) {
        for entry in self.shadows.values_mut() {
            match entry.readiness {
                Readiness::Ready(_) if session_present => {}
                Readiness::Ready(_) | Readiness::Failed(_) | Readiness::NotYet => {
                    entry.readiness = Readiness::NotYet;
                }
            }
        }
    }

    /// The driver has ended: streams end, and so do those who wait for readiness.
    pub(super) fn stop_shadows(&mut self) {
        for entry in self.shadows.values_mut() {
            for follower in core::mem::take(&mut entry.followers).into_values() {
                self.wakers.extend(follower.sink.close());
            }
            entry.readiness = Readiness::Failed(NotReady::Stopped);
            self.wakers.append(&mut entry.ready_waiters);
        }
    }

    fn entry(&mut self, shadow: ShadowHandle) -> Result<&mut Entry, RegisterError> {
        let entry = self.shadows.get_mut(&shadow);
        entry.ok_or(RegisterError::UnknownShadow)
    }

    fn register(
        &mut self,
        shadow: ShadowHandle,
        wanted: Interest,
        now: Instant,
    ) -> Result<(), RegisterError> {
        if self.client.interest(shadow) == Some(wanted) {
            return Ok(());
        }
        self.client.register(shadow, wanted, now)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "readiness is about these three"
    )]
    fn note_readiness(&mut self, event: &Event) {
        let Some(entry) = self.shadows.get_mut(&event.shadow()) else {
            return;
        };
        entry.readiness = match event {
            // The document may come although a filter was refused; the shadow is not in step.
            Event::Ready { .. }
                if matches!(entry.readiness, Readiness::Failed(NotReady::Refused { .. })) =>
            {
                return;
            }
            Event::Ready { document, .. } => {
                Readiness::Ready(document.as_deref().cloned().map(Arc::new))
            }
            Event::Refused { filter, code, .. } => {
                // A filter that only a request wants is that request's business.
                let topic = Topic::parse_with(&self.topic_prefix, filter);
                let of = topic.map(|topic| interest_in(topic.kind()));
                if of.is_some_and(|of| entry.interest().intersection(of).is_empty()) {
                    return;
                }
                let (filter, code) = (filter.clone(), *code);
                Readiness::Failed(NotReady::Refused { filter, code })
            }
            Event::ResyncFailed {
                failure,
                retry_in: None,
                ..
            } => Readiness::Failed(NotReady::Fetch(failure.clone())),
            _ => return,
        };
        self.wakers.append(&mut entry.ready_waiters);
    }

    fn feed_streams(&mut self, shadow: ShadowHandle, event: &Event, topics: Interest) {
        let Some(entry) = self.shadows.get(&shadow) else {
            return;
        };
        for follower in entry.followers.values() {
            let waker = match (&follower.sink, event) {
                (Sink::Deltas(ring), Event::Delta { delta, .. }) => ring.push(delta.clone()),
                (Sink::Documents(ring), Event::Documents { documents, .. }) => {
                    ring.push(documents.as_ref().clone())
                }
                (Sink::Events(ring), _) => {
                    let wanted = !follower.interest.intersection(topics).is_empty();
                    if !wanted && !topics.is_empty() {
                        continue;
                    }
                    ring.push(event.clone())
                }
                (Sink::Deltas(_) | Sink::Documents(_), _) => continue,
            };
            self.wakers.extend(waker);
        }
    }

    fn feed_callback(&mut self, shadow: ShadowHandle, event: &Event, topics: Interest) {
        let Some(entry) = self.shadows.get(&shadow) else {
            return;
        };
        // A failure without an answer is on no topic.
        let kind = TopicKind::ALL
            .into_iter()
            .find(|kind| !kind.is_request() && interest_in(*kind) == topics);
        let Some(kind) = kind else { return };
        let Some((key, _)) = entry.callbacks.get(&kind) else {
            return;
        };
        let key = *key;
        let Some(response) = Response::of_message(self, kind, event) else {
            return;
        };
        let job = Job::Message {
            shadow,
            kind,
            key,
            response,
        };
        self.queue_message_job(job);
    }

    /// A delta takes the place of an older one that waits: it holds the whole difference. Beyond
    /// the limit the oldest message gives way, never an outcome.
    pub(super) fn queue_message_job(&mut self, job: Job) {
        let of_delta = |job: &Job| match job {
            Job::Message { shadow, kind, .. } => {
                (*kind == TopicKind::UpdateDelta).then_some(*shadow)
            }
            Job::Request(..) | Job::Plain { .. } => None,
        };
        let superseded =
            |other: &Job| of_delta(&job).is_some() && of_delta(other) == of_delta(&job);
        let mut gone = self.jobs.iter().position(superseded);
        if gone.is_none() && self.jobs.len() >= self.options.callbacks.max(1) {
            let message = |job: &Job| !matches!(job, Job::Request(..));
            gone = self.jobs.iter().position(message);
        }
        if let Some(at) = gone {
            self.jobs.remove(at);
        }
        self.jobs.push_back(job);
    }
}

impl Entry {
    /// The topics that streams and callbacks want.
    pub(crate) fn interest(&self) -> Interest {
        let streams = self.followers.values().map(|follower| follower.interest);
        let callbacks = self.callbacks.keys().map(|kind| interest_in(*kind));
        streams
            .chain(callbacks)
            .fold(Interest::NONE, |all, one| all | one)
    }
}

impl Sink {
    fn close(&self) -> Option<Waker> {
        match self {
            Self::Deltas(ring) => ring.close(),
            Self::Documents(ring) => ring.close(),
            Self::Events(ring) => ring.close(),
        }
    }
}

/// The interest that one topic is; none for what clients publish to.
pub(crate) const fn interest_in(kind: TopicKind) -> Interest {
    match kind {
        TopicKind::Get | TopicKind::Update | TopicKind::Delete => Interest::NONE,
        TopicKind::GetAccepted => Interest::GET_ACCEPTED,
        TopicKind::GetRejected => Interest::GET_REJECTED,
        TopicKind::UpdateAccepted => Interest::UPDATE_ACCEPTED,
        TopicKind::UpdateRejected => Interest::UPDATE_REJECTED,
        TopicKind::UpdateDelta => Interest::DELTA,
        TopicKind::UpdateDocuments => Interest::DOCUMENTS,
        TopicKind::DeleteAccepted => Interest::DELETE_ACCEPTED,
        TopicKind::DeleteRejected => Interest::DELETE_REJECTED,
    }
}

/// The topics an event is about: both answers' for a request that failed without one, none for what
/// came on no topic.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only messages come on a topic"
)]
fn topics_of(event: &Event, operation: Option<Operation>) -> Interest {
    let answer = |operation: Operation, accepted: bool| {
        interest_in(match accepted {
            true => operation.accepted(),
            false => operation.rejected(),
        })
    };
    match event {
        Event::Response { outcome, .. } => match (operation, outcome) {
            (None, _) => Interest::NONE,
            (Some(operation), Ok(_)) => answer(operation, true),
            (Some(operation), Err(Failure::Rejected(_))) => answer(operation, false),
            (Some(operation), Err(_)) => answer(operation, true) | answer(operation, false),
        },
        Event::LateAnswer {
            operation,
            answer: given,
            ..
        }
        | Event::ForeignAnswer {
            operation,
            answer: given,
            ..
        } => answer(*operation, given.is_ok()),
        Event::UnattributedRejection { operation, .. } => answer(*operation, false),
        Event::Delta { .. } => Interest::DELTA,
        Event::Documents { .. } => Interest::DOCUMENTS,
        _ => Interest::NONE,
    }
}
