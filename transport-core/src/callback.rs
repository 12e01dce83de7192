//! Callbacks: what users of the AWS IoT SDK for Python, version 1, know.

use alloc::sync::Arc;
use core::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, UnwindSafe},
};
use std::{
    io, panic,
    sync::{Mutex, PoisonError},
    thread,
};

use shadow_proto::{
    ClientToken, Event, Failure, Json, Operation, ShadowHandle, ShadowId, Stage, Topic, TopicKind,
};

use crate::{
    event::ConnectionEvent,
    hub::{Hub, Phase, State},
    message::Message,
};

/// What a callback is given: an answer, a timeout, or a message on a topic of the shadow's.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Response {
    /// The message as it came; empty if none came.
    pub payload: String,
    /// What kind of message it is.
    pub status: Status,
    /// The token of the request that was answered, as the call returned it; of a delta or documents, that of the update
    /// which caused it, if it had one.
    pub token: Option<ClientToken>,
    /// The topic of the message; of a request that was not answered, the topic it goes to.
    pub topic: String,
    /// The shadow.
    pub shadow: ShadowId,
    /// How far a request that was not answered got.
    pub stage: Option<Stage>,
    /// Why a request was not accepted.
    pub failure: Option<Failure>,
}

/// The kind of a [`Response`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Status {
    /// The request was accepted; also a message on an `accepted` topic.
    Accepted,
    /// The request was rejected; also a message on a `rejected` topic.
    Rejected,
    /// The request was not answered: in time, or at all. [`Response::failure`] says why.
    Timeout,
    /// Desired values that differ from the reported ones.
    Delta,
    /// The document before and after an update.
    Documents,
}

impl Status {
    /// `accepted`.
    pub const ACCEPTED: &'static str = "accepted";
    /// `rejected`.
    pub const REJECTED: &'static str = "rejected";
    /// `timeout`.
    pub const TIMEOUT: &'static str = "timeout";
    /// `delta`.
    pub const DELTA: &'static str = "delta";
    /// `documents`.
    pub const DOCUMENTS: &'static str = "documents";

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => Self::ACCEPTED,
            Self::Rejected => Self::REJECTED,
            Self::Timeout => Self::TIMEOUT,
            Self::Delta => Self::DELTA,
            Self::Documents => Self::DOCUMENTS,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Goes where a request's callback goes, when nobody is to be called: what `None` is to the AWS
/// IoT SDK for Python. The request is made all the same, tried again where others are, and its
/// token returned.
///
/// ```
/// # use core::time::Duration;
/// # use transport_core::{CallbackError, Shadow, Update, Json, no_callback};
/// # fn example(light: Shadow, state: &Json) -> Result<(), CallbackError> {
/// let seconds = Duration::from_secs;
/// let token = light.update_with(seconds(5), Update::reported(state), no_callback)?;
/// println!("asked as {token}");
/// # Ok(())
/// # }
/// ```
pub fn no_callback(_: Response) {}

/// What a request calls; `None` for [`no_callback`].
pub(crate) fn request_callback<F: FnOnce(Response) + Send + 'static>(
    callback: F,
) -> Option<RequestCallback> {
    // Each function has a type of its own.
    (callback.type_id() != no_callback.type_id()).then(|| -> RequestCallback { Box::new(callback) })
}

/// A callback of one request.
pub(crate) type RequestCallback = Box<dyn FnOnce(Response) + Send>;
/// A callback of a topic. The thread that runs callbacks alone locks it.
pub(crate) type SharedCallback = Arc<Mutex<dyn FnMut(Response) + Send>>;

/// A callback of a plain subscription.
pub(crate) type MessageCallback = Arc<Mutex<dyn FnMut(Message) + Send>>;

/// A callback that waits to be run.
pub(crate) enum Job {
    Request(RequestCallback, Response),
    Message {
        shadow: ShadowHandle,
        kind: TopicKind,
        /// Which registration, so that one that was replaced or removed is not run any more.
        key: u64,
        response: Response,
    },
    Plain {
        /// The filter's number and the callback's.
        key: (u64, u64),
        message: Message,
    },
}

impl Response {
    /// The outcome of a request.
    pub(crate) fn of_request(
        state: &State,
        operation: Operation,
        token: Option<ClientToken>,
        event: Event,
    ) -> Option<Self> {
        let shadow = event.shadow();
        let Event::Response {
            outcome, payload, ..
        } = event
        else {
            return None;
        };
        let (status, kind) = match &outcome {
            Ok(_) => (Status::Accepted, operation.accepted()),
            Err(Failure::Rejected(_)) => (Status::Rejected, operation.rejected()),
            Err(_) => (Status::Timeout, operation.request()),
        };
        let failure = outcome.err();
        let mut response = Self::new(state, shadow, kind, status)?;
        response.payload = payload.map(text).unwrap_or_default();
        response.token = token;
        response.stage = failure.as_ref().and_then(Failure::stage);
        response.failure = failure;
        Some(response)
    }

    /// A message on a topic.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only messages come on a topic"
    )]
    pub(crate) fn of_message(state: &State, kind: TopicKind, event: &Event) -> Option<Self> {
        let mut response = Self::new(state, event.shadow(), kind, Status::Accepted)?;
        let payload = match event {
            Event::Delta { delta, payload, .. } => {
                response.status = Status::Delta;
                response.token = delta.token;
                // One that came with a get has no message of its own.
                let whole =
                    || format!(r#"{{"version":{},"state":{}}}"#, delta.version, delta.state);
                return Some(Self {
                    payload: payload.clone().map_or_else(whole, text),
                    ..response
                });
            }
            Event::Documents {
                documents, payload, ..
            } => {
                response.status = Status::Documents;
                response.token = documents.token;
                payload.clone()
            }
            Event::Response {
                token,
                outcome,
                payload,
                ..
            } => {
                response.token = *token;
                response.failure = outcome.as_ref().err().cloned();
                payload.clone()
            }
            Event::ForeignAnswer {
                token,
                answer,
                payload,
                ..
            } => {
                response.token = *token;
                let rejection = answer.as_ref().err().cloned();
                response.failure = rejection.map(Failure::Rejected);
                payload.clone()
            }
            Event::LateAnswer { token, answer, .. } => {
                response.token = Some(*token);
                let rejection = answer.as_ref().err().cloned();
                response.failure = rejection.map(Failure::Rejected);
                None
            }
            Event::UnattributedRejection { rejection, .. } => {
                response.failure = Some(Failure::Rejected(rejection.clone()));
                None
            }
            _ => return None,
        };
        if response.failure.is_some() {
            response.status = Status::Rejected;
        }
        response.payload = payload.map(text).unwrap_or_default();
        Some(response)
    }

    fn new(state: &State, shadow: ShadowHandle, kind: TopicKind, status: Status) -> Option<Self> {
        let id = state.client.shadow_id(shadow)?;
        let prefix = &state.topic_prefix;
        Some(Self {
            payload: String::new(),
            status,
            token: None,
            topic: Topic::new(id, kind).spell(prefix).into(),
            shadow: id.clone(),
            stage: None,
            failure: None,
        })
    }
}

fn text(json: Json) -> String {
    json.as_str().to_owned()
}

/// Starts the thread that runs the callbacks of a client, unless it runs.
pub(crate) fn start_dispatcher(hub: &Hub) -> io::Result<()> {
    if core::mem::replace(&mut hub.shared.lock().dispatching, true) {
        return Ok(());
    }
    let its = hub.clone();
    let thread = thread::Builder::new().name("device-shadow callbacks".into());
    let started = thread.spawn(move || dispatch(&its));
    if started.is_err() {
        hub.shared.lock().dispatching = false;
    }
    started.map(|_| ())
}

/// Runs callbacks, one after another, in the order of what they are told, until the client has
/// stopped and all have run.
fn dispatch(hub: &Hub) {
    while let Some(job) = next_job(hub) {
        let ran = match job {
            Job::Request(callback, response) => run(AssertUnwindSafe(move || callback(response))),
            Job::Message {
                shadow,
                kind,
                key,
                response,
            } => {
                let callback = hub.shared.lock().callback(shadow, kind, key);
                let Some(callback) = callback else { continue };
                run(AssertUnwindSafe(move || {
                    let mut callback = callback.lock().unwrap_or_else(PoisonError::into_inner);
                    callback(response);
                }))
            }
            Job::Plain { key, message } => {
                let callback = hub.shared.lock().message_callback(key);
                let Some(callback) = callback else { continue };
                run(AssertUnwindSafe(move || {
                    let mut callback = callback.lock().unwrap_or_else(PoisonError::into_inner);
                    callback(message);
                }))
            }
        };
        if let Err(message) = ran {
            hub.act(|state, _| state.emit(ConnectionEvent::CallbackPanicked { message }));
        }
    }
    // Callbacks often own handles, whose drop takes the lock.
    let callbacks = hub.act(|state, _| {
        state.dispatching = false;
        state.take_callbacks()
    });
    drop(callbacks);
}

fn next_job(hub: &Hub) -> Option<Job> {
    let mut state = hub.shared.lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        let over = state.orphaned && state.requests.is_empty();
        if over || state.phase == Phase::Stopped {
            return None;
        }
        state = hub
            .shared
            .jobs
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

fn run(callback: impl FnOnce() + UnwindSafe) -> Result<(), Box<str>> {
    panic::catch_unwind(callback).map_err(|panic| message_of(panic.as_ref()).into())
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_callback_is_known_whatever_looks_like_it() {
        fn nothing(_: Response) {}
        assert!(request_callback(no_callback).is_none());
        assert!(request_callback(nothing).is_some());
        assert!(request_callback(|_| {}).is_some());
        let pointer: fn(Response) = no_callback;
        assert!(request_callback(pointer).is_some());
    }
}
