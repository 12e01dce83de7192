//! `program.rs` over async-std: `cargo run --example portable_async_std --features async-std,blocking -- mqtt://127.0.0.1:1883`.

use device_shadow::async_std::{ConnectOptions, ShadowId, block_on, connect};

include!("program.rs");
