//! AWS IoT Device Shadow for Rust: one API, pick a transport by feature.
//!
//! This package holds no logic. It re-exports the sans-IO core.

pub use shadow_proto as proto;
#[cfg(feature = "async-std")]
pub use transport_async_std::async_std;
#[cfg(feature = "smol")]
pub use transport_async_std::smol;
#[cfg(feature = "tokio")]
pub use transport_tokio as tokio;
