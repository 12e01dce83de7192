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
//!
//! Without any, there is [`proto`]: the sans-IO core, to be driven by a loop of your own.

pub use shadow_proto as proto;
#[cfg(feature = "tokio")]
pub use transport_tokio as tokio;
