//! Deadlines: a heap whose entries are dropped lazily, so that setting and forgetting one costs
//! little however many there are.

use crate::{
    event::{RequestId, ShadowHandle, SubscribeId},
    time::Instant,
    topic::Operation,
};
use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

/// What is due. Whoever owns it also knows when; an entry that disagrees with its owner is dead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A request's deadline.
    Deadline(RequestId),
    /// A rejected request is tried again.
    Retry(RequestId),
    /// A SUBACK is missing.
    Suback(SubscribeId),
    /// Filters are asked for again.
    Resubscribe(ShadowHandle),
    /// The subscriptions of an operation are given up.
    Linger(ShadowHandle, Operation),
    /// Filters of removed shadows are given up again.
    Orphans,
    /// A document is fetched.
    Resync(ShadowHandle),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// The earliest entry, dead or alive.
    pub(crate) fn peek(&self) -> Option<(Instant, Timer)> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }

    pub(crate) fn pop(&mut self) {
        self.heap.pop();
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops the dead entries, wherever they are.
    pub(crate) fn retain(&mut self, alive: impl Fn(Instant, Timer) -> bool) {
        self.heap.retain(|Reverse((at, timer))| alive(*at, *timer));
    }
}
