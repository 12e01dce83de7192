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

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where an example does its work.
pub(crate) struct Site {
    endpoint: String,
    /// The thing, from `--thing-name`.
    pub(crate) thing: String,
    /// Whether the endpoint was asked for; else it is the service of our own.
    pub(crate) given: bool,
    service: Option<Service>,
}

impl Site {
    /// Reads the command line; without `--endpoint` starts a shadow service in this process.
    pub(crate) fn open(example: &str, thing: &str) -> Result<Self> {
        Self::open_with(example, thing, Options::on_free_ports())
    }

    /// [`open`](Self::open) with settings for the service.
    pub(crate) fn open_with(example: &str, thing: &str, options: Options) -> Result<Self> {
        let (mut endpoint, mut thing) = (None, thing.to_owned());
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--endpoint" => endpoint = Some(value()?),
                "--thing-name" => thing = value()?,
                _ => {
                    println!("usage: {example} [--endpoint mqtt://HOST:PORT] [--thing-name NAME]");
                    println!("Without --endpoint it starts a shadow service of its own.");
                    std::process::exit(if word == "--help" { 0 } else { 64 });
                }
            }
        }
        let given = endpoint.is_some();
        let service = (!given).then(|| Service::start(options)).transpose()?;
        let own = service
            .as_ref()
            .map(|its| format!("mqtt://{}", its.address));
        Ok(Self {
            endpoint: endpoint.or(own).unwrap_or_default(),
            thing,
            given,
            service,
        })
    }

    /// How to connect.
    pub(crate) fn options(&self) -> Result<ConnectOptions> {
        Ok(ConnectOptions::from_url(&self.endpoint)?)
    }

    /// The broker's URL.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

/// A shadow service on a thread of its own, so that examples without a runtime have one too.
struct Service {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Service {
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
