//! Watches a named shadow: every answer to a get or an update, whoever asked. `named_publisher`,
//! in another terminal, gives it something to see.
//!
//! ```text
//! cargo run --example named_watcher --features tokio
//! ```

mod shared;

use device_shadow::proto::{Accepted, Event, Interest, ShadowId};
use device_shadow::tokio::connect;
use shared::{Result, Site, shown};

#[tokio::main]
async fn main() -> Result<()> {
    let site = Site::open("named_watcher", "office")?;
    let client = connect(site.options()?).await?;
    let shadow = client.shadow(ShadowId::named(&site.thing, "config")?)?;
    // All four streams: accepted and rejected, of get and of update.
    let mut events = shadow.events(Interest::GET | Interest::UPDATE)?;
    // What is published before the subscriptions stand would not be seen.
    shadow.ready().await?;
    if let Some(url) = site.own() {
        println!(
            "In another terminal: cargo run --example named_publisher --features tokio -- --endpoint {url}"
        );
    }
    println!("Waiting for shadow publish...");

    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Some(Ok(Event::ForeignAnswer {
                answer, operation, ..
            })) => match answer {
                Ok(Accepted::Update(update)) => println!(
                    "update accepted: version {}, desired {}, reported {}",
                    update.version,
                    shown(&update.desired),
                    shown(&update.reported)
                ),
                Ok(Accepted::Get(document)) => println!(
                    "get accepted: version {}, desired {}, reported {}, delta {}",
                    document.version,
                    shown(&document.desired),
                    shown(&document.reported),
                    shown(&document.delta)
                ),
                Ok(other) => println!("{operation} accepted: {other:?}"),
                Err(rejection) => println!("{operation} rejected: {rejection}"),
            },
            Some(Ok(_)) => {}
            Some(Err(gap)) => println!("{gap}"),
            None => break,
        }
    }
    Ok(())
}
