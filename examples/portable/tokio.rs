//! `program.rs` over tokio: `cargo run --example portable_tokio --features tokio -- mqtt://127.0.0.1:1883`.

use device_shadow::tokio::{ConnectOptions, ShadowId, connect};

include!("program.rs");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    run().await
}
