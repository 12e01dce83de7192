//! `program.rs` over the Paho library: `cargo run --example portable_paho --features paho,blocking -- mqtt://127.0.0.1:1883`.

use device_shadow::paho::{ConnectOptions, ShadowId, connect};

include!("program.rs");

// Any executor will do, such as the one of the runtime.
fn main() -> Result<(), Box<dyn Error>> {
    device_shadow::blocking::wait(run())
}
