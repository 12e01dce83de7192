//! What a call can be refused for. One type per operation, with only what it can return.

use crate::name::{NameError, ShadowId};
use alloc::{boxed::Box, vec::Vec};
use core::fmt;

/// The handle is of a shadow that was removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownShadow;

impl fmt::Display for UnknownShadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shadow was removed from the client")
    }
}

impl core::error::Error for UnknownShadow {}

/// The request is over, or was never made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownRequest;

impl fmt::Display for UnknownRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request is over")
    }
}

impl core::error::Error for UnknownRequest {}

/// The message belongs to someone else on the same connection: its topic is not a response topic
/// of a shadow of this client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotShadowTopic;

impl fmt::Display for NotShadowTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a response topic of a shadow of this client")
    }
}

impl core::error::Error for NotShadowTopic {}

/// More filters would be subscribed than [`Budget::per_connection`](crate::Budget) allows.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BudgetExceeded {
    /// The filters the call would have needed in addition.
    pub needed: u32,
    /// The budget.
    pub max: u32,
    /// Which shadow uses how many filters; shadows without any are left out.
    pub used_by: Vec<(ShadowId, u32)>,
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used: u32 = self.used_by.iter().map(|(_, filters)| filters).sum();
        let Self { needed, max, .. } = self;
        write!(
            f,
            "{needed} more subscriptions do not fit: {used} of {max} are used"
        )?;
        for (at, (shadow, filters)) in self.used_by.iter().take(8).enumerate() {
            write!(f, "{} {shadow} {filters}", if at == 0 { ":" } else { "," })?;
        }
        if self.used_by.len() > 8 {
            f.write_str(", ...")?;
        }
        Ok(())
    }
}

/// Why a shadow was not added.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AddError {
    /// It is there already.
    Duplicate,
    /// As many as [`Limits::shadows`](crate::Limits) allows are there.
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Its interest does not fit the subscription budget.
    Budget(Box<BudgetExceeded>),
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate => f.write_str("the shadow was added already"),
            Self::TooMany { max } => write!(f, "at most {max} shadows can be added"),
            Self::Budget(budget) => budget.fmt(f),
        }
    }
}

impl core::error::Error for AddError {}

/// Why an interest was not changed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RegisterError {
    /// The handle is of a shadow that was removed.
    UnknownShadow,
    /// The interest does not fit the subscription budget.
    Budget(Box<BudgetExceeded>),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownShadow => UnknownShadow.fmt(f),
            Self::Budget(budget) => budget.fmt(f),
        }
    }
}

impl core::error::Error for RegisterError {}

/// Why a document is not fetched again.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ResyncError {
    /// The handle is of a shadow that was removed.
    UnknownShadow,
    /// Nobody follows deltas or documents of the shadow, or it is publish-only: what it has is the
    /// answer to a get.
    NotFollowed,
    /// The filters of the answer do not fit the subscription budget.
    Budget(Box<BudgetExceeded>),
}

impl fmt::Display for ResyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownShadow => UnknownShadow.fmt(f),
            Self::NotFollowed => {
                f.write_str("neither deltas nor documents of the shadow are followed: get it")
            }
            Self::Budget(budget) => budget.fmt(f),
        }
    }
}

impl core::error::Error for ResyncError {}

/// Why a request was not taken. It has no outcome: nothing of it was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The handle is of a shadow that was removed.
    UnknownShadow,
    /// As many requests as [`Limits::requests`](crate::Limits) allows are not yet over.
    QueueFull {
        /// The limit.
        max: usize,
    },
    /// The state is larger than [`Limits::state`](crate::Limits) allows.
    TooLarge {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A section is set to something that is not a JSON object.
    NotAnObject {
        /// `desired` or `reported`.
        section: &'static str,
    },
    /// The caller's own token is empty or longer than 64 bytes.
    Token(NameError),
    /// The caller's own token is in use, or was a moment ago, so that answers could be confused.
    TokenInUse,
    /// The caller's own token begins with the prefix of generated tokens.
    TokenPrefixed,
    /// The answers' filters do not fit the subscription budget.
    Budget(Box<BudgetExceeded>),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownShadow => UnknownShadow.fmt(f),
            Self::QueueFull { max } => {
                write!(f, "the queue is full: {max} requests are not yet over")
            }
            Self::TooLarge { length, max } => {
                write!(f, "the state has {length} bytes, at most {max} are allowed")
            }
            Self::NotAnObject { section } => write!(f, "the {section} state is not a JSON object"),
            Self::Token(error) => error.fmt(f),
            Self::TokenInUse => f.write_str("the client token is in use, or was a moment ago"),
            Self::TokenPrefixed => {
                f.write_str("the client token begins with the prefix of generated tokens")
            }
            Self::Budget(budget) => budget.fmt(f),
        }
    }
}

impl core::error::Error for RequestError {}
