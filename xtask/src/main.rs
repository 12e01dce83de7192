//! The project's own commands. `cargo xtask test` is the whole check; continuous integration calls nothing else.

mod bench;
mod exec;
mod extra;
mod fuzz;
mod instructions;
mod json;
mod mutants;
#[cfg(test)]
mod named_tests;
mod python;
mod setup;
mod sim;
mod steps;
mod test;
mod workspace;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [STEP...] [--keep-going] [--list]   everything that has to hold, or the named steps
cargo xtask sim [--seeds N] [--seed S] [--bytes]     the simulation: many seeds, or one with its trace
cargo xtask bench [ARGS...]                          the benchmarks; arguments go to `cargo bench`
cargo xtask bench --report [--quick]                 docs/benchmarks.md from one run; quick: target/benchmarks, to try
cargo xtask bench --bless                            the instruction budgets, written anew
cargo xtask extra [NAME...]                          long checks by name; without a name, which there are";

fn main() -> ExitCode {
    let args: Vec<String> = env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let result = match args.split_first() {
        None => Err(Stop::Usage(format!("what to do? One of these:\n{USAGE}"))),
        Some((command, args)) => dispatch(command, args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Because(message)) => {
            exec::complain(&message);
            ExitCode::FAILURE
        }
        Err(Stop::Usage(message)) => {
            exec::complain(&message);
            ExitCode::from(64)
        }
    }
}

fn dispatch(command: &str, args: &[String]) -> Result<(), Stop> {
    if matches!(command, "help" | "-h" | "--help")
        || args
            .iter()
            .any(|arg| matches!(arg.as_str(), "-h" | "--help"))
    {
        exec::say(USAGE);
        return Ok(());
    }
    match command {
        "test" => test::main(args),
        "sim" => sim::main(args),
        "bench" => bench::main(args),
        "extra" => extra::main(args),
        _ => Err(Stop::Usage(format!(
            "no command is called {command:?}; there are test, sim, bench and extra"
        ))),
    }
}

/// Why a command ends without success.
#[derive(Debug)]
enum Stop {
    /// One line says why.
    Because(String),
    /// The arguments are wrong; one line says how. Exit status 64, as in sysexits.
    Usage(String),
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Because(message)
    }
}
