//! What is asked.

use core::fmt::{self, Write as _};

use bytes::Bytes;
use shadow_proto::{Document, NameError, Operation, ShadowId, Update, Updated, check_thing_name};

use super::{
    answer::{self, Deleted, ShadowPage},
    error::RestError,
};
use crate::{policy, text::percent};

/// One request of the data plane, whose accepted answer is a `T`.
///
/// ```
/// use transport_core::{RestRequest, ShadowId};
///
/// let request = RestRequest::get(&ShadowId::named("lamp", "night:mode")?);
/// assert_eq!(request.method(), "GET");
/// assert_eq!(request.target(), "/things/lamp/shadow?name=night%3Amode");
///
/// let answer = br#"{"state":{"reported":{"on":true}},"version":3,"timestamp":1767225600}"#;
/// let document = request.answer(200, None, answer)?;
/// assert_eq!(document.version.number(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RestRequest<T> {
    method: &'static str,
    target: String,
    body: Bytes,
    right: Right,
    read: fn(&[u8]) -> Result<T, RestError>,
}

/// What it needs a right to.
#[derive(Clone)]
enum Right {
    To(Operation, ShadowId),
    List,
}

impl RestRequest<Document> {
    /// The whole document of a shadow.
    #[must_use]
    pub fn get(shadow: &ShadowId) -> Self {
        Self::on(shadow, Operation::Get, Bytes::new(), answer::document)
    }
}

impl RestRequest<Updated> {
    /// An update. Of its options only the token counts.
    #[must_use]
    pub fn update(shadow: &ShadowId, update: &Update<'_>) -> Self {
        let body = update.to_payload().into();
        Self::on(shadow, Operation::Update, body, answer::updated)
    }
}

impl RestRequest<Deleted> {
    /// Deletes a shadow.
    #[must_use]
    pub fn delete(shadow: &ShadowId) -> Self {
        Self::on(shadow, Operation::Delete, Bytes::new(), answer::deleted)
    }
}

impl RestRequest<ShadowPage> {
    /// A page of the names of a thing's named shadows.
    ///
    /// # Errors
    /// [`NameError`] if that is no thing name.
    pub fn list(thing: &str, options: &ListOptions) -> Result<Self, NameError> {
        check_thing_name(thing)?;
        let thing = percent(thing);
        let mut target = format!("/api/things/shadow/ListNamedShadowsForThing/{thing}");
        let mut mark = '?';
        if let Some(size) = options.page_size {
            let _ = write!(target, "{mark}pageSize={size}");
            mark = '&';
        }
        if let Some(token) = &options.next_token {
            let _ = write!(target, "{mark}nextToken={}", percent(token));
        }
        Ok(Self {
            method: "GET",
            target,
            body: Bytes::new(),
            right: Right::List,
            read: answer::page,
        })
    }
}

impl<T> RestRequest<T> {
    fn on(
        shadow: &ShadowId,
        operation: Operation,
        body: Bytes,
        read: fn(&[u8]) -> Result<T, RestError>,
    ) -> Self {
        Self {
            method: match operation {
                Operation::Get => "GET",
                Operation::Update => "POST",
                Operation::Delete => "DELETE",
            },
            target: target_of(shadow),
            body,
            right: Right::To(operation, shadow.clone()),
            read,
        }
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Path and query, percent-encoded.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The body; empty but for an update.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Reads the answer: its status, its header `x-amzn-ErrorType`, if any, and its body.
    ///
    /// # Errors
    /// [`RestError::Rejected`] if the service did not accept the request,
    /// [`RestError::Undecodable`] if the answer is not one of the data plane.
    pub fn answer(
        &self,
        status: u16,
        error_type: Option<&str>,
        body: &[u8],
    ) -> Result<T, RestError> {
        match status {
            200..=299 => (self.read)(body),
            _ => Err(answer::rejection(status, error_type, body, || {
                self.missing()
            })),
        }
    }

    /// Which right is missing, if the answer is 403.
    fn missing(&self) -> String {
        match &self.right {
            Right::To(operation, shadow) => policy::missing_for_rest(shadow, *operation),
            Right::List => policy::missing_for_rest_list(),
        }
    }
}

impl<T> fmt::Debug for RestRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RestRequest({} {})", self.method, self.target)
    }
}

/// Which page of a list. The default is the first one, as long as the service likes (25 names at
/// AWS's edge).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ListOptions {
    /// Names on a page at most: 1 to 100.
    pub page_size: Option<u8>,
    /// The token of the page before: [`ShadowPage::next_token`].
    pub next_token: Option<String>,
}

fn target_of(shadow: &ShadowId) -> String {
    let thing = percent(shadow.thing());
    match shadow.shadow() {
        None => format!("/things/{thing}/shadow"),
        Some(name) => format!("/things/{thing}/shadow?name={}", percent(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shadow_proto::{Json, RequestOptions, Version};

    #[test]
    fn targets() {
        let classic = ShadowId::classic("la:mp_1-x").unwrap();
        let request = RestRequest::get(&classic);
        assert_eq!(request.target(), "/things/la%3Amp_1-x/shadow");
        assert!(request.body().is_empty());
        assert_eq!(RestRequest::delete(&classic).method(), "DELETE");

        let mut options = ListOptions::default();
        let list = |options: &ListOptions| RestRequest::list("la:mp", options).unwrap().target;
        let path = "/api/things/shadow/ListNamedShadowsForThing/la%3Amp";
        assert_eq!(list(&options), path);
        options.next_token = Some("a+b=&".into());
        assert_eq!(list(&options), format!("{path}?nextToken=a%2Bb%3D%26"));
        options.page_size = Some(5);
        assert_eq!(
            list(&options),
            format!("{path}?pageSize=5&nextToken=a%2Bb%3D%26")
        );
        assert!(RestRequest::list("a/b", &options).is_err());
    }

    #[test]
    fn what_may_not_be_done_names_the_right_to_it() {
        fn missing<T: fmt::Debug>(request: &RestRequest<T>) -> String {
            let kind = Some("ForbiddenException");
            let error = request.answer(403, kind, b"{}").unwrap_err().to_string();
            let (start, right) = error.split_once("lacks, probably, ").unwrap();
            assert_eq!(start, "403 (ForbiddenException); the policy ");
            right.to_owned()
        }
        let lamp = ShadowId::classic("lamp").unwrap();
        let config = ShadowId::named("lamp", "config").unwrap();
        let get = missing(&RestRequest::get(&config));
        assert_eq!(get, "iot:GetThingShadow on thing/lamp/config");
        let update = missing(&RestRequest::update(&lamp, &Update::clear()));
        assert_eq!(update, "iot:UpdateThingShadow on thing/lamp");
        let delete = missing(&RestRequest::delete(&config));
        assert_eq!(delete, "iot:DeleteThingShadow on thing/lamp/config");
        let list = RestRequest::list("lamp", &ListOptions::default()).unwrap();
        assert_eq!(missing(&list), "iot:ListNamedShadowsForThing on *");
        let gone = RestRequest::get(&lamp).answer(404, None, b"{}");
        assert_eq!(gone.unwrap_err().missing(), None);
    }

    #[test]
    fn updates() {
        let json = Json::from_text(r#"{"on":true}"#).unwrap();
        let body = |update: Update<'_>| {
            let request = RestRequest::update(&ShadowId::classic("t").unwrap(), &update);
            assert_eq!(request.method(), "POST");
            String::from_utf8(request.body().to_vec()).unwrap()
        };
        assert_eq!(
            body(Update::reported(&json)),
            r#"{"state":{"reported":{"on":true}}}"#
        );
        let mut options = RequestOptions::default();
        options.token = Some("to\"ken");
        let both = Update::both(&json, &json).with_options(options);
        assert_eq!(
            body(both.if_version(Version::new(4))),
            r#"{"state":{"desired":{"on":true},"reported":{"on":true}},"version":4,"clientToken":"to\"ken"}"#
        );
        assert_eq!(body(Update::clear()), r#"{"state":null}"#);
    }
}
