//! The options of a connection below MQTT, and what follows from them.

use std::time::SystemTime;

use crate::{
    attempt::Opening, authorizer::Authorizer, endpoint::Endpoint, error::OpenError,
    options::ConnectOptions,
};

#[cfg(feature = "http-proxy")]
use crate::proxy::{Proxy, ProxyHandshake};
#[cfg(feature = "sigv4")]
use crate::sigv4::{self, SigV4, Signer};
#[cfg(feature = "_rustls")]
use crate::{
    endpoint::Purpose,
    tls::{TlsOptions, TlsSetup},
};
#[cfg(feature = "websocket")]
use crate::{
    http::is_header,
    secret::Secret,
    websocket::{Request, WebSocket},
};

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

    /// What opening a stream for MQTT takes.
    pub(crate) async fn mqtt(
        &self,
        endpoint: &Endpoint,
        now: SystemTime,
    ) -> Result<Opening, OpenError> {
        let doing: Box<str> = format!("connect to {endpoint}").into();
        let scheme = endpoint.scheme();
        let refuse = |message: &str| Err(OpenError::permanent(doing.clone(), message));
        if scheme.is_tls() && !cfg!(feature = "_rustls") {
            return refuse("this build has no TLS: enable the feature `tls`");
        }
        if scheme.is_websocket() && !cfg!(feature = "websocket") {
            return refuse("this build has no WebSocket: enable the feature `websocket`");
        }
        #[cfg(feature = "sigv4")]
        if self.sigv4.is_some() && !(scheme.is_tls() && scheme.is_websocket()) {
            return refuse("signing in with AWS credentials (SigV4) needs wss://");
        }
        #[cfg(feature = "_rustls")]
        let tls = match scheme.is_tls() {
            true => Some(self.mqtts(endpoint, now, &doing)?),
            false => None,
        };
        #[cfg(feature = "websocket")]
        let websocket = match scheme.is_websocket() {
            true => Some(WebSocket::new(self.request(endpoint, now, &doing).await?)),
            false => None,
        };
        let _ = (now, &self.authorizer);
        Ok(Opening {
            doing,
            host: self.dialled(endpoint).0.into(),
            port: self.dialled(endpoint).1,
            #[cfg(feature = "http-proxy")]
            proxy: self
                .proxy
                .as_ref()
                .map(|proxy| ProxyHandshake::new(proxy, endpoint.host(), endpoint.port())),
            #[cfg(feature = "_rustls")]
            tls,
            #[cfg(feature = "websocket")]
            websocket,
        })
    }

    #[cfg(feature = "_rustls")]
    fn mqtts(
        &self,
        endpoint: &Endpoint,
        now: SystemTime,
        doing: &str,
    ) -> Result<TlsSetup, OpenError> {
        let purpose = if endpoint.scheme().is_websocket() {
            Purpose::WebSocket
        } else if self.authorizer.is_some() {
            Purpose::MqttWithAuthorizer
        } else {
            Purpose::Mqtt
        };
        let (host, port) = (endpoint.host(), endpoint.port());
        let setup = self.tls.prepare(host, port, purpose, now);
        setup.map_err(|error| OpenError::caused(doing, error))
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
        if let Some((name, _)) = headers
            .iter()
            .find(|(name, value)| !is_header(name, value.expose()))
        {
            let message = format!("{name:?} is no header, or its value cannot be sent in one");
            return Err(OpenError::permanent(doing, message));
        }
        #[cfg(feature = "sigv4")]
        if let Some(sigv4) = &self.sigv4 {
            let credentials = sigv4.credentials.get().await;
            let credentials = credentials.map_err(|error| OpenError::caused(doing, error))?;
            let Some(region) = sigv4.region_for(endpoint.host()) else {
                let message = "the host's name tells no AWS region to sign for: set the region";
                return Err(OpenError::permanent(doing, message));
            };
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

    /// Whom to connect to.
    fn dialled<'a>(&'a self, endpoint: &'a Endpoint) -> (&'a str, u16) {
        #[cfg(feature = "http-proxy")]
        if let Some(proxy) = &self.proxy {
            return (&proxy.host, proxy.port);
        }
        (endpoint.host(), endpoint.port())
    }
}

/// Attempts are compared by where they go; options have no equality of their own.
impl PartialEq for Network {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Network {}
