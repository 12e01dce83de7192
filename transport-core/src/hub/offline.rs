//! Plain messages that wait for a connection however long it takes.

use alloc::collections::VecDeque;
use core::time::Duration;

use mqtt_session::Publish;
use shadow_proto::Instant;

use super::plain::PublishResult;
use crate::{error::PublishFailure, oneshot::Promise};

/// A queue for plain publishes without a connection, in the sense of the AWS IoT SDKs of version 1
/// (`configureOfflinePublishQueueing`, `configureDrainingFrequency`).
///
/// What is published without a connection, at any QoS, is queued instead of being refused (QoS 0)
/// or of ending with `operation_timeout`. With the next connection it is sent in order, at the
/// drain rate; what is published meanwhile goes behind it. The `operation_timeout` of a message
/// begins when it leaves the queue. Requests of shadows have a queue and rates of their own, and
/// never use this one.
///
/// ```
/// use transport_core::{ConnectOptions, DropPolicy, OfflineQueue};
///
/// let mut options = ConnectOptions::from_url("mqtt://127.0.0.1:1883")?;
/// let mut queue = OfflineQueue::default();
/// queue.size = 100;
/// queue.drop = DropPolicy::Oldest;
/// options.offline_queue = Some(queue);
/// # Ok::<(), transport_core::EndpointError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OfflineQueue {
    /// How many messages wait at most; `usize::MAX` for as many as memory holds, which those SDKs
    /// write as -1. Default 20.
    pub size: usize,
    /// Which message goes when there is one too many. Default [`DropPolicy::Newest`].
    pub drop: DropPolicy,
    /// How many messages a second leave the queue once there is a connection; 0 for no limit.
    /// Default 2.
    pub drain_rate: u32,
}

/// Which message a full [`OfflineQueue`] gives up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third end of a queue")]
pub enum DropPolicy {
    /// The one that has waited longest; its publish ends with
    /// [`PublishFailure::Dropped`].
    Oldest,
    /// The one that comes; it is refused with [`PublishFailure::QueueFull`].
    Newest,
}

impl Default for OfflineQueue {
    fn default() -> Self {
        Self {
            size: 20,
            drop: DropPolicy::Newest,
            drain_rate: 2,
        }
    }
}

impl OfflineQueue {
    fn interval(&self) -> Duration {
        let second = Duration::from_secs(1);
        second.checked_div(self.drain_rate).unwrap_or_default()
    }
}

type Waiting = (u64, Publish, Promise<PublishResult>);

/// The messages in the queue.
#[derive(Default)]
pub(super) struct Offline {
    messages: VecDeque<Waiting>,
    interval: Duration,
    /// When the next one may leave, given a connection.
    next: Instant,
}

impl Offline {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Puts a message behind the others. Gives back whose message was dropped for it.
    pub(super) fn push(
        &mut self,
        options: &OfflineQueue,
        id: u64,
        publish: Publish,
        promise: Promise<PublishResult>,
    ) -> Result<Option<Promise<PublishResult>>, PublishFailure> {
        let full = self.messages.len() >= options.size;
        if full && (options.drop == DropPolicy::Newest || options.size == 0) {
            return Err(PublishFailure::QueueFull { max: options.size });
        }
        let oldest = full.then(|| self.messages.pop_front()).flatten();
        self.interval = options.interval();
        self.messages.push_back((id, publish, promise));
        Ok(oldest.map(|(.., promise)| promise))
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.messages.retain(|(other, ..)| *other != id);
    }

    pub(super) fn handle_connected(&mut self, now: Instant) {
        self.next = now;
    }

    /// The message that may leave now, given a connection.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Waiting> {
        if self.next > now {
            return None;
        }
        let message = self.messages.pop_front()?;
        self.next = now + self.interval;
        Some(message)
    }

    pub(super) fn poll_timeout(&self, connected: bool) -> Option<Instant> {
        (connected && !self.messages.is_empty()).then_some(self.next)
    }

    pub(super) fn into_promises(self) -> impl Iterator<Item = Promise<PublishResult>> {
        self.messages.into_iter().map(|(.., promise)| promise)
    }
}
