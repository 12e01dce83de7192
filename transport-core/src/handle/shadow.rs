//! The handle of one shadow.

use alloc::sync::Arc;
use core::fmt;

use serde::Serialize;
use shadow_proto::{
    Accepted, Change, Document, Interest, Json, Operation, RegisterError, RequestOptions,
    ResyncError, Section, ShadowHandle, ShadowId, ShadowOptions, Subscriptions, Update,
};

use super::{client::ShadowClient, ready::Ready, request::Request};
use crate::{
    error::RequestFailure,
    hub::{Follower, Hub, Sink, Waiter},
    oneshot::oneshot,
    ring::Ring,
    stream::{Deltas, DocumentsStream, Events, Following},
    trace,
};

/// One shadow of a thing, classic or named.
///
/// Each operation makes its request at the call and returns a future of the outcome. Cheap to
/// clone; the shadow is forgotten, and its subscriptions end, with its last handle, stream,
/// callback and request.
#[derive(Clone)]
pub struct Shadow(Arc<Inner>);

struct Inner {
    client: ShadowClient,
    handle: ShadowHandle,
    id: ShadowId,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let handle = self.handle;
        let hub = &self.client.hub;
        hub.act(|state, now| state.close_shadow(handle, now));
    }
}

impl Shadow {
    pub(super) fn new(client: ShadowClient, handle: ShadowHandle, id: ShadowId) -> Self {
        Self(Arc::new(Inner { client, handle, id }))
    }

    /// Asks for the document.
    ///
    /// The future fails with a rejection of code 404 if there is no such shadow; see
    /// [`RequestFailure::is_not_found`].
    pub fn get(&self) -> Request<Document> {
        self.get_with_options(RequestOptions::default())
    }

    /// [`get`](Self::get) with a timeout, a token of the caller's or other treatment.
    pub fn get_with_options(&self, options: RequestOptions<'_>) -> Request<Document> {
        self.request(Operation::Get, read_document, |client, handle, now| {
            client.get(handle, options, now)
        })
    }

    /// Merges `state` into reported: what a device does to say how it is. A field that is `None`
    /// removes its key, a field that is skipped leaves it alone.
    pub fn report<T: Serialize + ?Sized>(&self, state: &T) -> Request<Accepted> {
        self.report_with_options(state, RequestOptions::default())
    }

    /// [`report`](Self::report) with a timeout, a token of the caller's or other treatment.
    pub fn report_with_options<T: Serialize + ?Sized>(
        &self,
        state: &T,
        options: RequestOptions<'_>,
    ) -> Request<Accepted> {
        match Json::from_value(state) {
            Ok(json) => self.update(Update::reported(&json).with_options(options)),
            Err(error) => self.refused(RequestFailure::Json(error)),
        }
    }

    /// Merges `state` into desired: what an application does to say how a device shall be. A field
    /// that is `None` removes its key, a field that is skipped leaves it alone.
    pub fn desire<T: Serialize + ?Sized>(&self, state: &T) -> Request<Accepted> {
        self.desire_with_options(state, RequestOptions::default())
    }

    /// [`desire`](Self::desire) with a timeout, a token of the caller's or other treatment.
    pub fn desire_with_options<T: Serialize + ?Sized>(
        &self,
        state: &T,
        options: RequestOptions<'_>,
    ) -> Request<Accepted> {
        match Json::from_value(state) {
            Ok(json) => self.update(Update::desired(&json).with_options(options)),
            Err(error) => self.refused(RequestFailure::Json(error)),
        }
    }

    /// Sends any update: both sections, clearing, only at a version.
    pub fn update(&self, update: Update<'_>) -> Request<Accepted> {
        self.request(Operation::Update, Ok, |client, handle, now| {
            client.update(handle, update, now)
        })
    }

    /// Removes the shadow.
    ///
    /// The future fails with a rejection of code 404 if there is none.
    pub fn delete(&self) -> Request<Accepted> {
        self.delete_with_options(RequestOptions::default())
    }

    /// [`delete`](Self::delete) with a timeout, a token of the caller's or other treatment.
    pub fn delete_with_options(&self, options: RequestOptions<'_>) -> Request<Accepted> {
        self.request(Operation::Delete, Ok, |client, handle, now| {
            client.delete(handle, options, now)
        })
    }

    /// Reads the document, has `change` say what to write, and writes it only if the document is
    /// still the one that was read; else all of it again, up to `tries` times. `change` is given
    /// `None` if there is no such shadow, and may return `None` to write nothing.
    ///
    /// A document that does not exist yet is created without a condition, since it has no version
    /// to insist on.
    ///
    /// # Errors
    /// A request failed; with a conflict (409) once the tries are used up.
    pub async fn transact(
        &self,
        tries: u32,
        mut change: impl FnMut(Option<&Document>) -> Option<Change>,
    ) -> Result<Option<Accepted>, RequestFailure> {
        let mut left = tries.max(1);
        loop {
            let document = match self.get().await {
                Ok(document) => Some(document),
                Err(failure) if failure.is_not_found() => None,
                Err(failure) => return Err(failure),
            };
            let Some(Change {
                desired, reported, ..
            }) = change(document.as_ref())
            else {
                return Ok(None);
            };
            let mut update = Update::default();
            update.version = document.as_ref().map(|document| document.version);
            update.desired = section(desired.as_ref());
            update.reported = section(reported.as_ref());
            left -= 1;
            match self.update(update).await {
                Err(failure) if failure.is_conflict() && left > 0 => {}
                outcome => return outcome.map(Some),
            }
        }
    }

    /// Follows the difference between desired and reported, from now on.
    ///
    /// Each delta holds the whole remaining difference, so the stream keeps only the newest that
    /// was not read. On each connect the document is fetched (see
    /// [`Resync`](shadow_proto::Resync)), and its delta delivered if it is news.
    ///
    /// # Errors
    /// The subscription does not fit the budget.
    pub fn deltas(&self) -> Result<Deltas, RegisterError> {
        let ring = Ring::new(1);
        let sink = Sink::Deltas(ring.clone());
        Ok(Deltas::new(self.follow(Interest::DELTA, sink)?, ring))
    }

    /// Follows the document before and after each accepted update. The newest 16 are kept for a
    /// slow reader, who is told of the gap.
    ///
    /// # Errors
    /// The subscription does not fit the budget.
    pub fn documents(&self) -> Result<DocumentsStream, RegisterError> {
        let ring = Ring::new(16);
        let sink = Sink::Documents(ring.clone());
        let following = self.follow(Interest::DOCUMENTS, sink)?;
        Ok(DocumentsStream::new(following, ring))
    }

    /// Follows everything on the topics of `interest`, whoever caused it, and what the shadow
    /// client has to say of the shadow itself: ready, subscription refused, undecodable message.
    /// The newest 64 events are kept for a slow reader, who is told of the gap.
    ///
    /// # Errors
    /// The subscriptions do not fit the budget.
    pub fn events(&self, interest: Interest) -> Result<Events, RegisterError> {
        let ring = Ring::new(64);
        let sink = Sink::Events(ring.clone());
        Ok(Events::new(self.follow(interest, sink)?, ring))
    }

    /// Waits until the shadow, if it is followed, is in step: every subscription of its streams
    /// and callbacks is granted and its document was fetched. The future gives that document,
    /// `None` if there is no such shadow yet or none was fetched.
    ///
    /// # Errors
    /// The future fails with [`NotReady`](crate::NotReady) if the broker refused a subscription, if the document
    /// could not be fetched, or if the client was stopped.
    pub fn ready(&self) -> Ready {
        Ready(self.clone())
    }

    /// Fetches the document of a followed shadow now, however young the last one is, also if its
    /// [`Resync`](shadow_proto::Resync) says never. Without a connection it waits for the next one.
    ///
    /// # Errors
    /// Nothing of the shadow is followed, or the filters of the answer do not fit the budget.
    pub fn resync(&self) -> Result<(), ResyncError> {
        let handle = self.0.handle;
        self.hub()
            .act(|state, now| state.client.resync(handle, now))
    }

    /// Sets what this shadow does otherwise than the client's settings say, for all its handles.
    pub fn configure(&self, options: ShadowOptions) {
        let handle = self.0.handle;
        self.hub().act(|state, now| {
            let _ = state.client.configure(handle, options, now);
        });
    }

    /// This handle, with the subscriptions of its shadow kept in this way from now on, for all its
    /// handles. What else was [configured](Self::configure) stays.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use transport_core::{ShadowClient, ShadowId, Subscriptions};
    /// # fn example(client: ShadowClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let linger = Duration::from_secs(1);
    /// let light = client
    ///     .shadow(ShadowId::classic("my-light")?)?
    ///     .subscriptions(Subscriptions::PerRequest { linger });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "this is the handle"]
    pub fn subscriptions(self, mode: Subscriptions) -> Self {
        let handle = self.0.handle;
        self.hub().act(|state, now| {
            let mut options = state.client.shadow_options(handle).unwrap_or_default();
            options.subscriptions = Some(mode);
            let _ = state.client.configure(handle, options, now);
        });
        self
    }

    /// The names of the shadow.
    #[must_use]
    pub fn id(&self) -> &ShadowId {
        &self.0.id
    }

    /// The client it belongs to.
    #[must_use]
    pub fn client(&self) -> &ShadowClient {
        &self.0.client
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.client.hub
    }

    pub(crate) fn handle(&self) -> ShadowHandle {
        self.0.handle
    }

    fn request<T>(
        &self,
        operation: Operation,
        read: fn(Accepted) -> Result<T, RequestFailure>,
        ask: impl FnOnce(
            &mut shadow_proto::Client,
            ShadowHandle,
            shadow_proto::Instant,
        ) -> Result<shadow_proto::RequestId, shadow_proto::RequestError>,
    ) -> Request<T> {
        let (promise, answer) = oneshot();
        let handle = self.0.handle;
        let mut span = trace::request(&self.0.id, operation);
        let made = self.hub().act(|state, now| {
            let waiter = |_: &mut _, _| Waiter::Future(promise);
            let ask = |client: &mut shadow_proto::Client| ask(client, handle, now);
            let id = state.request(handle, operation, &mut span, ask, waiter)?;
            // Under the same lock: the request may be over before the next one.
            Ok((id, state.client.token(id)))
        });
        let made = made.map(|(id, token)| (id, token, answer));
        Request::new(self.clone(), made, read)
    }

    fn refused<T>(&self, failure: RequestFailure) -> Request<T> {
        Request::new(self.clone(), Err(failure), |_| Err(RequestFailure::Stopped))
    }

    fn follow(&self, interest: Interest, sink: Sink) -> Result<Following, RegisterError> {
        let handle = self.0.handle;
        let follower = Follower { interest, sink };
        let key = self
            .hub()
            .act(|state, now| state.follow(handle, follower, now))?;
        Ok(Following::new(self.clone(), key))
    }
}

impl fmt::Debug for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shadow").field(&self.0.id).finish()
    }
}

fn section(state: Option<&Json>) -> Section<'_> {
    state.map_or(Section::Leave, |state| Section::Set(state.as_raw()))
}

fn read_document(accepted: Accepted) -> Result<Document, RequestFailure> {
    match accepted {
        Accepted::Get(document) => Ok(*document),
        Accepted::Published | Accepted::Update(_) | Accepted::Delete { .. } | _ => {
            Err(RequestFailure::NoAnswer)
        }
    }
}
