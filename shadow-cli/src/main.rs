//! `shadow`: Device Shadows from the command line.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "a program is std's, and need not know every event"
)]

mod cli;
mod commands;
mod condition;
mod context;
mod output;
mod problem;
mod state;
mod tree;

use std::{ffi::OsString, process::ExitCode, time::Duration};

use context::Context;
use output::Printer;
use problem::Problem;

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    // `shadow-local` has a command line of its own, and threads.
    if words.get(1).is_some_and(|word| word == "local") {
        return shadow_service::local::program::main(words.drain(2..));
    }
    let json = words.iter().any(|word| word == "--json");
    let matches = match cli::command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => {
            if json && error.use_stderr() {
                // The first line says what is wrong, the others how it would be right.
                let text = error.to_string();
                let text = text.lines().next().unwrap_or_default();
                let text = text.strip_prefix("error: ").unwrap_or(text);
                Printer::new(json).problem_line(&Problem::Usage(text.to_owned()));
            }
            // Help and version are no errors. Nobody reading is none either.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(problem::USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let printer = Printer::new(matches.get_flag("json"));
    let ended = run(&matches, printer);
    if let Err(problem) = &ended {
        printer.problem(problem);
    }
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(problem) => ExitCode::from(problem.exit_code()),
    }
}

fn run(matches: &clap::ArgMatches, printer: Printer) -> Result<u8, Problem> {
    let Some((name, its)) = matches.subcommand() else {
        return Err(Problem::Usage("no command; --help lists them".to_owned()));
    };
    match name {
        "policy" => return commands::policy(its, printer),
        "completions" => return commands::completions(its),
        "man" => return commands::man(its),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::Other(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let stop = Stop::listen().map_err(|error| Problem::Other(error.to_string()))?;
        let context = Context::new(its, printer)?;
        let ended = tokio::select! {
            ended = commands::run(name, its, &context) => ended,
            () = stop.requested() => match name {
                // Nothing else ends these.
                "watch" | "sync" => Ok(0),
                _ => Err(Problem::Interrupted),
            },
        };
        // In good order, so that the broker does not publish a last will.
        context.close(Duration::from_secs(2)).await;
        ended
    })
}

/// Ctrl-C anywhere, and SIGTERM on Unix.
struct Stop {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn requested(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn requested(self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
