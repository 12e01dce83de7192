//! The programs under test: how they are started, and what they are.

use std::{
    process::{Command, ExitStatus},
    time::Duration,
};

use serde_json::Value;
use testkit::{Config, MissingTool, Mosquitto, Process, skip_or_fail};

use crate::watcher::{Tools, Watcher};

/// How long anything may take that is not measured: far more than it needs on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A Mosquitto with a shadow service on it.
pub(crate) struct Site {
    pub(crate) broker: Mosquitto,
    pub(crate) service: Process,
    pub(crate) tools: Tools,
}

impl Site {
    /// `None`: something is not installed, and may be left out here.
    pub(crate) fn start() -> Option<Self> {
        installed(Self::try_start())
    }

    fn try_start() -> Result<Self, MissingTool> {
        let broker = broker()?;
        let service = service(&["--broker", &broker.url()])?;
        Ok(Self {
            tools: Tools::find(broker.port())?,
            broker,
            service,
        })
    }

    /// A light on this broker that has its first answer from the shadow: what `said` says.
    pub(crate) fn light(&self, thing: &str, args: &[&str], said: &str) -> Light {
        let mut light = Light::on(&self.broker.url(), thing, args);
        light.process.wait_for(LIMIT, said);
        light
    }

    /// What is said on all topics of one shadow.
    pub(crate) fn watch(&self, shadow: &ShadowTopics) -> Watcher {
        self.tools.watch(shadow)
    }
}

/// The topics of one shadow.
#[derive(Clone, Debug)]
pub(crate) struct ShadowTopics(String);

impl ShadowTopics {
    pub(crate) fn classic(thing: &str) -> Self {
        Self(format!("$aws/things/{thing}/shadow/"))
    }

    pub(crate) fn named(thing: &str, name: &str) -> Self {
        Self(format!("$aws/things/{thing}/shadow/name/{name}/"))
    }

    pub(crate) fn topic(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.0)
    }
}

/// The light, running.
pub(crate) struct Light {
    pub(crate) process: Process,
}

impl Light {
    pub(crate) fn on(url: &str, thing: &str, args: &[&str]) -> Self {
        let mut command = program();
        command.args(["--endpoint", url, "--thing-name", thing]);
        Self {
            process: Process::spawn(command.args(args)),
        }
    }

    /// Ends it by the word `quit`, in good order.
    pub(crate) fn quit(mut self) {
        self.process.write_line("quit");
        self.ends_well();
    }

    /// Waits until it has ended in good order.
    pub(crate) fn ends_well(&mut self) {
        let status = ended(&mut self.process);
        let output = self.process.output();
        assert!(status.success(), "{status}: {output:#?}");
        assert_eq!(output.last().map(String::as_str), Some("goodbye"));
        assert_eq!(self.process.stderr(), [""; 0]);
    }
}

/// The light, to be given its arguments.
pub(crate) fn program() -> Command {
    // Built with the tests: an example of the package that they belong to.
    let mut command = Command::new(testkit::example("light").expect("the example is built"));
    // A panic would show itself.
    command.env("RUST_BACKTRACE", "1");
    command
}

/// A broker that answers at once.
pub(crate) fn broker() -> Result<Mosquitto, MissingTool> {
    // Without it, each small packet of the broker waits 40 ms for an acknowledgement.
    Mosquitto::start(Config::new().line("set_tcp_nodelay true"))
}

/// A `shadow-local` that serves.
pub(crate) fn service(args: &[&str]) -> Result<Process, MissingTool> {
    let mut command = Command::new(testkit::binary("shadow-local")?);
    let mut service = Process::spawn(command.env("RUST_BACKTRACE", "1").args(args));
    service.wait_for(LIMIT, "documents are kept in memory");
    Ok(service)
}

/// Prints what is missing, or fails where nothing may be.
pub(crate) fn installed<T>(started: Result<T, MissingTool>) -> Option<T> {
    started.map_err(|tool| skip_or_fail(tool.name())).ok()
}

pub(crate) fn ended(process: &mut Process) -> ExitStatus {
    let status = process.wait(LIMIT);
    status.unwrap_or_else(|| panic!("it does not end; it said: {:#?}", process.output()))
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
