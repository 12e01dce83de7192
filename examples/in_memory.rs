//! The core alone: a device and the shadow service in memory, without network, clock or runtime.
//!
//! ```text
//! cargo run --example in_memory
//! ```

#![allow(clippy::std_instead_of_core, reason = "a program is std's")]

use std::time::Duration;

use device_shadow::proto::{
    Client, Config, Event, Instant, Interest, Output, PubackCode, ShadowId, SubackCode,
    TokenPrefix, Update,
};
use shadow_service::{Service, Settings, UnixTime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut now = Instant::ORIGIN;
    let mut service = Service::new(Settings::default());
    let mut client = Client::new(Config::new(TokenPrefix::new("lamp-1")?));
    let lamp = client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
    client.handle_connected(false, now);

    // What an application would have desired before.
    let request = br#"{"state": {"desired": {"color": "teal"}}}"#;
    service.handle_publish("$aws/things/lamp/shadow/update", request, wall(now))?;

    let mut reported = false;
    while !reported {
        // Time passes when we say so.
        now = now + Duration::from_millis(20);
        client.handle_timeout(now);
        while let Some(output) = client.poll_output() {
            match output {
                Output::Subscribe { id, filters, .. } => {
                    println!("subscribe {filters:?}");
                    client.handle_suback(id, &vec![SubackCode::new(1); filters.len()], now);
                }
                Output::Unsubscribe { id, .. } => client.handle_unsuback(id, now),
                Output::Publish {
                    id, topic, payload, ..
                } => {
                    println!("publish {topic} {}", String::from_utf8_lossy(&payload));
                    client.handle_puback(id, PubackCode::SUCCESS, now);
                    for message in service
                        .handle_publish(&topic, &payload, wall(now))?
                        .messages
                    {
                        println!("        {} {}", message.topic, message.payload);
                        client.handle_publish(&message.topic, message.payload.as_bytes(), now)?;
                    }
                }
                Output::Event(Event::Delta { delta, .. }) => {
                    println!("delta {}", delta.state);
                    client.update(lamp, Update::reported(&delta.state), now)?;
                }
                Output::Event(Event::Response { outcome, .. }) => {
                    outcome.map_err(|failure| failure.to_string())?;
                    reported = true;
                }
                Output::Event(_) => {}
            }
        }
    }
    let document = service.get(&ShadowId::classic("lamp")?, b"", wall(now));
    let document = document.map_err(|rejection| format!("{rejection:?}"))?;
    println!("the service has {}", document.body);
    Ok(())
}

/// The service's clock: any will do.
fn wall(now: Instant) -> UnixTime {
    UnixTime::from_seconds(1_767_225_600 + now.since_origin().as_secs())
}
