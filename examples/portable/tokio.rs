//! `program.rs` over tokio: `cargo run --example portable_tokio --features tokio,blocking -- mqtt://127.0.0.1:1883`.

use device_shadow::tokio::{ConnectOptions, ShadowId, block_on, connect};

include!("program.rs");
