//! Shadow updates as one writes them with an MQTT client and nothing else: rumqttc, serde_json, uuid tokens in a
//! `HashMap`, a time limit for each answer. No retries, no reconnecting beyond rumqttc's own, no versions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_kit::{Args, CONNECTED, thing, things, workers};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS, TlsConfiguration,
    Transport,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::sync::oneshot;
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
    options.set_keep_alive(args.keep_alive.unwrap_or_else(|| options.keep_alive()));
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
    tokio::spawn(run(events, Arc::clone(&outstanding)));
    let device = |worker| Device {
        client: client.clone(),
        outstanding: Arc::clone(&outstanding),
        thing: thing(worker % count),
    };
    workers::measure(&args, device).await;
    client.disconnect().await?;
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

struct Device {
    client: AsyncClient,
    outstanding: Outstanding,
    thing: String,
}

impl workers::Device for Device {
    async fn report(&self) -> Result<u64, String> {
        let answer = self.update(&json!({"temperature": 21.5})).await;
        let version = answer.map_err(|error| error.to_string())?["version"].as_u64();
        version.ok_or_else(|| "no version".to_owned())
    }
}

impl Device {
    /// Reports the state and returns what the service answered.
    async fn update(&self, state: &Value) -> Result<Value, Failure> {
        let token = Uuid::new_v4().to_string();
        let (sender, receiver) = oneshot::channel();
        let lock = "nobody panics with it";
        self.outstanding
            .lock()
            .expect(lock)
            .insert(token.clone(), sender);
        let topic = format!("$aws/things/{}/shadow/update", self.thing);
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
