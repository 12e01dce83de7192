//! Deltas with a callback, as in version 1 of the AWS IoT SDK for Python: apply what is desired,
//! report it, and unregister at the end.
//!
//! ```text
//! cargo run --example deltas --features tokio
//! ```

#![allow(
    clippy::std_instead_of_core,
    clippy::indexing_slicing,
    reason = "a program is std's, and a `Value` indexed by a word never panics"
)]

mod shared;

use std::sync::mpsc;
use std::time::Duration;

use device_shadow::proto::ShadowId;
use device_shadow::tokio::{Response, connect};
use serde_json::{Value, json};
use shared::{Result, Site, shown};

#[tokio::main]
async fn main() -> Result<()> {
    let site = Site::open("deltas", "delta-light")?;
    let client = connect(site.options()?).await?;
    let light = client.shadow(ShadowId::classic(&site.thing)?)?;

    let (applied, outcome) = mpsc::channel();
    let device = light.clone();
    light.on_delta(move |response: Response| {
        // A delta holds the values that are wanted, not differences.
        let delta: Value = serde_json::from_str(&response.payload).unwrap_or_default();
        println!("delta of version {}: {}", delta["version"], delta["state"]);
        // Calling the library from a callback is fine; here nobody waits for the outcome.
        if let Err(failure) = device.report(&delta["state"]).detach() {
            println!("not reported: {failure}");
        }
        let _ = applied.send(delta["state"].clone());
    })?;
    // From here on no delta is missed.
    light.ready().await?;

    // The application's part: another program, elsewhere.
    for color in ["teal", "amber"] {
        light
            .desire(&json!({"color": color, "lamp": {"on": true}}))
            .await?;
        let state = outcome.recv_timeout(Duration::from_secs(10))?;
        println!("applied {state}");
    }

    light.stop_on_delta();
    light.desire(&json!({"color": "violet"})).await?;
    // No callback has run, and what was desired stays to be done.
    let document = light.get().await?;
    println!("unregistered; left to be done: {}", shown(&document.delta));
    client.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
