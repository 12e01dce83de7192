//! The brokers that clients are measured over, each with who answers on it.

use std::path::PathBuf;
use std::time::Duration;

use testkit::{Config, Mosquitto, Pki, Process, find_program};

use crate::programs::Programs;

/// How long a server may take to listen: far more than it needs on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Broker {
    /// The one in `shadow-service`.
    Embedded,
    /// Mosquitto, a process of its own on a port of its own.
    Mosquitto,
}

impl Broker {
    /// As the reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded broker",
            Self::Mosquitto => "Mosquitto",
        }
    }
}

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Answers {
    /// A few lines that answer everything in the same way.
    Responder,
    /// The shadow service.
    Service,
}

/// A broker that runs, with who answers on it. Ends when dropped.
#[derive(Debug)]
pub struct Server {
    /// Which broker.
    pub broker: Broker,
    /// Who answers.
    pub answers: Answers,
    /// Where it listens for plain TCP.
    pub plain: u16,
    /// Where it listens for TLS, if there is a certificate.
    pub tls: u16,
    _processes: Vec<Process>,
    _mosquitto: Option<Mosquitto>,
}

/// All that there are on this machine.
#[derive(Debug)]
pub struct Servers {
    /// Those that run.
    pub all: Vec<Server>,
    /// The authority that signed their certificates.
    pub ca: PathBuf,
    /// What is left out, and why.
    pub skipped: Vec<String>,
    _pki: Pki,
}

impl Servers {
    /// Starts them.
    ///
    /// # Errors
    /// One line, when there can be none at all.
    ///
    /// # Panics
    /// When one of them does not start, with what it said.
    pub fn start(programs: &Programs) -> Result<Self, String> {
        let pki = Pki::new().map_err(|missing| missing.to_string())?;
        let mut all = Vec::new();
        let mut skipped = Vec::new();
        for answers in [Answers::Responder, Answers::Service] {
            all.push(embedded(programs, &pki, answers));
            match find_program("mosquitto") {
                Ok(_) => all.push(mosquitto(programs, &pki, answers)?),
                Err(missing) => skipped = vec![format!("over Mosquitto: {missing}")],
            }
        }
        Ok(Self {
            all,
            ca: pki.path("ca.pem"),
            skipped,
            _pki: pki,
        })
    }

    /// The one with this broker and this answerer.
    #[must_use]
    pub fn find(&self, broker: Broker, answers: Answers) -> Option<&Server> {
        let is_it = |server: &&Server| server.broker == broker && server.answers == answers;
        self.all.iter().find(is_it)
    }
}

fn embedded(programs: &Programs, pki: &Pki, answers: Answers) -> Server {
    let mode = match answers {
        Answers::Responder => "bare",
        Answers::Service => "service",
    };
    let mut command = programs.command("bench-broker");
    command.arg(mode);
    command.args([pki.path("server.pem"), pki.path("server.key")]);
    let mut process = Process::spawn(&mut command);
    let line = process.wait_for(PATIENCE, "listening ");
    let mut ports = line.split(' ').skip(1).map(|port| port.parse().ok());
    let mut port = || ports.next().flatten().expect("two ports");
    let (plain, tls) = (port(), port());
    let mut processes = vec![process];
    if answers == Answers::Responder {
        processes.push(responder(programs, plain));
    }
    Server {
        broker: Broker::Embedded,
        answers,
        plain,
        tls,
        _processes: processes,
        _mosquitto: None,
    }
}

fn mosquitto(programs: &Programs, pki: &Pki, answers: Answers) -> Result<Server, String> {
    let files = ["ca.pem", "server.pem", "server.key"];
    let tls = [
        "cafile {dir}/ca.pem",
        "certfile {dir}/server.pem",
        "keyfile {dir}/server.key",
    ];
    // Nagle's delay of its own, or a queue that is full, would be measured in place of the client.
    let config = Config::new()
        .quiet()
        .line("set_tcp_nodelay true")
        .line("max_inflight_messages 0")
        .line("max_queued_messages 0")
        .listener("tls", &tls);
    let with_file = |config: Config, name| config.file(name, pki.text(name));
    let config = files.into_iter().fold(config, with_file);
    let broker = Mosquitto::start(config).map_err(|missing| missing.to_string())?;
    let answerer = match answers {
        Answers::Responder => responder(programs, broker.port()),
        Answers::Service => {
            let mut command = programs.command("bench-broker");
            command.args(["attached", &broker.port().to_string()]);
            let mut process = Process::spawn(&mut command);
            process.wait_for(PATIENCE, "serving");
            process
        }
    };
    Ok(Server {
        broker: Broker::Mosquitto,
        answers,
        plain: broker.port(),
        tls: broker.port_of("tls"),
        _processes: vec![answerer],
        _mosquitto: Some(broker),
    })
}

fn responder(programs: &Programs, port: u16) -> Process {
    let mut command = programs.command("bench-responder");
    command.args(["--port", &port.to_string()]);
    let mut process = Process::spawn(&mut command);
    process.wait_for(PATIENCE, bench_kit::CONNECTED);
    process
}
