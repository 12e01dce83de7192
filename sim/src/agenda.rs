//! What happens when: events in the order of their times, and of age where times are equal.

use shadow_proto::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Debug)]
pub(crate) struct Agenda<T> {
    queue: BinaryHeap<Reverse<Entry<T>>>,
    number: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    /// Breaks ties by age.
    number: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self {
            queue: BinaryHeap::new(),
            number: 0,
        }
    }

    pub(crate) fn schedule(&mut self, at: Instant, what: T) {
        self.number += 1;
        let number = self.number;
        self.queue.push(Reverse(Entry { at, number, what }));
    }

    /// When the next event is.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(entry)| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, T)> {
        let Reverse(entry) = self.queue.pop()?;
        Some((entry.at, entry.what))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
