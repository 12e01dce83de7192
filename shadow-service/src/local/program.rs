//! The program `shadow-local`, as a function: for programs that offer it under a name of theirs.

#![expect(
    clippy::std_instead_of_alloc,
    clippy::field_reassign_with_default,
    reason = "a program is std's, and it sets options as any program has to"
)]

mod args;
mod greeting;
mod news;

use crate::{
    file_store::FileStore,
    local::{Options, Served, Server, broker::BrokerOptions, dev_certs::DevCertificates},
};
use args::{Args, Certificates, Mqtt, Run};
use core::fmt::Display;
use news::News;
use std::{
    boxed::Box, ffi::OsString, format, io::Write as _, process::ExitCode, string::String,
    string::ToString as _, sync::Arc,
};
use transport_tokio::{ConnectOptions, ConnectionEvent};

/// Runs until Ctrl-C, SIGTERM, or what ends the service. `args` are those after the program's
/// name; `--help` among them says what there is.
///
/// The code is 0 after a stop that was asked for, 64 if the arguments are wrong, 1 for the rest.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let run = match Args::read(args, |name| std::env::var(name).ok()) {
        Ok(Args::Help) => return print(&args::help()),
        Ok(Args::Version) => {
            return print(concat!("shadow-local ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        Ok(Args::Run(run)) => *run,
        Err(error) => return fail(64, &error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(run)),
        Err(error) => fail(1, &format_args!("cannot start threads: {error}")),
    }
}

/// What `--help` prints: for programs that put it into a manual of theirs.
#[must_use]
pub fn help() -> String {
    args::help()
}

async fn serve(run: Run) -> ExitCode {
    let (options, certificates) = match options(&run) {
        Ok(options) => options,
        Err((code, error)) => return fail(code, &error),
    };
    // Asked for before anything is said, so that whoever reads it may signal at once.
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return fail(1, &format_args!("cannot wait for signals: {error}")),
    };
    let server = match Server::start(options).await {
        Ok(server) => server,
        Err(error) => return fail(1, &error),
    };
    print(&greeting::greeting(&server, &run, certificates.as_ref()));
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

/// What the server is to do, and certificates that were made for it. An error comes with the exit
/// code.
fn options(run: &Run) -> Result<(Options, Option<DevCertificates>), (u8, String)> {
    let mut options = Options::default();
    options.settings = run.settings.clone();
    let mut made = None;
    let certificates = match &run.certificates {
        None => None,
        Some(Certificates::Files(files)) => Some(files.clone()),
        Some(Certificates::Made { directory, names }) => {
            let now = options.clock.now();
            let found = DevCertificates::in_directory(directory, names, now);
            let found = found.map_err(|error| (1, format!("--dev-certs: {error}")))?;
            Some(made.insert(found).server.clone())
        }
    };
    match &run.mqtt {
        Mqtt::Listen(listen) => {
            let mut broker = BrokerOptions::default();
            broker.plain = listen.plain.is_some();
            if let Some(plain) = listen.plain {
                broker.listen = plain;
            }
            broker.tls = listen.tls;
            broker.websocket = listen.websocket;
            broker.websocket_tls = listen.websocket_tls;
            broker.certificates.clone_from(&certificates);
            options.broker = Some(broker);
        }
        Mqtt::Broker(connect) => {
            options.mqtt = Some(ConnectOptions::clone(connect));
            let news = News::default();
            options.connection = Some(Arc::new(move |event: &ConnectionEvent| {
                if let Some(line) = news.line(event) {
                    print(&format!("{line}\n"));
                }
            }));
            options.serving = Some(Arc::new(|| {
                print("serving again\n");
            }));
        }
    }
    options.in_flight = run.in_flight;
    options.faults.clone_from(&run.faults);
    options.fault_seed = run.fault_seed;
    options.http = run.http;
    options.https = run.https.zip(certificates);
    options.republish.clone_from(&run.republish);
    if let Some(directory) = &run.data {
        let store = quietly(|| FileStore::open(directory));
        let store = store.map_err(|error| (1, error.to_string()))?;
        options.store = Some(Box::new(store));
    }
    if run.verbose {
        options.observer = Some(Arc::new(|served: &Served<'_>| {
            print(&format!("{served}\n"));
        }));
    }
    Ok((options, made))
}

/// Without what a panic prints: [`FileStore::open`] makes an error of one.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = work();
    std::panic::set_hook(hook);
    done
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
