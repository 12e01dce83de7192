//! Measures everything in one run and writes `docs/benchmarks.md` and its charts: nothing in them is typed by hand.
//! `cargo xtask bench --report`; with `--quick` a short run into `target/benchmarks`, to try it.

mod chart;
mod core_cases;
mod footprint;
mod page;
mod targets;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use benches::programs::{Profile, Programs, root, target};
use benches::round_trip::{self, Effort, Found};
use benches::servers::Servers;

/// How much is measured.
#[derive(Clone, Copy)]
struct Amount {
    /// Alternating rounds of the cases in this process.
    rounds: usize,
    /// How long each case runs in each of them.
    slice: Duration,
    /// The clients' rounds.
    clients: Effort,
    /// Rounds of starting them.
    starts: usize,
    /// Requests whose bytes are counted.
    counted: usize,
}

const FULL: Amount = Amount {
    rounds: 15,
    slice: Duration::from_millis(20),
    clients: Effort {
        rounds: 7,
        time: Duration::from_millis(700),
    },
    starts: 11,
    counted: 1_000,
};

const QUICK: Amount = Amount {
    rounds: 3,
    slice: Duration::from_millis(4),
    clients: Effort {
        rounds: 2,
        time: Duration::from_millis(100),
    },
    starts: 3,
    counted: 100,
};

/// All that was measured.
struct Results {
    quick: bool,
    took: Duration,
    cases: core_cases::Measured,
    clients: Vec<Found>,
    footprint: footprint::Footprint,
    skipped: Vec<String>,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let quick = match words.as_slice() {
        [] => false,
        ["--quick"] => true,
        _ => {
            eprintln!("usage: report [--quick]");
            return ExitCode::from(64);
        }
    };
    match measure(quick).and_then(|results| write(&results)) {
        Ok(page) => {
            println!("written: {}", page.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(quick: bool) -> Result<Results, String> {
    let amount = if quick { QUICK } else { FULL };
    println!("building the clients ...");
    let programs = Programs::build(Profile::Bench)?;
    Programs::build_counters()?;
    let begin = Instant::now();
    let say = |what: &str| println!("[{:4} s] {what}", begin.elapsed().as_secs());
    let mut skipped = Vec::new();
    say("cases in this process, in alternating rounds");
    let mut cases = core_cases::time(amount.rounds, amount.slice);
    say("their instructions and allocations");
    cases.count(&programs, &mut skipped);
    say("clients over the brokers, in alternating rounds");
    let clients = match Servers::start(&programs) {
        Ok(servers) => {
            let left_out = servers.skipped.iter();
            skipped.extend(left_out.map(|what| format!("round trips {what}")));
            let clients = round_trip::measure(&programs, &servers, amount.clients, |_| true);
            say("start, memory and bytes on the wire");
            let footprint = footprint::measure(&programs, Some(&servers), amount, &mut skipped);
            (clients, footprint)
        }
        Err(missing) => {
            skipped.push(format!("everything over a broker: {missing}"));
            let footprint = footprint::measure(&programs, None, amount, &mut skipped);
            (Vec::new(), footprint)
        }
    };
    say("done");
    Ok(Results {
        quick,
        took: begin.elapsed(),
        cases,
        clients: clients.0,
        footprint: clients.1,
        skipped,
    })
}

fn write(results: &Results) -> Result<PathBuf, String> {
    let folder = if results.quick {
        target().join("benchmarks")
    } else {
        root().join("docs")
    };
    let charts = folder.join("benchmarks");
    let failed = |error: std::io::Error| format!("{}: {error}", charts.display());
    fs::create_dir_all(&charts).map_err(failed)?;
    for (name, svg) in page::charts(results) {
        fs::write(charts.join(name), svg).map_err(failed)?;
    }
    let page = folder.join("benchmarks.md");
    let text = page::page(results);
    fs::write(&page, text).map_err(|error| format!("{}: {error}", page.display()))?;
    Ok(page)
}
