//! The client for programs without an asynchronous runtime: every call waits for its outcome.
//!
//! It works over every transport; each gives it with `connect_blocking`:
//!
//! ```no_run
//! # mod transport {
//! #     pub use transport_core::{ConnectOptions, ShadowId};
//! #     pub fn connect_blocking(_: ConnectOptions) -> Result<transport_core::blocking::Client, transport_core::ConnectError> {
//! #         transport_core::blocking::Client::connect(core::future::pending())
//! #     }
//! # }
//! // The transport is `device_shadow::tokio`, say.
//! use transport::{ConnectOptions, ShadowId, connect_blocking};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = connect_blocking(ConnectOptions::from_url("mqtt://127.0.0.1:1883")?)?;
//!     let light = client.shadow(ShadowId::classic("my-light")?)?;
//!     for delta in light.deltas()? {
//!         light.report(&delta.state)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Waiting on a thread of an asynchronous runtime keeps the runtime from its work, which may be
//! what is waited for. Callbacks have a thread of their own and may wait.

use alloc::{sync::Arc, task::Wake};
use core::{
    future::Future,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{
    thread::{self, Thread},
    time::Instant,
};

use bytes::Bytes;
use futures_core::Stream;
use mqtt_session::{Publish, Qos};
use serde::Serialize;
use shadow_proto::{
    Accepted, AddError, Change, Document, Interest, RegisterError, RequestOptions, ShadowId, Update,
};

use crate::{
    ConnectError, ConnectionEvents, Deltas, DocumentsStream, Events, Messages, NotReady,
    PublishFailure, RequestFailure, SubscribeFailure, Unfinished,
};

/// Waits on this thread until a future is done.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        // Without a limit it ends in no other way.
        if let Some(output) = wait_until(future.as_mut(), None) {
            return output;
        }
    }
}

/// Waits on this thread until a future is done, at most for `limit`; then it is dropped, and there
/// is `None`.
///
/// ```
/// use core::time::Duration;
/// use transport_core::blocking::wait_for;
///
/// assert_eq!(wait_for(async { 7 }, Duration::from_secs(1)), Some(7));
/// assert_eq!(wait_for(core::future::pending::<()>(), Duration::from_millis(1)), None);
/// ```
pub fn wait_for<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    // A time that this machine's clock cannot tell does not come.
    wait_until(pin!(future), Instant::now().checked_add(limit))
}

fn wait_until<F: Future>(mut future: Pin<&mut F>, end: Option<Instant>) -> Option<F::Output> {
    let parked = Arc::new(Parked {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&parked));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        // Others may have unparked this thread for reasons of their own.
        while !parked.woken.swap(false, Ordering::Acquire) {
            match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

struct Parked {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// A [`ShadowClient`](crate::ShadowClient) whose calls wait. Cheap to clone; threads may share it.
#[derive(Clone, Debug)]
pub struct Client(crate::ShadowClient);

impl Client {
    /// Waits for a connection that a transport makes.
    ///
    /// # Errors
    /// [`ConnectError`] says why there is none.
    pub fn connect<F>(connecting: F) -> Result<Self, ConnectError>
    where
        F: Future<Output = Result<crate::ShadowClient, ConnectError>>,
    {
        wait(connecting).map(Self)
    }

    /// A handle for one shadow. See [`ShadowClient::shadow`](crate::ShadowClient::shadow).
    ///
    /// # Errors
    /// As many shadows as are allowed are in use.
    pub fn shadow(&self, id: ShadowId) -> Result<Shadow, AddError> {
        self.0.shadow(id).map(Shadow)
    }

    /// Publishes a message of the application's own, and waits until the broker has it.
    ///
    /// # Errors
    /// [`PublishFailure`] says what is known of it.
    pub fn publish(
        &self,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        qos: impl Into<Qos>,
    ) -> Result<(), PublishFailure> {
        wait(self.0.publish(topic, payload, qos))
    }

    /// The same for a message with properties, or one to be retained.
    ///
    /// # Errors
    /// [`PublishFailure`] says what is known of it.
    pub fn publish_message(&self, message: Publish) -> Result<(), PublishFailure> {
        wait(self.0.publish_message(message))
    }

    /// Subscribes to a filter, and waits until the broker has granted it.
    ///
    /// # Errors
    /// [`SubscribeFailure`] says why it has not.
    pub fn subscribe(
        &self,
        filter: &str,
        qos: impl Into<Qos>,
    ) -> Result<Iter<Messages>, SubscribeFailure> {
        wait(self.0.subscribe(filter, qos)).map(Iter)
    }

    /// What happens to the connection from now on.
    pub fn connection_events(&self) -> Iter<ConnectionEvents> {
        Iter(self.0.connection_events())
    }

    /// Ends the client in good order; see [`ShadowClient::shutdown`](crate::ShadowClient::shutdown).
    ///
    /// # Errors
    /// Something had no outcome when the deadline passed.
    pub fn shutdown(&self, deadline: Duration) -> Result<(), Unfinished> {
        wait(self.0.shutdown(deadline))
    }

    /// The client whose calls do not wait, on the same connection.
    #[must_use]
    pub fn inner(&self) -> &crate::ShadowClient {
        &self.0
    }
}

impl From<crate::ShadowClient> for Client {
    fn from(client: crate::ShadowClient) -> Self {
        Self(client)
    }
}

/// A [`Shadow`](crate::Shadow) whose calls wait: at most until the request's timeout, which is
/// `operation_timeout` of the options unless the call says otherwise.
#[derive(Clone, Debug)]
pub struct Shadow(crate::Shadow);

impl Shadow {
    /// Asks for the document.
    ///
    /// # Errors
    /// Among others a rejection with code 404: there is no such shadow.
    pub fn get(&self) -> Result<Document, RequestFailure> {
        wait(self.0.get())
    }

    /// [`get`](Self::get) with a timeout, a token of the caller's or other treatment.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with_options(
        &self,
        options: RequestOptions<'_>,
    ) -> Result<Document, RequestFailure> {
        wait(self.0.get_with_options(options))
    }

    /// Merges `state` into reported. See [`Shadow::report`](crate::Shadow::report).
    ///
    /// # Errors
    /// It was not accepted.
    pub fn report<T: Serialize + ?Sized>(&self, state: &T) -> Result<Accepted, RequestFailure> {
        wait(self.0.report(state))
    }

    /// Merges `state` into desired. See [`Shadow::desire`](crate::Shadow::desire).
    ///
    /// # Errors
    /// It was not accepted.
    pub fn desire<T: Serialize + ?Sized>(&self, state: &T) -> Result<Accepted, RequestFailure> {
        wait(self.0.desire(state))
    }

    /// Sends any update.
    ///
    /// # Errors
    /// It was not accepted.
    pub fn update(&self, update: Update<'_>) -> Result<Accepted, RequestFailure> {
        wait(self.0.update(update))
    }

    /// Removes the shadow.
    ///
    /// # Errors
    /// Among others a rejection with code 404: there is no such shadow.
    pub fn delete(&self) -> Result<Accepted, RequestFailure> {
        wait(self.0.delete())
    }

    /// Reads, changes, and writes unless somebody else wrote meanwhile; see
    /// [`Shadow::transact`](crate::Shadow::transact).
    ///
    /// # Errors
    /// A request failed; with a conflict (409) once the tries are used up.
    pub fn transact(
        &self,
        tries: u32,
        change: impl FnMut(Option<&Document>) -> Option<Change>,
    ) -> Result<Option<Accepted>, RequestFailure> {
        wait(self.0.transact(tries, change))
    }

    /// Waits until the shadow, if it is followed, is in step; see
    /// [`Shadow::ready`](crate::Shadow::ready).
    ///
    /// # Errors
    /// [`NotReady`] says why it will not be.
    pub fn ready(&self) -> Result<Option<Arc<Document>>, NotReady> {
        wait(self.0.ready())
    }

    /// Follows the difference between desired and reported.
    ///
    /// # Errors
    /// The subscription does not fit the budget.
    pub fn deltas(&self) -> Result<Iter<Deltas>, RegisterError> {
        self.0.deltas().map(Iter)
    }

    /// Follows the document before and after each update.
    ///
    /// # Errors
    /// The subscription does not fit the budget.
    pub fn documents(&self) -> Result<Iter<DocumentsStream>, RegisterError> {
        self.0.documents().map(Iter)
    }

    /// Follows everything on the topics of `interest`.
    ///
    /// # Errors
    /// The subscriptions do not fit the budget.
    pub fn events(&self, interest: Interest) -> Result<Iter<Events>, RegisterError> {
        self.0.events(interest).map(Iter)
    }

    /// The shadow whose calls do not wait: `get_with`, `update_with`, `delete_with` return the token
    /// at once, `on_delta` and `on` set callbacks.
    #[must_use]
    pub fn inner(&self) -> &crate::Shadow {
        &self.0
    }
}

/// A stream as an iterator, which waits for each item and ends with the client.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Iter<S>(S);

impl<S: Stream + Unpin> Iter<S> {
    /// The next item if it comes within `limit`. `None` also once there will be none.
    pub fn next_within(&mut self, limit: Duration) -> Option<S::Item> {
        wait_for(Next(&mut self.0), limit).flatten()
    }
}

impl<S: Stream + Unpin> Iterator for Iter<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        wait(Next(&mut self.0))
    }
}

struct Next<'a, S>(&'a mut S);

impl<S: Stream + Unpin> Future for Next<'_, S> {
    type Output = Option<S::Item>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.0).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::future::{pending, poll_fn, ready};

    #[test]
    fn a_thread_wakes_another() {
        let mut asked = false;
        let future = poll_fn(|cx| {
            if asked {
                return Poll::Ready(7);
            }
            asked = true;
            let waker = cx.waker().clone();
            thread::spawn(move || waker.wake());
            Poll::Pending
        });
        assert_eq!(wait(future), 7);
    }

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let mut left = 3;
        let future = poll_fn(|cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        wait(future);
    }

    #[test]
    fn a_limit_ends_the_wait() {
        assert_eq!(wait_for(pending::<()>(), Duration::from_millis(1)), None);
        assert_eq!(wait_for(ready(7), Duration::ZERO), Some(7));
        assert_eq!(wait_for(ready(7), Duration::MAX), Some(7));
        // A leftover of somebody else's unpark is no answer.
        thread::current().unpark();
        assert_eq!(wait_for(pending::<()>(), Duration::from_millis(1)), None);
    }
}
