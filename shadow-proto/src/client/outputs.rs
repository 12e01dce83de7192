//! The queue of what the driver has not taken yet, and what gives way when it grows too long.

use super::weight::weight;
use crate::{
    config::Limits,
    event::{Event, Output, ShadowHandle},
    wire::Version,
};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

/// What of a shadow waits in the queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Untold {
    pub(crate) delta: Lowest,
    pub(crate) documents: Lowest,
}

/// The lowest of some versions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lowest(pub(crate) Option<u64>);

impl Lowest {
    fn add(&mut self, version: Version) {
        let version = version.number();
        self.0 = Some(self.0.map_or(version, |lowest| lowest.min(version)));
    }
}

/// How much room an empty queue keeps.
const KEPT: usize = 64;

#[derive(Debug)]
pub(crate) struct Outputs {
    queue: VecDeque<Output>,
    events: usize,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
    /// Whether no event in the queue can give way, so that there is no need to look again.
    rigid: bool,
}

impl Outputs {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (max_events, max_bytes) = (limits.events, limits.event_bytes);
        Self {
            queue: VecDeque::new(),
            events: 0,
            bytes: 0,
            max_events,
            max_bytes,
            rigid: false,
        }
    }

    /// What is next.
    pub(crate) fn front(&self) -> Option<&Output> {
        self.queue.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        if let Output::Event(event) = self.queue.front()? {
            self.events -= 1;
            self.bytes -= weight(event);
        }
        if self.queue.len() == 1 && self.queue.capacity() > KEPT {
            // A connect with many shadows fills it once.
            return core::mem::take(&mut self.queue).pop_front();
        }
        // The last step, so that a large value is moved once, to where the caller wants it.
        self.queue.pop_front()
    }

    /// Queues something for the network.
    pub(crate) fn push(&mut self, output: Output) {
        debug_assert!(
            !matches!(output, Output::Event(_)),
            "events go through `tell`"
        );
        self.queue.push_back(output);
    }

    /// Queues an event; when too many wait, others give way.
    pub(crate) fn tell(&mut self, event: Event) {
        self.events += 1;
        self.bytes += weight(&event);
        self.rigid &= !matches!(event, Event::Delta { .. }) && !is_droppable(&event);
        self.queue.push_back(Output::Event(event));
        while !self.rigid && (self.events > self.max_events || self.bytes > self.max_bytes) {
            self.rigid = !self.give_way();
        }
    }

    /// Takes out what was not polled and is void without its connection.
    pub(crate) fn withdraw(&mut self, mut withdrawn: impl FnMut(Output)) {
        for output in core::mem::take(&mut self.queue) {
            if matches!(output, Output::Event(_)) {
                self.queue.push_back(output);
            } else {
                withdrawn(output);
            }
        }
    }

    /// The shadows of which the application was not told everything yet.
    pub(crate) fn untold(&self) -> BTreeMap<ShadowHandle, Untold> {
        let mut untold = BTreeMap::<ShadowHandle, Untold>::new();
        for output in &self.queue {
            match output {
                Output::Event(Event::Delta { shadow, delta, .. }) => {
                    untold.entry(*shadow).or_default().delta.add(delta.version);
                }
                Output::Event(Event::Documents {
                    shadow, documents, ..
                }) => {
                    let version = documents.current.version;
                    untold.entry(*shadow).or_default().documents.add(version);
                }
                Output::Event(Event::Ready { shadow, .. } | Event::Deleted { shadow, .. }) => {
                    untold.entry(*shadow).or_default();
                }
                Output::Event(_)
                | Output::Subscribe { .. }
                | Output::Unsubscribe { .. }
                | Output::Publish { .. } => {}
            }
        }
        untold
    }

    /// Drops one event. Responses and what happens once per shadow and connect are kept: the
    /// window and the number of shadows bound them.
    fn give_way(&mut self) -> bool {
        // A delta that a newer one of its shadow follows holds nothing the newer one lacks.
        let mut newer = BTreeSet::new();
        let superseded = (0..self.queue.len())
            .rev()
            .find(|at| match self.queue.get(*at) {
                Some(Output::Event(Event::Delta { shadow, .. })) => !newer.insert(*shadow),
                _ => false,
            });
        if let Some(at) = superseded {
            self.remove(at);
            return true;
        }
        let droppable = self
            .queue
            .iter()
            .position(|output| matches!(output, Output::Event(event) if is_droppable(event)));
        let Some(at) = droppable else { return false };
        let Some(shadow) = self.remove(at) else {
            return false;
        };
        self.mark_gap(at, shadow);
        true
    }

    fn remove(&mut self, at: usize) -> Option<ShadowHandle> {
        let Some(Output::Event(event)) = self.queue.remove(at) else {
            return None;
        };
        self.events -= 1;
        self.bytes -= weight(&event);
        Some(event.shadow())
    }

    /// Says that an event of `shadow` is missing at `at`: in the one mark that each shadow has.
    fn mark_gap(&mut self, at: usize, of: ShadowHandle) {
        let mark = self.queue.iter_mut().find_map(|output| match output {
            Output::Event(Event::Lagged { shadow, dropped }) if *shadow == of => Some(dropped),
            Output::Event(_)
            | Output::Subscribe { .. }
            | Output::Unsubscribe { .. }
            | Output::Publish { .. } => None,
        });
        if let Some(dropped) = mark {
            *dropped = dropped.saturating_add(1);
            return;
        }
        self.queue.insert(
            at,
            Output::Event(Event::Lagged {
                shadow: of,
                dropped: 1,
            }),
        );
        self.events += 1;
    }

    #[cfg(any(test, fuzzing, debug_assertions))]
    pub(crate) fn check_invariants(&self) {
        let events = self.queue.iter().filter_map(|output| match output {
            Output::Event(event) => Some(event),
            Output::Subscribe { .. } | Output::Unsubscribe { .. } | Output::Publish { .. } => None,
        });
        debug_assert_eq!(self.events, events.clone().count(), "events are counted");
        debug_assert_eq!(
            self.bytes,
            events.map(weight).sum::<usize>(),
            "bytes are counted"
        );
    }
}

/// Whether an event may be dropped when too many wait, leaving a mark.
fn is_droppable(event: &Event) -> bool {
    matches!(
        event,
        Event::Documents { .. }
            | Event::ForeignAnswer { .. }
            | Event::UnattributedRejection { .. }
            | Event::Undecodable { .. }
            | Event::LateAnswer { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::DecodeError;
    use alloc::{vec, vec::Vec};

    const LAMP: ShadowHandle = ShadowHandle {
        slot: 0,
        generation: 0,
    };
    const FAN: ShadowHandle = ShadowHandle {
        slot: 1,
        generation: 0,
    };

    /// An event that may be dropped, of so many bytes.
    fn droppable(shadow: ShadowHandle, bytes: usize) -> Event {
        Event::Undecodable {
            shadow,
            topic: crate::TopicKind::GetAccepted,
            reason: DecodeError::NotUtf8,
            payload: vec![0; bytes].into(),
        }
    }

    fn outputs(events: usize, bytes: usize) -> Outputs {
        let limits = Limits {
            events,
            event_bytes: bytes,
            ..Limits::default()
        };
        Outputs::new(&limits)
    }

    fn rest(mut outputs: Outputs) -> Vec<Event> {
        outputs.check_invariants();
        let mut events = Vec::new();
        while let Some(Output::Event(event)) = outputs.pop() {
            events.push(event);
            outputs.check_invariants();
        }
        events
    }

    #[test]
    fn exactly_as_many_events_and_bytes_as_allowed_are_kept() {
        let mut full = outputs(3, 30);
        for _ in 0..3 {
            full.tell(droppable(LAMP, 10));
        }
        assert_eq!(rest(full), vec![droppable(LAMP, 10); 3]);
        let mut heavy = outputs(9, 30);
        for bytes in [10, 10, 11] {
            heavy.tell(droppable(LAMP, bytes));
        }
        let gap = |shadow, dropped| Event::Lagged { shadow, dropped };
        let left = [gap(LAMP, 1), droppable(LAMP, 10), droppable(LAMP, 11)];
        assert_eq!(rest(heavy), left);
        let mut many = outputs(3, 99);
        for bytes in 1..=5 {
            many.tell(droppable(LAMP, bytes));
        }
        let left = [gap(LAMP, 3), droppable(LAMP, 4), droppable(LAMP, 5)];
        assert_eq!(rest(many), left);
    }

    #[test]
    fn each_shadow_has_a_mark_of_its_own() {
        let mut outputs = outputs(4, 99);
        for _ in 0..4 {
            outputs.tell(droppable(LAMP, 1));
            outputs.tell(droppable(FAN, 1));
        }
        let events = rest(outputs);
        for shadow in [LAMP, FAN] {
            let mark = Event::Lagged { shadow, dropped: 3 };
            assert!(events.contains(&mark), "{events:?}");
        }
        assert_eq!(events.len(), 4);
    }

    #[test]
    fn what_cannot_give_way_stays_and_what_comes_after_it_can_again() {
        let ready = |fetched| Event::Ready {
            shadow: LAMP,
            document: None,
            fetched,
        };
        let mut outputs = outputs(2, 99);
        for _ in 0..4 {
            outputs.tell(ready(true));
        }
        outputs.tell(droppable(LAMP, 1));
        outputs.tell(ready(false));
        let events = rest(outputs);
        assert_eq!(events.len(), 6, "{events:?}");
        let marks = events.iter();
        let marks = marks.filter(|event| matches!(event, Event::Lagged { dropped: 1, .. }));
        assert_eq!(marks.count(), 1);
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let mut outputs = outputs(10_000, 10_000);
        for _ in 0..5_000 {
            outputs.tell(droppable(LAMP, 1));
        }
        assert!(outputs.queue.capacity() >= 5_000);
        assert!(outputs.pop().is_some());
        assert!(outputs.queue.capacity() >= 4_999, "it is not empty yet");
        while outputs.pop().is_some() {}
        assert!(outputs.queue.capacity() <= KEPT);
        outputs.tell(droppable(LAMP, 1));
        let kept = outputs.queue.capacity();
        assert!(outputs.pop().is_some());
        assert_eq!(outputs.queue.capacity(), kept, "a little is kept");
    }
}
