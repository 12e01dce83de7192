//! The REST data plane, for an application that keeps no connection: get, update, delete, list.
//!
//! ```text
//! cargo run -p shadow-service --features server --bin shadow-local -- --http 8080
//! cargo run --example rest --features tokio,rest -- http://127.0.0.1:8080
//! ```
//!
//! Against AWS, with the features `tokio,rest,sigv4` and credentials in the environment, the
//! argument is `https://` and the account's data endpoint.

#![allow(clippy::std_instead_of_core, reason = "a program is std's")]

use device_shadow::proto::{Json, Update};
use device_shadow::tokio::{RestClient, RestOptions, ShadowId};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let url = url.unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    #[cfg_attr(
        not(feature = "sigv4"),
        expect(unused_mut, reason = "nothing to sign with")
    )]
    let mut options = RestOptions::new(&url)?;
    #[cfg(feature = "sigv4")]
    if url.starts_with("https://") {
        use device_shadow::tokio::{CredentialsSource, SigV4};
        options.sigv4 = Some(SigV4::new(CredentialsSource::Environment));
    }
    let client = RestClient::new(options);
    let lamp = ShadowId::named("rest-lamp", "config")?;

    let desired = Json::from_value(&json!({"color": "teal"}))?;
    let updated = client.update(&lamp, &Update::desired(&desired)).await?;
    println!("updated to version {}", updated.version);

    let document = client.get(&lamp).await?;
    println!(
        "got version {}: desired {}",
        document.version,
        desired_of(&document)
    );

    // Only if nobody else has written meanwhile; else a rejection with the code 409.
    let desired = Json::from_value(&json!({"color": null, "effect": "rainbow"}))?;
    let update = Update::desired(&desired).if_version(document.version);
    client.update(&lamp, &update).await?;
    if let Err(error) = client.update(&lamp, &update).await {
        println!("the second time: {error}");
    }

    println!("named shadows: {:?}", client.list("rest-lamp").await?);
    client.delete(&lamp).await?;
    match client.get(&lamp).await {
        Err(error) if error.is_not_found() => println!("deleted"),
        other => println!("still there: {other:?}"),
    }
    Ok(())
}

fn desired_of(document: &device_shadow::proto::Document) -> &str {
    document.desired.value().map_or("nothing", Json::as_str)
}
