//! The options of a connection below MQTT, and what follows from them.

use std::time::SystemTime;

use crate::{attempt::Opening, endpoint::Endpoint, error::OpenError, options::ConnectOptions};

#[cfg(feature = "_rustls")]
use crate::{endpoint::Purpose, tls::TlsOptions};

/// Copies of the options, so that an attempt can travel to where streams are opened.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    #[cfg(feature = "_rustls")]
    tls: TlsOptions,
}

impl Network {
    pub(crate) fn of(options: &ConnectOptions) -> Self {
        let _ = options;
        Self {
            #[cfg(feature = "_rustls")]
            tls: options.tls.clone(),
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
        if scheme.is_websocket() {
            let message = "this build has no WebSocket: enable the feature `websocket`";
            return Err(OpenError::permanent(doing, message));
        }
        #[cfg(not(feature = "_rustls"))]
        let _ = now;
        #[cfg(not(feature = "_rustls"))]
        if scheme.is_tls() {
            let message = "this build has no TLS: enable the feature `tls`";
            return Err(OpenError::permanent(doing, message));
        }
        #[cfg(feature = "_rustls")]
        let tls = match scheme.is_tls() {
            true => {
                let purpose = Purpose::Mqtt;
                let setup = self
                    .tls
                    .prepare(endpoint.host(), endpoint.port(), purpose, now);
                Some(setup.map_err(|error| OpenError::caused(doing.clone(), error))?)
            }
            false => None,
        };
        Ok(Opening {
            doing,
            host: endpoint.host().into(),
            port: endpoint.port(),
            #[cfg(feature = "_rustls")]
            tls,
        })
    }
}

/// Attempts are compared by where they go; options have no equality of their own.
impl PartialEq for Network {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Network {}
