//! What a command can end with, and the exit code of each.

use std::fmt;

use transport_tokio::{
    ConnectError, Failure, NotReady, RegisterError, Rejection, RequestFailure, RestError,
};

/// The shadow service answered with a rejection.
pub(crate) const REJECTED: u8 = 1;
/// No answer in time, or a condition that did not come true.
pub(crate) const TIMED_OUT: u8 = 2;
/// `shadow diff`: not in sync.
pub(crate) const DIFFERENT: u8 = 3;
/// The command line makes no sense (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// The broker or the service cannot be used (`EX_UNAVAILABLE`).
pub(crate) const CONNECTION: u8 = 69;
/// Anything else, such as a file that cannot be written (`EX_IOERR`).
pub(crate) const OTHER: u8 = 74;
/// Ctrl-C, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

#[derive(Debug)]
pub(crate) enum Problem {
    /// With a hint at what may mend it.
    Rejected(Rejection, Option<String>),
    TimedOut(String),
    Usage(String),
    Connection(String),
    Other(String),
    Interrupted,
}

impl Problem {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Rejected(..) => REJECTED,
            Self::TimedOut(_) => TIMED_OUT,
            Self::Usage(_) => USAGE,
            Self::Connection(_) => CONNECTION,
            Self::Other(_) => OTHER,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// The same, with a hint at what may mend it.
    pub(crate) fn with_hint(self, hint: Option<String>) -> Self {
        let hinted = |text: String| match &hint {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        };
        match self {
            Self::TimedOut(text) => Self::TimedOut(hinted(text)),
            Self::Connection(text) => Self::Connection(hinted(text)),
            other => other,
        }
    }

    /// The word for it in `--json`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Rejected(..) => "rejected",
            Self::TimedOut(_) => "timeout",
            Self::Usage(_) => "usage",
            Self::Connection(_) => "connection",
            Self::Other(_) => "other",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection, None) => write!(f, "rejected: {rejection}"),
            Self::Rejected(rejection, Some(hint)) => write!(f, "rejected: {rejection}; {hint}"),
            Self::TimedOut(text)
            | Self::Usage(text)
            | Self::Connection(text)
            | Self::Other(text) => f.write_str(text),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<RequestFailure> for Problem {
    fn from(failure: RequestFailure) -> Self {
        let text = failure.to_string();
        match failure {
            RequestFailure::Failure(failure) => failure.into(),
            RequestFailure::Request(_) | RequestFailure::Json(_) => Self::Usage(text),
            _ => Self::Connection(text),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match failure {
            Failure::Rejected(rejection) => Self::Rejected(rejection, None),
            Failure::TimedOut { .. } => Self::TimedOut(text),
            _ => Self::Connection(text),
        }
    }
}

impl From<RestError> for Problem {
    fn from(error: RestError) -> Self {
        let text = error.to_string();
        match error {
            RestError::Rejected {
                rejection, missing, ..
            } => Self::Rejected(rejection, missing.map(Into::into)),
            RestError::TimedOut { .. } => Self::TimedOut(text),
            RestError::Name(_) => Self::Usage(text),
            _ => Self::Connection(text),
        }
    }
}

impl From<NotReady> for Problem {
    fn from(error: NotReady) -> Self {
        let text = error.to_string();
        match error {
            NotReady::Fetch(failure) => failure.into(),
            NotReady::Refused { filter, .. } => {
                let missing = transport_tokio::policy::missing_for_filter(&filter);
                Self::Connection(text).with_hint(Some(missing))
            }
            _ => Self::Connection(text),
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        Self::Connection(error.to_string())
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        Self::Other(error.to_string())
    }
}

/// A file that cannot be used.
pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Problem {
    Problem::Other(format!("{}: {error}", path.display()))
}
