//! Rejections: codes, the service's own texts, and what REST calls them.
//!
//! AWS IoT developer guide, "Device Shadow error messages":
//! <https://docs.aws.amazon.com/iot/latest/developerguide/device-shadow-error-messages.html>

use crate::{document::Section, write::Members};
use alloc::{boxed::Box, string::String};
use core::fmt;
use shadow_proto::ShadowId;

/// Why the service refuses a request. [`Display`](fmt::Display) is the `message` a client sees.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ShadowError {
    /// 400: the payload is not JSON.
    InvalidJson,
    /// 400: no `state`, or the payload is not an object.
    MissingState,
    /// 400: `state` is neither an object nor null.
    StateNotObject,
    /// 400: `desired` or `reported` is neither an object nor null.
    SectionNotObject(Section),
    /// 400: `version` is not a whole number that fits 64 bits.
    InvalidVersion,
    /// 400: `clientToken` is not a string, or longer than 64 bytes.
    InvalidClientToken,
    /// 400: a section is nested too deeply.
    TooDeep {
        /// The limit in force.
        max: usize,
    },
    /// 400: `state` has a member other than `desired` and `reported`.
    InvalidNode {
        /// Its name.
        name: Box<str>,
    },
    /// 400: an array holds null. AWS rejects it too, with a text nobody has recorded.
    NullInArray,
    /// 400: a REST request is malformed: a name, a page size, a page token.
    InvalidRequest {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// 401: the credentials are missing or wrong.
    Unauthorized,
    /// 403: the credentials do not allow it.
    Forbidden,
    /// 404: there is no such shadow.
    NotFound {
        /// The shadow asked for.
        shadow: ShadowId,
    },
    /// 404: a REST request names nothing the service knows.
    UnknownResource,
    /// 405: a REST request uses a method that its resource does not have.
    MethodNotAllowed,
    /// 409: the update's `version` is not that of the stored document.
    VersionConflict,
    /// 413: the merged document, or the payload itself, is too large.
    TooLarge,
    /// 415: the payload is not UTF-8.
    UnsupportedEncoding,
    /// 429: too many requests.
    TooManyRequests,
    /// 500: the store failed. The cause is for the operator, not for the client.
    Internal {
        /// What the store said.
        cause: Box<str>,
    },
    /// 503: the service cannot serve now.
    Unavailable,
}

impl ShadowError {
    /// The code: an HTTP status.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::InvalidJson
            | Self::MissingState
            | Self::StateNotObject
            | Self::SectionNotObject(_)
            | Self::InvalidVersion
            | Self::InvalidClientToken
            | Self::TooDeep { .. }
            | Self::InvalidNode { .. }
            | Self::NullInArray
            | Self::InvalidRequest { .. } => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound { .. } | Self::UnknownResource => 404,
            Self::MethodNotAllowed => 405,
            Self::VersionConflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedEncoding => 415,
            Self::TooManyRequests => 429,
            Self::Internal { .. } => 500,
            Self::Unavailable => 503,
        }
    }

    /// The message alone, as a JSON object.
    #[cfg(feature = "http")]
    pub(crate) fn message_document(&self) -> String {
        let mut out = String::new();
        let mut members = Members::open(&mut out);
        members.text("message", &alloc::format!("{self}"));
        members.close();
        out
    }

    /// The exception that the REST API's model names for this code, as the header
    /// `x-amzn-ErrorType` carries it.
    #[must_use]
    pub const fn exception(&self) -> &'static str {
        match self.code() {
            401 => "UnauthorizedException",
            403 => "ForbiddenException",
            404 => "ResourceNotFoundException",
            405 => "MethodNotAllowedException",
            409 => "ConflictException",
            413 => "RequestEntityTooLargeException",
            415 => "UnsupportedDocumentEncodingException",
            429 => "ThrottlingException",
            500 => "InternalFailureException",
            503 => "ServiceUnavailableException",
            _ => "InvalidRequestException",
        }
    }
}

impl fmt::Display for ShadowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidJson => "Invalid JSON",
            Self::MissingState => "Missing required node: state",
            Self::StateNotObject => "State node must be an object",
            Self::SectionNotObject(Section::Desired) => "Desired node must be an object",
            Self::SectionNotObject(Section::Reported) => "Reported node must be an object",
            Self::InvalidVersion => "Invalid version",
            Self::InvalidClientToken => "Invalid clientToken",
            Self::TooDeep { max } => {
                return write!(
                    f,
                    "JSON contains too many levels of nesting; maximum is {max}"
                );
            }
            Self::InvalidNode { name } => {
                return write!(f, "State contains an invalid node: '{name}'");
            }
            Self::NullInArray => "Arrays must not contain null",
            Self::InvalidRequest { reason } => reason,
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound { shadow } => {
                return write!(f, "No shadow exists with name: '{shadow}'");
            }
            Self::UnknownResource => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::VersionConflict => "Version conflict",
            Self::TooLarge => "The payload exceeds the maximum size allowed",
            Self::UnsupportedEncoding => {
                "Unsupported documented encoding; supported encoding is UTF-8"
            }
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::Internal { .. } => "Internal service failure",
            Self::Unavailable => "Service unavailable",
        })
    }
}

impl core::error::Error for ShadowError {}

/// A refused request: the error, and the token to echo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// Why.
    pub error: ShadowError,
    /// The request's client token, where it was readable and valid.
    pub client_token: Option<Box<str>>,
}

impl Rejection {
    /// The error document: what `rejected` topics and REST bodies carry.
    ///
    /// It has no `timestamp`: no recorded rejection of the real service has one.
    #[must_use]
    pub fn payload(&self) -> String {
        let mut out = String::new();
        let mut members = Members::open(&mut out);
        members.number("code", u64::from(self.error.code()));
        members.text("message", &alloc::format!("{}", self.error));
        if let Some(token) = &self.client_token {
            members.text("clientToken", token);
        }
        members.close();
        out
    }
}

impl From<ShadowError> for Rejection {
    fn from(error: ShadowError) -> Self {
        Self {
            error,
            client_token: None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.error.code(), self.error)
    }
}

impl core::error::Error for Rejection {}
