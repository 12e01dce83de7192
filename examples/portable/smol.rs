//! `program.rs` over smol: `cargo run --example portable_smol --features smol,blocking -- mqtt://127.0.0.1:1883`.

use device_shadow::smol::{ConnectOptions, ShadowId, block_on, connect};

include!("program.rs");
