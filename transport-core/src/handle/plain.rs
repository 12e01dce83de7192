//! The connection's plain side: the application's own messages and subscriptions.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use std::sync::Mutex;

use bytes::Bytes;
use mqtt_session::{Publish, Qos, TopicFilter};

use super::ShadowClient;
use crate::{
    callback::start_dispatcher,
    error::{PublishFailure, SubscribeFailure},
    hub::MessageSink,
    message::Message,
    oneshot::{Answer, oneshot},
    ring::Ring,
    stream::Messages,
};

impl ShadowClient {
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
    /// 1 and 2 it waits for a connection till then; `offline_queue` lets any message wait for one
    /// however long it takes. Dropping the future takes back a message that was not sent.
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
        let buffer = self.hub.shared.lock().options.message_buffer;
        let ring = Ring::new(buffer);
        let sink = MessageSink::Stream(ring.clone());
        Subscribing(match self.add_sink(filter, qos.into(), sink) {
            Ok((key, answer)) => {
                let messages = Messages::new(self.clone(), key, ring);
                Ok((answer, Some(messages)))
            }
            Err(error) => Err(Some(error)),
        })
    }

    /// [`subscribe`](Self::subscribe) with a callback in the place of the stream, called with each
    /// message on the thread that runs callbacks. It stays until
    /// [`unsubscribe`](Self::unsubscribe), whether the future is awaited or not, and ends if the
    /// broker refuses the filter.
    ///
    /// A callback that owns a handle of the client keeps the client alive.
    pub fn subscribe_with(
        &self,
        filter: &str,
        qos: impl Into<Qos>,
        callback: impl FnMut(Message) + Send + 'static,
    ) -> SubscribingWith {
        let subscribe = || {
            let filter = TopicFilter::new(filter)?;
            start_dispatcher(&self.hub)
                .map_err(|error| SubscribeFailure::Thread { kind: error.kind() })?;
            let sink = MessageSink::Callback(Arc::new(Mutex::new(callback)));
            let (_, answer) = self.add_sink(filter, qos.into(), sink)?;
            Ok(answer)
        };
        SubscribingWith(subscribe().map_err(Some))
    }

    fn add_sink(
        &self,
        filter: TopicFilter,
        qos: Qos,
        sink: MessageSink,
    ) -> Result<((u64, u64), Granted), SubscribeFailure> {
        let (promise, answer) = oneshot();
        let hub = &self.hub;
        let key = hub.act(|state, now| state.subscribe(filter, qos, sink, promise, now))?;
        Ok((key, answer))
    }

    /// Ends all streams and callbacks of a filter. The future resolves when the broker has confirmed it.
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

/// A subscription with a callback on its way; see [`ShadowClient::subscribe_with`]. Need not be
/// awaited.
#[derive(Debug)]
pub struct SubscribingWith(Result<Granted, Option<SubscribeFailure>>);

impl Future for SubscribingWith {
    type Output = Result<(), SubscribeFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        poll_answer(&mut self.0, cx)
    }
}

/// The end of a subscription; see [`ShadowClient::unsubscribe`]. Need not be awaited.
#[derive(Debug)]
pub struct Unsubscribing(Result<Granted, Option<SubscribeFailure>>);

impl Future for Unsubscribing {
    type Output = Result<(), SubscribeFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        poll_answer(&mut self.0, cx)
    }
}

fn poll_answer(
    answer: &mut Result<Granted, Option<SubscribeFailure>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), SubscribeFailure>> {
    match answer {
        Ok(answer) => answer.poll(cx),
        Err(failure) => Poll::Ready(Err(failure.take().unwrap_or(SubscribeFailure::Stopped))),
    }
}
