//! How requests fail, and the codes by which a broker refuses.

use crate::{document::Rejection, topic::Operation};
use alloc::boxed::Box;
use core::fmt;

/// How far a request got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// It waited: for a connection, for the window, for its shadow to be ready. Surely not applied.
    Queued,
    /// It waited for the filters of its answers to be granted. Surely not applied.
    Subscribing,
    /// It was handed to the connection. May have been applied.
    Sent,
    /// The broker has it. May have been applied.
    Acknowledged,
}

impl Stage {
    /// Whether the service may have applied the request.
    #[must_use]
    pub const fn may_have_been_applied(self) -> bool {
        matches!(self, Self::Sent | Self::Acknowledged)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "not sent: it was still queued",
            Self::Subscribing => "not sent: its subscriptions were not granted yet",
            Self::Sent => "sent, not acknowledged by the broker",
            Self::Acknowledged => "acknowledged by the broker, not answered by the shadow service",
        })
    }
}

/// Why a request was not accepted. All but a rejection say how far it got.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The service refused it: nothing changed.
    Rejected(Rejection),
    /// The broker refused the PUBLISH.
    PublishRefused {
        /// How far it got.
        stage: Stage,
        /// The code of the PUBACK.
        code: PubackCode,
    },
    /// The deadline passed.
    TimedOut {
        /// What was asked.
        operation: Operation,
        /// How far it got.
        stage: Stage,
        /// A rejection without token that came meanwhile and may have been the answer.
        hint: Option<Box<Rejection>>,
    },
    /// The connection was lost, and with it the session.
    Disconnected {
        /// What was asked.
        operation: Operation,
        /// How far it got.
        stage: Stage,
    },
    /// The broker refused a filter that the answer needs.
    SubscribeRefused {
        /// How far it got.
        stage: Stage,
        /// The filter.
        filter: Box<str>,
        /// The code of the SUBACK.
        code: SubackCode,
    },
    /// It could not be sent.
    NotSent {
        /// How far it got.
        stage: Stage,
        /// Why.
        reason: NotSent,
    },
    /// The application cancelled it.
    Cancelled {
        /// What was asked.
        operation: Operation,
        /// How far it got.
        stage: Stage,
    },
    /// Its shadow was removed from the client.
    Removed {
        /// What was asked.
        operation: Operation,
        /// How far it got.
        stage: Stage,
    },
}

impl Failure {
    /// How far the request got; `None` for a rejection, which is an answer.
    #[must_use]
    pub const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Rejected(_) => None,
            Self::PublishRefused { stage, .. }
            | Self::TimedOut { stage, .. }
            | Self::Disconnected { stage, .. }
            | Self::SubscribeRefused { stage, .. }
            | Self::NotSent { stage, .. }
            | Self::Cancelled { stage, .. }
            | Self::Removed { stage, .. } => Some(*stage),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => write!(f, "rejected: {rejection}"),
            Self::PublishRefused { code, .. } => {
                write!(f, "the broker refused the publish: {code}")
            }
            Self::TimedOut {
                operation,
                stage,
                hint,
            } => {
                write!(f, "timed out ({})", Reached(*operation, *stage))?;
                match hint {
                    Some(hint) => {
                        write!(f, "; a rejection without token came meanwhile: {hint}")
                    }
                    None => Ok(()),
                }
            }
            Self::Disconnected { operation, stage } => {
                write!(f, "the session was lost ({})", Reached(*operation, *stage))
            }
            Self::SubscribeRefused { filter, code, .. } => {
                write!(f, "the broker refused the subscription to {filter}: {code}")
            }
            Self::NotSent { reason, .. } => write!(f, "not sent: {reason}"),
            Self::Cancelled { operation, stage } => {
                write!(f, "cancelled ({})", Reached(*operation, *stage))
            }
            Self::Removed { operation, stage } => {
                write!(
                    f,
                    "the shadow was removed ({})",
                    Reached(*operation, *stage)
                )
            }
        }
    }
}

impl core::error::Error for Failure {}

/// How far a request got, and what that means for the document.
struct Reached(Operation, Stage);

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(operation, stage) = self;
        stage.fmt(f)?;
        match operation {
            Operation::Update if stage.may_have_been_applied() => {
                f.write_str("; the update may have been applied")
            }
            Operation::Delete if stage.may_have_been_applied() => {
                f.write_str("; the shadow may have been deleted")
            }
            // A get changes nothing.
            Operation::Get | Operation::Update | Operation::Delete => Ok(()),
        }
    }
}

/// Why a request could not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotSent {
    /// There was no connection, and the request was not to wait for one.
    Offline,
    /// The connection did not take it.
    Refused,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "there is no connection",
            Self::Refused => "the connection did not take it",
        })
    }
}

/// What a SUBACK says of one filter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubackCode(u8);

impl SubackCode {
    /// The code with this number: below 0x80 the granted QoS, else a reason for refusal.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the filter is subscribed.
    #[must_use]
    pub const fn is_granted(self) -> bool {
        self.0 < 0x80
    }
}

impl fmt::Display for SubackCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MQTT 5, section 3.9.3; in MQTT 3.1.1 there is 0x80 alone.
        let name = match self.0 {
            0..=2 => return write!(f, "granted QoS {}", self.0),
            0x80 => "unspecified error, often a missing permission",
            0x83 => "implementation specific error",
            0x87 => "not authorized",
            0x8f => "topic filter invalid",
            0x91 => "packet identifier in use",
            0x97 => "quota exceeded",
            0x9e => "shared subscriptions not supported",
            0xa1 => "subscription identifiers not supported",
            0xa2 => "wildcard subscriptions not supported",
            _ => "unknown reason",
        };
        write!(f, "0x{:02x} {name}", self.0)
    }
}

/// What a PUBACK says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PubackCode(u8);

impl PubackCode {
    /// 0: success, and all that MQTT 3.1.1 can say.
    pub const SUCCESS: Self = Self(0);

    /// The code with this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the broker took the message. 0x10, nobody subscribed, is a success too.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 < 0x80
    }
}

impl fmt::Display for PubackCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MQTT 5, section 3.4.2.1.
        let name = match self.0 {
            0 => "success",
            0x10 => "no matching subscribers",
            0x80 => "unspecified error",
            0x83 => "implementation specific error",
            0x87 => "not authorized",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x97 => "quota exceeded",
            0x99 => "payload format invalid",
            _ => "unknown reason",
        };
        write!(f, "0x{:02x} {name}", self.0)
    }
}
