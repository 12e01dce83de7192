//! `sim --seeds N [--start S]`: many seeds and their totals. `sim --seed N`: one, with its trace.

use sim::Totals;
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
        (Some(seed), None | Some(1)) => replay(seed),
        (Some(start), Some(seeds)) => many(start, seeds, arguments.keep_going),
        (None, seeds) => many(
            arguments.start,
            seeds.unwrap_or(ENOUGH),
            arguments.keep_going,
        ),
    }
}

#[derive(Default)]
struct Arguments {
    seed: Option<u64>,
    seeds: Option<u64>,
    start: u64,
    keep_going: bool,
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

fn replay(seed: u64) -> ExitCode {
    match sim::run(seed, true) {
        Ok(totals) => {
            println!("\nseed {seed} passes\n{totals}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nseed {seed} fails: {error}");
            ExitCode::FAILURE
        }
    }
}

fn many(start: u64, seeds: u64, keep_going: bool) -> ExitCode {
    let began = Instant::now();
    let place = watch_panics();
    let mut totals = Totals::default();
    let mut failed = 0_u64;
    for seed in start..start.saturating_add(seeds) {
        match sim::run(seed, false) {
            Ok(more) => totals.merge(&more),
            Err(error) => {
                let place = place.lock().map(|place| place.clone()).unwrap_or_default();
                println!("seed {seed} fails: {error}");
                println!("  at {place}");
                println!("  replay it: cargo xtask sim --seed {seed}");
                failed += 1;
                if !keep_going {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    if failed > 0 {
        println!("{failed} of {seeds} seeds fail");
        return ExitCode::FAILURE;
    }
    print!("{totals}");
    println!(
        "{seeds} seeds from {start} on pass, in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let rare = totals.rare(LEAST);
    if seeds >= ENOUGH && !rare.is_empty() {
        println!("but that tests too little: these occurred fewer than {LEAST} times");
        for kind in rare {
            println!("  {kind}");
        }
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
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
