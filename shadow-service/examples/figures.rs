//! How fast the local server is, on this machine, as the table of the guide: updates a second of
//! documents of 1 KB, the memory of many shadows, and how long a start with them takes.
//!
//! `cargo run --release -p shadow-service --features server --example figures [SECONDS]`, where each
//! of six ways is measured in three rounds of so many seconds, and the middle one counts.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example says what it finds"
)]
#![expect(clippy::std_instead_of_alloc, reason = "an example is std's")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

#[path = "../tests/unsynced/mod.rs"]
mod unsynced;

use core::{future::Future, net::SocketAddr, time::Duration};
use redb::{StorageBackend as _, backends::FileBackend};
use shadow_proto::{Operation, ShadowId};
use shadow_service::{
    FileStore, MemoryStore, Service, Settings, Store, UnixTime,
    local::{DynStore, Engine, EngineOptions, Options, Server},
};
use std::{collections::BTreeMap, fs, path::Path, time::Instant};
use tokio::task::JoinSet;
use transport_tokio::{ConnectOptions, Json, RestClient, RestOptions, Update};
use unsynced::Unsynced;

/// Tasks that send at once.
const SENDERS: usize = 16;
const SHADOWS: usize = 100_000;
const ROUNDS: usize = 3;
/// As many tries of a start, of which the middle one counts.
const STARTS: usize = 9;

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1);
    let seconds = seconds.map_or(3, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let directory = std::env::temp_dir().join(format!("shadow-figures-{}", std::process::id()));
    let directory = |name: &str| directory.join(name);
    // First, while the process has not grown yet.
    let (_, in_memory) = grown(|| filled(MemoryStore::new()));
    let started = many(&directory("many"));
    let mut rates = [const { Vec::new() }; 7];
    for _ in 0..ROUNDS {
        for (way, rates) in rates.iter_mut().enumerate() {
            let kept = (way % 2 == 1).then(|| directory("kept"));
            rates.push(match way / 2 {
                0 => in_process(time, kept.as_deref()).await,
                1 => over_mqtt(time, kept.as_deref()).await,
                2 => over_rest(time, kept.as_deref()).await,
                _ => disk_alone(time, &directory("disk")),
            });
            let _ = kept.map(fs::remove_dir_all);
        }
    }
    let _ = fs::remove_dir_all(directory(""));
    let mut rates = rates
        .iter_mut()
        .map(|rates| thousands(middle(rates).round() as u64));
    let mut row = |name: &str, data: bool| {
        let first = rates.next().unwrap();
        let second = if data {
            rates.next().unwrap()
        } else {
            String::new()
        };
        if data {
            println!("| {name} | {first} | {second} |");
        } else {
            println!("| {name} | | {first} |");
        }
    };
    println!("| documents of 1 KB | in memory | with `--data` |");
    println!("| --- | --: | --: |");
    row("updates a second, in process", true);
    row("updates a second, over MQTT", true);
    row("updates a second, over REST", true);
    row(
        "the disk alone: 1 KB written and synced, times a second",
        false,
    );
    println!(
        "| memory of {} shadows | {} MiB | |",
        thousands(SHADOWS as u64),
        in_memory >> 20
    );
    for (name, took) in ["a clean end", "a kill"].iter().zip(started) {
        let took = took.as_secs_f64() * 1000.0;
        println!("| start with them after {name} | | {took:.1} ms |");
    }
    println!();
    println!(
        "{SENDERS} senders, each one request after another. {}.",
        machine()
    );
}

fn middle<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    *values.get(values.len() / 2).unwrap()
}

fn thousands(number: u64) -> String {
    match number / 1000 {
        0 => number.to_string(),
        more => format!("{},{:03}", thousands(more), number % 1000),
    }
}

fn machine() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("an unknown processor", |name| {
        name.trim_start_matches([':', '\t', ' '])
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores of {name}, {}", std::env::consts::OS)
}

fn store(kept: Option<&Path>) -> DynStore {
    match kept {
        None => Box::new(MemoryStore::new()),
        Some(directory) => Box::new(FileStore::open(directory).unwrap()),
    }
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

/// What `make` makes, and what the process grew by, in bytes; 0 where the system does not say.
fn grown<T>(make: impl FnOnce() -> T) -> (T, u64) {
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes =
            line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1024
    };
    let before = resident();
    let made = make();
    (made, resident().saturating_sub(before))
}

const NOW: UnixTime = UnixTime::from_seconds(1_767_225_600);

fn filled<S: Store>(store: S) -> Service<S> {
    let mut service = Service::with_store(Settings::default(), store);
    let payload = payload();
    for number in 0..SHADOWS {
        let _ = service
            .update(&shadow(number), payload.as_bytes(), NOW)
            .unwrap();
    }
    service
}

/// How long a start with many shadows takes, to the first answer, after a clean end and after a
/// kill.
fn many(directory: &Path) -> [Duration; 2] {
    const FILES: [&str; 2] = [FileStore::FILE_NAME, FileStore::JOURNAL_NAME];
    let [ended, killed, again] = ["ended", "killed", "again"].map(|name| directory.join(name));
    for directory in [&ended, &killed, &again] {
        fs::create_dir_all(directory).unwrap();
    }
    let file = |name: &str| {
        let mut file = fs::OpenOptions::new();
        let file = file.read(true).write(true).create_new(true);
        Unsynced(FileBackend::new(file.open(ended.join(name)).unwrap()).unwrap())
    };
    let copy = |from: &Path, to: &Path| {
        for name in FILES {
            let _ = fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    let [database, journal] = FILES.map(file);
    let service = filled(FileStore::with_backends(database, journal).unwrap());
    copy(&ended, &killed);
    drop(service);
    let start = |from: &Path| {
        let mut tries = [Duration::ZERO; STARTS];
        for took in &mut tries {
            copy(from, &again);
            let began = Instant::now();
            let service = Service::with_store(Settings::default(), store(Some(&again)));
            assert!(
                service
                    .document(&shadow(SHADOWS - 1), NOW)
                    .unwrap()
                    .is_some()
            );
            *took = began.elapsed();
        }
        middle(&mut tries)
    };
    let started = [start(&ended), start(&killed)];
    let _ = fs::remove_dir_all(directory);
    started
}

/// What nobody who keeps each update can exceed without putting several into one.
fn disk_alone(time: Duration, directory: &Path) -> f64 {
    fs::create_dir_all(directory).unwrap();
    let mut file = fs::OpenOptions::new();
    let file = file.read(true).write(true).create(true).truncate(true);
    let file = FileBackend::new(file.open(directory.join("file")).unwrap()).unwrap();
    let length = 2 << 20;
    file.set_len(length).unwrap();
    file.write(0, &vec![0; length as usize]).unwrap();
    file.sync_data().unwrap();
    let began = Instant::now();
    let mut done = 0_u64;
    while began.elapsed() < time {
        file.write(done * 1024 % length, &[done as u8; 1024])
            .unwrap();
        file.sync_data().unwrap();
        done += 1;
    }
    done as f64 / began.elapsed().as_secs_f64()
}

async fn in_process(time: Duration, kept: Option<&Path>) -> f64 {
    let service = Service::with_store(Settings::default(), store(kept));
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
    rate
}

async fn serve(kept: Option<&Path>) -> Server {
    let mut options = Options::on_free_ports();
    options.store = Some(store(kept));
    options.http = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    Server::start(options).await.unwrap()
}

async fn over_mqtt(time: Duration, kept: Option<&Path>) -> f64 {
    let server = serve(kept).await;
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
    rate
}

async fn over_rest(time: Duration, kept: Option<&Path>) -> f64 {
    let server = serve(kept).await;
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
