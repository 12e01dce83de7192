//! The side of a shadow's handle that calls back.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use shadow_proto::{ClientToken, Operation, TopicKind, Update};

use super::shadow::Shadow;
use crate::{
    callback::{RequestCallback, Response, SharedCallback, request_callback, start_dispatcher},
    error::{CallbackError, RequestFailure},
    hub::Waiter,
    trace,
};

impl Shadow {
    /// Asks for the document and has `callback` called once with the answer or the timeout.
    /// Returns the token of the request at once.
    ///
    /// Callbacks run in order of arrival on a thread of the client's own. They may call anything
    /// of this library, also wait for an outcome; others wait meanwhile. [`no_callback`](crate::no_callback) goes here
    /// if nobody is to be called.
    ///
    /// # Errors
    /// The request was not taken; the callback is not called.
    pub fn get_with(
        &self,
        timeout: Duration,
        callback: impl FnOnce(Response) + Send + 'static,
    ) -> Result<ClientToken, CallbackError> {
        self.call(Operation::Get, None, timeout, request_callback(callback))
    }

    /// Sends an update and has `callback` called once with the answer or the timeout; see
    /// [`get_with`](Self::get_with). `timeout` counts, not the update's own; a token of the
    /// update's own is used.
    ///
    /// # Errors
    /// The request was not taken; the callback is not called.
    pub fn update_with(
        &self,
        timeout: Duration,
        update: Update<'_>,
        callback: impl FnOnce(Response) + Send + 'static,
    ) -> Result<ClientToken, CallbackError> {
        self.call(
            Operation::Update,
            Some(update),
            timeout,
            request_callback(callback),
        )
    }

    /// Removes the shadow and has `callback` called once with the answer or the timeout; see
    /// [`get_with`](Self::get_with).
    ///
    /// # Errors
    /// The request was not taken; the callback is not called.
    pub fn delete_with(
        &self,
        timeout: Duration,
        callback: impl FnOnce(Response) + Send + 'static,
    ) -> Result<ClientToken, CallbackError> {
        self.call(Operation::Delete, None, timeout, request_callback(callback))
    }

    /// Has `callback` called with each delta, in place of the callback before. It stays until
    /// [`stop_on_delta`](Self::stop_on_delta), also beyond the life of this handle; of deltas that
    /// wait for other callbacks only the newest is kept.
    ///
    /// A callback that owns a handle of the client keeps the client alive.
    ///
    /// # Errors
    /// The subscription does not fit the budget.
    pub fn on_delta(
        &self,
        callback: impl FnMut(Response) + Send + 'static,
    ) -> Result<(), CallbackError> {
        self.on(TopicKind::UpdateDelta, callback)
    }

    /// Removes the callback of deltas; the subscription ends if nobody else wants it. Whether
    /// there was one.
    pub fn stop_on_delta(&self) -> bool {
        self.stop_on(TopicKind::UpdateDelta)
    }

    /// Has `callback` called with each message on a response topic, whoever caused it; otherwise
    /// as [`on_delta`](Self::on_delta). On a topic that clients publish to nothing is ever called.
    ///
    /// # Errors
    /// The subscription does not fit the budget.
    pub fn on(
        &self,
        topic: TopicKind,
        callback: impl FnMut(Response) + Send + 'static,
    ) -> Result<(), CallbackError> {
        start_dispatcher(self.hub()).map_err(CallbackError::Thread)?;
        let callback: SharedCallback = Arc::new(Mutex::new(callback));
        let handle = self.handle();
        let before = self.hub().act(|state, now| {
            state.client.keep_payloads(true, now);
            state.listen(handle, topic, &callback, now)
        });
        before.map(drop).map_err(CallbackError::Register)
    }

    /// Removes the callback of a topic; whether there was one.
    pub fn stop_on(&self, topic: TopicKind) -> bool {
        let handle = self.handle();
        let callback = self
            .hub()
            .act(|state, now| state.unlisten(handle, topic, now));
        callback.is_some()
    }

    fn call(
        &self,
        operation: Operation,
        update: Option<Update<'_>>,
        timeout: Duration,
        callback: Option<RequestCallback>,
    ) -> Result<ClientToken, CallbackError> {
        if callback.is_some() {
            start_dispatcher(self.hub()).map_err(CallbackError::Thread)?;
        }
        let handle = self.handle();
        let update = update.unwrap_or_default();
        let mut span = trace::request(self.id(), operation);
        let made = self.hub().act(|state, now| {
            if callback.is_some() {
                state.client.keep_payloads(true, now);
            }
            let mut options = update.options;
            options.reserve_token = true;
            options.timeout = Some(timeout);
            let update = update.with_options(options);
            let ask = |client: &mut shadow_proto::Client| match operation {
                Operation::Get => client.get(handle, options, now),
                Operation::Update => client.update(handle, update, now),
                Operation::Delete => client.delete(handle, options, now),
            };
            let mut given = None;
            state.request(handle, operation, &mut span, ask, |state, id| {
                given = state.client.token(id);
                callback.map_or(Waiter::Nobody, |it| Waiter::Callback(it, given))
            })?;
            // It was reserved, or is the caller's own.
            given.ok_or(RequestFailure::NoAnswer)
        });
        made.map_err(CallbackError::Request)
    }
}
