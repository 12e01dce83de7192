//! The queue of what the driver has not taken yet, and what gives way when it grows too long.

use crate::event::{Event, Output, ShadowHandle};
use crate::{config::Limits, document::Accepted, field::Field, json::Json};
use alloc::collections::{BTreeSet, VecDeque};

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

    pub(crate) fn pop(&mut self) -> Option<Output> {
        let output = self.queue.pop_front()?;
        if let Output::Event(event) = &output {
            self.events -= 1;
            self.bytes -= weight(event);
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            // A connect with many shadows fills it once.
            self.queue = VecDeque::new();
        }
        Some(output)
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

/// The bytes of JSON and of peers' text that an event keeps.
fn weight(event: &Event) -> usize {
    let json = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.as_str().len());
    let field = |field: &Field<Json>| field.value().map_or(0, |json| json.as_str().len());
    let accepted = |accepted: &Accepted| match accepted {
        Accepted::Get(document) => {
            field(&document.desired)
                + field(&document.reported)
                + field(&document.delta)
                + document
                    .metadata
                    .json()
                    .map_or(0, |json| json.as_str().len())
        }
        Accepted::Update(update) => {
            field(&update.desired)
                + field(&update.reported)
                + update.metadata.json().map_or(0, |json| json.as_str().len())
        }
        Accepted::Delete { .. } | Accepted::Published => 0,
    };
    match event {
        Event::Response {
            outcome, payload, ..
        } => outcome.as_ref().map_or(0, accepted) + json(payload),
        Event::LateAnswer { answer, .. } => answer.as_ref().map_or(0, accepted),
        Event::ForeignAnswer {
            answer, payload, ..
        } => answer.as_ref().map_or(0, accepted) + json(payload),
        Event::Undecodable { payload, .. } => payload.len(),
        Event::Delta { delta, payload, .. } => {
            let metadata = delta.metadata.json().map_or(0, |json| json.as_str().len());
            delta.state.as_str().len() + metadata + json(payload)
        }
        Event::Documents {
            documents, payload, ..
        } => {
            let current = &documents.current;
            let previous = documents.previous.as_ref();
            field(&current.desired)
                + field(&current.reported)
                + previous.map_or(0, |previous| {
                    field(&previous.desired) + field(&previous.reported)
                })
                + json(payload)
        }
        Event::Ready { document, .. } => document.as_ref().map_or(0, |document| {
            field(&document.desired) + field(&document.reported) + field(&document.delta)
        }),
        Event::UnattributedRejection { rejection, .. } => rejection.message.len(),
        Event::ResyncFailed { .. }
        | Event::Refused { .. }
        | Event::Lagged { .. }
        | Event::Deleted { .. } => 0,
    }
}
