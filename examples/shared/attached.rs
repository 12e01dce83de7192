//! What the examples that attach to an MQTT client do once they have.

use core::{error::Error, time::Duration};

use transport_core::{Json, MqttQos, ShadowClient, ShadowId};

/// Reports a color, and shows what the shadow says of it then.
pub(crate) async fn show(client: ShadowClient) -> Result<(), Box<dyn Error>> {
    let light = client.shadow(ShadowId::classic("my-light")?)?;
    let red = Json::from_text(r#"{"color":"red"}"#)?;
    light.report(&red).await?;
    let reported = light.get().await?.reported.into_value();
    println!("{}", reported.ok_or("nothing is reported")?);
    // And messages of your own, on the same connection.
    client
        .publish("lights/hello", "attached", MqttQos::AtLeastOnce)
        .await?;
    client.shutdown(Duration::from_secs(5)).await?;
    println!("done");
    Ok(())
}

/// Host and port of the broker, from the command line.
#[allow(dead_code, reason = "Paho takes a URL")]
pub(crate) fn broker() -> Result<(String, u16), Box<dyn Error>> {
    let broker = std::env::args().nth(1);
    let broker = broker.as_deref().unwrap_or("127.0.0.1:1883");
    let (host, port) = broker.rsplit_once(':').ok_or("the broker is HOST:PORT")?;
    Ok((host.to_owned(), port.parse()?))
}
