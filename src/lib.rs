#![cfg_attr(feature = "tokio", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "AWS IoT Device Shadow for Rust: one API, pick a transport by feature."
)]
//!
//! # Features
//!
//! This package holds no logic; each feature only adds a re-export.
//!
//! * `tokio`: the module `tokio`, the client over the tokio runtime.
//! * `smol`: the module `smol`, the same over smol.
//! * `async-std`: the module `async_std`, the same over async-std, which is discontinued: `smol` in
//!   its place is the whole switch.
//! * `paho`: the module `paho`, the same over the MQTT library of Eclipse Paho, for programs that
//!   have it already: no runtime, but a C library to compile, and limits that its README lists.
//!   `paho-ssl` adds TLS with the system's OpenSSL, `paho-vendored-ssl` with one compiled along.
//!
//! Or adds a way to connect to the transports above:
//!
//! * `tls`: `mqtts://`, with rustls and ring; `tls-aws-lc`: with rustls and AWS-LC. With both, ring
//!   is the default and an option chooses.
//! * `native-roots`: trust the authorities that the system trusts. Without it, a CA file is needed
//!   for all but AWS.
//! * `websocket`: `ws://` and, with `tls`, `wss://`.
//! * `sigv4`: signing in with AWS credentials; brings `tls` and `websocket`.
//! * `http-proxy`: through an HTTP proxy (CONNECT).
//! * `rest`: a client of the REST data plane, beside those over MQTT.
//!
//! Or a way to use them:
//!
//! * `blocking`: the module `blocking`, the client for programs without an asynchronous runtime;
//!   each transport gives it with `connect_blocking`, and `block_on` for the `main` of a program.
//! * `flags`: adds the module `flags` to each transport: connection flags for programs of your own.
//! * `tracing`: tells a `tracing` subscriber what happens; `docs/observability.md` lists the names.
//!
//! Without any, there is [`proto`]: the sans-IO core, to be driven by a loop of your own.

#![cfg_attr(docsrs, feature(doc_cfg))]

// Documentation only. Its examples use these features.
#[cfg(all(doc, feature = "sigv4", feature = "tokio"))]
pub mod guide;

pub use shadow_proto as proto;
#[cfg(feature = "async-std")]
pub use transport_async_std::async_std;
#[cfg(feature = "smol")]
pub use transport_async_std::smol;
#[cfg(feature = "blocking")]
pub use transport_core::blocking;
#[cfg(feature = "paho")]
pub use transport_paho as paho;
#[cfg(feature = "tokio")]
pub use transport_tokio as tokio;
