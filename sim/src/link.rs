//! The byte-level simulation: real [`transport_core::Link`]s, with an MQTT session inside, and a broker that they reach
//! through streams of bytes which arrive in chunks of any size and end at any byte.
//!
//! What the other simulation takes for granted, that packets arrive whole and a session does what MQTT says, is at
//! stake here; the faults of the service are few, since that one has them all.

mod app;
mod broker;
mod check;
mod client;
mod encode;
mod packet;
mod plan;
mod service;
mod totals;
mod wire;
mod world;

pub use totals::{LinkEnd, LinkFault, LinkSum, LinkTotals};
pub use world::LinkWorld;
