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
        /// Whether the request may have been received.
        sent: bool,
        /// Whether it would change something: if it was sent, it may have been carried out.
        changing: bool,
        /// What happened.
        message: Box<str>,
    },
    /// There was no answer in time.
    TimedOut {
        /// Whether the request would change something: it may have been carried out.
        changing: bool,
    },
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
            | Self::TimedOut { .. } => None,
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
            | Self::TimedOut { .. } => None,
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
            Self::Broken {
                sent,
                changing,
                message,
            } => {
                write!(f, "the connection broke: {message}")?;
                f.write_str(match (sent, changing) {
                    (true, true) => CARRIED_OUT,
                    (true, false) => "",
                    (false, _) => "; the request was not sent",
                })
            }
            Self::TimedOut { changing } => {
                f.write_str("no answer in time")?;
                f.write_str(if *changing { CARRIED_OUT } else { "" })
            }
        }
    }
}

const CARRIED_OUT: &str = "; the request may have been carried out";

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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn only_what_changes_something_may_have_been_carried_out() {
        let broken = |sent, changing| RestError::Broken {
            sent,
            changing,
            message: "reset".into(),
        };
        for (error, text) in [
            (
                RestError::TimedOut { changing: true },
                "no answer in time; the request may have been carried out",
            ),
            (RestError::TimedOut { changing: false }, "no answer in time"),
            (
                broken(true, true),
                "the connection broke: reset; the request may have been carried out",
            ),
            (broken(true, false), "the connection broke: reset"),
            (
                broken(false, true),
                "the connection broke: reset; the request was not sent",
            ),
            (
                broken(false, false),
                "the connection broke: reset; the request was not sent",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
