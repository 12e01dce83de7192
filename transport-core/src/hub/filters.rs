//! The application's own subscriptions: one filter, however many streams and callbacks it feeds.

use alloc::{collections::BTreeMap, sync::Arc};

use mqtt_session::{Qos, TopicFilter};
use shadow_proto::{Instant, SubackCode};

use super::State;
use crate::{
    callback::{Job, MessageCallback},
    error::SubscribeFailure,
    message::Message,
    oneshot::Promise,
    ring::Ring,
};

pub(super) type SubscribeResult = Result<(), SubscribeFailure>;

/// Who gets the messages of a filter.
pub(crate) enum MessageSink {
    Stream(Ring<Message>),
    Callback(MessageCallback),
}

/// One filter, however many streams it feeds.
pub(super) struct Filter {
    pub(super) filter: TopicFilter,
    pub(super) qos: Qos,
    pub(super) stage: Stage,
    pub(super) sinks: BTreeMap<u64, MessageSink>,
    pub(super) waiters: Vec<(u64, Instant, Promise<SubscribeResult>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Wanted,
    Asked,
    Granted,
}

impl State {
    /// Adds a stream or a callback to a filter, and asks the broker for it where that is needed. Returns the
    /// filter's number and the stream's.
    pub(crate) fn subscribe(
        &mut self,
        filter: TopicFilter,
        qos: Qos,
        sink: MessageSink,
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
                    sinks: BTreeMap::new(),
                    waiters: Vec::new(),
                };
                (id, self.plain.filters.entry(id).or_insert(entry))
            }
        };
        entry.sinks.insert(stream, sink);
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
        self.claim(now);
        Ok((id, stream))
    }

    /// A stream is gone; the last one gives up the filter.
    pub(crate) fn end_stream(&mut self, id: u64, stream: u64) {
        let Some(entry) = self.plain.filters.get_mut(&id) else {
            return;
        };
        let sink = entry.sinks.remove(&stream);
        entry.waiters.retain(|(waiter, ..)| *waiter != stream);
        if entry.sinks.is_empty() {
            self.give_up(id);
        }
        if let Some(sink) = sink {
            self.close_sink(sink);
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

    /// Hands a message to every stream and callback whose filter matches; whether there was one.
    pub(super) fn deliver(&mut self, message: &Message) -> bool {
        let mut jobs = Vec::new();
        let mut taken = false;
        for (id, entry) in &self.plain.filters {
            if !entry.filter.matches(&message.topic) {
                continue;
            }
            for (key, sink) in &entry.sinks {
                taken = true;
                match sink {
                    MessageSink::Stream(ring) => self.wakers.extend(ring.push(message.clone())),
                    MessageSink::Callback(_) => jobs.push(Job::Plain {
                        key: (*id, *key),
                        message: message.clone(),
                    }),
                }
            }
        }
        for job in jobs {
            self.queue_message_job(job);
        }
        taken
    }

    /// The callback of a plain subscription, unless it has ended.
    pub(crate) fn message_callback(&self, (id, stream): (u64, u64)) -> Option<MessageCallback> {
        match self.plain.filters.get(&id)?.sinks.get(&stream)? {
            MessageSink::Callback(callback) => Some(Arc::clone(callback)),
            MessageSink::Stream(_) => None,
        }
    }

    pub(super) fn close_sink(&mut self, sink: MessageSink) {
        match sink {
            MessageSink::Stream(ring) => self.wakers.extend(ring.close()),
            MessageSink::Callback(callback) => self.discarded.push(callback),
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
        for sink in core::mem::take(&mut entry.sinks).into_values() {
            self.close_sink(sink);
        }
        for (_, _, promise) in core::mem::take(&mut entry.waiters) {
            self.wakers
                .extend(promise.keep(Err(SubscribeFailure::Stopped)));
        }
        Some(entry)
    }
}
