//! The AWS IoT Device Shadow client over tokio.
//!
//! [`connect`] makes one attempt, [`start`] goes on trying; both give a [`ShadowClient`], whose
//! connection a task of the runtime serves. Everything else is [`transport_core`], re-exported.
//!
//! A light keeps its color in sync with what an application desires:
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use transport_tokio::{ConnectOptions, ShadowId, connect};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Light {
//!     #[serde(skip_serializing_if = "Option::is_none")]
//!     color: Option<String>,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = connect(ConnectOptions::from_url("mqtt://127.0.0.1:1883")?).await?;
//!     let light = client.shadow(ShadowId::classic("my-light")?)?;
//!     let mut deltas = light.deltas()?;
//!     // What was desired while this program was not running comes as the first delta.
//!     while let Some(delta) = deltas.next().await {
//!         let desired: Light = delta.state.parse()?;
//!         if let Some(color) = desired.color {
//!             println!("changing color to {color}");
//!             light.report(&Light { color: Some(color) }).await?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # AWS IoT Core
//!
//! With the feature `tls`, a device certificate is all it takes; Amazon's authorities are compiled
//! in. Port 443 does as well as 8883, the protocol that has to be named there is.
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use transport_tokio::{ConnectOptions, connect};
//!
//! let url = "mqtts://abc-ats.iot.eu-west-1.amazonaws.com";
//! let mut options = ConnectOptions::from_url(url)?;
//! options.client_id = "my-light".into();
//! options.tls.set_identity("device.pem.crt", "private.pem.key");
//! let client = connect(options).await?;
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! # Ways to connect
//!
//! | feature | what it adds |
//! | --- | --- |
//! | none | `mqtt://`; custom authorizers; a [connector](connect_with) of your own |
//! | `tls` | `mqtts://`, with rustls and ring |
//! | `tls-aws-lc` | the same with AWS-LC; with both, ring is the default and `TlsOptions` chooses |
//! | `native-roots` | trust those the system trusts; otherwise a CA file is needed, but for AWS |
//! | `websocket` | `ws://` and, with `tls`, `wss://` |
//! | `sigv4` | AWS credentials over `wss://`; brings `tls` and `websocket` |
//! | `http-proxy` | through an HTTP proxy |
//! | `rest` | `RestClient`, for the REST data plane |
//! | `blocking` | `connect_blocking`, for programs without a tokio runtime |
//!
//! The feature `flags` adds the module `flags`: connection flags for a program of your own.

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

#[cfg(feature = "blocking")]
mod background;
mod driver;
#[cfg(feature = "rest")]
mod rest;
mod stream;

use core::future::Future;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
};

#[cfg(feature = "blocking")]
pub use background::{block_on, connect_blocking, start_blocking};
pub use driver::{Driver, Tokio};
#[cfg(feature = "rest")]
pub use rest::RestClient;
pub use stream::{Stream, open, open_over};
pub use transport_core::*;

/// Connects: makes one attempt and returns its error. Once connected, the client reconnects by
/// itself, for ever.
///
/// If the broker kept a session (`clean_start` false), what it kept comes now; make streams and
/// callbacks soon, or before the connection with [`start`]: see [`ConnectOptions::clean_start`].
///
/// To be called within a tokio runtime, whose IO and time are enabled.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    connect_with(options, open).await
}

/// Begins to connect and returns at once: the client connects and reconnects for ever. Requests
/// wait for the connection, within their deadlines.
///
/// To be called within a tokio runtime, whose IO and time are enabled.
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no runtime.
pub fn start(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    start_with(options, open)
}

/// [`connect`] over streams that `connector` opens, one for each attempt: a proxy, a VPN, a modem,
/// a test. TLS and WebSocket are then the connector's business, which adds them with
/// [`open_over`].
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect_with<C, F, S, E>(
    options: ConnectOptions,
    connector: C,
) -> Result<ShadowClient, ConnectError>
where
    C: FnMut(Attempt) -> F + Send + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<OpenError>,
{
    Driver::connect(options, connector, spawn).await
}

/// [`start`] over streams that `connector` opens, one for each attempt.
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no runtime.
pub fn start_with<C, F, S, E>(
    options: ConnectOptions,
    connector: C,
) -> Result<ShadowClient, ConnectError>
where
    C: FnMut(Attempt) -> F + Send + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<OpenError>,
{
    Driver::start(options, connector, spawn)
}

fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> Result<(), OpenError> {
    let runtime = Handle::try_current().map_err(|_| {
        OpenError::permanent("connect", "this is not called within a tokio runtime")
    })?;
    runtime.spawn(driver);
    Ok(())
}
