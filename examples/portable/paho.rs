//! `program.rs` over the Paho library: `cargo run --example portable_paho --features paho,blocking -- mqtt://127.0.0.1:1883`.

use device_shadow::paho::{ConnectOptions, ShadowId, block_on, connect};

include!("program.rs");
