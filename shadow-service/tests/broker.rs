//! The service on the embedded broker, over real connections of MQTT 3.1.1 and 5.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use mqtt5::{
    ConnectOptions, Message, MqttClient, ProtocolVersion, PublishOptions, QoS, SubscribeOptions,
    WillMessage,
};
use shadow_proto::Topic;
use shadow_service::{
    Retained, Settings, UnixTime,
    local::{
        Clock, ListenError, Options, Server, StartError,
        broker::{Broker, BrokerOptions},
    },
    vectors::{self, Scenario, Seen, Times},
};
use std::sync::Arc;
use tokio::sync::mpsc;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V311, ProtocolVersion::V5];

/// A client that hears everything below a filter.
struct Client {
    mqtt: MqttClient,
    heard: mpsc::UnboundedReceiver<Message>,
    /// How many requests were heard.
    requests: usize,
}

impl Client {
    async fn connect(server: &Server, options: ConnectOptions, filter: &str) -> Self {
        let options = options.with_automatic_reconnect(false);
        let mqtt = MqttClient::with_options(options.clone());
        let url = format!("mqtt://{}", server.mqtt_address().unwrap());
        mqtt.connect_with_options(&url, options).await.unwrap();
        let (sender, heard) = mpsc::unbounded_channel();
        let options = SubscribeOptions {
            qos: QoS::AtLeastOnce,
            ..SubscribeOptions::default()
        };
        let forward = move |message: Message| {
            let _ = sender.send(message);
        };
        mqtt.subscribe_with_options(filter, options, forward)
            .await
            .unwrap();
        let requests = 0;
        Self {
            mqtt,
            heard,
            requests,
        }
    }

    async fn publish(&self, topic: &str, payload: &str) {
        self.mqtt.publish_qos1(topic, payload).await.unwrap();
    }

    /// What the service publishes until it answers a request made now: answers leave in order.
    async fn until_quiet(&mut self) -> Vec<Message> {
        self.publish("$aws/things/sentinel/shadow/get", "").await;
        let mut heard = Vec::new();
        loop {
            let message = tokio::time::timeout(Duration::from_secs(10), self.heard.recv());
            let message = message.await.unwrap().unwrap();
            if message.topic == "$aws/things/sentinel/shadow/get/rejected" {
                return heard;
            }
            if is_request(&message.topic) {
                self.requests += 1;
            } else {
                heard.push(message);
            }
        }
    }
}

fn is_request(topic: &str) -> bool {
    let topic = Topic::parse(topic);
    topic.is_some_and(|topic| topic.kind().is_request())
}

fn version_5() -> ConnectOptions {
    ConnectOptions::new("test").with_protocol_version(ProtocolVersion::V5)
}

async fn play(scenario: &Scenario, version: ProtocolVersion) {
    let time = Arc::new(AtomicU64::new(vectors::START));
    let now = Arc::clone(&time);
    let mut settings = Settings::default();
    settings.limits.max_document_bytes = scenario.max_document_bytes.unwrap_or(8192);
    settings.limits.max_depth = scenario.max_depth.unwrap_or(8);
    let mut options = Options::on_free_ports();
    options.settings = settings;
    options.clock = Clock::new(move || UnixTime::from_seconds(now.load(Ordering::Relaxed)));
    let server = Server::start(options).await.unwrap();
    let client = ConnectOptions::new("test").with_protocol_version(version);
    let mut client = Client::connect(&server, client, "$aws/things/#").await;
    let mut times = Times::new();
    for (number, step) in (1..).zip(&scenario.steps) {
        let now = vectors::START + 10 * number;
        time.store(now, Ordering::Relaxed);
        times.set(number, UnixTime::from_seconds(now).timestamp());
        client.publish(&step.topic(), &step.payload).await;
        let heard = client.until_quiet().await;
        let seen = heard.iter().map(|message| {
            assert!(!message.retain);
            Seen::new(
                &message.topic,
                core::str::from_utf8(&message.payload).unwrap(),
            )
        });
        let seen: Vec<Seen> = seen.collect::<Result<_, _>>().unwrap();
        let stored = server.engine().service();
        let stored = stored
            .document(&step.shadow, UnixTime::from_seconds(now))
            .unwrap();
        let stored = stored.map(|document| document.to_json());
        let checked = step
            .ours()
            .check(&step.shadow, &seen, stored.as_deref(), &mut times);
        checked.unwrap_or_else(|error| panic!("{} step {number}: {error}", scenario.name));
    }
    client.mqtt.disconnect().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn every_scenario_holds() {
    for (number, scenario) in vectors::scenarios().unwrap().iter().enumerate() {
        play(scenario, VERSIONS[number % 2]).await;
    }
}

#[tokio::test]
async fn a_last_will_on_a_shadow_topic_is_seen_but_not_served() {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let mut watcher = Client::connect(&server, version_5(), "$aws/things/#").await;
    for version in VERSIONS {
        let topic = "$aws/things/lamp/shadow/update";
        let will = WillMessage::new(topic, r#"{"state":{"reported":{"on":false}}}"#);
        let options = ConnectOptions::new("lamp")
            .with_protocol_version(version)
            .with_will(will);
        let lamp = Client::connect(&server, options, "x").await;
        lamp.mqtt.disconnect_abnormally().await.unwrap();
        let seen = tokio::time::timeout(Duration::from_secs(10), watcher.heard.recv());
        assert_eq!(seen.await.unwrap().unwrap().topic, topic);
        let heard = watcher.until_quiet().await;
        assert!(heard.is_empty(), "{heard:?}");
    }
}

#[tokio::test]
async fn what_aws_forbids_ends_the_connection() {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let mut watcher = Client::connect(&server, version_5(), "$aws/things/#").await;
    for (topic, retain) in [
        ("$aws/things/lamp/shadow/update/delta", false),
        ("$aws/things/lamp/shadow/name/x/get/accepted", false),
        ("$aws/things/lamp/shadow/update", true),
    ] {
        let culprit = Client::connect(&server, ConnectOptions::new("culprit"), "x").await;
        let (sender, mut disconnected) = mpsc::unbounded_channel();
        let notify = move |event| {
            if let mqtt5::ConnectionEvent::Disconnected { .. } = event {
                let _ = sender.send(());
            }
        };
        culprit.mqtt.on_connection_event(notify).await.unwrap();
        let options = PublishOptions {
            retain,
            ..PublishOptions::default()
        };
        let _ = culprit
            .mqtt
            .publish_with_options(topic, "{\"state\":{}}", options)
            .await;
        let ended = tokio::time::timeout(Duration::from_secs(10), disconnected.recv()).await;
        assert!(ended.is_ok(), "{topic}");
    }
    let heard = watcher.until_quiet().await;
    assert!(heard.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn a_request_with_retain_is_dropped_or_served_if_so_assumed() {
    for (retained, answers) in [(Retained::Drop, 0), (Retained::Serve, 2)] {
        let mut options = Options::on_free_ports();
        options.settings.behaviour.retained = retained;
        let server = Server::start(options).await.unwrap();
        let mut client = Client::connect(&server, version_5(), "$aws/things/#").await;
        let options = PublishOptions {
            retain: true,
            qos: QoS::AtLeastOnce,
            ..PublishOptions::default()
        };
        let topic = "$aws/things/lamp/shadow/update";
        let published = client
            .mqtt
            .publish_with_options(topic, r#"{"state":{}}"#, options);
        published.await.unwrap();
        // The connection is the same one still.
        assert_eq!(client.until_quiet().await.len(), answers, "{retained:?}");
        // Nothing is kept for those who come later.
        let late = ConnectOptions::new("late");
        let mut late = Client::connect(&server, late, "$aws/things/#").await;
        let heard = late.until_quiet().await;
        assert!(heard.is_empty(), "{heard:?}");
        assert_eq!(late.requests, 1, "the one that asks for quiet");
    }
}

#[tokio::test]
async fn other_topics_are_an_ordinary_brokers() {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let mut client = Client::connect(&server, version_5(), "site/#").await;
    for topic in ["site/a", "site/é/x", "site/b"] {
        client.publish(topic, "hello").await;
        let message = tokio::time::timeout(Duration::from_secs(10), client.heard.recv());
        assert_eq!(message.await.unwrap().unwrap().topic, topic);
    }
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let taken = server.mqtt_address().unwrap();
    let mut options = Options::on_free_ports();
    options.broker.as_mut().unwrap().listen = taken;
    let error = Server::start(options).await.unwrap_err();
    let StartError::Listen(error) = error else {
        panic!("{error}");
    };
    assert!(matches!(error, ListenError::AddressInUse { address } if address == taken));
    let mut options = BrokerOptions::default();
    options.listen = "192.0.2.1:0".parse().unwrap();
    let error = Broker::bare(&options).await.unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Listen(ListenError::AddressNotAvailable { .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn stopping_frees_the_address() {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let address = server.mqtt_address().unwrap();
    let client = Client::connect(&server, version_5(), "x").await;
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop(client);
    let mut options = Options::on_free_ports();
    options.broker.as_mut().unwrap().listen = address;
    let again = Server::start(options).await.unwrap();
    drop(again);
}
