//! The whole client under turmoil: a network that partitions, holds packets back and refuses, in
//! virtual time.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

#[path = "../../transport-core/tests/support/broker.rs"]
mod broker;

use core::{future::Future, time::Duration};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use broker::Broker;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use transport_tokio::{
    ConnectOptions, ConnectionEvent, ConnectionEvents, DisconnectReason, Json, MqttVersion, Qos,
    RequestFailure, Shadow, ShadowClient, ShadowId, connect_with, start_with,
};
use turmoil::{
    Builder, Sim, hold,
    net::{TcpListener, TcpStream},
    partition, partition_oneway, release, repair, repair_oneway,
};

/// One step of a simulation; what is measured is that exact.
const TICK: Duration = Duration::from_millis(5);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The broker on its host: it outlives connections, and a message can be given to it at any time.
#[derive(Clone)]
struct Host {
    broker: Arc<Mutex<Broker>>,
    given: Arc<Notify>,
}

impl Host {
    fn new() -> Self {
        Self {
            broker: Arc::new(Mutex::new(Broker::new())),
            given: Arc::new(Notify::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap()
    }

    fn publish(&self, topic: &str, payload: &str) {
        self.lock().publish(topic, payload);
        self.given.notify_one();
    }

    /// How often each message with this topic came from the client.
    fn heard(&self, topic: &str) -> BTreeMap<String, usize> {
        let mut heard = BTreeMap::new();
        let prefix = format!("publish {topic} ");
        for line in &self.lock().log {
            if let Some(payload) = line.strip_prefix(&prefix) {
                *heard.entry(payload.to_owned()).or_default() += 1;
            }
        }
        heard
    }

    /// Takes one connection at a time: a new one pushes the old one off.
    async fn run(self) -> turmoil::Result {
        let listener = TcpListener::bind(("0.0.0.0", 1883)).await?;
        let mut stream = listener.accept().await?.0;
        loop {
            self.lock().reset();
            tokio::select! {
                accepted = listener.accept() => stream = accepted?.0,
                () = self.serve(&mut stream) => {
                    self.lock().reset();
                    stream = listener.accept().await?.0;
                }
            }
        }
    }

    async fn serve(&self, stream: &mut TcpStream) {
        let mut bytes = [0; 1024];
        loop {
            let count = tokio::select! {
                count = stream.read(&mut bytes) => count.unwrap_or(0),
                () = self.given.notified() => {
                    let output = self.lock().take_output();
                    if stream.write_all(&output).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            let (more, output) = {
                let mut broker = self.lock();
                let more = count > 0 && broker.feed(bytes.get(..count).unwrap());
                (more, broker.take_output())
            };
            if stream.write_all(&output).await.is_err() || !more {
                return;
            }
        }
    }
}

/// A simulation with a broker, in which `device` runs to its end.
fn simulate<F: Future<Output = ()> + 'static>(host: &Host, device: F) {
    let mut sim: Sim<'_> = Builder::new()
        .simulation_duration(Duration::from_secs(3600))
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(5))
        .max_message_latency(Duration::from_millis(20))
        .rng_seed(4)
        .build();
    let host = host.clone();
    sim.host("broker", move || host.clone().run());
    sim.client("device", async move {
        device.await;
        Ok(())
    });
    sim.run().unwrap();
}

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::from_url("mqtt://broker").unwrap();
    options.version = MqttVersion::V3_1_1;
    options.clean_start = false;
    options.keep_alive = KEEP_ALIVE;
    options.mqtt.ping_timeout = PING_TIMEOUT;
    options.reconnect.jitter_percent = 0;
    options
}

async fn dial(port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect(("broker", port)).await
}

async fn connected() -> (ShadowClient, ConnectionEvents) {
    let client = connect_with(options(), |_| dial(1883)).await.unwrap();
    let events = client.connection_events();
    (client, events)
}

/// The next event of a kind, or of the end.
async fn until(
    events: &mut ConnectionEvents,
    wanted: impl Fn(&ConnectionEvent) -> bool,
) -> ConnectionEvent {
    loop {
        let event = events.next().await.unwrap();
        if wanted(&event) {
            return event;
        }
    }
}

fn is_connected(event: &ConnectionEvent) -> bool {
    matches!(event, ConnectionEvent::Connected(_))
}

fn is_lost(event: &ConnectionEvent) -> bool {
    matches!(event, ConnectionEvent::Disconnected { .. })
}

fn lamp(client: &ShadowClient) -> Shadow {
    client.shadow(ShadowId::classic("lamp").unwrap()).unwrap()
}

fn color(color: &str) -> Json {
    Json::from_text(&format!(r#"{{"color":"{color}"}}"#)).unwrap()
}

#[test]
fn a_partition_is_noticed_by_the_keep_alive_and_not_before() {
    simulate(&Host::new(), async {
        let (_client, mut events) = connected().await;
        sleep(KEEP_ALIVE * 5).await;
        let since = Instant::now();
        partition("device", "broker");
        let event = until(&mut events, is_lost).await;
        let ConnectionEvent::Disconnected { reason, .. } = event else {
            return;
        };
        assert_eq!(reason, DisconnectReason::PingTimeout);
        let took = since.elapsed();
        assert!(took >= PING_TIMEOUT, "{took:?}");
        assert!(took <= KEEP_ALIVE + PING_TIMEOUT + TICK * 2, "{took:?}");
        repair("device", "broker");
        until(&mut events, is_connected).await;
    });
}

#[test]
fn a_connection_that_is_open_in_one_direction_is_no_connection() {
    for (from, to) in [("broker", "device"), ("device", "broker")] {
        let host = Host::new();
        let its = host.clone();
        simulate(&host, async move {
            let (client, mut events) = connected().await;
            partition_oneway(from, to);
            let sent = client.publish("t", "1", Qos::AtLeastOnce);
            until(&mut events, is_lost).await;
            repair_oneway(from, to);
            let ConnectionEvent::Connected(info) = until(&mut events, is_connected).await else {
                return;
            };
            assert!(info.session_present);
            // The future has its own deadline; the session repeats the message all the same.
            drop(sent.await);
            sleep(Duration::from_secs(1)).await;
            assert_eq!(its.heard("t").keys().collect::<Vec<_>>(), ["1"]);
        });
    }
}

#[test]
fn a_partition_before_the_connack_is_another_attempt() {
    // Whether the broker has seen the CONNECT or not, and whether the session was there before.
    for one_way in [false, true] {
        for known in [false, true] {
            let host = Host::new();
            let its = host.clone();
            simulate(&host, async move {
                if known {
                    let (client, _) = connected().await;
                    client.shutdown(Duration::from_secs(5)).await.unwrap();
                }
                its.lock().take_log();
                let mut attempts = 0;
                let connector = move |_| {
                    attempts += 1;
                    let first = attempts == 1;
                    async move {
                        let stream = dial(1883).await?;
                        match first {
                            true if one_way => partition_oneway("broker", "device"),
                            true => partition("device", "broker"),
                            false => {}
                        }
                        Ok::<_, std::io::Error>(stream)
                    }
                };
                let mut options = options();
                options.connect_timeout = Duration::from_secs(7);
                let client = start_with(options, connector).unwrap();
                let mut events = client.connection_events();
                let waits = lamp(&client).get();
                let failed = |event: &ConnectionEvent| {
                    matches!(event, ConnectionEvent::ConnectFailed { .. })
                };
                let since = Instant::now();
                let event = until(&mut events, failed).await.to_string();
                assert!(event.contains("could not be reached in time"), "{event}");
                assert_eq!(since.elapsed().as_secs(), 7);
                let log = its.lock().take_log();
                let seen = log.iter().any(|line| line.starts_with("connect"));
                assert_eq!(seen, one_way, "{log:?}");
                // Its time is over too.
                assert!(waits.await.is_err());
                match one_way {
                    true => repair_oneway("broker", "device"),
                    false => repair("device", "broker"),
                }
                let ConnectionEvent::Connected(info) = until(&mut events, is_connected).await
                else {
                    return;
                };
                assert_eq!(info.session_present, known || one_way);
                assert!(lamp(&client).get().await.unwrap_err().is_not_found());
            });
        }
    }
}

#[test]
fn packets_that_are_late_change_nothing() {
    simulate(&Host::new(), async {
        let (client, mut events) = connected().await;
        let shadow = lamp(&client);
        let mut deltas = shadow.deltas().unwrap();
        shadow.ready().await.unwrap();
        hold("device", "broker");
        let desired = shadow.desire(&color("red"));
        sleep(Duration::from_secs(4)).await;
        release("device", "broker");
        desired.await.unwrap();
        assert_eq!(deltas.next().await.unwrap().state, color("red"));
        client.shutdown(Duration::from_secs(5)).await.unwrap();
        let event = events.next().await.unwrap();
        assert!(is_lost(&event), "no event before the end: {event}");
    });
}

#[test]
fn a_session_is_resumed_with_nothing_lost() {
    let host = Host::new();
    let its = host.clone();
    simulate(&host, async move {
        let mut options = options();
        options.operation_timeout = Duration::from_secs(600);
        let client = connect_with(options, |_| dial(1883)).await.unwrap();
        let mut events = client.connection_events();
        let subscribing = client.subscribe("to/device", Qos::AtLeastOnce);
        let mut messages = subscribing.await.unwrap();
        let mut publishing = Vec::new();
        for round in 0..8 {
            for index in 0..5 {
                let payload = format!("{round}.{index}");
                publishing.push(client.publish("to/broker", payload, Qos::AtLeastOnce));
                sleep(Duration::from_millis(7)).await;
            }
            partition("device", "broker");
            for index in 5..10 {
                let payload = format!("{round}.{index}");
                publishing.push(client.publish("to/broker", payload, Qos::AtLeastOnce));
                its.publish("to/device", &format!("{round}.{index}"));
            }
            until(&mut events, is_lost).await;
            repair("device", "broker");
            let event = until(&mut events, is_connected).await;
            assert!(matches!(event, ConnectionEvent::Connected(info) if info.session_present));
            its.publish("to/device", &format!("{round}.x"));
        }
        for publishing in publishing {
            publishing.await.unwrap();
        }
        // At least once, which can be more than once.
        assert_eq!(its.heard("to/broker").len(), 80);
        let mut heard = BTreeMap::new();
        while heard.len() < 8 * 6 {
            let message = timeout(Duration::from_secs(60), messages.next()).await;
            let message = message.unwrap().unwrap().unwrap();
            *heard.entry(message.payload).or_insert(0) += 1;
        }
    });
}

#[test]
fn a_delta_that_was_sent_into_a_partition_arrives() {
    let host = Host::new();
    let its = host.clone();
    simulate(&host, async move {
        let (client, mut events) = connected().await;
        let shadow = lamp(&client);
        let mut deltas = shadow.deltas().unwrap();
        shadow.ready().await.unwrap();
        partition("device", "broker");
        let update = r#"{"state":{"desired":{"color":"teal"}}}"#;
        its.publish("$aws/things/lamp/shadow/update", update);
        until(&mut events, is_lost).await;
        repair("device", "broker");
        assert_eq!(deltas.next().await.unwrap().state, color("teal"));
        shadow.report(&color("teal")).await.unwrap();
        assert!(shadow.get().await.unwrap().delta.is_absent());
    });
}

#[test]
fn each_request_has_its_outcome_in_time_however_the_network_is() {
    simulate(&Host::new(), async {
        let (client, _events) = connected().await;
        let shadow = lamp(&client);
        shadow.get().await.unwrap_err();
        for round in 0..20_u64 {
            let begin = Instant::now();
            let request = shadow.report(&color("red"));
            sleep(Duration::from_millis(round * 3)).await;
            partition("device", "broker");
            let outcome = request.await;
            let took = begin.elapsed();
            assert!(took <= Duration::from_secs(5) + TICK * 2, "{took:?}");
            assert!(
                matches!(outcome, Ok(_) | Err(RequestFailure::Failure(_))),
                "{outcome:?}"
            );
            repair("device", "broker");
        }
        // The partitions are over.
        loop {
            if shadow.report(&color("blue")).await.is_ok() {
                break;
            }
        }
    });
}

#[test]
fn a_shutdown_keeps_its_deadline_while_the_network_is_down() {
    for busy in [false, true] {
        for connected_before in [false, true] {
            simulate(&Host::new(), async move {
                let client = if connected_before {
                    connected().await.0
                } else {
                    hold("device", "broker");
                    start_with(options(), |_| dial(1883)).unwrap()
                };
                if connected_before {
                    partition("device", "broker");
                }
                let request = busy.then(|| lamp(&client).get());
                sleep(Duration::from_millis(100)).await;
                let begin = Instant::now();
                let ended = client.shutdown(Duration::from_secs(3)).await;
                let took = begin.elapsed();
                assert!(took <= Duration::from_secs(3) + TICK * 2, "{took:?}");
                assert_eq!(ended.is_err(), busy, "{ended:?}");
                if let Some(request) = request {
                    assert!(request.await.is_err());
                }
            });
        }
    }
}

#[test]
fn delays_double_while_nobody_listens_and_begin_anew_after_a_stable_connection() {
    simulate(&Host::new(), async {
        let times = Arc::new(Mutex::new(Vec::new()));
        let port = Arc::new(Mutex::new(1));
        let connector = {
            let (times, port) = (Arc::clone(&times), Arc::clone(&port));
            move |_| {
                times.lock().unwrap().push(Instant::now());
                dial(*port.lock().unwrap())
            }
        };
        let seconds = |times: &Mutex<Vec<Instant>>| {
            let times = core::mem::take(&mut *times.lock().unwrap());
            let apart = times.windows(2).map(|pair| pair[1] - pair[0]);
            // Each attempt takes a moment to be refused.
            apart.map(|apart| apart.as_secs()).collect::<Vec<_>>()
        };
        let client = start_with(options(), connector).unwrap();
        let mut events = client.connection_events();
        sleep(Duration::from_secs(140)).await;
        assert_eq!(seconds(&times), [1, 2, 4, 8, 16, 32, 32, 32]);
        *port.lock().unwrap() = 1883;
        until(&mut events, is_connected).await;
        sleep(Duration::from_secs(21)).await;
        times.lock().unwrap().clear();
        *port.lock().unwrap() = 1;
        partition("device", "broker");
        let event = until(&mut events, is_lost).await;
        repair("device", "broker");
        let ConnectionEvent::Disconnected { retry_in, .. } = event else {
            return;
        };
        assert_eq!(retry_in, Some(Duration::from_secs(1)));
        sleep(Duration::from_secs(20)).await;
        assert_eq!(seconds(&times), [2, 4, 8]);
    });
}

#[test]
fn an_attempt_into_a_partition_is_given_up_and_made_again() {
    simulate(&Host::new(), async {
        // Unlike a partition, which turmoil refuses connections across at once.
        hold("device", "broker");
        let mut options = options();
        options.connect_timeout = Duration::from_secs(7);
        let client = start_with(options, |_| dial(1883)).unwrap();
        let mut events = client.connection_events();
        let failed =
            |event: &ConnectionEvent| matches!(event, ConnectionEvent::ConnectFailed { .. });
        let event = until(&mut events, failed).await.to_string();
        assert!(event.contains("could not be reached in time"), "{event}");
        release("device", "broker");
        until(&mut events, is_connected).await;
    });
}
