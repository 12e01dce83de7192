//! The AWS IoT Device Shadow client over async-std and smol.
//!
//! Each runtime is a feature and a module of its name, both with the same functions: `connect`
//! makes one attempt, `start` goes on trying; both give a [`ShadowClient`], whose connection a task
//! of the runtime serves. Everything else is [`transport_core`], re-exported.
//!
//! A light keeps its color in sync with what an application desires:
//!
//! ```no_run
//! # #[cfg(feature = "async-std")] mod light {
//! use serde::{Deserialize, Serialize};
//! use transport_async_std::async_std::{ConnectOptions, ShadowId, connect};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Light {
//!     #[serde(skip_serializing_if = "Option::is_none")]
//!     color: Option<String>,
//! }
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
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
//! # }
//! ```
//!
//! # Ways to connect
//!
//! | feature | what it adds |
//! | --- | --- |
//! | none | `mqtt://`; custom authorizers; a connector of your own |
//! | `tls` | `mqtts://`, with rustls and ring |
//! | `tls-aws-lc` | the same with AWS-LC; with both, ring is the default and `TlsOptions` chooses |
//! | `native-roots` | trust those the system trusts; otherwise a CA file is needed, but for AWS |
//! | `websocket` | `ws://` and, with `tls`, `wss://` |
//! | `sigv4` | AWS credentials over `wss://`; brings `tls` and `websocket` |
//! | `http-proxy` | through an HTTP proxy |
//!
//! async-std is discontinued; with the feature `smol`, the module `smol` in the place of
//! `async_std` is the whole switch.

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod driver;

pub use driver::{Driver, FuturesIo};
pub use transport_core::*;

/// The functions of an adapter over one runtime: its name, its TCP stream, how it spawns.
#[cfg(any(feature = "async-std", feature = "smol"))]
macro_rules! functions {
    ($runtime:literal, $stream:ty, $spawn:expr) => {
        use core::future::Future;

        use futures_io::{AsyncRead, AsyncWrite};
        pub use transport_core::*;

        pub use crate::driver::{Driver, FuturesIo};

        /// Connects: makes one attempt and returns its error. Once connected, the client
        /// reconnects by itself, for ever.
        #[doc = concat!("The connection is served by a task of ", $runtime, ".")]
        ///
        /// If the broker kept a session (`clean_start` false), what it kept comes now; make
        /// streams and callbacks soon, or before the connection with [`start`]: see
        /// [`ConnectOptions::clean_start`].
        ///
        /// # Errors
        /// [`ConnectError`] says why there is no connection.
        pub async fn connect(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
            connect_with(options, open).await
        }

        /// Begins to connect and returns at once: the client connects and reconnects for ever.
        /// Requests wait for the connection, within their deadlines.
        #[doc = concat!("The connection is served by a task of ", $runtime, ".")]
        ///
        /// # Errors
        /// An option cannot be said in a CONNECT.
        pub fn start(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
            start_with(options, open)
        }

        /// [`connect`] over streams that `connector` opens, one for each attempt: a proxy, a VPN,
        /// a modem, a test. TLS and WebSocket are then the connector's business, which adds them
        /// with [`Attempt::open_over`].
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
        /// An option cannot be said in a CONNECT.
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
            $spawn(driver);
            Ok(())
        }

        /// Runs `future` to its end on this thread: what every transport has for the `main` of a
        /// program that may be over any of them.
        ///
        /// # Errors
        /// That of the future.
        #[cfg(feature = "blocking")]
        pub fn block_on<T, E: From<OpenError>>(
            future: impl Future<Output = Result<T, E>>,
        ) -> Result<T, E> {
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
        /// An option cannot be said in a CONNECT.
        #[cfg(feature = "blocking")]
        pub fn start_blocking(options: ConnectOptions) -> Result<blocking::Client, ConnectError> {
            start(options).map(blocking::Client::from)
        }

        /// Opens the stream that an attempt asks for, as [`connect`] and [`start`] do: for a
        /// [`Driver`] that is spawned elsewhere.
        ///
        /// # Errors
        /// [`OpenError`] says what was being done and what is wrong.
        pub async fn open(attempt: Attempt) -> Result<ByteStream, OpenError> {
            let dial = |host: Box<str>, port| async move {
                let stream = <$stream>::connect((&*host, port)).await?;
                // A request is one small packet that waits for an answer: the worst case of
                // Nagle's algorithm.
                stream.set_nodelay(true)?;
                Ok(stream)
            };
            attempt.open(dial).await
        }
    };
}

/// The client on async-std.
#[cfg(feature = "async-std")]
pub mod async_std {
    functions!("async-std", ::async_std::net::TcpStream, |driver| drop(
        ::async_std::task::spawn(driver)
    ));
}

/// The client on smol.
#[cfg(feature = "smol")]
pub mod smol {
    functions!("smol's global executor", ::smol::net::TcpStream, |driver| {
        ::smol::spawn(driver).detach();
    });
}
