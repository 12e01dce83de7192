//! The future of a shadow request.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use shadow_proto::{Accepted, ClientToken, Failure, RequestId};

use super::shadow::Shadow;
use crate::{error::RequestFailure, oneshot::Answer};

/// A request, made by the call that returned this; the future is its outcome.
///
/// Dropping it before the request was sent cancels the request. After that the request goes its
/// way: it may be applied, and nobody learns of it. [`detach`](Self::detach) gives up the future
/// without cancelling.
#[must_use = "dropping the future cancels a request that was not sent; see `detach`"]
pub struct Request<T> {
    shadow: Shadow,
    state: State,
    read: fn(Accepted) -> Result<T, RequestFailure>,
}

enum State {
    Refused(RequestFailure),
    Made(Made),
    Done,
}

/// Its name, the token that it was made with, and where its outcome comes.
pub(super) type Made = (
    RequestId,
    Option<ClientToken>,
    Answer<Result<Accepted, Failure>>,
);

impl<T> Request<T> {
    pub(super) fn new(
        shadow: Shadow,
        made: Result<Made, RequestFailure>,
        read: fn(Accepted) -> Result<T, RequestFailure>,
    ) -> Self {
        let state = match made {
            Ok(made) => State::Made(made),
            Err(failure) => State::Refused(failure),
        };
        Self {
            shadow,
            state,
            read,
        }
    }

    /// What events name the request by; `None` if it was not taken, or is over.
    #[must_use]
    pub fn id(&self) -> Option<RequestId> {
        match &self.state {
            State::Made((id, ..)) => Some(*id),
            State::Refused(_) | State::Done => None,
        }
    }

    /// The token of its newest try; `None` before the first, unless it has a token of the
    /// caller's own. After its outcome, until the future is polled: the token that it was made
    /// with.
    #[must_use]
    pub fn token(&self) -> Option<ClientToken> {
        let State::Made((id, first, _)) = &self.state else {
            return None;
        };
        self.shadow.hub().shared.lock().client.token(*id).or(*first)
    }

    /// Lets the request go its way without waiting for it, also beyond the life of the handle.
    ///
    /// # Errors
    /// It was not taken.
    pub fn detach(mut self) -> Result<(), RequestFailure> {
        match core::mem::replace(&mut self.state, State::Done) {
            State::Refused(failure) => Err(failure),
            State::Made(..) | State::Done => Ok(()),
        }
    }
}

impl<T> Future for Request<T> {
    type Output = Result<T, RequestFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Made((.., answer)) = &self.state {
            let outcome = ready!(answer.poll(cx));
            self.state = State::Done;
            return Poll::Ready(outcome.map_err(RequestFailure::Failure).and_then(self.read));
        }
        Poll::Ready(Err(
            match core::mem::replace(&mut self.state, State::Done) {
                State::Refused(failure) => failure,
                State::Made(..) | State::Done => RequestFailure::Stopped,
            },
        ))
    }
}

impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        if let State::Made((id, ..)) = &self.state {
            let id = *id;
            self.shadow.hub().act(|state, now| state.abandon(id, now));
        }
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("shadow", self.shadow.id())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
