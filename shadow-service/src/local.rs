//! The local server: the [`Service`](crate::Service) on sockets (features `broker`, `client`, `http`).

#[cfg(feature = "broker")]
pub mod broker;
mod clock;
#[cfg(feature = "dev-certs")]
pub mod dev_certs;
mod engine;
#[cfg(feature = "http")]
pub mod http;
mod listen;
#[cfg(feature = "client")]
pub mod mqtt;
#[cfg(feature = "server")]
pub mod program;
#[cfg(feature = "client")]
pub mod republish;
mod server;
#[cfg(feature = "tls")]
mod tls;

pub use clock::Clock;
pub use engine::{DynStore, Engine, Observer, Request, Served, Way};
pub use listen::ListenError;
pub use server::{Options, Server, StartError};
#[cfg(feature = "tls")]
pub use tls::{TlsFiles, TlsFilesError};
