//! The local server: the [`Service`](crate::Service) on sockets (features `broker`, `client`, `http`).

#[cfg(feature = "broker")]
pub mod broker;
mod clock;
#[cfg(feature = "dev-certs")]
pub mod dev_certs;
mod engine;
mod faults;
#[cfg(feature = "http")]
pub mod http;
mod listen;
#[cfg(feature = "client")]
pub mod mqtt;
#[cfg(feature = "server")]
pub mod program;
#[cfg_attr(
    not(feature = "http"),
    expect(dead_code, reason = "the page is what reads it")
)]
mod recent;
#[cfg(feature = "client")]
pub mod republish;
mod served;
mod server;
mod start_error;
#[cfg(feature = "tls")]
mod tls;

pub use clock::Clock;
pub use engine::{Batch, DynStore, Engine, EngineOptions, Observer};
pub use faults::{FaultRule, FaultRuleError};
pub use listen::ListenError;
pub use served::{Request, Served, Way};
pub use server::{Options, Server};
pub use start_error::StartError;
#[cfg(feature = "tls")]
pub use tls::{TlsFiles, TlsFilesError};
