//! `sim --seeds N [--start S]`: many seeds and their totals. `sim --seed N`: one, with its trace.

use sim::{LinkTotals, Totals};
use std::fmt::Display;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

/// What fewer seeds cannot be asked to have seen.
const ENOUGH: u64 = 1_000;
/// How often each kind has to occur in that many seeds.
const LEAST: u64 = 100;

const USAGE: &str =
    "usage: sim [--seeds N] [--start S]   runs N seeds (default 1000) from S on (default 0)
       sim --seed S                    runs one seed and prints what happens
       --bytes                         the byte-level simulation alone; without it, many seeds run both and one seed the other
       --keep-going                    does not stop at the first seed that fails";

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1);
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let arguments = match Arguments::read(&args) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("sim: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match (arguments.seed, arguments.seeds) {
        (Some(seed), None | Some(1)) if arguments.bytes => replay(seed, "--bytes ", sim::run_link),
        (Some(seed), None | Some(1)) => replay(seed, "", sim::run),
        (start, seeds) => {
            let start = start.unwrap_or(arguments.start);
            let seeds = seeds.unwrap_or(ENOUGH);
            let range = start..start.saturating_add(seeds);
            let many = Many {
                range,
                keep_going: arguments.keep_going,
            };
            let packets = arguments.bytes || many.run("", sim::run, Totals::merge, Totals::rare);
            let bytes = || {
                let merge = LinkTotals::merge;
                many.run("--bytes ", sim::run_link, merge, LinkTotals::rare)
            };
            match packets && bytes() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
    }
}

#[derive(Default)]
struct Arguments {
    seed: Option<u64>,
    seeds: Option<u64>,
    start: u64,
    keep_going: bool,
    bytes: bool,
}

impl Arguments {
    fn read(args: &[String]) -> Result<Self, String> {
        let mut read = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "--keep-going" {
                read.keep_going = true;
                continue;
            }
            if arg == "--bytes" {
                read.bytes = true;
                continue;
            }
            let (flag, value) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (arg.as_str(), rest.next().map(String::as_str)),
            };
            let value = value.ok_or_else(|| format!("{flag} needs a number"))?;
            let value = value
                .parse()
                .map_err(|_| format!("{flag} needs a number, not {value:?}"))?;
            match flag {
                "--seed" => read.seed = Some(value),
                "--seeds" => read.seeds = Some(value),
                "--start" => read.start = value,
                _ => return Err(format!("{flag} is not known")),
            }
        }
        Ok(read)
    }
}

fn replay<T: Display>(
    seed: u64,
    flag: &str,
    run: impl Fn(u64, bool) -> Result<T, String>,
) -> ExitCode {
    match run(seed, true) {
        Ok(totals) => {
            println!("\n{flag}seed {seed} passes\n{totals}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\n{flag}seed {seed} fails: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Many seeds.
struct Many {
    range: Range<u64>,
    keep_going: bool,
}

impl Many {
    /// Runs them in one of the simulations. Whether all pass and saw enough.
    fn run<T: Default + Display>(
        &self,
        flag: &str,
        run: impl Fn(u64, bool) -> Result<T, String>,
        merge: impl Fn(&mut T, &T),
        rare: impl Fn(&T, u64) -> Vec<String>,
    ) -> bool {
        let began = Instant::now();
        let place = watch_panics();
        let mut totals = T::default();
        let mut failed = 0_u64;
        let seeds = self.range.end - self.range.start;
        for seed in self.range.clone() {
            match run(seed, false) {
                Ok(more) => merge(&mut totals, &more),
                Err(error) => {
                    let place = place.lock().map(|place| place.clone()).unwrap_or_default();
                    println!("seed {seed} fails: {error}");
                    println!("  at {place}");
                    println!("  replay it: cargo xtask sim {flag}--seed {seed}");
                    failed += 1;
                    if !self.keep_going {
                        return false;
                    }
                }
            }
        }
        if failed > 0 {
            println!("{failed} of {seeds} seeds fail");
            return false;
        }
        print!("{totals}");
        println!(
            "{seeds} seeds from {} on pass, in {:.1} s",
            self.range.start,
            began.elapsed().as_secs_f64()
        );
        let rare = rare(&totals, LEAST);
        if seeds >= ENOUGH && !rare.is_empty() {
            println!("but that tests too little: these occurred fewer than {LEAST} times");
            for kind in rare {
                println!("  {kind}");
            }
            return false;
        }
        true
    }
}

/// Keeps panics silent, and remembers where the last one was.
fn watch_panics() -> &'static Mutex<String> {
    static PLACE: Mutex<String> = Mutex::new(String::new());
    std::panic::set_hook(Box::new(|info| {
        if let (Some(location), Ok(mut place)) = (info.location(), PLACE.lock()) {
            *place = location.to_string();
        }
    }));
    &PLACE
}
