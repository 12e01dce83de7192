//! Who is there: a device says so in its shadow, and its last will takes it back.
//!
//! ```text
//! cargo run --example presence --features tokio
//! ```
//!
//! The shadow service ignores a will on a shadow topic. So the will goes to a topic of our own, and
//! a rule makes an update of it: here a rule of the local service, on AWS an IoT rule with
//! `SELECT * FROM 'presence/+'` that republishes to `$$aws/things/${topic(2)}/shadow/update`.

#![allow(
    clippy::std_instead_of_core,
    clippy::indexing_slicing,
    reason = "a program is std's, and a `Value` indexed by a word never panics"
)]

mod shared;

use std::time::Duration;

use device_shadow::proto::{Documents, ShadowId};
use device_shadow::tokio::connect;
use serde_json::{Value, json};
use shadow_service::local::Options;
use shared::{Result, Site};
use tokio::runtime::Builder;

#[tokio::main]
async fn main() -> Result<()> {
    let mut service = Options::on_free_ports();
    service.republish = vec!["presence/+=$aws/things/+/shadow/update".parse()?];
    let site = Site::open_with("presence", "presence-lamp", service)?;
    let id = ShadowId::classic(&site.thing)?;

    // The application watches the documents.
    let application = connect(site.options()?).await?;
    let watched = application.shadow(id.clone())?;
    let mut documents = watched.documents()?;
    watched.ready().await?;

    // The device. Each session has a member of its own, so that a will which comes late, after the
    // device is back, removes what it belongs to and nothing else.
    let mut options = site.options()?;
    options.client_id += "-device";
    let session = options.client_id.clone();
    let will = json!({"state": {"reported": {"sessions": {(session.as_str()): null}}}});
    options.set_will(&format!("presence/{}", site.thing), will.to_string());
    // The device lives in a runtime of its own, which ends below without a goodbye, as a power
    // failure would end it. A shutdown would take the will back.
    let (cut, power) = tokio::sync::oneshot::channel::<()>();
    let device = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let client = connect(options).await?;
            let lamp = client.shadow(id)?;
            let there = json!({"sessions": {(session.as_str()): true}});
            lamp.report(&there).await?;
            let _ = power.await;
            Result::Ok(client)
        })?;
        drop(runtime);
        drop(client);
        Result::Ok(())
    });

    let mut cut = Some(cut);
    while let Some(documents) = documents.next().await {
        let there = sessions(&documents?) > 0;
        println!("{} is {}", site.thing, if there { "there" } else { "gone" });
        match there {
            true => drop(cut.take()),
            false => break,
        }
    }
    device.join().map_err(|_| "the device has panicked")??;
    application.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

fn sessions(documents: &Documents) -> usize {
    let reported = documents.current.reported.value();
    let reported: Value = reported.and_then(|it| it.parse().ok()).unwrap_or_default();
    reported["sessions"]
        .as_object()
        .map_or(0, |sessions| sessions.len())
}
