//! What the application holds.

mod client;
mod ready;
mod request;
mod shadow;

pub use client::{
    Connecting, Publishing, ShadowClient, Shutdown, Subscribing, Unfinished, Unsubscribing,
};
pub use ready::Ready;
pub use request::Request;
pub use shadow::Shadow;
