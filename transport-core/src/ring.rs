//! Bounded queues from the hub to a stream.

use alloc::{collections::VecDeque, sync::Arc};
use core::{
    fmt,
    task::{Context, Poll, Waker},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Items were dropped because the stream was not read fast enough: so many, just before the next
/// item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing more")]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} items were dropped: the stream was not read in time",
            self.0
        )
    }
}

impl core::error::Error for Lagged {}

/// A queue of at most `capacity` items; a new one pushes out the oldest.
#[derive(Debug)]
pub(crate) struct Ring<T>(Arc<Mutex<State<T>>>);

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    capacity: usize,
    dropped: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl<T> Ring<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            items: VecDeque::new(),
            capacity: capacity.max(1),
            dropped: 0,
            closed: false,
            waker: None,
        })))
    }

    /// The waker returned is to be woken.
    #[must_use]
    pub(crate) fn push(&self, item: T) -> Option<Waker> {
        let mut state = self.lock();
        if state.items.len() >= state.capacity {
            state.items.pop_front();
            state.dropped += 1;
        }
        state.items.push_back(item);
        state.waker.take()
    }

    /// No more items will come. The waker returned is to be woken.
    #[must_use]
    pub(crate) fn close(&self) -> Option<Waker> {
        let mut state = self.lock();
        state.closed = true;
        state.waker.take()
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        let mut state = self.lock();
        let dropped = core::mem::take(&mut state.dropped);
        if dropped > 0 {
            return Poll::Ready(Some(Err(Lagged(dropped))));
        }
        match state.items.pop_front() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None if state.closed => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// For queues where only the newest item counts, so that nothing is lost.
    pub(crate) fn poll_newest(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            match self.poll(cx) {
                Poll::Ready(Some(Ok(item))) => return Poll::Ready(Some(item)),
                Poll::Ready(Some(Err(Lagged(_)))) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_oldest_and_says_so_once() {
        let ring = Ring::new(2);
        let mut cx = Context::from_waker(Waker::noop());
        for item in 1..=5 {
            assert!(ring.push(item).is_none());
        }
        assert_eq!(ring.poll(&mut cx), Poll::Ready(Some(Err(Lagged(3)))));
        assert_eq!(ring.poll(&mut cx), Poll::Ready(Some(Ok(4))));
        assert_eq!(ring.poll(&mut cx), Poll::Ready(Some(Ok(5))));
        assert_eq!(ring.poll(&mut cx), Poll::Pending);
        assert!(ring.push(6).is_some());
        assert!(ring.close().is_none());
        assert_eq!(ring.poll(&mut cx), Poll::Ready(Some(Ok(6))));
        assert_eq!(ring.poll(&mut cx), Poll::Ready(None));
    }
}
