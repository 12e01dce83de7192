//! Why a REST request was not accepted.

use core::fmt;

use shadow_proto::{ErrorCode, NameError, Rejection, wire::DecodeError};

use crate::error::OpenError;

/// Why a REST request was not accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RestError {
    /// A thing or shadow name is not possible.
    Name(NameError),
    /// The service said no. Its code is the HTTP status.
    Rejected {
        /// Code and message, as over MQTT.
        rejection: Rejection,
        /// AWS's name of the error: `ConflictException`.
        exception: Option<Box<str>>,
        /// Of a 403: which right is missing, probably.
        missing: Option<Box<str>>,
    },
    /// The answer is not one of the data plane.
    Undecodable(DecodeError),
    /// There is no connection to the service.
    Open(OpenError),
    /// The connection broke.
    Broken {
        /// Whether the request may have been received, and so carried out.
        sent: bool,
        /// What happened.
        message: Box<str>,
    },
    /// There was no answer in time; the request may have been carried out.
    TimedOut,
}

impl RestError {
    /// The rejection, if the service answered with one.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected { rejection, .. } => Some(rejection),
            Self::Name(_)
            | Self::Undecodable(_)
            | Self::Open(_)
            | Self::Broken { .. }
            | Self::TimedOut => None,
        }
    }

    /// Which right is missing, probably, if the service answered with 403 and did not say that the
    /// credentials themselves are wrong: the end of an error's text, and in this one's already.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Rejected { missing, .. } => missing.as_deref(),
            Self::Name(_)
            | Self::Undecodable(_)
            | Self::Open(_)
            | Self::Broken { .. }
            | Self::TimedOut => None,
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
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Rejected {
                rejection,
                exception,
                missing,
            } => {
                rejection.code.fmt(f)?;
                if !rejection.message.is_empty() {
                    write!(f, " {}", rejection.message)?;
                }
                if let Some(exception) = exception {
                    write!(f, " ({exception})")?;
                }
                match missing {
                    Some(missing) => write!(f, "; {missing}"),
                    None => Ok(()),
                }
            }
            Self::Undecodable(error) => write!(f, "the answer cannot be read: {error}"),
            Self::Open(error) => error.fmt(f),
            Self::Broken { sent, message } => {
                write!(f, "the connection broke: {message}; ")?;
                f.write_str(match sent {
                    true => "the request may have been carried out",
                    false => "the request was not sent",
                })
            }
            Self::TimedOut => {
                f.write_str("no answer in time; the request may have been carried out")
            }
        }
    }
}

impl core::error::Error for RestError {}

impl From<NameError> for RestError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<DecodeError> for RestError {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(error)
    }
}

impl From<OpenError> for RestError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}
