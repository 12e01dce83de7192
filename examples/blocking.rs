//! Blocking use: no async, no runtime in sight, every call waits for its outcome.
//!
//! ```text
//! cargo run --example blocking --features tokio,blocking
//! ```

#![allow(clippy::std_instead_of_core, reason = "a program is std's")]

mod shared;

use std::time::Duration;

use device_shadow::proto::ShadowId;
use device_shadow::tokio::connect_blocking;
use serde_json::json;
use shared::{Result, Site, shown};

fn main() -> Result<()> {
    let site = Site::open("blocking", "blocking-light")?;
    // A thread of its own serves the connection.
    let client = connect_blocking(site.options()?)?;
    let light = client.shadow(ShadowId::classic(&site.thing)?)?;
    let mut deltas = light.deltas()?;
    light.ready()?;

    // The application's part: another program, elsewhere.
    light.desire(&json!({"color": "teal"}))?;

    // `for delta in deltas` would wait for ever; this waits for a while.
    match deltas.next_within(Duration::from_secs(10)) {
        Some(delta) => {
            println!("delta {}", delta.state);
            light.report(&delta.state)?;
        }
        None => println!("nothing to do"),
    }
    let document = light.get()?;
    println!("reported {}", shown(&document.reported));
    client.shutdown(Duration::from_secs(5))?;
    Ok(())
}
