//! The shadow service behind a broker, as another client of it.

use std::time::{SystemTime, UNIX_EPOCH};

use shadow_service::{Service, Settings, UnixTime};
use testkit::Mosquitto;
use transport_tokio::{ConnectOptions, Qos, connect};

/// Answers shadow requests as AWS does, over plain messages of this very library.
pub(crate) async fn serve(broker: &Mosquitto) {
    let mut options = ConnectOptions::from_url(&broker.url()).unwrap();
    options.unlimited();
    options.reconnect.base = core::time::Duration::from_millis(100);
    options.mqtt.receive_maximum = u16::MAX;
    let client = connect(options).await.unwrap();
    let subscribing = client.subscribe("$aws/things/#", Qos::AtLeastOnce);
    let mut requests = subscribing.await.unwrap();
    tokio::spawn(async move {
        let mut service = Service::new(Settings::default());
        while let Some(message) = requests.next().await {
            let Ok(message) = message else { continue };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let now = UnixTime::since_epoch(now);
            let handled = service.handle_publish(&message.topic, &message.payload, now);
            for answer in handled.map(|handled| handled.messages).unwrap_or_default() {
                let sent = client.publish(&*answer.topic, answer.payload, Qos::AtLeastOnce);
                let _ = sent.detach();
            }
        }
    });
}
