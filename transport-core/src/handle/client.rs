//! The handle of a whole client.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use shadow_proto::{AddError, ShadowId, ShadowOptions, Stats};

use super::shadow::Shadow;
use crate::{
    error::{ConnectError, OpenError, Stopped},
    event::{ConnectionEvent, ConnectionInfo},
    hub::{Hub, Phase},
    ring::Ring,
    stream::ConnectionEvents,
};

/// A client: one MQTT connection, with any number of shadows and plain messages on it.
///
/// Cheap to clone. The connection ends when the last handle is gone, be it a client, a
/// [`Shadow`], a stream or the future of a request; [`shutdown`](Self::shutdown) ends it in good
/// order.
#[derive(Clone)]
pub struct ShadowClient {
    pub(crate) hub: Hub,
    _alive: Arc<Alive>,
}

struct Alive(Hub);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.act(|state, _| state.orphaned = true);
    }
}

impl ShadowClient {
    pub(crate) fn new(hub: Hub) -> Self {
        let alive = Arc::new(Alive(hub.clone()));
        Self { hub, _alive: alive }
    }

    /// A handle for one shadow, classic or named. Nothing is subscribed or sent before it is used.
    ///
    /// Two handles for one shadow are possible: each has the answers to its own requests, both
    /// have every delta.
    ///
    /// # Errors
    /// As many shadows as [`Limits::shadows`](shadow_proto::Limits) allows are in use.
    pub fn shadow(&self, id: ShadowId) -> Result<Shadow, AddError> {
        let handle = self.hub.act(|state, now| state.open_shadow(&id, now))?;
        Ok(Shadow::new(self.clone(), handle, id))
    }

    /// [`shadow`](Self::shadow), with settings of its own instead of the client's: how its
    /// subscriptions are kept, when its document is fetched, QoS. They hold for all handles of
    /// the shadow.
    ///
    /// # Errors
    /// As for [`shadow`](Self::shadow).
    pub fn shadow_with(&self, id: ShadowId, options: ShadowOptions) -> Result<Shadow, AddError> {
        let shadow = self.shadow(id)?;
        shadow.configure(options);
        Ok(shadow)
    }

    /// Whether there is a connection at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.hub.is_connected()
    }

    /// What is known of the connection that there is at this moment: what the broker allows, and
    /// whether it has a keep-alive of its own. `None` if there is none, or if the client is driven
    /// by a loop that does not tell.
    #[must_use]
    pub fn connection_info(&self) -> Option<ConnectionInfo> {
        let state = self.hub.shared.lock();
        state.info.as_deref().cloned()
    }

    /// Waits for a connection.
    ///
    /// The future fails with [`ConnectError`] once it is known that there will be none: the last
    /// attempt failed, or the client was stopped. Events count from this call on.
    #[must_use = "futures do nothing unless awaited"]
    pub fn connected(&self) -> Connecting {
        Connecting {
            events: self.connection_events(),
            connected: self.is_connected(),
        }
    }

    /// For adapters: starts what serves the client, and waits for its first connection.
    ///
    /// # Errors
    /// `serve` has failed, or there will be no connection.
    pub async fn served_by(
        self,
        serve: impl FnOnce() -> Result<(), OpenError>,
    ) -> Result<Self, ConnectError> {
        // First, so that nothing that happens is missed.
        let connected = self.connected();
        serve()?;
        connected.await?;
        Ok(self)
    }

    /// What happens to the connection from now on. The newest 64 events are kept for a slow
    /// reader; [`ConnectionEvent::Stopped`] comes last.
    #[must_use]
    pub fn connection_events(&self) -> ConnectionEvents {
        let ring = Ring::new(64);
        let its = ring.clone();
        let key = self.hub.act(|state, _| {
            let key = state.next_id();
            if state.phase == Phase::Stopped {
                let waker = its.push(ConnectionEvent::Stopped);
                state.wake(waker);
                let waker = its.close();
                state.wake(waker);
            } else {
                state.connection.insert(key, its);
            }
            key
        });
        ConnectionEvents::new(self.clone(), key, ring)
    }

    /// Ends the client in good order: nothing new is taken from now on, what is under way may end
    /// until the deadline has passed, then the connection is closed with a DISCONNECT.
    ///
    /// Works from this call on, whether the future is awaited or not. Subscriptions end with the
    /// session; one that is to be resumed (`clean_start` false) keeps them on purpose.
    pub fn shutdown(&self, deadline: Duration) -> Shutdown {
        self.hub.act(|state, now| {
            if state.is_running() {
                state.phase = Phase::Stopping(now + deadline);
            }
        });
        Shutdown(self.clone())
    }

    /// What was recorded since the start or the last call, if `record` is set: to be appended to a
    /// file. [`shadow_proto::replay`] turns it into the same outputs again.
    #[must_use]
    pub fn take_recording(&self) -> String {
        self.hub.act(|state, _| state.client.take_recording())
    }

    /// Counts of what happened to the shadows since the client was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *self.hub.shared.lock().client.stats()
    }
}

impl fmt::Debug for ShadowClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShadowClient").field(&self.hub).finish()
    }
}

/// Waits for a connection; see [`ShadowClient::connected`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Connecting {
    events: ConnectionEvents,
    connected: bool,
}

impl Future for Connecting {
    type Output = Result<(), ConnectError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.connected {
            return Poll::Ready(Ok(()));
        }
        loop {
            let Poll::Ready(event) = self.events.poll(cx) else {
                return Poll::Pending;
            };
            match event {
                Some(ConnectionEvent::Connected(_)) => return Poll::Ready(Ok(())),
                Some(ConnectionEvent::ConnectFailed {
                    error,
                    retry_in: None,
                }) => return Poll::Ready(Err(error)),
                None | Some(ConnectionEvent::Stopped) => {
                    return Poll::Ready(Err(ConnectError::Stopped));
                }
                Some(
                    ConnectionEvent::Connecting { .. }
                    | ConnectionEvent::ConnectFailed { .. }
                    | ConnectionEvent::Disconnected { .. }
                    | ConnectionEvent::CallbackPanicked { .. },
                ) => {}
            }
        }
    }
}

/// The end of a client; see [`ShadowClient::shutdown`]. Need not be awaited.
#[derive(Debug)]
pub struct Shutdown(ShadowClient);

impl Future for Shutdown {
    type Output = Result<(), Unfinished>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.hub.shared.lock();
        core::task::ready!(state.poll_stopped(cx.waker()));
        Poll::Ready(match state.unfinished {
            0 => Ok(()),
            count => Err(Unfinished(count)),
        })
    }
}

/// So many requests and messages had no outcome when the client ended; each has been told so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing more")]
pub struct Unfinished(pub usize);

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count) = self;
        write!(f, "{Stopped} with {count} requests and messages under way")
    }
}

impl core::error::Error for Unfinished {}
