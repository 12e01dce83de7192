//! `program.rs` over async-std: `cargo run --example portable_async_std --features async-std,blocking -- mqtt://127.0.0.1:1883`.

use device_shadow::async_std::{ConnectOptions, ShadowId, connect};

include!("program.rs");

// Any executor will do, such as the one of the runtime.
fn main() -> Result<(), Box<dyn Error>> {
    device_shadow::blocking::wait(run())
}
