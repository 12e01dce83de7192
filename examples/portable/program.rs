// One program for every runtime: the files beside this one differ in the `use` line that names the transport, and in
// nothing else.

use core::{error::Error, time::Duration};
use std::env;

use serde_json::json;

/// Reports a color, and shows what the shadow says of it.
async fn run() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1);
    let url = url.as_deref().unwrap_or("mqtt://127.0.0.1:1883");
    let client = connect(ConnectOptions::from_url(url)?).await?;
    let light = client.shadow(ShadowId::classic("my-light")?)?;
    light.report(&json!({ "color": "red" })).await?;
    let document = light.get().await?;
    println!("{}", document.reported.value().ok_or("nothing is reported")?);
    client.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    block_on(run())
}
