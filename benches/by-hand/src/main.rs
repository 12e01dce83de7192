//! Shadow updates as one writes them with an MQTT client and nothing else: rumqttc, serde_json, uuid tokens in a
//! `HashMap`, a time limit for each answer. No retries, no reconnecting beyond rumqttc's own, no versions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bench_kit::{Args, CONNECTED, Measured, Tally, thing, things};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS, TlsConfiguration,
    Transport,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use uuid::Uuid;

type Failure = Box<dyn std::error::Error>;
type Outstanding = Arc<Mutex<HashMap<String, oneshot::Sender<Result<Value, Value>>>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args = Args::read();
    let mut options = MqttOptions::new("bench-rumqttc", args.host(), args.port);
    options.set_inflight(1_000);
    if let Some(ca) = &args.ca {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls(
            ca,
        )?)));
    }
    options.set_keep_alive(args.keep_alive.unwrap_or(options.keep_alive()));
    let (client, mut events) = AsyncClient::new(options, 1_000);
    if !args.default_nagle {
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
    }
    while !matches!(events.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
    println!("{CONNECTED}");
    if args.idle {
        let polling = async { while events.poll().await.is_ok() {} };
        let _ = tokio::time::timeout(args.time, polling).await;
        println!("resident {}", bench_kit::tally::resident_kib());
        return Ok(());
    }

    let count = things(args.outstanding);
    let mut missing = 2 * count;
    for n in 0..count {
        for answer in ["accepted", "rejected"] {
            let filter = format!("$aws/things/{}/shadow/update/{answer}", thing(n));
            client.subscribe(filter, QoS::AtLeastOnce).await?;
        }
    }
    while missing > 0 {
        if let Event::Incoming(Packet::SubAck(_)) = events.poll().await? {
            missing -= 1;
        }
    }
    let outstanding = Outstanding::default();
    let device = Device {
        client,
        outstanding: Arc::clone(&outstanding),
    };
    tokio::spawn(run(events, outstanding));
    work(&device, args.outstanding, Until::Count(20)).await;
    let measured = Measured::begin();
    let until = match args.count {
        Some(count) => Until::Count(count),
        None => Until::Time(Instant::now() + args.time),
    };
    let tally = work(&device, args.outstanding, until).await;
    measured.end(tally);
    device.client.disconnect().await?;
    Ok(())
}

fn tls(ca: &std::path::Path) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Clone)]
struct Device {
    client: AsyncClient,
    outstanding: Outstanding,
}

impl Device {
    /// Reports the state and returns what the service answered.
    async fn report(&self, thing: &str, state: &Value) -> Result<Value, Failure> {
        let token = Uuid::new_v4().to_string();
        let (sender, receiver) = oneshot::channel();
        let lock = "nobody panics with it";
        self.outstanding
            .lock()
            .expect(lock)
            .insert(token.clone(), sender);
        let topic = format!("$aws/things/{thing}/shadow/update");
        let payload = json!({"state": {"reported": state}, "clientToken": token}).to_string();
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .await?;
        let answer = tokio::time::timeout(Duration::from_secs(5), receiver).await;
        if answer.is_err() {
            self.outstanding.lock().expect(lock).remove(&token);
        }
        answer??.map_err(|rejected| rejected.to_string().into())
    }
}

/// Hands each answer to who waits for it.
async fn run(mut events: EventLoop, outstanding: Outstanding) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let Ok(value) = serde_json::from_slice::<Value>(&message.payload) else {
                    continue;
                };
                let Some(token) = value["clientToken"].as_str() else {
                    continue;
                };
                let waiting = outstanding
                    .lock()
                    .expect("nobody panics with it")
                    .remove(token);
                if let Some(waiting) = waiting {
                    let levels: Vec<&str> = message.topic.split('/').collect();
                    let _ = waiting.send(match levels.as_slice() {
                        ["$aws", "things", _, "shadow", "update", "accepted"] => Ok(value),
                        _ => Err(value),
                    });
                }
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("bench-rumqttc: {error}");
                return;
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Until {
    /// That many requests of each worker.
    Count(usize),
    Time(Instant),
}

/// As many workers as there may be outstanding requests, each with one at a time.
async fn work(device: &Device, workers: usize, until: Until) -> Tally {
    let mut running = JoinSet::new();
    for worker in 0..workers {
        let device = device.clone();
        let thing = thing(worker % things(workers));
        running.spawn(async move {
            let mut tally = Tally::default();
            let more = |tally: &Tally| match until {
                Until::Count(count) => tally.count() < count,
                Until::Time(end) => Instant::now() < end,
            };
            while more(&tally) {
                let sent = Instant::now();
                match device.report(&thing, &json!({"temperature": 21.5})).await {
                    Ok(answer) => match answer["version"].as_u64() {
                        Some(version) => tally.done(sent, version),
                        None => tally.failed("no version"),
                    },
                    Err(error) => tally.failed(error),
                }
            }
            tally
        });
    }
    let mut sum = Tally::default();
    while let Some(tally) = running.join_next().await {
        sum.add(tally.expect("it does not panic"));
    }
    sum
}
