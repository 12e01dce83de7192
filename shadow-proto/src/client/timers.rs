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
    /// How many were alive when the dead ones were dropped last.
    alive: usize,
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

    /// Whether so many were set since that most of them may be dead.
    pub(crate) fn is_crowded(&self) -> bool {
        self.heap.len() > self.alive.saturating_mul(4).max(64)
    }

    /// Drops the dead entries, wherever they are.
    pub(crate) fn sweep(&mut self, is_alive: impl Fn(Instant, Timer) -> bool) {
        self.heap
            .retain(|Reverse((at, timer))| is_alive(*at, *timer));
        self.alive = self.heap.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn dead_entries_do_not_pile_up() {
        let mut timers = Timers::default();
        let at = |second| Instant::from_origin(Duration::from_secs(second));
        let shadow = ShadowHandle {
            slot: 0,
            generation: 0,
        };
        for second in 0..if cfg!(miri) { 2_000 } else { 100_000 } {
            timers.set(at(second), Timer::Resync(shadow));
            if timers.is_crowded() {
                // Only the last hundred are alive.
                timers.sweep(|due, _| due + Duration::from_secs(100) > at(second));
                assert_eq!(timers.heap.len(), timers.alive);
            }
            assert!(timers.heap.len() <= 400);
        }
    }
}
