//! The application's own messages and subscriptions, beside the shadows on the same connection.

use alloc::collections::{BTreeMap, VecDeque};

use mqtt_session::{Publish, Qos, TopicFilter};
use shadow_proto::{Instant, PubackCode};

use super::{
    State,
    filters::{Filter, Stage, SubscribeResult},
    offline::Offline,
};
use crate::{
    action::{Action, ActionId, Of},
    error::{PublishFailure, SubscribeFailure},
    oneshot::Promise,
};

pub(super) type PublishResult = Result<(), PublishFailure>;

#[derive(Default)]
pub(crate) struct Plain {
    pub(super) connected: bool,
    pub(super) filters: BTreeMap<u64, Filter>,
    messages: BTreeMap<u64, Outgoing>,
    /// Those of `messages` that the driver does not have yet, in order.
    outbox: VecDeque<u64>,
    /// Those that wait for a connection longer than for their deadline.
    pub(super) offline: Offline,
    /// Filters given up, for the driver.
    pub(super) leaving: VecDeque<(u64, TopicFilter)>,
    /// Who waits for an UNSUBACK.
    pub(super) left: BTreeMap<u64, (Instant, Promise<SubscribeResult>)>,
}

/// A message that has not ended.
struct Outgoing {
    /// Taken by the driver when `None`.
    publish: Option<Publish>,
    deadline: Instant,
    promise: Promise<PublishResult>,
}

impl Plain {
    pub(super) fn matches(&self, topic: &str) -> bool {
        let mut filters = self.filters.values();
        filters.any(|filter| filter.filter.matches(topic))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.outstanding() == 0
    }

    pub(super) fn outstanding(&self) -> usize {
        self.messages.len() + self.offline.len()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        // All have the same time, so the oldest ends first.
        let messages = self.messages.values().next();
        let messages = messages.map(|message| message.deadline).into_iter();
        let waiters = self.filters.values().flat_map(|filter| &filter.waiters);
        let left = self.left.values().map(|(deadline, _)| *deadline);
        let offline = self.offline.poll_timeout(self.connected);
        messages
            .chain(offline)
            .chain(waiters.map(|(_, deadline, _)| *deadline))
            .chain(left)
            .min()
    }
}

impl State {
    /// A lost session knows no filter any more, so that there is nothing to be told either.
    pub(super) fn plain_connected(&mut self, session_present: bool, now: Instant) {
        let plain = &mut self.plain;
        plain.connected = true;
        plain.offline.handle_connected(now);
        if session_present {
            return;
        }
        for filter in plain.filters.values_mut() {
            filter.stage = Stage::Wanted;
        }
        plain.leaving.clear();
        for (_, promise) in core::mem::take(&mut plain.left).into_values() {
            self.wakers.extend(promise.keep(Ok(())));
        }
    }

    /// What was asked and not answered is asked anew.
    pub(super) fn plain_disconnected(&mut self) {
        self.plain.connected = false;
        for filter in self.plain.filters.values_mut() {
            if filter.stage == Stage::Asked {
                filter.stage = Stage::Wanted;
            }
        }
    }

    /// Takes a message for the driver. At QoS 0 it needs a connection, since nothing keeps it,
    /// unless there is a queue for that.
    pub(crate) fn publish(
        &mut self,
        publish: Publish,
        promise: Promise<PublishResult>,
        now: Instant,
    ) -> Result<u64, PublishFailure> {
        if !self.is_running() {
            return Err(PublishFailure::Stopped);
        }
        // Behind those that wait, so that the order stays.
        if let Some(options) = self.options.offline_queue {
            if !self.plain.connected || self.plain.offline.len() > 0 {
                let id = self.next_id();
                let dropped = self.plain.offline.push(&options, id, publish, promise)?;
                if let Some(dropped) = dropped {
                    let waker = dropped.keep(Err(PublishFailure::Dropped));
                    self.wake(waker);
                }
                return Ok(id);
            }
        }
        if publish.qos == Qos::AtMostOnce && !self.plain.connected {
            return Err(PublishFailure::NotSent);
        }
        let max = self.options.publishes;
        if self.plain.messages.len() >= max {
            return Err(PublishFailure::QueueFull { max });
        }
        let id = self.next_id();
        self.hold(id, publish, promise, now);
        Ok(id)
    }

    fn hold(&mut self, id: u64, publish: Publish, promise: Promise<PublishResult>, now: Instant) {
        let message = Outgoing {
            publish: Some(publish),
            deadline: now + self.options.operation_timeout,
            promise,
        };
        self.plain.messages.insert(id, message);
        self.plain.outbox.push_back(id);
    }

    /// Nobody waits for the message any more: what the driver does not have is not sent.
    pub(crate) fn abandon_message(&mut self, id: u64) {
        self.plain.offline.remove(id);
        let queued = |message: &Outgoing| message.publish.is_some();
        if self.plain.messages.get(&id).is_some_and(queued) {
            self.plain.messages.remove(&id);
            self.plain.outbox.retain(|other| *other != id);
        }
    }

    pub(super) fn message_answered(&mut self, id: u64, code: PubackCode) {
        let result = match code.is_success() {
            true => Ok(()),
            false => Err(PublishFailure::Rejected { code }),
        };
        self.end_message(id, result);
    }

    pub(super) fn message_failed(&mut self, id: u64, failure: PublishFailure) {
        self.end_message(id, Err(failure));
    }

    pub(super) fn next_plain(&mut self, now: Instant) -> Option<Action> {
        if !self.plain.connected {
            return None;
        }
        if let Some((id, filter)) = self.plain.leaving.pop_front() {
            return Some(Action::Unsubscribe {
                id: ActionId(Of::Filter(id)),
                filters: vec![filter.as_str().into()],
            });
        }
        let mut filters = self.plain.filters.iter_mut();
        if let Some((id, entry)) = filters.find(|(_, entry)| entry.stage == Stage::Wanted) {
            entry.stage = Stage::Asked;
            return Some(Action::Subscribe {
                id: ActionId(Of::Filter(*id)),
                filters: vec![entry.filter.as_str().into()],
                qos: entry.qos,
            });
        }
        if let Some((id, publish, promise)) = self.plain.offline.pop(now) {
            self.hold(id, publish, promise, now);
        }
        let id = self.plain.outbox.pop_front()?;
        let message = self.plain.messages.get_mut(&id)?.publish.take()?;
        self.client.note_publish(now);
        let id = ActionId(Of::Message(id));
        Some(Action::Publish { id, message })
    }

    /// Ends what has waited too long. A message that was not sent is not sent any more.
    pub(super) fn expire_plain(&mut self, now: Instant) {
        let due = self.plain.messages.iter();
        let due: Vec<(u64, bool)> = due
            .filter(|(_, message)| message.deadline <= now)
            .map(|(id, message)| (*id, message.publish.is_none()))
            .collect();
        for (id, sent) in due {
            self.end_message(id, Err(PublishFailure::TimedOut { sent }));
            self.plain.outbox.retain(|other| *other != id);
            if sent {
                self.withdrawn.push_back(ActionId(Of::Message(id)));
            }
        }
        let late = |(_, deadline, _): &(u64, Instant, _)| *deadline <= now;
        let mut gone = Vec::new();
        for (id, entry) in &mut self.plain.filters {
            let (over, rest) = core::mem::take(&mut entry.waiters)
                .into_iter()
                .partition(late);
            entry.waiters = rest;
            for (stream, _, promise) in Vec::from_iter::<Vec<_>>(over) {
                gone.push((*id, stream));
                self.wakers
                    .extend(promise.keep(Err(SubscribeFailure::TimedOut)));
            }
        }
        for (id, stream) in gone {
            self.end_stream(id, stream);
        }
        let left = core::mem::take(&mut self.plain.left);
        for (id, (deadline, promise)) in left {
            if deadline <= now {
                let waker = promise.keep(Err(SubscribeFailure::TimedOut));
                self.wake(waker);
            } else {
                self.plain.left.insert(id, (deadline, promise));
            }
        }
    }

    /// The driver has ended.
    pub(super) fn stop_plain(&mut self) {
        let plain = core::mem::take(&mut self.plain);
        let messages = plain.messages.into_values().map(|message| message.promise);
        for promise in messages.chain(plain.offline.into_promises()) {
            self.wakers
                .extend(promise.keep(Err(PublishFailure::Stopped)));
        }
        for filter in plain.filters.into_values() {
            for (_, _, promise) in filter.waiters {
                self.wakers
                    .extend(promise.keep(Err(SubscribeFailure::Stopped)));
            }
            for sink in filter.sinks.into_values() {
                self.close_sink(sink);
            }
        }
        for (_, promise) in plain.left.into_values() {
            self.wakers
                .extend(promise.keep(Err(SubscribeFailure::Stopped)));
        }
    }

    fn end_message(&mut self, id: u64, result: PublishResult) {
        if let Some(message) = self.plain.messages.remove(&id) {
            let waker = message.promise.keep(result);
            self.wake(waker);
        }
    }
}
