//! Publishes to a named shadow, for `named_watcher` to see: desired with nested settings, reported
//! set to null, then a get.
//!
//! ```text
//! cargo run --example named_publisher --features tokio -- --endpoint mqtt://127.0.0.1:1883
//! ```

#![allow(clippy::std_instead_of_core, reason = "a program is std's")]

mod shared;

use std::time::Duration;

use device_shadow::proto::{Json, Section, ShadowId, Update};
use device_shadow::tokio::connect;
use serde_json::json;
use shared::{Result, Site, shown};

#[tokio::main]
async fn main() -> Result<()> {
    let site = Site::open("named_publisher", "office")?;
    let client = connect(site.options()?).await?;
    let shadow = client.shadow(ShadowId::named(&site.thing, "config")?)?;

    let desired = Json::from_value(&json!({
        "settings": {"interval": 30, "units": {"temperature": "celsius"}},
        "welcome": "aws-iot",
    }))?;
    let mut update = Update::desired(&desired);
    // Null removes the whole section: nothing is reported any more.
    update.reported = Section::Clear;
    let accepted = shadow.update(update).await?;
    if let Some(version) = accepted.version() {
        println!("updated to version {version}");
    }

    let document = shadow.get().await?;
    println!(
        "got version {}, delta {}",
        document.version,
        shown(&document.delta)
    );

    client.shutdown(Duration::from_secs(5)).await?;
    println!("Publish Complete!");
    Ok(())
}
