//! Signing in through a custom authorizer of AWS IoT Core.

use core::fmt::Write as _;

use crate::{secret::Secret, text::percent};

/// What a custom authorizer wants to know (AWS IoT Core's guide, "Custom authentication and
/// authorization"). Nothing is needed where the account or the domain has a default authorizer
/// without token signing; user name and password of the connection reach it in any case.
///
/// Over `mqtts://` it travels in the user name of the CONNECT, over `wss://` and HTTPS in headers
/// or, if [`in_query`](Self::in_query) is set, in the query. `Debug` shows no token.
///
/// ```
/// use transport_core::{Authorizer, ConnectOptions};
///
/// let mut options = ConnectOptions::from_url("mqtts://abc-ats.iot.eu-west-1.amazonaws.com:443")?;
/// options.user_name = Some("lamp-7".into());
/// let mut authorizer = Authorizer::named("fleet");
/// authorizer.set_token("token", "abc", "c2lnbmF0dXJl+A==");
/// assert_eq!(
///     authorizer.user_name(options.user_name.as_deref()),
///     "lamp-7?x-amz-customauthorizer-name=fleet\
///      &x-amz-customauthorizer-signature=c2lnbmF0dXJl%2BA%3D%3D&token=abc",
/// );
/// options.authorizer = Some(authorizer);
/// # Ok::<(), transport_core::EndpointError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Authorizer {
    /// The authorizer's name; not needed if it is the default one.
    pub name: Option<String>,
    /// The token, where token signing is on.
    pub token: Option<AuthorizerToken>,
    /// Over a WebSocket or HTTPS: in the query and not in headers.
    pub in_query: bool,
}

/// A token that the authorizer's owner has signed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AuthorizerToken {
    /// The name of the header or parameter, as it is set for the authorizer.
    pub key: String,
    /// The token.
    pub value: Secret,
    /// The signature of the token (RSA with SHA-256, base64), not percent-encoded.
    pub signature: Secret,
}

impl Authorizer {
    /// The authorizer of this name, without a token.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Sets the token: the name of its header or parameter, the token, and its signature in
    /// base64.
    pub fn set_token(
        &mut self,
        key: impl Into<String>,
        value: impl Into<Secret>,
        signature: impl Into<Secret>,
    ) {
        self.token = Some(AuthorizerToken {
            key: key.into(),
            value: value.into(),
            signature: signature.into(),
        });
    }

    /// The user name of a CONNECT: the application's own one, followed by a query.
    #[must_use]
    pub fn user_name(&self, own: Option<&str>) -> String {
        let own = own.unwrap_or_default();
        let query = self.query();
        let mark = match query.is_empty() {
            true => "",
            // A user name that already has a query goes on.
            false if own.contains('?') => "&",
            false => "?",
        };
        format!("{own}{mark}{query}")
    }

    /// As a query, percent-encoded, without the question mark.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = String::new();
        for (key, value) in self.parameters() {
            let and = if query.is_empty() { "" } else { "&" };
            let _ = write!(query, "{and}{}={}", percent(key), percent(value));
        }
        query
    }

    /// As headers of a WebSocket or HTTPS request, or none if they are to be in the query.
    #[must_use]
    pub fn headers(&self) -> Vec<(Box<str>, Secret)> {
        if self.in_query {
            return Vec::new();
        }
        let header = |(key, value): (&str, &str)| (key.into(), Secret::new(value));
        self.parameters().map(header).collect()
    }

    fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let name = self.name.as_deref();
        let name = name.map(|name| ("x-amz-customauthorizer-name", name));
        let token = self.token.as_ref();
        let signature = token.map(|token| {
            let signature = token.signature.expose();
            ("x-amz-customauthorizer-signature", signature)
        });
        let token = token.map(|token| (token.key.as_str(), token.value.expose()));
        [name, signature, token].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names() {
        let none = Authorizer::default();
        assert_eq!(none.user_name(None), "");
        assert_eq!(none.user_name(Some("me")), "me");
        let named = Authorizer::named("a b");
        assert_eq!(named.user_name(None), "?x-amz-customauthorizer-name=a%20b");
        assert_eq!(
            named.user_name(Some("me?SDK=x")),
            "me?SDK=x&x-amz-customauthorizer-name=a%20b"
        );
    }

    #[test]
    fn debug_shows_no_token() {
        let mut authorizer = Authorizer::named("fleet");
        authorizer.set_token("key", "hush-token", "hush-signature");
        let shown = format!("{authorizer:?} {:?}", authorizer.headers());
        assert!(
            shown.contains("fleet") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
