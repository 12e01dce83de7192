//! Presence with last wills: the recipe of `local::republish`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use core::time::Duration;
use mqtt5::{ConnectOptions, MqttClient, ProtocolVersion, WillMessage};
use shadow_service::local::{Options, Server};
use transport_tokio::{Messages, MqttQos};

const UPDATE: &str = "$aws/things/lamp/shadow/update";

/// A session of the device: `id` is its own, and its will takes it back.
async fn session(url: &str, id: &str, version: ProtocolVersion) -> MqttClient {
    let will = format!(r#"{{"state":{{"reported":{{"sessions":{{"{id}":null}}}}}}}}"#);
    let options = ConnectOptions::new(format!("lamp-{id}"))
        .with_protocol_version(version)
        .with_will(WillMessage::new("presence/lamp", will))
        .with_automatic_reconnect(false);
    let client = MqttClient::with_options(options.clone());
    client.connect_with_options(url, options).await.unwrap();
    let here = format!(r#"{{"state":{{"reported":{{"sessions":{{"{id}":true}}}}}}}}"#);
    client.publish_qos1(UPDATE, here).await.unwrap();
    client
}

/// What is reported after the next update.
async fn reported(documents: &mut Messages) -> String {
    let next = tokio::time::timeout(Duration::from_secs(10), documents.next());
    let message = next.await.unwrap().unwrap().unwrap();
    let text = core::str::from_utf8(&message.payload).unwrap();
    let (_, current) = text.split_once(r#""current":{"state":"#).unwrap();
    let (state, _) = current.split_once(r#","metadata""#).unwrap();
    state.to_owned()
}

#[tokio::test]
async fn a_will_that_comes_late_takes_back_its_own_session_only() {
    let mut options = Options::on_free_ports();
    let rule = "presence/+=$aws/things/+/shadow/update".parse().unwrap();
    options.republish = Vec::from([rule]);
    let server = Server::start(options).await.unwrap();
    let url = format!("mqtt://{}", server.mqtt_address().unwrap());
    let watcher = transport_tokio::ConnectOptions::from_url(&url).unwrap();
    let watcher = transport_tokio::connect(watcher).await.unwrap();
    let filter = format!("{UPDATE}/documents");
    let documents = watcher.subscribe(&filter, MqttQos::AtLeastOnce);
    let mut documents = documents.await.unwrap();

    for version in [ProtocolVersion::V311, ProtocolVersion::V5] {
        let first = session(&url, "s1", version).await;
        let one = r#"{"reported":{"sessions":{"s1":true}}}"#;
        assert_eq!(reported(&mut documents).await, one);
        // The device is back before the broker has noticed that it was gone.
        let second = session(&url, "s2", version).await;
        let both = r#"{"reported":{"sessions":{"s1":true,"s2":true}}}"#;
        assert_eq!(reported(&mut documents).await, both);
        first.disconnect_abnormally().await.unwrap();
        let connected = r#"{"reported":{"sessions":{"s2":true}}}"#;
        assert_eq!(reported(&mut documents).await, connected);
        second.disconnect_abnormally().await.unwrap();
        let gone = r#"{"reported":{"sessions":{}}}"#;
        assert_eq!(reported(&mut documents).await, gone);
    }
    server.stop().await;
}
