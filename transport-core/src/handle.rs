//! What the application holds.

mod callbacks;
mod client;
mod plain;
mod ready;
mod request;
mod shadow;

pub use client::{Connecting, ShadowClient, Shutdown, Unfinished};
pub use plain::{Publishing, Subscribing, SubscribingWith, Unsubscribing};
pub use ready::Ready;
pub use request::Request;
pub use shadow::Shadow;
