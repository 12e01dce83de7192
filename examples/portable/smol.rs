//! `program.rs` over smol: `cargo run --example portable_smol --features smol,blocking -- mqtt://127.0.0.1:1883`.

use device_shadow::smol::{ConnectOptions, ShadowId, connect};

include!("program.rs");

// Any executor will do, such as the one of the runtime.
fn main() -> Result<(), Box<dyn Error>> {
    device_shadow::blocking::wait(run())
}
