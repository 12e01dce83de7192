//! What is answered.

use serde::Deserialize;
use shadow_proto::{
    Document, ErrorCode, Rejection, Timestamp, TopicKind, Updated, Version,
    wire::{self, DecodeError, Message},
};

use super::error::RestError;

/// A shadow was deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Deleted {
    /// The version of the document that was deleted, if the service said so: the body of this
    /// answer is documented in two ways.
    pub version: Option<Version>,
    /// When the service deleted it, if it said so.
    pub timestamp: Option<Timestamp>,
}

/// A page of the names of a thing's named shadows. The classic shadow is never listed, and a thing
/// that has none, or does not exist, has an empty list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ShadowPage {
    /// The names.
    pub names: Vec<String>,
    /// When the service answered.
    pub timestamp: Option<Timestamp>,
    /// For the next page; `None` if this is the last one.
    pub next_token: Option<String>,
}

pub(super) fn document(body: &[u8]) -> Result<Document, RestError> {
    let Message::GetAccepted(answer) = wire::decode(TopicKind::GetAccepted, body)? else {
        return Err(not_the_kind());
    };
    Ok(answer.into())
}

pub(super) fn updated(body: &[u8]) -> Result<Updated, RestError> {
    let Message::UpdateAccepted(answer) = wire::decode(TopicKind::UpdateAccepted, body)? else {
        return Err(not_the_kind());
    };
    Ok(answer.into())
}

/// Whatever the body is: the status has said it.
pub(super) fn deleted(body: &[u8]) -> Result<Deleted, RestError> {
    let (version, timestamp) = match wire::decode(TopicKind::DeleteAccepted, body) {
        Ok(Message::DeleteAccepted(answer)) => (answer.version, answer.timestamp),
        Ok(_) | Err(_) => (None, None),
    };
    Ok(Deleted { version, timestamp })
}

pub(super) fn page(body: &[u8]) -> Result<ShadowPage, RestError> {
    #[derive(Deserialize)]
    struct Wire {
        results: Vec<String>,
        timestamp: Option<u64>,
        #[serde(rename = "nextToken")]
        next_token: Option<String>,
    }
    let page: Wire = serde_json::from_slice(body)
        .map_err(|error| DecodeError::Json(error.to_string().into_boxed_str()))?;
    Ok(ShadowPage {
        names: page.results,
        timestamp: page.timestamp.map(Timestamp::from_seconds),
        next_token: page.next_token.filter(|token| !token.is_empty()),
    })
}

/// The status counts: a body can come from a proxy that knows nothing of shadows.
///
/// `missing` says which right the request needs.
pub(super) fn rejection(
    status: u16,
    error_type: Option<&str>,
    body: &[u8],
    missing: impl FnOnce() -> String,
) -> RestError {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let body: Option<Wire> = serde_json::from_slice(body).ok();
    let message = body.and_then(|body| body.message).unwrap_or_default();
    // `ConflictException:http://…` is a form of it, too.
    let exception = error_type.and_then(|name| name.split(':').next());
    let code = ErrorCode::new(status);
    // A signature or a token that is wrong is a 403, too, with a name of its own.
    let of_rights = match exception {
        None | Some("ForbiddenException" | "AccessDeniedException") => true,
        Some(_) => false,
    };
    let is_missing = code == ErrorCode::FORBIDDEN && of_rights;
    RestError::Rejected {
        rejection: Rejection::new(code, &message),
        exception: exception.map(Into::into),
        missing: is_missing.then(|| missing().into()),
    }
}

fn not_the_kind() -> RestError {
    RestError::Undecodable(DecodeError::Missing("state"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted() {
        let body = br#"{"state":{"desired":{"a":1}},"metadata":{},"version":7,"timestamp":17}"#;
        let answer = updated(body).unwrap();
        assert_eq!(answer.version.number(), 7);
        assert_eq!(answer.desired.value().unwrap().as_str(), r#"{"a":1}"#);
        let answer = document(body).unwrap();
        assert_eq!(answer.timestamp.unwrap().seconds(), 17);
        assert!(matches!(document(b"{}"), Err(RestError::Undecodable(_))));
        assert!(matches!(updated(b"<html>"), Err(RestError::Undecodable(_))));
    }

    #[test]
    fn deleted_says_what_it_says() {
        let answer = deleted(br#"{"version":9,"timestamp":17}"#).unwrap();
        assert_eq!(answer.version.unwrap().number(), 9);
        for odd in ["", "{}", "null", "OK", "[1]"] {
            let answer = deleted(odd.as_bytes()).unwrap();
            assert_eq!((answer.version, answer.timestamp), (None, None), "{odd}");
        }
    }

    #[test]
    fn pages() {
        let last = page(br#"{"results":["a","b"],"timestamp":17,"new":1}"#).unwrap();
        assert_eq!(last.names, ["a", "b"]);
        assert_eq!(last.timestamp.unwrap().seconds(), 17);
        assert_eq!(last.next_token, None);
        let first = page(br#"{"results":[],"nextToken":"x"}"#).unwrap();
        assert_eq!(first.next_token.as_deref(), Some("x"));
        let null = page(br#"{"results":[],"timestamp":17,"nextToken":null}"#).unwrap();
        assert_eq!(null.next_token, None);
        assert!(page(b"{}").is_err());
    }

    #[test]
    fn rejections() {
        let body = br#"{"code":409,"message":"Version conflict"}"#;
        let rejection = |status, error_type, body: &[u8]| {
            rejection(status, error_type, body, || "a right is missing".into())
        };
        let error = rejection(409, Some("ConflictException:http://x/"), body);
        assert_eq!(
            error.to_string(),
            "409 Version conflict (ConflictException)"
        );
        assert!(error.is_conflict() && !error.is_not_found());
        let other = rejection(403, None, br#"{"Message":"Forbidden"}"#);
        assert_eq!(other.to_string(), "403 Forbidden; a right is missing");
        assert_eq!(other.missing(), Some("a right is missing"));
        let other = rejection(403, Some("ForbiddenException"), br#"{"message":null}"#);
        let text = "403 (ForbiddenException); a right is missing";
        assert_eq!(other.to_string(), text);
        let body = br#"{"message":"The security token included in the request is expired"}"#;
        let other = rejection(403, Some("ExpiredTokenException"), body);
        assert_eq!(other.missing(), None);
        assert!(other.to_string().ends_with("(ExpiredTokenException)"));
        let proxy = rejection(502, None, b"<html>Bad gateway</html>");
        assert_eq!(proxy.to_string(), "502");
    }
}
