//! The service as a client of Mosquitto.

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
use shadow_proto::{Topic, TopicPrefix};
use shadow_service::{
    MemoryStore, Service, Settings, UnixTime,
    local::{Clock, Options, Server, StartError, mqtt::AttachError},
    vectors::{self, Scenario, Seen, Times},
};
use std::sync::Arc;
use testkit::{Config, Mosquitto, skip_or_fail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use transport_tokio::{ConnectOptions, Message, Messages, MqttQos, ShadowClient};

const LIMIT: Duration = Duration::from_secs(20);

fn attached(url: &str) -> Options {
    let mut options = Options::default();
    options.mqtt = Some(ConnectOptions::from_url(url).unwrap());
    options
}

/// A client that publishes and hears everything about shadows.
struct Client {
    mqtt: ShadowClient,
    heard: Messages,
}

impl Client {
    async fn connect(url: &str, version: &str) -> Self {
        let mut options = ConnectOptions::from_url(url).unwrap();
        options.set_version(version).unwrap();
        options.unlimited();
        let mqtt = transport_tokio::connect(options).await.unwrap();
        let heard = mqtt.subscribe("$aws/things/#", MqttQos::AtLeastOnce);
        let heard = heard.await.unwrap();
        Self { mqtt, heard }
    }

    async fn publish(&self, topic: &str, payload: &str) {
        let payload = payload.to_owned();
        let published = self.mqtt.publish(topic, payload, MqttQos::AtLeastOnce);
        published.await.unwrap();
    }

    /// The answers until the one to a request made now, which the service serves after those
    /// before: classic and named shadows each have their own order.
    async fn until_quiet(&mut self, named: bool) -> Vec<Message> {
        let name = if named { "name/x/" } else { "" };
        let sentinel = format!("$aws/things/sentinel/shadow/{name}get");
        self.publish(&sentinel, "").await;
        let mut heard = Vec::new();
        loop {
            let message = tokio::time::timeout(LIMIT, self.heard.next()).await;
            let message = message.unwrap().unwrap().unwrap();
            if *message.topic == format!("{sentinel}/rejected") {
                return heard;
            }
            if !Topic::parse(&message.topic).unwrap().kind().is_request() {
                heard.push(message);
            }
        }
    }
}

async fn play(server: &Server, time: &AtomicU64, scenario: &Scenario, client: &mut Client) {
    let mut settings = Settings::default();
    settings.limits.max_document_bytes = scenario.max_document_bytes.unwrap_or(8192);
    settings.limits.max_depth = scenario.max_depth.unwrap_or(8);
    // A service that knows nothing yet, in place of the one before.
    *server.engine().service() = Service::with_store(settings, Box::new(MemoryStore::new()));
    let mut times = Times::new();
    for (number, step) in (1..).zip(&scenario.steps) {
        let now = vectors::START + 10 * number;
        time.store(now, Ordering::Relaxed);
        times.set(number, UnixTime::from_seconds(now).timestamp());
        client.publish(&step.topic(), &step.payload).await;
        let heard = client.until_quiet(step.shadow.shadow().is_some()).await;
        let seen = heard.iter().map(|message| {
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
}

#[tokio::test]
async fn e2e_every_scenario_holds_over_mosquitto() {
    // Without it, each small packet of the broker waits 40 ms for an acknowledgement.
    let quick = Config::new().line("set_tcp_nodelay true");
    let Ok(broker) = Mosquitto::start(quick) else {
        return skip_or_fail("mosquitto");
    };
    let time = Arc::new(AtomicU64::new(vectors::START));
    let now = Arc::clone(&time);
    let mut options = attached(&broker.url());
    options.clock = Clock::new(move || UnixTime::from_seconds(now.load(Ordering::Relaxed)));
    let server = Server::start(options).await.unwrap();
    for version in ["3.1.1", "5"] {
        let mut client = Client::connect(&broker.url(), version).await;
        for scenario in vectors::scenarios().unwrap() {
            play(&server, &time, &scenario, &mut client).await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn e2e_a_broker_that_went_away_and_came_back_is_served_again() {
    let Ok(mut broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    let url = broker.url();
    let mut options = attached(&url);
    options.mqtt.as_mut().unwrap().reconnect.base = Duration::from_millis(50);
    let server = Server::start(options).await.unwrap();
    let mut client = Client::connect(&url, "5").await;
    client
        .publish("$aws/things/lamp/shadow/update", r#"{"state":{}}"#)
        .await;
    assert_eq!(client.until_quiet(false).await.len(), 2);
    broker.kill();
    broker.restart();
    // Until the service is back, nobody answers: ask again and again.
    let mut client = Client::connect(&url, "5").await;
    let answered = async {
        loop {
            client.publish("$aws/things/lamp/shadow/get", "").await;
            let heard = tokio::time::timeout(Duration::from_millis(200), async {
                loop {
                    let message = client.heard.next().await.unwrap().unwrap();
                    if message.topic.ends_with("/get/accepted") {
                        return message;
                    }
                }
            });
            if let Ok(message) = heard.await {
                return message;
            }
        }
    };
    let answer = tokio::time::timeout(LIMIT, answered).await.unwrap();
    assert!(
        core::str::from_utf8(&answer.payload)
            .unwrap()
            .contains(r#""version":1"#)
    );
    server.stop().await;
}

#[tokio::test]
async fn e2e_a_second_service_is_refused() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    let first = Server::start(attached(&broker.url())).await.unwrap();
    let error = Server::start(attached(&broker.url())).await.unwrap_err();
    assert!(
        matches!(error, StartError::Attach(AttachError::NotAlone)),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "another shadow service answers on this broker"
    );
    let mut client = Client::connect(&broker.url(), "5").await;
    client
        .publish("$aws/things/lamp/shadow/update", r#"{"state":{}}"#)
        .await;
    assert_eq!(
        client.until_quiet(false).await.len(),
        2,
        "one answer, not two"
    );
    // Another prefix is another service's.
    let mut other = attached(&broker.url());
    other.settings.prefix = TopicPrefix::new("site").unwrap();
    let other = Server::start(other).await.unwrap();
    first.stop().await;
    let again = Server::start(attached(&broker.url())).await.unwrap();
    again.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn e2e_of_two_that_start_at_once_one_stays() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    let url = broker.url();
    let (a, b) = tokio::join!(Server::start(attached(&url)), Server::start(attached(&url)));
    let alone = match (a, b) {
        (Ok(alone), Err(_)) | (Err(_), Ok(alone)) => alone,
        (Ok(_), Ok(_)) => panic!("both stayed"),
        (Err(a), Err(b)) => panic!("none stayed: {a}; {b}"),
    };
    alone.stop().await;
}

#[tokio::test]
async fn e2e_what_the_broker_kept_is_no_request() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    broker.publish_with(&["-r"], "$aws/things/lamp/shadow/update", r#"{"state":{}}"#);
    let server = Server::start(attached(&broker.url())).await.unwrap();
    let mut client = Client::connect(&broker.url(), "5").await;
    let _kept = client.heard.next().await;
    assert!(client.until_quiet(false).await.is_empty());
    server.stop().await;
}

/// Connects, leaves a will, and is gone.
async fn vanish(broker: &Mosquitto, topic: &str, will: &str) {
    let fields = ["a-device", topic, will];
    let length = fields.iter().map(|field| 2 + field.len()).sum::<usize>() + 10;
    let mut connect = Vec::from([0x10, u8::try_from(length).unwrap()]);
    connect.extend(b"\x00\x04MQTT\x04\x0e\x00\x3c");
    for field in fields {
        connect.extend((field.len() as u16).to_be_bytes());
        connect.extend(field.as_bytes());
    }
    let mut device = TcpStream::connect(("127.0.0.1", broker.port()))
        .await
        .unwrap();
    device.write_all(&connect).await.unwrap();
    let mut accepted = [0; 4];
    let _ = device.read_exact(&mut accepted).await.unwrap();
    assert_eq!(accepted, [0x20, 2, 0, 0]);
}

/// On the shadow's own topic not as on AWS, since the broker publishes a will as it does anything
/// else; on an ordinary one by a rule, as there.
#[tokio::test]
async fn e2e_last_wills_are_served_as_the_help_says() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    let mut options = attached(&broker.url());
    options.republish = Vec::from(["presence/+=$aws/things/+/shadow/update".parse().unwrap()]);
    let server = Server::start(options).await.unwrap();
    let mut client = Client::connect(&broker.url(), "5").await;
    for topic in ["$aws/things/lamp/shadow/update", "presence/lamp"] {
        let will = format!(r#"{{"state":{{"reported":{{"by":"{topic}"}}}}}}"#);
        vanish(&broker, topic, &will).await;
        let answered = async {
            loop {
                let message = client.heard.next().await.unwrap().unwrap();
                if &*message.topic == "$aws/things/lamp/shadow/update/accepted" {
                    return message;
                }
            }
        };
        let answer = tokio::time::timeout(LIMIT, answered).await.unwrap();
        let text = core::str::from_utf8(&answer.payload).unwrap();
        assert!(text.contains(topic), "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn e2e_no_broker_is_an_error_at_the_start() {
    let port = testkit::free_port();
    let error = Server::start(attached(&format!("mqtt://127.0.0.1:{port}"))).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, StartError::Attach(AttachError::Connect(_))),
        "{error:?}"
    );
    assert!(!error.to_string().contains('\n'));
}

/// Mosquitto 2.0.11 sends a client of MQTT 5 more than its receive maximum when a queue drains; a
/// service that took that for the error it is lost its connection and the requests on it.
#[tokio::test]
async fn e2e_a_burst_of_requests_is_answered_on_one_connection() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    let server = Server::start(attached(&broker.url())).await.unwrap();
    let mut options = ConnectOptions::from_url(&broker.url()).unwrap();
    options.set_version("3.1.1").unwrap();
    options.unlimited();
    options.message_buffer = BURST;
    options.operation_timeout = LIMIT;
    let client = transport_tokio::connect(options).await.unwrap();
    let accepted = "$aws/things/+/shadow/update/accepted";
    let accepted = client.subscribe(accepted, MqttQos::AtLeastOnce);
    let mut accepted = accepted.await.unwrap();
    for index in 0..BURST {
        let topic = format!("$aws/things/lamp{index}/shadow/update");
        let update = r#"{"state":{"reported":{"on":true}}}"#;
        let published = client.publish(topic, update, MqttQos::AtLeastOnce);
        published.detach().unwrap();
    }
    for answered in 0..BURST {
        let message = tokio::time::timeout(LIMIT, accepted.next()).await;
        assert!(message.is_ok(), "{answered} of {BURST} answered");
        message.unwrap().unwrap().unwrap();
    }
    let log = broker.log();
    let errors = log.iter().filter(|line| line.contains("protocol error"));
    assert_eq!(errors.count(), 0);
    server.stop().await;
}

const BURST: usize = 900;
