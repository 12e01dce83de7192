//! Many shadows on one connection, each with a callback of its own: three things, and three named
//! shadows of one thing.
//!
//! ```text
//! cargo run --example three_shadows --features tokio
//! ```

#![allow(clippy::std_instead_of_core, reason = "a program is std's")]

mod shared;

use std::sync::mpsc;
use std::time::Duration;

use device_shadow::proto::ShadowId;
use device_shadow::tokio::connect;
use serde_json::json;
use shared::{Result, Site};

#[tokio::main]
async fn main() -> Result<()> {
    let site = Site::open("three_shadows", "house")?;
    let client = connect(site.options()?).await?;

    let thing = &site.thing;
    let ids = [
        ShadowId::classic(&format!("{thing}-1"))?,
        ShadowId::classic(&format!("{thing}-2"))?,
        ShadowId::classic(&format!("{thing}-3"))?,
        ShadowId::named(thing, "lights")?,
        ShadowId::named(thing, "heating")?,
        ShadowId::named(thing, "alarm")?,
    ];
    let (heard, deltas) = mpsc::channel();
    let mut shadows = Vec::new();
    for id in ids {
        let shadow = client.shadow(id)?;
        let heard = heard.clone();
        shadow.on_delta(move |response| {
            println!("{}: {}", response.shadow, response.payload);
            let _ = heard.send(response.shadow);
        })?;
        shadows.push(shadow);
    }

    for (number, shadow) in shadows.iter().enumerate() {
        shadow.ready().await?;
        shadow.desire(&json!({ "number": number })).await?;
        // Each callback hears of its own shadow, and of no other.
        let id = deltas.recv_timeout(Duration::from_secs(10))?;
        assert_eq!(&id, shadow.id());
    }
    println!("{} shadows on one connection", shadows.len());
    client.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
