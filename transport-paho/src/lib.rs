//! The AWS IoT Device Shadow client over the MQTT library of Eclipse Paho.
//!
//! [`connect`] makes one attempt, [`start`] goes on trying; both give a [`ShadowClient`], whose
//! connection a thread serves. Everything else is [`transport_core`], re-exported. The README says
//! what to install and what is different from the other transports.
//!
//! A light keeps its color in sync with what an application desires:
//!
//! ```no_run
//! # #[cfg(feature = "blocking")] mod light {
//! use serde::{Deserialize, Serialize};
//! use transport_paho::{ConnectOptions, ShadowId, connect_blocking};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Light {
//!     #[serde(skip_serializing_if = "Option::is_none")]
//!     color: Option<String>,
//! }
//!
//! fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = connect_blocking(ConnectOptions::from_url("mqtt://127.0.0.1:1883")?)?;
//!     let light = client.shadow(ShadowId::classic("my-light")?)?;
//!     // What was desired while this program was not running comes as the first delta.
//!     for delta in light.deltas()? {
//!         let desired: Light = delta.state.parse()?;
//!         if let Some(color) = desired.color {
//!             println!("changing color to {color}");
//!             light.report(&Light { color: Some(color) })?;
//!         }
//!     }
//!     Ok(())
//! }
//! # }
//! ```
//!
//! With any executor, or none but a `block_on`, [`connect`] gives the asynchronous client. A
//! provider of AWS credentials is polled on the thread that serves the client, outside of any
//! runtime.

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod driver;
mod explain;
mod filters;
mod inbox;
mod lease;
mod session;
mod settings;

pub use transport_core::*;

/// Connects: makes one attempt and returns its error. Once connected, the client reconnects by
/// itself, for ever. A thread of its own serves the connection; the future needs no runtime.
///
/// If the broker kept a session (`clean_start` false), what it kept comes now; make streams and
/// callbacks soon, or before the connection with [`start`]: see [`ConnectOptions::clean_start`].
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    let (client, driver) = driver::Driver::new(options)?;
    client.served_by(|| driver.once().spawn()).await
}

/// Begins to connect and returns at once: the client connects and reconnects for ever. Requests
/// wait for the connection, within their deadlines.
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no thread to be had.
pub fn start(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    let (client, driver) = driver::Driver::new(options)?;
    driver.spawn()?;
    Ok(client)
}

/// Runs `future` to its end on this thread: what every transport has for the `main` of a program
/// that may be over any of them.
///
/// ```
/// use transport_paho::{OpenError, block_on};
///
/// let answer = block_on(async { Ok::<_, OpenError>(42) })?;
/// assert_eq!(answer, 42);
/// # Ok::<(), OpenError>(())
/// ```
///
/// # Errors
/// That of the future.
#[cfg(feature = "blocking")]
pub fn block_on<T, E: From<OpenError>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    blocking::wait(future)
}

/// [`connect`] for programs without an executor: waits for the outcome.
///
/// The end of the program does not wait for the connection:
/// [`shutdown`](blocking::Client::shutdown) sends what is under way.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
#[cfg(feature = "blocking")]
pub fn connect_blocking(options: ConnectOptions) -> Result<blocking::Client, ConnectError> {
    blocking::Client::connect(connect(options))
}

/// [`start`] for programs without an executor.
///
/// # Errors
/// An option cannot be said in a CONNECT, or there is no thread to be had.
#[cfg(feature = "blocking")]
pub fn start_blocking(options: ConnectOptions) -> Result<blocking::Client, ConnectError> {
    start(options).map(blocking::Client::from)
}
