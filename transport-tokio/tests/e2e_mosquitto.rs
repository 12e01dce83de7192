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
    ConnectError, ConnectOptions, Failure, Json, MqttVersion, Qos, RequestFailure, RequestOptions,
    Shadow, ShadowClient, ShadowId, Stage, connect, start,
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

fn thing(version: MqttVersion) -> &'static str {
    match version {
        MqttVersion::V3_1_1 => "lamp3",
        MqttVersion::V5 => "lamp5",
    }
}

fn lamp(client: &ShadowClient, version: MqttVersion) -> Shadow {
    let id = ShadowId::classic(thing(version)).unwrap();
    client.shadow(id).unwrap()
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

/// The device is off while the delta is sent and while the broker restarts; what it gets is the
/// message that the broker kept, since it fetches nothing.
#[tokio::test]
async fn a_delta_sent_while_the_device_was_away_arrives_after_it_returns() {
    let Ok(mut broker) = Mosquitto::start(Config::new().persistent()) else {
        return skip_or_fail("mosquitto");
    };
    serve(&broker).await;
    let ways = VERSIONS.map(|version| [(version, true), (version, false)]);
    for (version, before_the_connection) in ways.into_iter().flatten() {
        let options = || {
            let mut options = ConnectOptions::from_url(&broker.url()).unwrap();
            options.version = version;
            let id = format!("away-{version}-{before_the_connection}");
            options.client_id = id.replace(' ', "-");
            options.clean_start = false;
            options.session_expiry = Some(Duration::from_secs(600));
            options.shadows.resync = transport_tokio::Resync::never();
            options
        };
        let before = connect(options()).await.unwrap();
        let shadow = lamp(&before, version);
        let deltas = shadow.deltas().unwrap();
        shadow.ready().await.unwrap();
        // With the stream still there, so that the session keeps its filter.
        before.shutdown(PATIENCE).await.unwrap();
        drop((deltas, shadow, before));
        let topic = format!("$aws/things/{}/shadow/update", thing(version));
        let other = client(&broker, |_| {}).await;
        let told = other.subscribe(&format!("{topic}/delta"), Qos::AtLeastOnce);
        let mut told = told.await.unwrap();
        // The service may not be back yet. Once it has answered, the delta is in the queue of the
        // one who is away.
        loop {
            broker.publish(&topic, r#"{"state":{"desired":{"color":"teal"}}}"#);
            if let Ok(told) = timeout(Duration::from_secs(1), told.next()).await {
                break drop(told.unwrap().unwrap());
            }
        }
        other.shutdown(PATIENCE).await.unwrap();
        let options = options();
        broker.stop();
        broker.restart();

        // What is kept comes right behind the CONNACK: to a shadow that is followed before, or it
        // waits a moment for one that is followed afterwards.
        let after = match before_the_connection {
            true => start(options).unwrap(),
            false => connect(options).await.unwrap(),
        };
        let shadow = lamp(&after, version);
        let mut deltas = shadow.deltas().unwrap();
        let delta = timeout(PATIENCE, deltas.next()).await.unwrap().unwrap();
        assert_eq!(delta.state, color("teal"), "{version}");
        after.shutdown(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_shared_subscription_gives_each_message_to_one_of_the_group() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    for version in VERSIONS {
        let mut group = Vec::new();
        for _ in 0..2 {
            let member = client(&broker, |options| options.version = version).await;
            // Not one of AWS's topics: Mosquitto does not match those that begin with a dollar.
            let filter = "$share/group/jobs/+";
            let messages = member.subscribe(filter, Qos::AtLeastOnce).await.unwrap();
            group.push((member, messages));
        }
        let publisher = client(&broker, |options| options.version = version).await;
        for index in 0..20 {
            let topic = format!("jobs/{index}");
            let publishing = publisher.publish(topic, "{}", Qos::AtLeastOnce);
            publishing.await.unwrap();
        }
        let [(_first, a), (_second, b)] = &mut group[..] else {
            panic!("two of them");
        };
        let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
        while of_a.len() + of_b.len() < 20 {
            let both = async {
                tokio::select! {
                    message = a.next() => of_a.push(message.unwrap().unwrap().topic),
                    message = b.next() => of_b.push(message.unwrap().unwrap().topic),
                }
            };
            timeout(PATIENCE, both).await.unwrap();
        }
        assert!(!of_a.is_empty() && !of_b.is_empty(), "{version}");
        let mut all = [of_a, of_b].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 20, "each to one of them");
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
        options.user_name = Some("nobody".into());
        options.password = Some("hush".into());
        let error = connect(options).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
        assert!(error.is_permanent(), "{error}");
        assert!(error.to_string().contains("not authorized"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
