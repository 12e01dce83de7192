//! Where the data plane is, and how to sign in.

use core::time::Duration;
use std::time::SystemTime;

use super::RestRequest;
use crate::{
    attempt::Opening,
    authorizer::Authorizer,
    endpoint::{Endpoint, EndpointError, Scheme},
    error::OpenError,
    network::Network,
    options::ConnectOptions,
    secret::Secret,
};

#[cfg(feature = "http-proxy")]
use crate::proxy::Proxy;
#[cfg(feature = "sigv4")]
use crate::sigv4::SigV4;
#[cfg(feature = "_rustls")]
use crate::tls::TlsOptions;

/// Everything about a REST client. Make one with [`RestOptions::new`] or
/// [`RestOptions::of`], then assign fields.
///
/// With a client certificate port 443 and port 8443 both do: on 443 the protocol
/// `x-amzn-http-ca` is named by itself (see [`Purpose`](crate::Purpose)). `Debug` shows no secret.
///
/// ```
/// use transport_core::RestOptions;
///
/// let options = RestOptions::new("abc-ats.iot.eu-west-1.amazonaws.com")?;
/// assert_eq!(options.url(), "https://abc-ats.iot.eu-west-1.amazonaws.com");
/// # Ok::<(), transport_core::EndpointError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestOptions {
    /// The scheme stands for that of HTTP: `wss` for `https`, `ws` for `http`.
    endpoint: Endpoint,
    /// How to verify the server and what to show it, for `https`.
    #[cfg(feature = "_rustls")]
    pub tls: TlsOptions,
    /// The custom authorizer of AWS IoT Core to sign in through.
    pub authorizer: Option<Authorizer>,
    /// Signing in with AWS credentials.
    #[cfg(feature = "sigv4")]
    pub sigv4: Option<SigV4>,
    /// An HTTP proxy to go through.
    #[cfg(feature = "http-proxy")]
    pub proxy: Option<Proxy>,
    /// How long opening a connection may take. Default 30 s.
    pub connect_timeout: Duration,
    /// How long an answer may take. Default 5 s.
    pub operation_timeout: Duration,
}

impl RestOptions {
    /// The defaults, for the data plane at this URL: `https://host`, `https://host:8443`,
    /// `http://host:8080` (for a service of one's own); a bare host is `https`.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, EndpointError> {
        let (scheme, authority) = match url.split_once("://") {
            None => (Scheme::Wss, url),
            Some((name, rest)) if name.eq_ignore_ascii_case("https") => (Scheme::Wss, rest),
            Some((name, rest)) if name.eq_ignore_ascii_case("http") => (Scheme::Ws, rest),
            Some((name, _)) => {
                let scheme = name.into();
                return Err(EndpointError::UnknownScheme { scheme });
            }
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if let Some(at) = authority.find(['/', '?', '#']) {
            let path = authority.get(at..).unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default().into();
            return Err(EndpointError::Path { path });
        }
        Ok(Self::at(Endpoint::with_scheme(scheme, authority)?))
    }

    /// The data plane of the same endpoint that a client of MQTT connects to, at its HTTPS port,
    /// with the same ways to verify and sign in.
    #[must_use]
    pub fn of(options: &ConnectOptions) -> Self {
        let scheme = match options.endpoint.scheme().is_tls() {
            true => Scheme::Wss,
            false => Scheme::Ws,
        };
        Self {
            #[cfg(feature = "_rustls")]
            tls: options.tls.clone(),
            authorizer: options.authorizer.clone(),
            #[cfg(feature = "sigv4")]
            sigv4: options.sigv4.clone(),
            #[cfg(feature = "http-proxy")]
            proxy: options.proxy.clone(),
            connect_timeout: options.connect_timeout,
            operation_timeout: options.operation_timeout,
            ..Self::at(options.endpoint.for_scheme(scheme))
        }
    }

    fn at(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            #[cfg(feature = "_rustls")]
            tls: TlsOptions::default(),
            authorizer: None,
            #[cfg(feature = "sigv4")]
            sigv4: None,
            #[cfg(feature = "http-proxy")]
            proxy: None,
            connect_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(5),
        }
    }

    /// Sets another port.
    pub fn set_port(&mut self, port: u16) {
        self.endpoint = self.endpoint.clone().with_port(port);
    }

    /// The URL, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = match self.endpoint.scheme().is_tls() {
            true => "https",
            false => "http",
        };
        format!("{scheme}://{}", self.endpoint.authority())
    }

    /// What opening a connection takes. `now` is this machine's wall clock.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the options, or what this build lacks.
    pub fn prepare(&self, now: SystemTime) -> Result<Opening, OpenError> {
        let doing = format!("connect to {}", self.url());
        Network::of_rest(self).https(&self.endpoint, doing.into(), now)
    }

    /// Path and query of a request, as it is to be sent, and its headers, signed if it is to be
    /// signed; the content's length is not among them.
    ///
    /// # Errors
    /// [`OpenError`] says why it cannot be signed.
    pub async fn sign<T>(
        &self,
        request: &RestRequest<T>,
        now: SystemTime,
    ) -> Result<SignedRest, OpenError> {
        let doing = format!("ask {}", self.url());
        let mut target = request.target().to_owned();
        let mut headers = Vec::new();
        if let Some(authorizer) = &self.authorizer {
            headers = authorizer.headers();
            let query = authorizer.query();
            if authorizer.in_query && !query.is_empty() {
                let mark = if target.contains('?') { '&' } else { '?' };
                target = format!("{target}{mark}{query}");
            }
        }
        let host = self.endpoint.authority();
        #[cfg(feature = "sigv4")]
        if let Some(sigv4) = &self.sigv4 {
            let name = self.endpoint.host();
            let (credentials, region) = sigv4.for_host(name, &doing).await?;
            let signer = crate::sigv4::Signer {
                credentials: &credentials,
                region,
                service: crate::sigv4::IOT_DATA,
                time: now,
            };
            let signed = signer.headers(request.method(), &host, &target, request.body());
            headers.extend(signed.into_iter().map(|(name, value)| (name.into(), value)));
        }
        if !request.body().is_empty() {
            headers.push(("content-type".into(), Secret::new("application/json")));
        }
        headers.push(("host".into(), Secret::new(host)));
        let _ = now;
        crate::network::check_headers(&headers, &doing)?;
        let target = target.into();
        Ok(SignedRest { target, headers })
    }
}

/// A request with all that goes with it. `Debug` shows neither target nor values.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedRest {
    /// Path and query.
    pub target: Secret,
    /// Names in lower case or as the user gave them, and values.
    pub headers: Vec<(Box<str>, Secret)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, spelled) in [
            ("h", "https://h"),
            ("h:8443", "https://h:8443"),
            ("https://h:443/", "https://h"),
            ("HTTP://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(RestOptions::new(url).unwrap().url(), spelled, "{url}");
        }
        for bad in [
            "",
            "https://",
            "mqtts://h",
            "https://h/things",
            "h?x",
            "https://a@h",
        ] {
            assert!(RestOptions::new(bad).is_err(), "{bad}");
        }
        let of = |url: &str| {
            let options = ConnectOptions::from_url(url).unwrap();
            RestOptions::of(&options).url()
        };
        assert_eq!(of("mqtts://h:8883"), "https://h");
        assert_eq!(of("ws://h:8080/mqtt"), "http://h");
    }
}
