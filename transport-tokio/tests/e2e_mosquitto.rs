//! Against a real broker: Mosquitto, plain TCP, both versions of MQTT. The shadow service answers
//! through a connection of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "support/service.rs"]
mod service;

use core::time::Duration;

use service::serve;
use testkit::{Config, Mosquitto, skip_or_fail};
use tokio::time::timeout;
use transport_tokio::{
    ConnectOptions, Failure, Json, MqttVersion, RequestFailure, RequestOptions, Shadow,
    ShadowClient, ShadowId, Stage, connect,
};

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3_1_1, MqttVersion::V5];
const PATIENCE: Duration = Duration::from_secs(20);

async fn client(broker: &Mosquitto, set: impl FnOnce(&mut ConnectOptions)) -> ShadowClient {
    let mut options = ConnectOptions::from_url(&broker.url()).unwrap();
    options.reconnect.base = Duration::from_millis(100);
    options.operation_timeout = Duration::from_secs(10);
    set(&mut options);
    connect(options).await.unwrap()
}

fn lamp(client: &ShadowClient, version: MqttVersion) -> Shadow {
    let thing = match version {
        MqttVersion::V3_1_1 => "lamp3",
        MqttVersion::V5 => "lamp5",
    };
    client.shadow(ShadowId::classic(thing).unwrap()).unwrap()
}

fn color(color: &str) -> Json {
    Json::from_text(&format!(r#"{{"color":"{color}"}}"#)).unwrap()
}

#[tokio::test]
async fn a_request_without_a_service_says_how_far_it_got() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    for version in VERSIONS {
        let client = client(&broker, |options| options.version = version).await;
        let mut options = RequestOptions::default();
        options.timeout = Some(Duration::from_millis(300));
        let request = lamp(&client, version).get_with_options(options);
        let failure = request.await.unwrap_err();
        let RequestFailure::Failure(Failure::TimedOut { stage, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert_eq!(stage, Stage::Acknowledged, "{version}");
        client.shutdown(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_property_stays_in_sync_through_a_restart_of_the_broker() {
    let Ok(mut broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    serve(&broker).await;
    for version in VERSIONS {
        let client = client(&broker, |options| options.version = version).await;
        let shadow = lamp(&client, version);
        let mut deltas = shadow.deltas().unwrap();
        assert!(shadow.ready().await.unwrap().is_none());
        for name in ["red", "green"] {
            shadow.desire(&color(name)).await.unwrap();
            let delta = timeout(PATIENCE, deltas.next()).await.unwrap().unwrap();
            assert_eq!(delta.state, color(name));
            shadow.report(&delta.state).await.unwrap();
            if name == "red" {
                broker.kill();
                broker.restart();
                timeout(PATIENCE, wait_until_back(&client, &shadow))
                    .await
                    .unwrap();
            }
        }
        let document = shadow.get().await.unwrap();
        assert_eq!(document.reported.value(), Some(&color("green")));
        client.shutdown(PATIENCE).await.unwrap();
    }
}

/// The service of the test reconnects too, at its own pace.
async fn wait_until_back(client: &ShadowClient, shadow: &Shadow) {
    let mut events = client.connection_events();
    while !client.is_connected() {
        events.next().await.unwrap();
    }
    let mut options = RequestOptions::default();
    options.timeout = Some(Duration::from_millis(300));
    while shadow.get_with_options(options).await.is_err() {}
}

#[tokio::test]
async fn a_delta_of_a_kept_session_arrives_after_the_restart() {
    let Ok(mut broker) = Mosquitto::start(Config::new().persistent()) else {
        return skip_or_fail("mosquitto");
    };
    serve(&broker).await;
    for version in VERSIONS {
        let client = client(&broker, |options| {
            options.version = version;
            options.clean_start = false;
            options.session_expiry = Some(Duration::from_secs(600));
            options.client_id = format!("kept-{version}").replace(' ', "-");
            options.shadows.resync = transport_tokio::Resync::never();
        });
        let client = client.await;
        let mut events = client.connection_events();
        let shadow = lamp(&client, version);
        let mut deltas = shadow.deltas().unwrap();
        shadow.ready().await.unwrap();
        broker.stop();
        broker.restart();
        loop {
            use transport_tokio::ConnectionEvent::Connected;
            if let Connected(info) = timeout(PATIENCE, events.next()).await.unwrap().unwrap() {
                assert!(info.session_present, "{version}");
                break;
            }
        }
        let topic = format!("$aws/things/{}/shadow/update", shadow.id().thing());
        let update = r#"{"state":{"desired":{"color":"teal"}}}"#;
        // The service may not be back yet.
        let delta = loop {
            broker.publish(&topic, update);
            if let Ok(delta) = timeout(Duration::from_secs(1), deltas.next()).await {
                break delta.unwrap();
            }
        };
        assert_eq!(delta.state, color("teal"));
        client.shutdown(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn refused_credentials_are_typed() {
    let Ok(broker) = Mosquitto::start(Config::new().no_anonymous()) else {
        return skip_or_fail("mosquitto");
    };
    for version in VERSIONS {
        let mut options = ConnectOptions::from_url(&broker.url()).unwrap();
        options.version = version;
        let error = connect(options).await.unwrap_err();
        assert!(error.is_permanent(), "{error}");
    }
}
