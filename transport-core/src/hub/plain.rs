//! The application's own messages and subscriptions, beside the shadows on the same connection.

use alloc::collections::{BTreeMap, VecDeque};

use mqtt_session::{Publish, Qos, TopicFilter};
use shadow_proto::{Instant, PubackCode, SubackCode};

use super::State;
use crate::{
    action::{Action, ActionId, Of},
    error::{PublishFailure, SubscribeFailure},
    message::Message,
    oneshot::Promise,
    ring::Ring,
};

type PublishResult = Result<(), PublishFailure>;
type SubscribeResult = Result<(), SubscribeFailure>;

#[derive(Default)]
pub(crate) struct Plain {
    connected: bool,
    filters: BTreeMap<u64, Filter>,
    messages: BTreeMap<u64, Outgoing>,
    /// Those of `messages` that the driver does not have yet, in order.
    outbox: VecDeque<u64>,
    /// Filters given up, for the driver.
    leaving: VecDeque<(u64, TopicFilter)>,
    /// Who waits for an UNSUBACK.
    left: BTreeMap<u64, (Instant, Promise<SubscribeResult>)>,
}

/// One filter, however many streams it feeds.
struct Filter {
    filter: TopicFilter,
    qos: Qos,
    stage: Stage,
    streams: BTreeMap<u64, Ring<Message>>,
    waiters: Vec<(u64, Instant, Promise<SubscribeResult>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Wanted,
    Asked,
    Granted,
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
        self.messages.is_empty()
    }

    pub(super) fn outstanding(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        // All have the same time, so the oldest ends first.
        let messages = self.messages.values().next();
        let messages = messages.map(|message| message.deadline).into_iter();
        let waiters = self.filters.values().flat_map(|filter| &filter.waiters);
        let left = self.left.values().map(|(deadline, _)| *deadline);
        messages
            .chain(waiters.map(|(_, deadline, _)| *deadline))
            .chain(left)
            .min()
    }
}

impl State {
    /// A lost session knows no filter any more, so that there is nothing to be told either.
    pub(super) fn plain_connected(&mut self, session_present: bool) {
        let plain = &mut self.plain;
        plain.connected = true;
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

    /// Takes a message for the driver. At QoS 0 it needs a connection, since nothing keeps it.
    pub(crate) fn publish(
        &mut self,
        publish: Publish,
        promise: Promise<PublishResult>,
        now: Instant,
    ) -> Result<u64, PublishFailure> {
        let max = self.options.publishes;
        if !self.is_running() {
            return Err(PublishFailure::Stopped);
        }
        if publish.qos == Qos::AtMostOnce && !self.plain.connected {
            return Err(PublishFailure::NotSent);
        }
        if self.plain.messages.len() >= max {
            return Err(PublishFailure::QueueFull { max });
        }
        let id = self.next_id();
        let message = Outgoing {
            publish: Some(publish),
            deadline: now + self.options.operation_timeout,
            promise,
        };
        self.plain.messages.insert(id, message);
        self.plain.outbox.push_back(id);
        Ok(id)
    }

    /// Nobody waits for the message any more: what the driver does not have is not sent.
    pub(crate) fn abandon_message(&mut self, id: u64) {
        let queued = |message: &Outgoing| message.publish.is_some();
        if self.plain.messages.get(&id).is_some_and(queued) {
            self.plain.messages.remove(&id);
            self.plain.outbox.retain(|other| *other != id);
        }
    }

    /// Adds a stream to a filter, and asks the broker for it where that is needed. Returns the
    /// filter's number and the stream's.
    pub(crate) fn subscribe(
        &mut self,
        filter: TopicFilter,
        qos: Qos,
        ring: Ring<Message>,
        promise: Promise<SubscribeResult>,
        now: Instant,
    ) -> Result<(u64, u64), SubscribeFailure> {
        if !self.is_running() {
            return Err(SubscribeFailure::Stopped);
        }
        let (id, stream) = (self.next_id(), self.next_id());
        let deadline = now + self.options.operation_timeout;
        let mut known = self.plain.filters.iter_mut();
        let (id, entry) = match known.find(|(_, entry)| entry.filter == filter) {
            Some((id, entry)) => (*id, entry),
            None => {
                let entry = Filter {
                    filter,
                    qos,
                    stage: Stage::Wanted,
                    streams: BTreeMap::new(),
                    waiters: Vec::new(),
                };
                (id, self.plain.filters.entry(id).or_insert(entry))
            }
        };
        entry.streams.insert(stream, ring);
        if entry.qos < qos {
            entry.qos = qos;
            entry.stage = Stage::Wanted;
        }
        if entry.stage == Stage::Granted {
            let waker = promise.keep(Ok(()));
            self.wake(waker);
        } else {
            entry.waiters.push((stream, deadline, promise));
        }
        Ok((id, stream))
    }

    /// A stream is gone; the last one gives up the filter.
    pub(crate) fn end_stream(&mut self, id: u64, stream: u64) {
        if let Some(entry) = self.plain.filters.get_mut(&id) {
            entry.streams.remove(&stream);
            entry.waiters.retain(|(waiter, ..)| *waiter != stream);
            if entry.streams.is_empty() {
                self.give_up(id);
            }
        }
    }

    /// Ends every stream of a filter, and tells the broker.
    pub(crate) fn unsubscribe(
        &mut self,
        filter: &TopicFilter,
        promise: Promise<SubscribeResult>,
        now: Instant,
    ) {
        let deadline = now + self.options.operation_timeout;
        let mut filters = self.plain.filters.iter();
        let known = filters.find(|(_, entry)| entry.filter == *filter);
        let Some(id) = known.map(|(id, _)| *id) else {
            let waker = promise.keep(Ok(()));
            return self.wake(waker);
        };
        if self.give_up(id) {
            self.plain.left.insert(id, (deadline, promise));
        } else {
            let waker = promise.keep(Ok(()));
            self.wake(waker);
        }
    }

    pub(super) fn filter_answered(&mut self, id: u64, code: SubackCode) {
        let Some(entry) = self.plain.filters.get_mut(&id) else {
            return;
        };
        if entry.stage != Stage::Asked {
            return;
        }
        let result = if code.is_granted() {
            entry.stage = Stage::Granted;
            Ok(())
        } else {
            Err(SubscribeFailure::Refused { code })
        };
        for (_, _, promise) in core::mem::take(&mut entry.waiters) {
            self.wakers.extend(promise.keep(result.clone()));
        }
        if result.is_err() {
            self.drop_filter(id);
        }
    }

    pub(super) fn filter_failed(&mut self, id: u64) {
        if let Some(entry) = self.plain.filters.get_mut(&id) {
            if entry.stage == Stage::Asked {
                entry.stage = Stage::Wanted;
            }
        }
    }

    pub(super) fn filter_ended(&mut self, id: u64) {
        if let Some((_, promise)) = self.plain.left.remove(&id) {
            let waker = promise.keep(Ok(()));
            self.wake(waker);
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

    /// Hands a message to every stream whose filter matches; whether there was one.
    pub(super) fn deliver(&mut self, message: &Message) -> bool {
        let mut taken = false;
        for entry in self.plain.filters.values() {
            if !entry.filter.matches(&message.topic) {
                continue;
            }
            for ring in entry.streams.values() {
                taken = true;
                self.wakers.extend(ring.push(message.clone()));
            }
        }
        taken
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
        let id = self.plain.outbox.pop_front()?;
        let publish = self.plain.messages.get_mut(&id)?.publish.take()?;
        self.client.note_publish(now);
        let mut properties = publish.properties;
        let expiry = properties
            .as_mut()
            .and_then(|all| all.message_expiry.take());
        Some(Action::Publish {
            id: ActionId(Of::Message(id)),
            topic: publish.topic.into(),
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            expiry,
            properties,
        })
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
        for message in plain.messages.into_values() {
            self.wakers
                .extend(message.promise.keep(Err(PublishFailure::Stopped)));
        }
        for filter in plain.filters.into_values() {
            for (_, _, promise) in filter.waiters {
                self.wakers
                    .extend(promise.keep(Err(SubscribeFailure::Stopped)));
            }
            for ring in filter.streams.into_values() {
                self.wakers.extend(ring.close());
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

    /// Gives up a filter: its streams end. Whether the broker has to be told.
    fn give_up(&mut self, id: u64) -> bool {
        let Some(entry) = self.drop_filter(id) else {
            return false;
        };
        let told = entry.stage != Stage::Wanted;
        if told {
            self.plain.leaving.push_back((id, entry.filter));
        }
        told
    }

    fn drop_filter(&mut self, id: u64) -> Option<Filter> {
        let mut entry = self.plain.filters.remove(&id)?;
        for ring in core::mem::take(&mut entry.streams).into_values() {
            self.wakers.extend(ring.close());
        }
        for (_, _, promise) in core::mem::take(&mut entry.waiters) {
            self.wakers
                .extend(promise.keep(Err(SubscribeFailure::Stopped)));
        }
        Some(entry)
    }
}
