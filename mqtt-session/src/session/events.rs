//! Events on their way to the driver.

use alloc::collections::VecDeque;

use crate::{Event, Limits, Message, Qos};

/// The queue of events, in the order they happened.
#[derive(Debug, Default)]
pub(super) struct Events {
    queue: VecDeque<Queued>,
    /// Bytes of the messages in the queue.
    bytes: usize,
    /// The message handed out last, which the next poll acknowledges.
    handed_out: Option<Delivery>,
}

/// What acknowledging a message needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Delivery {
    pub(super) id: u16,
    pub(super) qos: Qos,
    /// Which connection it came by.
    pub(super) connection: u64,
}

#[derive(Debug)]
struct Queued {
    event: Event,
    delivery: Option<Delivery>,
}

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        self.queue.push_back(Queued {
            event,
            delivery: None,
        });
    }

    #[inline]
    pub(super) fn push_message(&mut self, message: Message, delivery: Option<Delivery>) {
        self.bytes += message.weight();
        self.queue.push_back(Queued {
            event: Event::Message(message),
            delivery,
        });
    }

    /// The next event; [`take_handed_out`](Self::take_handed_out) must have been called before.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Event> {
        let queued = self.queue.pop_front()?;
        if let Event::Message(message) = &queued.event {
            self.bytes -= message.weight();
        }
        self.handed_out = queued.delivery;
        Some(queued.event)
    }

    pub(super) fn take_handed_out(&mut self) -> Option<Delivery> {
        self.handed_out.take()
    }

    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.queue.len() >= limits.events || self.bytes >= limits.event_bytes
    }

    /// Whether nobody takes them: calls that make further ones are refused.
    pub(super) fn is_neglected(&self, limits: &Limits) -> bool {
        let expected = limits.events.saturating_add(limits.publishes);
        self.queue.len() >= expected.saturating_add(limits.requests)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}
