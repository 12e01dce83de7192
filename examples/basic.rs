//! The basic operations with callbacks, as in version 1 of the AWS IoT SDK for Python: get, update
//! of desired and reported, and what a timeout looks like.
//!
//! ```text
//! cargo run --example basic --features tokio
//! ```

#![allow(
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "a program is std's, and need not know every status"
)]

mod shared;

use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use device_shadow::proto::{Json, ShadowId, Update};
use device_shadow::tokio::{Response, Status, connect};
use shared::{Result, Site};

#[tokio::main]
async fn main() -> Result<()> {
    let site = Site::open("basic", "basic-light")?;
    let client = connect(site.options()?).await?;
    let light = client.shadow(ShadowId::classic(&site.thing)?)?;
    let patience = Duration::from_secs(5);
    // A callback runs on a thread of the client's; this is how main hears that it has run.
    let (done, outcome) = mpsc::channel();

    let token = light.get_with(patience, callback("get", &done))?;
    println!("get sent, token {token}");
    outcome.recv()?;

    // Both sections at once; a key that is null would be removed.
    let desired = Json::from_text(r#"{"brightness": 70, "color": "teal"}"#)?;
    let reported = Json::from_text(r#"{"color": "off"}"#)?;
    let update = Update::both(&desired, &reported);
    light.update_with(patience, update, callback("update", &done))?;
    outcome.recv()?;

    light.get_with(patience, callback("get", &done))?;
    outcome.recv()?;

    // Nobody answers this fast. The stage says whether the service may have applied it.
    let update = Update::reported(&reported);
    light.update_with(
        Duration::from_nanos(1),
        update,
        callback("hurried update", &done),
    )?;
    outcome.recv()?;

    client.shutdown(patience).await?;
    Ok(())
}

/// Prints what became of a request, then says that it has.
fn callback(what: &'static str, done: &Sender<()>) -> impl FnOnce(Response) + Send + use<> {
    let done = done.clone();
    move |response| {
        match response.status {
            Status::Accepted => println!("{what} accepted: {}", response.payload),
            // A thing that has no shadow yet is a rejection with the code 404.
            Status::Rejected => println!("{what} rejected: {}", response.payload),
            _ => match response.failure {
                Some(failure) => println!("{what} {}: {failure}", response.status),
                None => println!("{what}: {}", response.status),
            },
        }
        let _ = done.send(());
    }
}
