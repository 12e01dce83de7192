//! What the fuzz targets in `fuzz/` do with their bytes. A normal test runs the same over the kept corpus, so that what was
//! found once stays found without a fuzzer.

mod client;
#[cfg(feature = "fuzz")]
mod codec;
#[cfg(feature = "fuzz")]
mod endpoint;
mod json_patch;
mod link_world;
pub mod plain;
mod service;
mod session;
mod wire;

pub use client::{client_ops, client_ops_with};
#[cfg(feature = "fuzz")]
pub use codec::codec_differential;
#[cfg(feature = "fuzz")]
pub use endpoint::endpoint;
pub use json_patch::json_patch;
pub use link_world::link_world;
pub use service::service_requests;
pub use session::session_bytes;
pub use wire::{topic, wire};
