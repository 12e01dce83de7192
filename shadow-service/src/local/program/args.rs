//! The command line.

mod certificates;
mod help;

pub(crate) use certificates::Certificates;
use certificates::Files;
pub(crate) use help::help;

use crate::{
    local::{FaultRule, republish::Rule},
    settings::{Behaviour, MessageOrder, Rate, Settings},
};
use core::{fmt::Display, net::SocketAddr};
use shadow_proto::TopicPrefix;
use std::{
    boxed::Box, ffi::OsString, format, net::ToSocketAddrs as _, path::PathBuf, string::String,
    vec::Vec,
};
use transport_tokio::{
    ConnectOptions,
    flags::{ConnectionFlags, FlagError, Words},
};

const BROKER: &str = "--broker";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Args {
    Help,
    Version,
    Run(Box<Run>),
}

/// Where requests come from.
#[derive(Debug)]
pub(crate) enum Mqtt {
    Listen(Listen),
    Broker(Box<ConnectOptions>),
}

/// Where the embedded broker listens.
#[derive(Debug, Default)]
pub(crate) struct Listen {
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) websocket: Option<SocketAddr>,
    pub(crate) websocket_tls: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) mqtt: Mqtt,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) republish: Vec<Rule>,
    pub(crate) verbose: bool,
    pub(crate) settings: Settings,
    pub(crate) in_flight: Option<u32>,
    pub(crate) faults: Vec<FaultRule>,
    pub(crate) fault_seed: u64,
}

impl Args {
    /// Reads the arguments after the program's name. `var` looks a variable of the environment up.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub(crate) fn read(
        args: impl IntoIterator<Item = OsString>,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, FlagError> {
        let args: Vec<OsString> = args.into_iter().collect();
        // Says whose certificates are meant, wherever it stands.
        let attached = args.iter().any(|arg| {
            let arg = arg.to_string_lossy();
            arg.split('=').next() == Some(BROKER)
        });
        let mut words = Words::new(args.into_iter());
        let mut run = Run {
            mqtt: Mqtt::Listen(Listen::default()),
            http: None,
            https: None,
            certificates: None,
            data: None,
            republish: Vec::new(),
            verbose: false,
            settings: Settings::default(),
            in_flight: None,
            faults: Vec::new(),
            fault_seed: 0,
        };
        let mut listen = Listen::default();
        let mut connection = ConnectionFlags::new("shadow-local-").with_endpoint_flag(BROKER);
        let mut files = Files::default();
        while let Some(flag) = words.next_flag()? {
            let flag = flag.as_str();
            let settings = &mut run.settings;
            match flag {
                "--listen" => listen.plain = Some(address(flag, &words.value()?)?),
                "--tls-listen" => listen.tls = Some(address(flag, &words.value()?)?),
                "--ws-listen" => listen.websocket = Some(address(flag, &words.value()?)?),
                "--wss-listen" => listen.websocket_tls = Some(address(flag, &words.value()?)?),
                "--http" => run.http = Some(address(flag, &words.value()?)?),
                "--https" => run.https = Some(address(flag, &words.value()?)?),
                "--https-cert" => files.cert = Some(words.value()?.into()),
                "--https-key" => files.key = Some(words.value()?.into()),
                "--https-ca" => files.ca = Some(words.value()?.into()),
                "--cert" if !attached => files.cert = Some(words.value()?.into()),
                "--key" if !attached => files.key = Some(words.value()?.into()),
                "--ca" | "--ca-file" if !attached => files.ca = Some(words.value()?.into()),
                "--dev-certs" => files.dev = Some(words.value()?.into()),
                "--dev-name" => files.names.push(words.value()?),
                "--data" => run.data = Some(words.value()?.into()),
                "--republish" => {
                    let rule = words.value()?.parse();
                    run.republish
                        .push(rule.map_err(|error| wrong(flag, error))?);
                }
                "--prefix" => {
                    let prefix = TopicPrefix::new(&words.value()?);
                    settings.prefix = prefix.map_err(|error| wrong(flag, error))?;
                }
                "--max-document-bytes" => {
                    settings.limits.max_document_bytes = words.parsed(NUMBER)?;
                }
                "--max-depth" => settings.limits.max_depth = words.parsed(NUMBER)?,
                "--rate" => {
                    let rate = words.parsed(NUMBER)?;
                    settings.rate = Some(Rate::new(rate, rate));
                }
                "--in-flight" => run.in_flight = Some(words.parsed(NUMBER)?),
                "--fault" => {
                    let rule = words.value()?.parse();
                    run.faults.push(rule.map_err(|error| wrong(flag, error))?);
                }
                "--fault-seed" => run.fault_seed = words.parsed(NUMBER)?,
                "--shuffle" => {
                    let seed = words.parsed(NUMBER)?;
                    settings.order = MessageOrder::Shuffled { seed };
                }
                "--assume" => {
                    let assumed = settings.behaviour.assume(&words.value()?);
                    assumed.map_err(|error| wrong(flag, error))?;
                }
                "--verbose" | "-v" => run.verbose = true,
                "--help" | "-h" => return Ok(Self::Help),
                "--version" | "-V" => return Ok(Self::Version),
                _ if connection.read(flag, &mut words)? => {}
                _ => return Err(words.unknown()),
            }
        }
        if attached {
            if listen.any() {
                return Err(FlagError::new("--broker excludes --listen and its kind"));
            }
            run.check_assumptions()?;
            run.mqtt = Mqtt::Broker(Box::new(options(&connection, var)?));
        } else {
            if let Some(flag) = connection.given().first() {
                return Err(FlagError::new(format!("{flag} goes with {BROKER}")));
            }
            let secure = listen.tls.or(listen.websocket_tls).or(run.https).is_some();
            if !listen.any() {
                listen.plain = Some(SocketAddr::from(([127, 0, 0, 1], 1883)));
            }
            if files.dev.is_some() && !secure {
                listen.tls = Some(SocketAddr::from(([127, 0, 0, 1], 8883)));
            }
            run.mqtt = Mqtt::Listen(listen);
        }
        let certificates = files.check(run.tls_addresses());
        run.certificates = certificates.map_err(FlagError::new)?;
        Ok(Self::Run(Box::new(run)))
    }
}

impl Listen {
    const fn any(&self) -> bool {
        self.plain.is_some()
            || self.tls.is_some()
            || self.websocket.is_some()
            || self.websocket_tls.is_some()
    }
}

impl Run {
    /// Of what another broker does not tell, nothing can be assumed.
    fn check_assumptions(&self) -> Result<(), FlagError> {
        let (assumed, usual) = (&self.settings.behaviour, Behaviour::default());
        let name = if assumed.in_flight != usual.in_flight {
            "in-flight"
        } else if assumed.retained != usual.retained {
            "retained"
        } else {
            return Ok(());
        };
        let text = "is for the embedded broker, and --broker is given";
        Err(FlagError::new(format!("--assume {name} {text}")))
    }

    fn tls_addresses(&self) -> Vec<SocketAddr> {
        let mqtt = match &self.mqtt {
            Mqtt::Listen(listen) => [listen.tls, listen.websocket_tls],
            Mqtt::Broker(_) => [None, None],
        };
        mqtt.into_iter().chain([self.https]).flatten().collect()
    }
}

/// How to connect to the broker.
fn options(
    connection: &ConnectionFlags,
    var: impl Fn(&str) -> Option<String>,
) -> Result<ConnectOptions, FlagError> {
    let of_sessions = ["--clean-session", "--session-expiry"];
    if let Some(flag) = connection
        .given()
        .iter()
        .find(|flag| of_sessions.contains(flag))
    {
        // A request that waited for the service would be executed after its client gave up.
        return Err(FlagError::new(format!(
            "{flag}: the service begins anew with each connection"
        )));
    }
    connection.options(var)
}

fn wrong(flag: &str, error: impl Display) -> FlagError {
    FlagError::new(format!("{flag}: {error}"))
}

const NUMBER: &str = "a number that fits";

fn address(flag: &str, text: &str) -> Result<SocketAddr, FlagError> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let resolved = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    let example = "127.0.0.1:1883";
    resolved.ok_or_else(|| {
        wrong(
            flag,
            format!("{text:?} is not an address such as {example}"),
        )
    })
}

#[cfg(test)]
mod tests;
