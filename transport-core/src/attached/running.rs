//! Futures that run beside each other, however many: only those that were woken are polled.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Wake,
};
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Futures, each with a name to tell its end by.
pub(super) struct Running<K, F> {
    futures: BTreeMap<u64, (K, Pin<Box<F>>)>,
    next: u64,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(Mutex<(BTreeSet<u64>, Option<Waker>)>);

/// Wakes one of them.
struct Which {
    number: u64,
    woken: Arc<Woken>,
}

impl<K, F> Default for Running<K, F> {
    fn default() -> Self {
        Self {
            futures: BTreeMap::new(),
            next: 0,
            woken: Arc::default(),
        }
    }
}

impl<K, F: Future> Running<K, F> {
    /// It is polled with the next [`poll`](Self::poll), behind those pushed before it.
    pub(super) fn push(&mut self, name: K, future: F) {
        self.futures.insert(self.next, (name, Box::pin(future)));
        self.woken.lock().0.insert(self.next);
        self.next += 1;
    }

    /// One that has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(K, F::Output)> {
        loop {
            let number = {
                let (numbers, waker) = &mut *self.woken.lock();
                let Some(number) = numbers.pop_first() else {
                    *waker = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                number
            };
            // One that has ended may be woken all the same.
            let Some((_, future)) = self.futures.get_mut(&number) else {
                continue;
            };
            let woken = Arc::clone(&self.woken);
            let waker = Waker::from(Arc::new(Which { number, woken }));
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(output) = polled {
                if let Some((name, _)) = self.futures.remove(&number) {
                    return Poll::Ready((name, output));
                }
            }
        }
    }
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, (BTreeSet<u64>, Option<Waker>)> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Which {
    fn wake(self: Arc<Self>) {
        let waker = {
            let (numbers, waker) = &mut *self.woken.lock();
            numbers.insert(self.number);
            waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::{
        future::{pending, poll_fn, ready},
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
    };

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn only_the_woken_one_is_polled_and_wakes_the_whole_once() {
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let polls = Arc::new(AtomicUsize::new(0));
        let mut running = Running::default();
        for name in 0..3 {
            let (wakers, polls) = (Arc::clone(&wakers), Arc::clone(&polls));
            let mut asked = 0;
            running.push(
                name,
                poll_fn(move |cx| {
                    polls.fetch_add(1, SeqCst);
                    asked += 1;
                    if asked == 2 {
                        return Poll::Ready(name * 10);
                    }
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::Pending
                }),
            );
        }
        let whole = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&whole));
        let mut cx = Context::from_waker(&waker);
        assert!(running.poll(&mut cx).is_pending());
        assert_eq!(polls.load(SeqCst), 3);
        let second = wakers.lock().unwrap()[1].clone();
        second.wake_by_ref();
        second.wake_by_ref();
        assert_eq!(whole.0.load(SeqCst), 1);
        assert_eq!(running.poll(&mut cx), Poll::Ready((1, 10)));
        assert!(running.poll(&mut cx).is_pending());
        assert_eq!(polls.load(SeqCst), 4);
        // It has ended.
        second.wake();
        assert_eq!(whole.0.load(SeqCst), 2);
        assert!(running.poll(&mut cx).is_pending());
        assert_eq!(polls.load(SeqCst), 4);
    }

    #[test]
    fn those_that_are_ready_end_in_the_order_they_came() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut running = Running::default();
        running.push("a", ready(1));
        running.push("b", ready(2));
        assert_eq!(running.poll(&mut cx), Poll::Ready(("a", 1)));
        running.push("c", ready(3));
        assert_eq!(running.poll(&mut cx), Poll::Ready(("b", 2)));
        assert_eq!(running.poll(&mut cx), Poll::Ready(("c", 3)));
        assert!(running.poll(&mut cx).is_pending());
        let mut none = Running::<(), core::future::Pending<()>>::default();
        none.push((), pending());
        assert!(none.poll(&mut cx).is_pending());
    }
}
