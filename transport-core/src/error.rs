//! What calls on the handles can fail with.

mod hint;
mod open;

pub use hint::Hint;
pub use open::{OpenCause, OpenError};

use core::fmt;

use mqtt_session::{DisconnectReason, OptionsError, PublishError, Refusal, TopicError};
use shadow_proto::{
    ErrorCode, Failure, PubackCode, RegisterError, Rejection, RequestError, Stage, SubackCode,
};

use crate::endpoint::Scheme;

/// Why a shadow request was not accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum RequestFailure {
    /// It was not taken; nothing of it was kept.
    Request(RequestError),
    /// It was taken and ended otherwise than accepted.
    Failure(Failure),
    /// The state could not be turned into JSON.
    Json(serde_json::Error),
    /// A get of a shadow in publish-only mode: it was published, and there will be no answer.
    NoAnswer,
    /// The client has been stopped.
    Stopped,
}

impl RequestFailure {
    /// The rejection, if the service answered with one.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Failure(Failure::Rejected(rejection)) => Some(rejection),
            Self::Failure(_)
            | Self::Request(_)
            | Self::Json(_)
            | Self::NoAnswer
            | Self::Stopped => None,
        }
    }

    /// The code of the rejection, if the service answered with one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        self.rejection().map(|rejection| rejection.code)
    }

    /// Whether there is no such shadow (404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(ErrorCode::NOT_FOUND)
    }

    /// Whether the document had another version than the update asked for (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(ErrorCode::CONFLICT)
    }

    /// How far the request got, unless it was answered.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Failure(failure) => failure.stage(),
            Self::NoAnswer => Some(Stage::Acknowledged),
            Self::Request(_) | Self::Json(_) | Self::Stopped => Some(Stage::Queued),
        }
    }
}

impl fmt::Display for RequestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Failure(failure) => failure.fmt(f),
            Self::Json(error) => write!(f, "the state is not possible as JSON: {error}"),
            Self::NoAnswer => f.write_str("the shadow is publish-only: a get has no answer"),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for RequestFailure {}

impl From<RequestError> for RequestFailure {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<Failure> for RequestFailure {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Why a callback was not registered.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallbackError {
    /// The request was not taken.
    Request(RequestFailure),
    /// The subscription was not taken.
    Register(RegisterError),
    /// The thread that runs callbacks could not be started.
    Thread(std::io::Error),
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(failure) => failure.fmt(f),
            Self::Register(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "no thread for callbacks: {error}"),
        }
    }
}

impl core::error::Error for CallbackError {}

/// The client has been stopped: by `shutdown`, because its driver ended, or because a permanent
/// refusal was set to stop it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "nothing more to say")]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client has been stopped")
    }
}

impl core::error::Error for Stopped {}

/// Why a shadow is not ready, and will not be before something changes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotReady {
    /// The broker refused a subscription.
    Refused {
        /// The filter.
        filter: Box<str>,
        /// The code of the SUBACK.
        code: SubackCode,
    },
    /// The document could not be fetched, and will not be tried again on this connection.
    Fetch(Failure),
    /// The client has been stopped.
    Stopped,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { filter, code } => {
                write!(f, "the broker refused the subscription to {filter}: {code}")
            }
            Self::Fetch(failure) => write!(f, "the document could not be fetched: {failure}"),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for NotReady {}

/// Why a plain message was not published, as far as is known.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PublishFailure {
    /// The session did not take it: illegal, too large, queue full, QoS 0 without a connection.
    Refused(PublishError),
    /// As many messages wait as are allowed.
    QueueFull {
        /// The limit.
        max: usize,
    },
    /// It made room for a newer one in the [`OfflineQueue`](crate::OfflineQueue).
    Dropped,
    /// The broker answered with a refusal.
    Rejected {
        /// The code of the PUBACK.
        code: PubackCode,
    },
    /// The deadline passed.
    TimedOut {
        /// Whether it was handed to the connection: then the broker may have it, or get it yet.
        sent: bool,
    },
    /// It was sent, and the session was lost before the answer.
    Lost,
    /// It was not sent: the connection was lost first, or did not take it.
    NotSent,
    /// The client has been stopped.
    Stopped,
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::QueueFull { max } => write!(f, "{max} messages are waiting, more do not fit"),
            Self::Dropped => f.write_str("not sent: dropped for a newer message"),
            Self::Rejected { code } => write!(f, "the broker refused the publish: {code}"),
            Self::TimedOut { sent: true } => {
                f.write_str("timed out: sent, and not acknowledged by the broker")
            }
            Self::TimedOut { sent: false } => f.write_str("timed out: it was not sent"),
            Self::Lost => f.write_str("the session was lost before the broker acknowledged it"),
            Self::NotSent => f.write_str("not sent: there was no connection"),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for PublishFailure {}

/// Why a plain subscription was not made or ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubscribeFailure {
    /// It is not a filter.
    Filter(TopicError),
    /// The broker refused it.
    Refused {
        /// The code of the SUBACK.
        code: SubackCode,
    },
    /// The broker did not answer in time, or there was no connection.
    TimedOut,
    /// The thread that runs callbacks could not be started.
    Thread {
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// The client has been stopped.
    Stopped,
}

impl fmt::Display for SubscribeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(error) => error.fmt(f),
            Self::Refused { code } => write!(f, "the broker refused the subscription: {code}"),
            Self::TimedOut => f.write_str("the broker did not answer the subscription in time"),
            Self::Thread { kind } => write!(f, "no thread for callbacks: {kind}"),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for SubscribeFailure {}

impl From<TopicError> for SubscribeFailure {
    fn from(error: TopicError) -> Self {
        Self::Filter(error)
    }
}

/// Why an attempt to connect failed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// An option cannot be said in a CONNECT.
    Options(OptionsError),
    /// The transport could not be opened.
    Open(OpenError),
    /// The broker refused the CONNECT.
    Refused(Box<Refusal>),
    /// The connection ended before the broker answered the CONNECT.
    Closed {
        /// How.
        reason: DisconnectReason,
        /// What is likely, if anything is.
        hint: Option<Hint>,
    },
    /// The attempt took longer than `connect_timeout`.
    TimedOut,
    /// The client was stopped.
    Stopped,
}

impl ConnectError {
    /// The connection ended before the broker answered, and nothing is likely of it.
    #[must_use]
    pub const fn closed(reason: DisconnectReason) -> Self {
        Self::Closed { reason, hint: None }
    }

    /// What is likely, where the other side just hung up.
    #[must_use]
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Open(error) => error.hint,
            Self::Closed { hint, .. } => *hint,
            Self::Options(_) | Self::Refused(_) | Self::TimedOut | Self::Stopped => None,
        }
    }

    /// The same with what is likely, after an attempt with this scheme.
    pub(crate) fn hinted(mut self, scheme: Scheme) -> Self {
        match &mut self {
            Self::Closed { reason, hint } => {
                *hint = hint.or_else(|| Hint::unanswered(scheme, reason));
            }
            Self::Open(error) if scheme == Scheme::Mqtt => error.hint_if_ended(Hint::WantsTls),
            Self::Open(_)
            | Self::Options(_)
            | Self::Refused(_)
            | Self::TimedOut
            | Self::Stopped => {}
        }
        self
    }

    /// Whether trying again with the same options is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Options(_) | Self::Stopped => true,
            Self::Open(error) => error.permanent,
            Self::Refused(refusal) => refusal.is_permanent(),
            // A first connect that the server just closes is how AWS's just-in-time registration
            // begins.
            Self::Closed { .. } | Self::TimedOut => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Closed { reason, hint } => {
                write!(f, "no answer to the CONNECT: {reason}")?;
                match hint {
                    Some(hint) => write!(f, "; {hint}"),
                    None => Ok(()),
                }
            }
            Self::TimedOut => f.write_str("the broker could not be reached in time"),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {}

impl From<OptionsError> for ConnectError {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
}

impl From<OpenError> for ConnectError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}
