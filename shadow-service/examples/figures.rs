//! How fast the local server is, on this machine: updates a second of documents of 1 KB, and the
//! memory of many shadows.
//!
//! `cargo run --release -p shadow-service --features server --example figures [SECONDS]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example says what it finds"
)]
#![expect(clippy::std_instead_of_alloc, reason = "an example is std's")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use core::{future::Future, net::SocketAddr, time::Duration};
use shadow_proto::{Operation, ShadowId};
use shadow_service::{
    FileStore, MemoryStore, Service, Settings, UnixTime,
    local::{DynStore, Engine, EngineOptions, Options, Server},
};
use std::{collections::BTreeMap, path::PathBuf, time::Instant};
use tokio::task::JoinSet;
use transport_tokio::{ConnectOptions, Json, RestClient, RestOptions, Update};

/// Tasks that send at once.
const SENDERS: usize = 16;
const SHADOWS: usize = 100_000;

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .nth(1)
        .map_or(3, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    println!(
        "memory of {SHADOWS} shadows of 1 KB: {} MiB",
        memory() >> 20
    );
    println!("updates a second, documents of 1 KB, {SENDERS} senders, one after another each:");
    for kept in [false, true] {
        let what = if kept { "on disk" } else { "in memory" };
        println!("  in-process, {what}: {:.0}", in_process(time, kept).await);
        println!("  over MQTT,  {what}: {:.0}", over_mqtt(time, kept).await);
        println!("  over REST,  {what}: {:.0}", over_rest(time, kept).await);
    }
}

fn store(kept: bool) -> (DynStore, Option<PathBuf>) {
    if !kept {
        return (Box::new(MemoryStore::new()), None);
    }
    let directory = std::env::temp_dir().join(format!("shadow-figures-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    (
        Box::new(FileStore::open(&directory).unwrap()),
        Some(directory),
    )
}

fn payload() -> String {
    format!(r#"{{"state":{{"reported":{}}}}}"#, state())
}

fn state() -> String {
    format!(r#"{{"text":"{}"}}"#, "x".repeat(1000))
}

fn shadow(number: usize) -> ShadowId {
    ShadowId::classic(&format!("thing-{number:06}")).unwrap()
}

/// What the process grew by, in bytes; 0 where the system does not say.
fn memory() -> u64 {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes =
            line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1024
    };
    let before = resident();
    let mut service = Service::new(Settings::default());
    let payload = payload();
    for number in 0..SHADOWS {
        let now = UnixTime::from_seconds(1_767_225_600);
        let _ = service
            .update(&shadow(number), payload.as_bytes(), now)
            .unwrap();
    }
    let grown = resident().saturating_sub(before);
    drop(service);
    grown
}

async fn in_process(time: Duration, kept: bool) -> f64 {
    let (store, directory) = store(kept);
    let service = Service::with_store(Settings::default(), store);
    let (engine, mut messages) = Engine::new(service, EngineOptions::default());
    let heard = tokio::spawn(async move { while messages.recv().await.is_some() {} });
    let rate = race(time, |number, end| {
        let (engine, shadow, payload) = (engine.clone(), shadow(number), payload());
        async move {
            let mut done = 0;
            while Instant::now() < end {
                let update = engine.call(&shadow, Operation::Update, payload.as_bytes());
                let _ = update.await.unwrap();
                done += 1;
            }
            done
        }
    })
    .await;
    heard.abort();
    drop(engine);
    directory.map(std::fs::remove_dir_all);
    rate
}

async fn serve(kept: bool) -> (Server, Option<PathBuf>) {
    let (store, directory) = store(kept);
    let mut options = Options::on_free_ports();
    options.store = Some(store);
    options.http = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    (Server::start(options).await.unwrap(), directory)
}

async fn over_mqtt(time: Duration, kept: bool) -> f64 {
    let (server, directory) = serve(kept).await;
    let url = format!("mqtt://{}", server.mqtt_address().unwrap());
    let mut options = ConnectOptions::from_url(&url).unwrap();
    options.unlimited();
    let client = transport_tokio::connect(options).await.unwrap();
    let rate = race(time, |number, end| {
        let shadow = client.shadow(shadow(number)).unwrap();
        let state = BTreeMap::from([("text", "x".repeat(1000))]);
        async move {
            let mut done = 0;
            while Instant::now() < end {
                let _ = shadow.report(&state).await.unwrap();
                done += 1;
            }
            done
        }
    })
    .await;
    let _ = client.shutdown(Duration::from_secs(5)).await;
    server.stop().await;
    directory.map(std::fs::remove_dir_all);
    rate
}

async fn over_rest(time: Duration, kept: bool) -> f64 {
    let (server, directory) = serve(kept).await;
    let url = format!("http://{}", server.http_address().unwrap());
    let rate = race(time, |number, end| {
        let client = RestClient::new(RestOptions::new(&url).unwrap());
        let (shadow, state) = (shadow(number), Json::from_text(&state()).unwrap());
        async move {
            let mut done = 0;
            while Instant::now() < end {
                let update = Update::reported(&state);
                let _ = client.update(&shadow, &update).await.unwrap();
                done += 1;
            }
            done
        }
    })
    .await;
    server.stop().await;
    directory.map(std::fs::remove_dir_all);
    rate
}

/// Lets all senders run until the time is up; what they did together, each second.
async fn race<F>(time: Duration, sender: impl Fn(usize, Instant) -> F) -> f64
where
    F: Future<Output = u64> + Send + 'static,
{
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        senders.spawn(sender(number, began + time));
    }
    let done: u64 = senders.join_all().await.into_iter().sum();
    done as f64 / began.elapsed().as_secs_f64()
}
