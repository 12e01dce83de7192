//! Streams of what happens to a shadow, to a plain subscription, to the connection.

use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use shadow_proto::{Delta, Documents, Event};

use crate::{
    event::ConnectionEvent,
    handle::{Shadow, ShadowClient},
    message::Message,
    ring::{Lagged, Ring},
};

/// The deltas of a shadow; see [`Shadow::deltas`](crate::Shadow::deltas). Ends when the client
/// stops.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Deltas {
    ring: Ring<Delta>,
    _following: Following,
}

/// The documents of a shadow; see [`Shadow::documents`](crate::Shadow::documents). Ends when the
/// client stops.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct DocumentsStream {
    ring: Ring<Documents>,
    _following: Following,
}

/// What happens to a shadow; see [`Shadow::events`](crate::Shadow::events). Ends when the client
/// stops.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Events {
    ring: Ring<Event>,
    _following: Following,
}

/// The messages of a plain subscription; see
/// [`ShadowClient::subscribe`](crate::ShadowClient::subscribe). Dropping it ends the subscription.
/// Ends when the client stops, or when the broker refuses the filter after a lost session.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Messages {
    ring: Ring<Message>,
    client: ShadowClient,
    /// The filter's number and the stream's.
    key: (u64, u64),
}

/// What happens to the connection; see
/// [`ShadowClient::connection_events`](crate::ShadowClient::connection_events). Ends after
/// [`ConnectionEvent::Stopped`].
#[derive(Debug)]
pub struct ConnectionEvents {
    ring: Ring<ConnectionEvent>,
    client: ShadowClient,
    key: u64,
}

/// Gives a stream its two faces: `next` for those without extension traits, and `Stream`.
macro_rules! stream {
    ($name:ty, $item:ty, $poll:ident) => {
        impl $name {
            /// The next item; `None` once the stream has ended. Cancel-safe.
            pub async fn next(&mut self) -> Option<$item> {
                poll_fn(|cx| self.poll(cx)).await
            }

            pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<$item>> {
                self.ring.$poll(cx)
            }
        }

        impl Stream for $name {
            type Item = $item;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<$item>> {
                self.poll(cx)
            }
        }
    };
}

stream!(Deltas, Delta, poll_newest);
stream!(DocumentsStream, Result<Documents, Lagged>, poll);
stream!(Events, Result<Event, Lagged>, poll);
stream!(Messages, Result<Message, Lagged>, poll);
stream!(ConnectionEvents, ConnectionEvent, poll_newest);

impl Deltas {
    pub(crate) fn new(following: Following, ring: Ring<Delta>) -> Self {
        Self {
            ring,
            _following: following,
        }
    }
}

impl DocumentsStream {
    pub(crate) fn new(following: Following, ring: Ring<Documents>) -> Self {
        Self {
            ring,
            _following: following,
        }
    }
}

impl Events {
    pub(crate) fn new(following: Following, ring: Ring<Event>) -> Self {
        Self {
            ring,
            _following: following,
        }
    }
}

impl Messages {
    pub(crate) fn new(client: ShadowClient, key: (u64, u64), ring: Ring<Message>) -> Self {
        Self { ring, client, key }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let (filter, stream) = self.key;
        let hub = &self.client.hub;
        hub.act(|state, _| state.end_stream(filter, stream));
    }
}

impl ConnectionEvents {
    pub(crate) fn new(client: ShadowClient, key: u64, ring: Ring<ConnectionEvent>) -> Self {
        Self { ring, client, key }
    }
}

impl Drop for ConnectionEvents {
    fn drop(&mut self) {
        let key = self.key;
        self.client
            .hub
            .act(|state, _| state.connection.remove(&key));
    }
}

/// A stream's place among the followers of a shadow.
#[derive(Debug)]
pub(crate) struct Following {
    shadow: Shadow,
    key: u64,
}

impl Following {
    pub(crate) fn new(shadow: Shadow, key: u64) -> Self {
        Self { shadow, key }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let (handle, key) = (self.shadow.handle(), self.key);
        let hub = self.shadow.hub();
        hub.act(|state, now| state.unfollow(handle, key, now));
    }
}
