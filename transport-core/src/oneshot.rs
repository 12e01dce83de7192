//! One value from the hub to whoever waits for it.
//!
//! Unlike other channels of this kind, setting the value hands the waker back, so that the hub can
//! wake after it has given its lock free.

use alloc::sync::Arc;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, PoisonError};

pub(crate) fn oneshot<T>() -> (Promise<T>, Answer<T>) {
    let shared = Arc::new(Mutex::new(Slot {
        value: None,
        waker: None,
    }));
    (Promise(Arc::clone(&shared)), Answer(shared))
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// Where the value is put.
#[derive(Debug)]
pub(crate) struct Promise<T>(Arc<Mutex<Slot<T>>>);

impl<T> Promise<T> {
    /// Puts the value there; the waker returned is to be woken.
    #[must_use]
    pub(crate) fn keep(self, value: T) -> Option<Waker> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.value = Some(value);
        slot.waker.take()
    }
}

/// Where the value is taken from.
#[derive(Debug)]
pub(crate) struct Answer<T>(Arc<Mutex<Slot<T>>>);

impl<T> Answer<T> {
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
