//! What the application holds.

mod client;
mod request;
mod shadow;

pub use client::{
    Connecting, Publishing, ShadowClient, Shutdown, Subscribing, Unfinished, Unsubscribing,
};
pub use request::Request;
pub use shadow::{CallbackError, Ready, Shadow};
