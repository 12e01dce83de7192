//! The options of a connection below MQTT, and what follows from them.

mod plan;

use std::time::SystemTime;

pub use plan::{Plan, RootsFile, TlsFiles};

use crate::{
    attempt::Opening,
    authorizer::Authorizer,
    endpoint::{Endpoint, Purpose, Scheme},
    error::OpenError,
    options::ConnectOptions,
};

#[cfg(feature = "http-proxy")]
use crate::proxy::{Proxy, ProxyHandshake};
#[cfg(feature = "rest")]
use crate::rest::RestOptions;
#[cfg(feature = "sigv4")]
use crate::sigv4::{self, SigV4, Signer};
#[cfg(feature = "_rustls")]
use crate::tls::TlsOptions;
#[cfg(feature = "websocket")]
use crate::websocket::{Request, WebSocket};
#[cfg(any(feature = "websocket", feature = "rest"))]
use crate::{secret::Secret, text::is_header};

/// Copies of the options, so that an attempt can travel to where streams are opened.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    #[cfg(feature = "_rustls")]
    tls: TlsOptions,
    #[cfg(feature = "http-proxy")]
    proxy: Option<Proxy>,
    #[cfg(feature = "sigv4")]
    sigv4: Option<SigV4>,
    #[cfg(feature = "websocket")]
    headers: Vec<(String, Secret)>,
    authorizer: Option<Authorizer>,
}

impl Network {
    pub(crate) fn of(options: &ConnectOptions) -> Self {
        Self {
            #[cfg(feature = "_rustls")]
            tls: options.tls.clone(),
            #[cfg(feature = "http-proxy")]
            proxy: options.proxy.clone(),
            #[cfg(feature = "sigv4")]
            sigv4: options.sigv4.clone(),
            #[cfg(feature = "websocket")]
            headers: options.websocket_headers.clone(),
            authorizer: options.authorizer.clone(),
        }
    }

    #[cfg(feature = "rest")]
    pub(crate) fn of_rest(options: &RestOptions) -> Self {
        let _ = options;
        Self {
            #[cfg(feature = "_rustls")]
            tls: options.tls.clone(),
            #[cfg(feature = "http-proxy")]
            proxy: options.proxy.clone(),
            #[cfg(feature = "sigv4")]
            sigv4: None,
            #[cfg(feature = "websocket")]
            headers: Vec::new(),
            authorizer: None,
        }
    }

    /// What opening a stream for MQTT takes.
    pub(crate) async fn mqtt(
        &self,
        endpoint: &Endpoint,
        now: SystemTime,
    ) -> Result<Opening, OpenError> {
        let doing: Box<str> = format!("connect to {endpoint}").into();
        let scheme = endpoint.scheme();
        let purpose = self.purpose(scheme, &doing)?;
        let opening = self.stream(endpoint, purpose, doing, now)?;
        #[cfg(feature = "websocket")]
        if scheme.is_websocket() {
            let request = self.request(endpoint, now, &opening.doing).await?;
            return Ok(Opening {
                websocket: Some(WebSocket::new(request)),
                ..opening
            });
        }
        Ok(opening)
    }

    /// What the connection is for, if it is possible.
    fn purpose(&self, scheme: Scheme, doing: &str) -> Result<Purpose, OpenError> {
        if scheme.is_websocket() && !cfg!(feature = "websocket") {
            let message = "this build has no WebSocket: enable the feature `websocket`";
            return Err(OpenError::permanent(doing, message));
        }
        #[cfg(feature = "sigv4")]
        if self.sigv4.is_some() && scheme != Scheme::Wss {
            let message = "signing in with AWS credentials (SigV4) needs wss://";
            return Err(OpenError::permanent(doing, message));
        }
        Ok(if scheme.is_websocket() {
            Purpose::WebSocket
        } else if self.authorizer.is_some() {
            Purpose::MqttWithAuthorizer
        } else {
            Purpose::Mqtt
        })
    }

    /// What opening a stream for REST takes.
    #[cfg(feature = "rest")]
    pub(crate) fn https(
        &self,
        endpoint: &Endpoint,
        doing: Box<str>,
        now: SystemTime,
    ) -> Result<Opening, OpenError> {
        self.stream(endpoint, Purpose::Https, doing, now)
    }

    /// The stream below the WebSocket.
    fn stream(
        &self,
        endpoint: &Endpoint,
        purpose: Purpose,
        doing: Box<str>,
        now: SystemTime,
    ) -> Result<Opening, OpenError> {
        let (host, port) = (endpoint.host(), endpoint.port());
        #[cfg(feature = "_rustls")]
        let tls = match endpoint.scheme().is_tls() {
            true => {
                let setup = self.tls.prepare(host, port, purpose, now);
                Some(setup.map_err(|error| OpenError::caused(doing.clone(), error))?)
            }
            false => None,
        };
        #[cfg(not(feature = "_rustls"))]
        if endpoint.scheme().is_tls() {
            let _ = (purpose, now);
            let message = "this build has no TLS: enable the feature `tls`";
            return Err(OpenError::permanent(doing, message));
        }
        #[cfg(feature = "http-proxy")]
        if let Some(proxy) = &self.proxy {
            return Ok(Opening {
                doing,
                host: proxy.host.as_str().into(),
                port: proxy.port,
                proxy: Some(ProxyHandshake::new(proxy, host, port)),
                #[cfg(feature = "_rustls")]
                tls,
                #[cfg(feature = "websocket")]
                websocket: None,
            });
        }
        Ok(Opening {
            doing,
            host: host.into(),
            port,
            #[cfg(feature = "http-proxy")]
            proxy: None,
            #[cfg(feature = "_rustls")]
            tls,
            #[cfg(feature = "websocket")]
            websocket: None,
        })
    }

    /// The request for a WebSocket, signed if it is to be.
    #[cfg(feature = "websocket")]
    async fn request(
        &self,
        endpoint: &Endpoint,
        now: SystemTime,
        doing: &str,
    ) -> Result<Request, OpenError> {
        let host = endpoint.authority();
        let mut target = endpoint.path().to_owned();
        let mut headers: Vec<(Box<str>, Secret)> = Vec::new();
        if let Some(authorizer) = &self.authorizer {
            headers = authorizer.headers();
            if authorizer.in_query {
                let mark = if target.contains('?') { '&' } else { '?' };
                target = format!("{target}{mark}{}", authorizer.query());
            }
        }
        let own = self.headers.iter();
        headers.extend(own.map(|(name, value)| (name.as_str().into(), value.clone())));
        check_headers(&headers, doing)?;
        #[cfg(feature = "sigv4")]
        if let Some(sigv4) = &self.sigv4 {
            let (credentials, region) = sigv4.for_host(endpoint.host(), doing).await?;
            let signer = Signer {
                credentials: &credentials,
                region,
                service: sigv4::DEVICE_GATEWAY,
                time: now,
            };
            target = signer.presign(&host, &target);
        }
        Ok(Request {
            host: host.into(),
            target: target.into(),
            headers,
            now,
        })
    }
}

/// Refuses headers that would end their line.
#[cfg(any(feature = "websocket", feature = "rest"))]
pub(crate) fn check_headers(headers: &[(Box<str>, Secret)], doing: &str) -> Result<(), OpenError> {
    let mut headers = headers.iter();
    match headers.find(|(name, value)| !is_header(name, value.expose())) {
        Some((name, _)) => {
            let message = format!("{name:?} is no header, or its value cannot be sent in one");
            Err(OpenError::permanent(doing, message))
        }
        None => Ok(()),
    }
}

/// Attempts are compared by where they go; options have no equality of their own.
impl PartialEq for Network {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Network {}
