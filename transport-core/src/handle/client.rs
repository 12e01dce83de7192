//! The handle of a whole client.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use mqtt_session::{Publish, Qos, TopicFilter};
use shadow_proto::{AddError, ShadowId, ShadowOptions, Stats};

use super::shadow::Shadow;
use crate::{
    error::{ConnectError, PublishFailure, Stopped, SubscribeFailure},
    event::{ConnectionEvent, ConnectionInfo},
    hub::{Hub, Phase},
    oneshot::{Answer, oneshot},
    ring::Ring,
    stream::{ConnectionEvents, Messages},
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
        self.hub.shared.lock().client.is_connected()
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

    /// Publishes a message of the application's own on the same connection, not retained. See
    /// [`publish_message`](Self::publish_message).
    #[must_use = "dropping the future takes back a message that was not sent; see `detach`"]
    pub fn publish(
        &self,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        qos: impl Into<Qos>,
    ) -> Publishing {
        self.publish_message(Publish::new(topic, payload).with_qos(qos))
    }

    /// Publishes a message of the application's own on the same connection.
    ///
    /// It is queued by this call and sent in order. The future resolves when the broker has
    /// acknowledged it, at QoS 0 when it was written, and fails after `operation_timeout`. At QoS
    /// 1 and 2 it waits for a connection till then. Dropping the future takes back a message that
    /// was not sent.
    #[must_use = "dropping the future takes back a message that was not sent; see `detach`"]
    pub fn publish_message(&self, message: Publish) -> Publishing {
        let (promise, answer) = oneshot();
        let id = self
            .hub
            .act(|state, now| state.publish(message, promise, now));
        Publishing {
            client: self.clone(),
            state: id.map(|id| (id, answer)).map_err(Some),
        }
    }

    /// Subscribes to a filter on the same connection. The future resolves to the stream of
    /// messages once the broker has granted it, and fails after `operation_timeout`.
    ///
    /// A lost session is subscribed again by itself. Filters may match shadow topics and may be
    /// shared subscriptions; shadows see their messages all the same. A filter that another stream
    /// has already is not asked for again, so that retained messages do not come for the second.
    #[must_use = "dropping the future ends the subscription"]
    pub fn subscribe(&self, filter: &str, qos: impl Into<Qos>) -> Subscribing {
        let filter = match TopicFilter::new(filter) {
            Ok(filter) => filter,
            Err(error) => return Subscribing(Err(Some(error.into()))),
        };
        let (promise, answer) = oneshot();
        let buffer = self.hub.shared.lock().options.message_buffer;
        let ring = Ring::new(buffer);
        let its = ring.clone();
        let qos = qos.into();
        let subscribed = self
            .hub
            .act(|state, now| state.subscribe(filter, qos, its, promise, now));
        Subscribing(match subscribed {
            Ok(key) => {
                let messages = Messages::new(self.clone(), key, ring);
                Ok((answer, Some(messages)))
            }
            Err(error) => Err(Some(error)),
        })
    }

    /// Ends all streams of a filter. The future resolves when the broker has confirmed it.
    /// Dropping a stream does the same for that stream, without waiting.
    pub fn unsubscribe(&self, filter: &str) -> Unsubscribing {
        let filter = match TopicFilter::new(filter) {
            Ok(filter) => filter,
            Err(error) => return Unsubscribing(Err(Some(error.into()))),
        };
        let (promise, answer) = oneshot();
        self.hub
            .act(|state, now| state.unsubscribe(&filter, promise, now));
        Unsubscribing(Ok(answer))
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

/// A message on its way; see [`ShadowClient::publish_message`].
#[must_use = "dropping the future takes back a message that was not sent; see `detach`"]
pub struct Publishing {
    client: ShadowClient,
    state: Result<(u64, Published), Option<PublishFailure>>,
}

type Published = Answer<Result<(), PublishFailure>>;

impl Publishing {
    /// Lets the message go its way without waiting for it.
    ///
    /// # Errors
    /// It was not taken.
    pub fn detach(mut self) -> Result<(), PublishFailure> {
        match core::mem::replace(&mut self.state, Err(None)) {
            Err(Some(failure)) => Err(failure),
            Ok(_) | Err(None) => Ok(()),
        }
    }
}

impl Future for Publishing {
    type Output = Result<(), PublishFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.state {
            Ok((_, answer)) => core::task::ready!(answer.poll(cx)),
            Err(failure) => Err(failure.take().unwrap_or(PublishFailure::Stopped)),
        };
        self.state = Err(None);
        Poll::Ready(result)
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        if let Ok((id, _)) = &self.state {
            let id = *id;
            self.client.hub.act(|state, _| state.abandon_message(id));
        }
    }
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing").finish_non_exhaustive()
    }
}

/// A subscription on its way; see [`ShadowClient::subscribe`].
#[derive(Debug)]
#[must_use = "dropping the future ends the subscription"]
pub struct Subscribing(Result<(Granted, Option<Messages>), Option<SubscribeFailure>>);

type Granted = Answer<Result<(), SubscribeFailure>>;

impl Future for Subscribing {
    type Output = Result<Messages, SubscribeFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok((answer, messages)) => {
                let result = core::task::ready!(answer.poll(cx));
                let messages = messages.take().ok_or(SubscribeFailure::Stopped);
                Poll::Ready(result.and(messages))
            }
            Err(failure) => Poll::Ready(Err(failure.take().unwrap_or(SubscribeFailure::Stopped))),
        }
    }
}

/// The end of a subscription; see [`ShadowClient::unsubscribe`]. Need not be awaited.
#[derive(Debug)]
pub struct Unsubscribing(Result<Granted, Option<SubscribeFailure>>);

impl Future for Unsubscribing {
    type Output = Result<(), SubscribeFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(answer) => answer.poll(cx),
            Err(failure) => Poll::Ready(Err(failure.take().unwrap_or(SubscribeFailure::Stopped))),
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
