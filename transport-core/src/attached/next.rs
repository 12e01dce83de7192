//! What is to be done next, for a loop of one's own around a hub.

use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use crate::{action::Action, hub::Hub};

impl Hub {
    /// Waits for what is to be done next on the MQTT connection, and keeps the hub's deadlines
    /// meanwhile. `None` once the loop is to end: close the connection, then
    /// [`finish`](Self::finish).
    ///
    /// `sleep` makes a future that is ready after so long, such as `tokio::time::sleep`: any
    /// runtime will do. What the MQTT client tells meanwhile may be handed in from another task or
    /// thread. Cancel-safe; for one loop at a time.
    pub async fn next_action<S: Future>(&self, sleep: impl Fn(Duration) -> S) -> Option<Action> {
        next_action(self, || self.poll_action(), sleep).await
    }
}

/// [`Hub::next_action`] with another way to take actions out of it.
pub(super) async fn next_action<S: Future>(
    hub: &Hub,
    poll_action: impl Fn() -> Option<Action>,
    sleep: impl Fn(Duration) -> S,
) -> Option<Action> {
    loop {
        // The clock first: busy handles must not put a deadline off.
        if hub.poll_timeout().is_some_and(|at| at <= hub.now()) {
            hub.handle_timeout();
        }
        if hub.is_over() {
            return None;
        }
        if let Some(action) = poll_action() {
            return Some(action);
        }
        let mut changed = pin!(hub.changed());
        // No time at all if the last outcomes were given out just now, and it is over.
        let mut timer = pin!(sleep(hub.time_left()));
        poll_fn(|cx| {
            match changed.as_mut().poll(cx).is_ready() || timer.as_mut().poll(cx).is_ready() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}
