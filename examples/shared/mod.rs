//! What the examples share: where their broker is, and a shadow service of their own without one.

#![allow(
    dead_code,
    clippy::std_instead_of_core,
    reason = "each example is compiled with all of it, and uses what it needs"
)]

use std::{net::SocketAddr, sync::mpsc, thread};

use device_shadow::{
    proto::{Field, Json},
    tokio::ConnectOptions,
};
use shadow_service::local::{Options, Server};
use tokio::{runtime::Builder, sync::oneshot};
use transport_core::flags::{self, ConnectionFlags, Words};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where an example does its work.
pub(crate) struct Site {
    connection: ConnectionFlags,
    /// The thing, from `--thing-name`.
    pub(crate) thing: String,
    service: Option<Service>,
}

impl Site {
    /// Reads the command line; without `--endpoint` starts a shadow service in this process.
    pub(crate) fn open(example: &str, thing: &str) -> Result<Self> {
        Self::open_with(example, thing, Options::on_free_ports())
    }

    /// [`open`](Self::open) with settings for the service.
    pub(crate) fn open_with(example: &str, thing: &str, options: Options) -> Result<Self> {
        let mut words = Words::new(std::env::args_os().skip(1));
        let mut connection = ConnectionFlags::new("example-");
        let mut thing = thing.to_owned();
        while let Some(flag) = words.next_flag()? {
            match flag.as_str() {
                "--thing-name" => thing = words.value()?,
                "--help" => {
                    println!("usage: {example} [--thing-name NAME] [CONNECTION]\n");
                    println!("{}", flags::help("--endpoint"));
                    println!("Without --endpoint it starts a shadow service of its own.");
                    std::process::exit(0);
                }
                _ if connection.read(&flag, &mut words)? => {}
                _ => return Err(words.unknown().into()),
            }
        }
        let service = match connection.has_endpoint() {
            true => None,
            false => Some(Service::start(options)?),
        };
        Ok(Self {
            connection,
            thing,
            service,
        })
    }

    /// How to connect. A second client needs an id of its own.
    pub(crate) fn options(&self) -> Result<ConnectOptions> {
        Ok(match &self.service {
            None => self.connection.options(|name| std::env::var(name).ok())?,
            Some(service) => self.connection.options_for(service.url().parse()?)?,
        })
    }

    /// The URL of the service of our own, if there is one.
    pub(crate) fn own(&self) -> Option<String> {
        self.service.as_ref().map(Service::url)
    }
}

/// A shadow service on a thread of its own, so that examples without a runtime have one too.
struct Service {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Service {
    fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    fn start(options: Options) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                match Server::start(options).await {
                    Ok(server) => {
                        let _ = started.send(Ok(server.mqtt_address()));
                        let _ = stopped.await;
                        server.stop().await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
        });
        let address = start.recv()??;
        Ok(Self {
            address: address.ok_or("the service has no broker")?,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A section of a document: absent, null, or what it holds.
pub(crate) fn shown(section: &Field<Json>) -> &str {
    match section {
        Field::Absent => "nothing",
        Field::Null => "null",
        Field::Value(json) => json.as_str(),
    }
}
