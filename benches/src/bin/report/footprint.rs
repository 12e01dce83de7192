//! What a client weighs: its start, its memory, its bytes on the wire, the crates it takes; and the core on a
//! microcontroller.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use benches::programs::{Programs, cargo, target};
use benches::round_trip::median;
use benches::servers::{Answers, Server, Servers};
use testkit::Process;

use crate::Amount;
use crate::wire::Wire;

const PATIENCE: Duration = Duration::from_secs(60);

/// Ours and by hand, in this order everywhere.
pub(super) const CLIENTS: [&str; 2] = ["bench-ours", "bench-rumqttc"];

/// The same, and the floor: what the handshake takes, whoever makes it.
const STARTED: [&str; 3] = [CLIENTS[0], CLIENTS[1], "bench-raw"];

/// What was found; what could not be measured is missing.
#[derive(Default)]
pub(super) struct Footprint {
    /// Milliseconds from the start of the process to the CONNACK over TLS, once for each round.
    pub(super) start: [Vec<f64>; 3],
    /// Resident memory while connected over TLS, in KiB.
    pub(super) resident: [Vec<f64>; 3],
    /// Bytes, both directions, for a report and its answer.
    pub(super) report_bytes: [Option<f64>; 2],
    /// Bytes, both directions, for an hour of nothing.
    pub(super) idle_bytes: [Option<f64>; 2],
    /// Crates with TLS.
    pub(super) crates: [Option<usize>; 2],
    /// Bytes of flash.
    pub(super) flash: Option<u64>,
    /// Figures of `bench-latency`, in round trips: without loss, the middle with loss, the 95th of a hundred.
    pub(super) latency: BTreeMap<String, Vec<f64>>,
}

pub(super) fn measure(
    programs: &Programs,
    servers: Option<&Servers>,
    amount: Amount,
    skipped: &mut Vec<String>,
) -> Footprint {
    let mut found = Footprint::default();
    if let Some(servers) = servers {
        let mut responders = servers.all.iter();
        // Mosquitto where there is one: it stands behind the embedded one in the list.
        let server = responders.rfind(|server| server.answers == Answers::Responder);
        let server = server.expect("there is always the embedded one");
        for round in 0..amount.starts {
            let order = if round % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
            for client in order {
                let (start, resident) = start(programs, servers, server, STARTED[client]);
                found.start[client].push(start.as_secs_f64() * 1e3);
                found.resident[client].push(resident);
            }
        }
        for (n, client) in CLIENTS.into_iter().enumerate() {
            found.report_bytes[n] = Some(report_bytes(programs, server, client, amount.counted));
            found.idle_bytes[n] = Some(idle_bytes(programs, server, client));
        }
    }
    found.crates = [
        crates(&[
            "--package",
            "device-shadow",
            "--no-default-features",
            "--features",
            "tokio,tls",
        ]),
        crates(&["--manifest-path", "benches/by-hand/Cargo.toml"]),
    ];
    match flash() {
        Ok(bytes) => found.flash = Some(bytes),
        Err(why) => skipped.push(format!("flash on a Cortex-M: {why}")),
    }
    let output = programs.command("bench-latency").output();
    let lines = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    for line in lines.unwrap_or_default().lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let figures = words.map(|word| word.parse().expect("a number")).collect();
        found.latency.insert(name, figures);
    }
    found
}

fn start(programs: &Programs, servers: &Servers, server: &Server, client: &str) -> (Duration, f64) {
    let mut command = programs.command(client);
    command
        .args(["--idle", "--millis", "300"])
        .args(["--port", &server.tls.to_string()])
        .arg("--ca")
        .arg(&servers.ca);
    let begin = Instant::now();
    let mut process = Process::spawn(&mut command);
    process.wait_for(PATIENCE, bench_kit::CONNECTED);
    let took = begin.elapsed();
    let line = process.wait_for(PATIENCE, "resident ");
    let resident = line.trim_start_matches("resident ").parse();
    process.wait(PATIENCE);
    (took, resident.expect("a number"))
}

/// The bytes of one report, from two runs that differ by `counted` of them.
fn report_bytes(programs: &Programs, server: &Server, client: &str, counted: usize) -> f64 {
    let run = |count: usize| {
        let wire = Wire::start(server.plain).expect("a port");
        let mut command = programs.command(client);
        command
            .args(["--port", &wire.port.to_string()])
            .args(["--count", &count.to_string()]);
        ended(&mut command);
        wire.bytes() as f64
    };
    (run(counted + 10) - run(10)) / counted as f64
}

/// The bytes of an hour, from ten seconds with a keep alive of one; both libraries' own is 60 s.
fn idle_bytes(programs: &Programs, server: &Server, client: &str) -> f64 {
    let run = |millis: u64| {
        let wire = Wire::start(server.plain).expect("a port");
        let mut command = programs.command(client);
        command
            .args(["--port", &wire.port.to_string()])
            .args(["--idle", "--keep-alive", "1"])
            .args(["--millis", &millis.to_string()]);
        ended(&mut command);
        wire.bytes() as f64
    };
    (run(10_500) - run(500)) / 10.0 * 60.0
}

fn ended(command: &mut Command) {
    let mut process = Process::spawn(command);
    let ended = process.wait(PATIENCE);
    let succeeded = ended.is_some_and(|status| status.success());
    assert!(succeeded, "{:?}", process.output());
}

/// Crates that are compiled into the program, each version once, without the benchmark's own.
fn crates(what: &[&str]) -> Option<usize> {
    let tree = ["tree", "--quiet", "--locked", "--edges", "normal"];
    let rest = ["--prefix", "none", "--format", "{p}"];
    let output = cargo(&[&tree[..], &rest, what].concat()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let lines = text.lines().map(|line| {
        let mut words = line.split(' ');
        (words.next().unwrap_or_default(), words.next())
    });
    let own = ["bench-by-hand", "bench-kit", "cpu-time"];
    let all: BTreeSet<_> = lines.filter(|(name, _)| !own.contains(name)).collect();
    (output.status.success() && !all.is_empty()).then_some(all.len())
}

const BARE_METAL: &str = "thumbv7em-none-eabihf";

fn flash() -> Result<u64, String> {
    let folder = target();
    let built = cargo(&["build", "--quiet", "--locked", "--release"])
        .args(["--manifest-path", "benches/cortex-m/Cargo.toml"])
        .args(["--target", BARE_METAL, "--target-dir"])
        .arg(&folder)
        .status();
    if !built.is_ok_and(|status| status.success()) {
        return Err(format!(
            "it does not build; rustup target add {BARE_METAL}?"
        ));
    }
    let file = folder.join(BARE_METAL).join("release/bench-cortex-m");
    flash_of(&file).ok_or_else(|| format!("{} is no program", file.display()))
}

/// What of a 32-bit ELF file lies in flash: the file's bytes of all segments that are loaded.
fn flash_of(file: &Path) -> Option<u64> {
    let bytes = fs::read(file).ok()?;
    let word = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(four.try_into().ok()?))
    };
    let half = |at: usize| Some(word(at)? & 0xffff);
    // Elf32_Ehdr: e_phoff at 28, e_phentsize at 42, e_phnum at 44; Elf32_Phdr: p_type at 0, p_filesz at 16.
    let (table, size, count) = (word(28)?, half(42)?, half(44)?);
    (0..count)
        .map(|n| {
            let at = (table + n * size) as usize;
            Some(if word(at)? == 1 { word(at + 16)? } else { 0 })
        })
        .map(|size| size.map(u64::from))
        .sum()
}

/// The middle of some rounds.
pub(super) fn middle(rounds: &[f64]) -> f64 {
    median(rounds.iter().copied())
}
