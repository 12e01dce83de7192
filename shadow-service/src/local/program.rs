//! The program `shadow-local`, as a function: for programs that offer it under a name of theirs.

#![expect(
    clippy::std_instead_of_alloc,
    clippy::field_reassign_with_default,
    reason = "a program is std's, and it sets options as any program has to"
)]

mod args;

use crate::{
    file_store::FileStore,
    local::{Options, Served, Server, broker::BrokerOptions},
};
use args::{Args, HELP, Mqtt, Run};
use core::fmt::Display;
use std::{
    borrow::ToOwned as _, boxed::Box, ffi::OsString, format, io::Write as _, process::ExitCode,
    string::String, sync::Arc,
};
use transport_tokio::{ConnectOptions, ConnectionEvent};

/// Runs until Ctrl-C, SIGTERM, or what ends the service. `args` are those after the program's
/// name; `--help` among them says what there is.
///
/// The code is 0 after a stop that was asked for, 2 if the arguments are wrong, 1 for the rest.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // What is not UTF-8 is refused with the rest of what is unknown.
    let args = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned());
    let run = match Args::read(args) {
        Ok(Args::Help) => return print(HELP),
        Ok(Args::Version) => {
            return print(concat!("shadow-local ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        Ok(Args::Run(run)) => *run,
        Err(error) => return fail(2, &error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(run)),
        Err(error) => fail(1, &format_args!("cannot start threads: {error}")),
    }
}

async fn serve(run: Run) -> ExitCode {
    let mut options = Options::default();
    options.settings = run.settings;
    match &run.mqtt {
        Mqtt::Listen(address) => {
            let mut broker = BrokerOptions::default();
            broker.listen = *address;
            options.broker = Some(broker);
        }
        Mqtt::Broker(url) => match ConnectOptions::from_url(url) {
            Ok(connect) => {
                options.mqtt = Some(connect);
                options.connection = Some(Arc::new(|event: &ConnectionEvent| {
                    print(&format!("{event}\n"));
                }));
            }
            Err(error) => return fail(2, &format_args!("--broker: {error}")),
        },
    }
    options.http = run.http;
    options.republish = run.republish;
    if let Some(directory) = &run.data {
        match FileStore::open(directory) {
            Ok(store) => options.store = Some(Box::new(store)),
            Err(error) => return fail(1, &error),
        }
    }
    if run.verbose {
        options.observer = Some(Arc::new(|served: &Served<'_>| {
            print(&format!("{served}\n"));
        }));
    }
    // Asked for before anything is said, so that whoever reads it may signal at once.
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return fail(1, &format_args!("cannot wait for signals: {error}")),
    };
    let server = match Server::start(options).await {
        Ok(server) => server,
        Err(error) => return fail(1, &error),
    };
    let mut greeting = String::new();
    if let Some(address) = server.mqtt_address() {
        greeting += &format!("shadow service for MQTT 3.1.1 and 5 on mqtt://{address}\n");
    }
    if let Mqtt::Broker(url) = &run.mqtt {
        greeting += &format!("shadow service on the broker {url}\n");
    }
    if let Some(address) = server.http_address() {
        greeting += &format!("REST data plane on http://{address}\n");
    }
    greeting += &match run.data {
        Some(directory) => format!("documents are kept in {}\n", directory.display()),
        None => "documents are kept in memory and end with this process\n".to_owned(),
    };
    print(&greeting);
    let ended = tokio::select! {
        () = stop.requested() => None,
        ended = server.ended() => Some(ended),
    };
    server.stop().await;
    match ended {
        None => ExitCode::SUCCESS,
        Some(ended) => fail(1, &ended),
    }
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

    #[cfg(unix)]
    async fn requested(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn requested(self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Prints and flushes. Nobody reading is no reason to stop serving.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

fn fail(code: u8, error: &dyn Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "shadow-local: {error}");
    ExitCode::from(code)
}
