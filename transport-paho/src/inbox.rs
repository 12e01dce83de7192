//! What the threads of the C library hand over to ours.

use alloc::{collections::VecDeque, sync::Arc, task::Wake};
use core::{mem, task::Waker, time::Duration};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use paho_mqtt::Message;

/// A queue from callbacks to the driver. Callbacks run on threads that serve every client of the
/// process, under a lock of the C library: all they do is to push here, which neither waits nor
/// panics nor calls back.
pub(crate) struct Inbox {
    state: Mutex<State>,
    ready: Condvar,
    limits: Limits,
}

/// How much may wait. The C library takes no "not now" from its Rust bindings, and it acknowledges
/// what it hands over: what does not fit is lost, and the connection counts as lost with it.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// Which of the C library's clients something is about. There may be an old one that cannot be
/// stopped yet.
pub(crate) type Epoch = u64;

/// Something that happened.
pub(crate) enum Fact {
    /// An operation ended; the number is the driver's.
    Done(u64),
    /// A message arrived.
    Message(Message),
    /// The connection is gone.
    Lost,
    /// An MQTT 5 server ended it, and said why.
    Ended {
        code: u8,
        reason_string: Option<Box<str>>,
        server_reference: Option<Box<str>>,
    },
    /// Messages did not fit.
    Overflow,
    /// Why a connection could not be made.
    Explained(Box<transport_core::ConnectError>),
}

#[derive(Default)]
struct State {
    facts: VecDeque<(Epoch, Fact)>,
    messages: usize,
    bytes: usize,
    /// Since the last overflow was taken out, messages of this epoch are not taken.
    overflow: Option<Epoch>,
    woken: bool,
}

impl Inbox {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            limits,
        })
    }

    pub(crate) fn push(&self, epoch: Epoch, fact: Fact) {
        let mut state = self.lock();
        let mut fact = fact;
        if let Fact::Message(message) = &fact {
            let size = message.payload().len();
            let fits = state.messages < self.limits.messages
                && (state.messages == 0 || state.bytes.saturating_add(size) <= self.limits.bytes);
            if state.overflow == Some(epoch) {
                return;
            }
            if fits {
                state.messages += 1;
                state.bytes = state.bytes.saturating_add(size);
            } else {
                state.overflow = Some(epoch);
                fact = Fact::Overflow;
            }
        }
        state.facts.push_back((epoch, fact));
        drop(state);
        self.ready.notify_one();
    }

    /// The next fact, or `None` if there is none after this time or if the driver was woken.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<(Epoch, Fact)> {
        let state = self.lock();
        let idle = |state: &mut State| state.facts.is_empty() && !state.woken;
        let (mut state, _) = self
            .ready
            .wait_timeout_while(state, timeout, idle)
            .unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
        let (epoch, fact) = state.facts.pop_front()?;
        if let Fact::Message(message) = &fact {
            state.messages -= 1;
            state.bytes = state.bytes.saturating_sub(message.payload().len());
        }
        Some((epoch, fact))
    }

    /// Forgets what a client that is no more handed over.
    pub(crate) fn forget(&self, epoch: Epoch) {
        let mut state = self.lock();
        let facts = mem::take(&mut state.facts);
        for (of, fact) in facts {
            if of != epoch {
                state.facts.push_back((of, fact));
            } else if let Fact::Message(message) = fact {
                state.messages -= 1;
                state.bytes = state.bytes.saturating_sub(message.payload().len());
            }
        }
    }

    /// Wakes the driver with a fact.
    pub(crate) fn waker(self: &Arc<Self>, epoch: Epoch, operation: u64) -> Waker {
        Waker::from(Arc::new(Done {
            inbox: Arc::clone(self),
            epoch,
            operation,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the hub: there may be something to do.
impl Wake for Inbox {
    fn wake(self: Arc<Self>) {
        self.lock().woken = true;
        self.ready.notify_one();
    }
}

/// For what paho calls tokens, which are futures.
struct Done {
    inbox: Arc<Inbox>,
    epoch: Epoch,
    operation: u64,
}

impl Wake for Done {
    fn wake(self: Arc<Self>) {
        self.inbox.push(self.epoch, Fact::Done(self.operation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: usize) -> Fact {
        Fact::Message(Message::new("t", vec![0; size], 0))
    }

    fn next(inbox: &Inbox) -> Option<(Epoch, String)> {
        let (epoch, fact) = inbox.wait(Duration::ZERO)?;
        let name = match fact {
            Fact::Done(operation) => format!("done {operation}"),
            Fact::Message(message) => format!("message {}", message.payload().len()),
            Fact::Overflow => "overflow".into(),
            Fact::Lost | Fact::Ended { .. } | Fact::Explained(_) => "other".into(),
        };
        Some((epoch, name))
    }

    #[test]
    fn what_does_not_fit_ends_in_one_overflow() {
        let inbox = Inbox::new(Limits {
            messages: 3,
            bytes: 10,
        });
        // A message alone always fits.
        inbox.push(1, message(20));
        assert_eq!(next(&inbox), Some((1, "message 20".into())));
        inbox.push(1, message(6));
        inbox.push(1, message(6));
        inbox.push(1, message(1));
        inbox.push(1, Fact::Done(7));
        assert_eq!(next(&inbox), Some((1, "message 6".into())));
        assert_eq!(next(&inbox), Some((1, "overflow".into())));
        assert_eq!(next(&inbox), Some((1, "done 7".into())));
        assert_eq!(next(&inbox), None);
        // The next connection begins afresh.
        inbox.push(2, message(1));
        assert_eq!(next(&inbox), Some((2, "message 1".into())));
    }

    #[test]
    fn the_number_of_messages_is_bounded_and_what_is_forgotten_makes_room() {
        let inbox = Inbox::new(Limits {
            messages: 2,
            bytes: 1_000,
        });
        inbox.push(1, message(1));
        inbox.push(2, message(2));
        inbox.forget(1);
        inbox.push(2, message(3));
        inbox.push(2, message(4));
        let all: Vec<String> = core::iter::from_fn(|| next(&inbox))
            .map(|it| it.1)
            .collect();
        assert_eq!(all, ["message 2", "message 3", "overflow"]);
    }

    #[test]
    fn wakes_without_a_fact() {
        let inbox = Inbox::new(Limits::default());
        Waker::from(Arc::clone(&inbox)).wake();
        // Not after an hour.
        assert!(inbox.wait(Duration::from_secs(3_600)).is_none());
        inbox.waker(3, 9).wake();
        let woken = inbox.wait(Duration::from_secs(3_600));
        assert!(matches!(woken, Some((3, Fact::Done(9)))));
    }
}
