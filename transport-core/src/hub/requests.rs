//! Who waits for which request.

use shadow_proto::{
    Accepted, ClientToken, Event, Failure, Instant, Operation, RequestError, RequestId,
    ShadowHandle, Stage,
};

use super::State;
use crate::{
    action::ActionId,
    callback::{Job, RequestCallback, Response},
    error::RequestFailure,
    oneshot::Promise,
    trace::Span,
};

/// A request that is not over.
pub(crate) struct Pending {
    pub(crate) shadow: ShadowHandle,
    pub(crate) operation: Operation,
    pub(crate) waiter: Waiter,
    /// Its newest publish that the driver has.
    publish: Option<ActionId>,
    /// It is not the first one.
    repeated: bool,
    /// From here to the outcome.
    pub(super) span: Option<Span>,
}

/// Who waits for the outcome.
pub(crate) enum Waiter {
    Nobody,
    Future(Promise<Result<Accepted, Failure>>),
    /// With the token that its caller was given; a later try has another one.
    Callback(RequestCallback, Option<ClientToken>),
}

impl State {
    /// Makes a request and notes who waits for it, which may depend on its token. Takes `span`
    /// unless it fails: what the application's subscriber has to hear of must not end under the
    /// lock.
    pub(crate) fn request(
        &mut self,
        shadow: ShadowHandle,
        operation: Operation,
        span: &mut Option<Span>,
        ask: impl FnOnce(&mut shadow_proto::Client) -> Result<RequestId, RequestError>,
        waiter: impl FnOnce(&mut Self, RequestId) -> Waiter,
    ) -> Result<RequestId, RequestFailure> {
        if !self.is_running() {
            return Err(RequestFailure::Stopped);
        }
        let id = ask(&mut self.client)?;
        let waiter = waiter(self, id);
        self.requests.insert(
            id,
            Pending {
                shadow,
                operation,
                waiter,
                publish: None,
                repeated: false,
                span: span.take(),
            },
        );
        Ok(id)
    }

    /// Nobody waits for it any more. A request of which nothing was sent is cancelled, one that
    /// was sent keeps its place, so that the window stays true.
    pub(crate) fn abandon(&mut self, request: RequestId, now: Instant) {
        let Some(pending) = self.requests.get_mut(&request) else {
            return;
        };
        pending.waiter = Waiter::Nobody;
        if matches!(
            self.client.stage(request),
            Some(Stage::Queued | Stage::Subscribing)
        ) {
            let _ = self.client.cancel(request, now);
        }
    }

    /// The driver was handed a publish of the request.
    pub(super) fn sent(&mut self, request: RequestId, id: ActionId) {
        if let Some(pending) = self.requests.get_mut(&request) {
            pending.repeated = pending.publish.replace(id).is_some();
        }
    }

    /// The outcome is there.
    pub(super) fn respond(&mut self, request: RequestId, event: Event, now: Instant) {
        let Some(pending) = self.requests.remove(&request) else {
            return;
        };
        // A publish that still waits in the driver must not come to pass after its request failed,
        // or after an earlier one was answered. The driver knows nothing of those that were written,
        // as what has an answer was.
        if pending.repeated || !is_answer(&event) {
            self.withdrawn.extend(pending.publish);
        }
        let shadow = pending.shadow;
        match pending.waiter {
            Waiter::Nobody => {}
            Waiter::Future(promise) => {
                if let Event::Response { outcome, .. } = event {
                    let waker = promise.keep(outcome);
                    self.wake(waker);
                }
            }
            Waiter::Callback(callback, token) => {
                if let Some(response) = Response::of_request(self, pending.operation, token, event)
                {
                    self.jobs.push_back(Job::Request(callback, response));
                }
            }
        }
        self.release_unused(shadow, now);
    }
}

/// Whether the service said something to the request.
fn is_answer(event: &Event) -> bool {
    let Event::Response { outcome, .. } = event else {
        return false;
    };
    matches!(outcome, Ok(_) | Err(Failure::Rejected(_)))
}
