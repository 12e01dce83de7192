//! State as types of your own, with serde: what is set, what is left alone, what is removed.
//!
//! ```text
//! cargo run --example typed_state --features tokio
//! ```

#![allow(clippy::std_instead_of_core, reason = "a program is std's")]

mod shared;

use std::time::Duration;

use device_shadow::proto::{Change, Field, Json, ShadowId};
use device_shadow::tokio::connect;
use serde::{Deserialize, Serialize};
use shared::{Result, Site};

/// The state as a device keeps it.
#[derive(Serialize, Deserialize, Default, Debug)]
#[serde(default)]
struct Lamp {
    on: bool,
    color: Option<String>,
    timer: Option<u32>,
}

/// A change of it. Absent leaves a key alone, null removes it, a value sets it: in what is sent
/// and in what comes as a delta.
#[derive(Serialize, Deserialize, Default, Debug)]
#[serde(default)]
struct LampPatch {
    #[serde(skip_serializing_if = "Field::is_absent")]
    on: Field<bool>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    color: Field<String>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    timer: Field<u32>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let site = Site::open("typed_state", "typed-lamp")?;
    let client = connect(site.options()?).await?;
    let shadow = client.shadow(ShadowId::classic(&site.thing)?)?;
    let mut deltas = shadow.deltas()?;
    shadow.ready().await?;

    // The application desires two keys of three.
    let wish = LampPatch {
        on: true.into(),
        timer: 600.into(),
        ..LampPatch::default()
    };
    shadow.desire(&wish).await?;

    // The device applies what it can, and reports it. It has no timer.
    let delta = deltas.next().await.ok_or("the client has stopped")?;
    let wanted: LampPatch = delta.state.parse()?;
    println!("wanted: {wanted:?}");
    let mut lamp = Lamp::default();
    if let Some(on) = wanted.on.value() {
        lamp.on = *on;
    }
    wanted.color.apply_to(&mut lamp.color);
    // A whole state sets every key; `None` is null and removes its key.
    shadow.report(&lamp).await?;

    // What cannot be done would stay a delta for ever: take it out of desired, in a transaction,
    // so that nothing another client wrote meanwhile is undone.
    let refusal = LampPatch {
        timer: Field::Null,
        ..LampPatch::default()
    };
    let refusal = Json::from_value(&refusal)?;
    let written = shadow
        .transact(3, |document| {
            document?.delta.value()?.at("/timer")?;
            Some(Change::desired(refusal.clone()))
        })
        .await?;
    println!("took the timer back: {}", written.is_some());

    let document = shadow.get().await?;
    let reported = document.reported.value().ok_or("nothing is reported")?;
    println!("reported: {:?}", reported.parse::<Lamp>()?);
    println!("in sync: {}", document.delta.value().is_none());
    client.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
