use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{process, str};

use crate::{MissingTool, Process, Signal, TempDir, find_program, free_port, wait_until};

/// How long a broker may take to listen, or to end: far more than it needs on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a [`Mosquitto`] is started with beside its port: nothing is persistent and everyone may do everything, unless
/// the configuration says otherwise.
///
/// In lines, `{dir}` stands for the broker's folder, where [`Config::file`] puts files.
#[derive(Clone, Debug, Default)]
pub struct Config {
    lines: Vec<String>,
    listeners: Vec<(String, Vec<String>)>,
    files: Vec<(String, Vec<u8>)>,
    client_args: Vec<String>,
    restricted: bool,
    quiet: bool,
}

impl Config {
    /// A plain MQTT listener on the loopback address, open to all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line of `mosquitto.conf` for the whole broker and the first listener, such as `max_keepalive 60`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Adds a listener on a free port of its own, which [`Mosquitto::port_of`] gives by `name`. Its lines follow
    /// its `listener` line: `protocol websockets`, `cafile {dir}/ca.pem`.
    #[must_use]
    pub fn listener(mut self, name: &str, lines: &[&str]) -> Self {
        self.listeners.push((
            name.to_owned(),
            lines.iter().map(|&line| line.to_owned()).collect(),
        ));
        self
    }

    /// Puts a file into the broker's folder: certificates, an access list.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Keeps sessions and retained messages across [`Mosquitto::restart`]. A broker that is killed instead loses what
    /// changed since it started.
    #[must_use]
    pub fn persistent(self) -> Self {
        self.line("persistence true")
            .line("persistence_location {dir}/")
    }

    /// Leaves out `allow_anonymous true`: clients need a name that the other lines let in.
    #[must_use]
    pub fn no_anonymous(mut self) -> Self {
        self.restricted = true;
        self
    }

    /// Logs neither packets nor connections: the log is held in memory, which some tests measure.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Adds arguments for the clients of [`Mosquitto::publish`] and [`Mosquitto::subscribe`], such as `-u` and a
    /// name, for a broker that does not let everyone in.
    #[must_use]
    pub fn client_args(mut self, args: &[&str]) -> Self {
        self.client_args
            .extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }
}

/// A Mosquitto of the test's own: its own port (never 1883), folder and configuration, killed on drop.
#[derive(Debug)]
pub struct Mosquitto {
    tools: Tools,
    config: Config,
    dir: TempDir,
    port: u16,
    /// Of the listeners in the configuration, in their order.
    ports: Vec<u16>,
    broker: Process,
    /// What brokers before the last restart have logged.
    earlier: Vec<String>,
}

/// One message that a [`Subscription`] received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic it was published to.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Message {
    /// The payload as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.payload).expect("the payload is not UTF-8")
    }
}

impl Mosquitto {
    /// Starts a broker and waits until it listens.
    ///
    /// # Errors
    ///
    /// When Mosquitto or its command-line clients are not installed; see [`skip_or_fail`](crate::skip_or_fail).
    ///
    /// # Panics
    ///
    /// When it refuses its configuration or does not listen within twenty seconds: with its log.
    pub fn start(config: Config) -> Result<Self, MissingTool> {
        let tools = Tools::find()?;
        let dir = TempDir::new();
        for (name, content) in &config.files {
            dir.write(name, content);
        }
        // Between finding a free port and listening on it another process can take it.
        for _ in 0..5 {
            let port = free_port();
            let ports: Vec<u16> = config.listeners.iter().map(|_| free_port()).collect();
            let all: BTreeSet<u16> = ports.iter().copied().chain([port]).collect();
            if all.len() <= ports.len() {
                // The same one twice: that was free both times.
                continue;
            }
            dir.write(
                "mosquitto.conf",
                config_file(&config, dir.path(), port, &ports),
            );
            let mut broker = tools.broker(dir.path());
            match wait_for_listeners(&mut broker, port, &ports) {
                Ok(()) => {
                    return Ok(Self {
                        tools,
                        config,
                        dir,
                        port,
                        ports,
                        broker,
                        earlier: Vec::new(),
                    });
                }
                // The second is what it says of a listener for WebSocket, whatever the reason.
                Err(log)
                    if log.contains("Address already in use")
                        || log.contains("Unable to create websockets listener") => {}
                Err(log) => panic!("mosquitto does not start; its log:\n{log}"),
            }
        }
        panic!("mosquitto found no free port in five attempts")
    }

    /// The port of its first listener: plain MQTT on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the listener that [`Config::listener`] named so.
    ///
    /// # Panics
    ///
    /// When there is none of that name.
    #[must_use]
    pub fn port_of(&self, listener: &str) -> u16 {
        let listeners = self.config.listeners.iter().zip(&self.ports);
        let found = listeners
            .into_iter()
            .find(|((name, _), _)| name == listener);
        *found
            .unwrap_or_else(|| panic!("no listener is called {listener:?}"))
            .1
    }

    /// `mqtt://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Its folder, removed on drop.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Everything logged up to now, across restarts: who connected, what each packet was, what was refused.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        let mut log = self.earlier.clone();
        log.extend(self.broker.output());
        log
    }

    /// Ends it at once, as a power loss would. Connections break without a word.
    pub fn kill(&mut self) {
        self.broker.kill();
    }

    /// Ends it in good order: it disconnects its clients and writes its store, where the configuration has one.
    ///
    /// # Panics
    ///
    /// When it has not ended within twenty seconds.
    pub fn stop(&mut self) {
        if self.broker.wait(Duration::ZERO).is_none() {
            self.broker.signal(Signal::Terminate);
            assert!(
                self.broker.wait(PATIENCE).is_some(),
                "mosquitto does not stop:\n{}",
                self.log().join("\n")
            );
        }
    }

    /// Stops it in good order unless it is down already, starts it again on the same ports and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not listen again within twenty seconds.
    pub fn restart(&mut self) {
        self.stop();
        self.earlier = self.log();
        let end = Instant::now() + PATIENCE;
        loop {
            self.broker = self.tools.broker(self.dir.path());
            match wait_for_listeners(&mut self.broker, self.port, &self.ports) {
                Ok(()) => return,
                Err(log) if log.contains("Address already in use") && Instant::now() < end => {}
                Err(log) => panic!("mosquitto does not start again; its log:\n{log}"),
            }
        }
    }

    /// Publishes one message at QoS 1 through a connection of its own and returns when the broker has it.
    ///
    /// # Panics
    ///
    /// When the broker does not take it within twenty seconds.
    pub fn publish(&self, topic: &str, payload: impl AsRef<[u8]>) {
        self.publish_with(&[], topic, payload);
    }

    /// [`publish`](Self::publish) with more arguments of `mosquitto_pub`, such as `-r` for a retained message.
    ///
    /// # Panics
    ///
    /// When the broker does not take it within twenty seconds.
    pub fn publish_with(&self, args: &[&str], topic: &str, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        // Standard input takes any byte, but the client refuses an empty one.
        let source = if payload.is_empty() { "-n" } else { "-s" };
        let mut command = self.client(&self.tools.publish);
        command.args(["-q", "1", "-t", topic, source]).args(args);
        let mut client = Process::spawn(&mut command);
        if !payload.is_empty() {
            client.write(payload);
        }
        client.close_stdin();
        let status = client.wait(PATIENCE);
        let done = status.is_some_and(|status| status.success());
        assert!(
            done,
            "mosquitto_pub to {topic}: {status:?} {:?}",
            client.output()
        );
    }

    /// Subscribes at QoS 1 through a connection of its own and returns when the broker has answered the SUBSCRIBE.
    ///
    /// # Panics
    ///
    /// When the broker does not answer within twenty seconds.
    #[must_use]
    pub fn subscribe(&self, filter: &str) -> Subscription {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let id = format!(
            "test-kit-{}-{}",
            process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let mut command = self.client(&self.tools.subscribe);
        // Payloads as hexadecimal, so that any byte can be told apart from the end of a line.
        command.args(["-q", "1", "-i", &id, "-F", r"%t\t%x", "-t", filter]);
        let client = Process::spawn(&mut command);
        // The client prints nothing until its first message, so the broker is asked.
        let answered = format!("Sending SUBACK to {id}");
        let subscribed = wait_until(PATIENCE, || {
            self.broker
                .output()
                .iter()
                .any(|line| line.contains(&answered))
        });
        assert!(
            subscribed,
            "no SUBACK for {filter}: {:?}\n{}",
            client.output(),
            self.log().join("\n")
        );
        Subscription { client }
    }

    fn client(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(&self.config.client_args);
        command
    }
}

/// What arrives for one filter, in order. Ends its connection on drop.
#[derive(Debug)]
pub struct Subscription {
    client: Process,
}

impl Subscription {
    /// The next message, or `None` when there is none within `limit`.
    pub fn next(&mut self, limit: Duration) -> Option<Message> {
        self.find(limit, |_| true)
    }

    /// The next message that `wanted` accepts, leaving out those before it, or `None` when there is none within
    /// `limit`.
    pub fn find(&mut self, limit: Duration, wanted: impl Fn(&Message) -> bool) -> Option<Message> {
        let line = self.client.find(limit, |line| {
            parse(line).is_some_and(|message| wanted(&message))
        })?;
        parse(&line)
    }

    /// Every message up to now, also those taken already.
    #[must_use]
    pub fn all(&self) -> Vec<Message> {
        self.client
            .stdout()
            .iter()
            .filter_map(|line| parse(line))
            .collect()
    }
}

#[derive(Debug)]
struct Tools {
    broker: PathBuf,
    publish: PathBuf,
    subscribe: PathBuf,
}

impl Tools {
    fn find() -> Result<Self, MissingTool> {
        Ok(Self {
            broker: find_program("mosquitto")?,
            publish: find_program("mosquitto_pub")?,
            subscribe: find_program("mosquitto_sub")?,
        })
    }

    fn broker(&self, dir: &Path) -> Process {
        Process::spawn(
            Command::new(&self.broker)
                .arg("-c")
                .arg(dir.join("mosquitto.conf")),
        )
    }
}

fn config_file(config: &Config, dir: &Path, port: u16, ports: &[u16]) -> String {
    // Started by root, Mosquitto becomes the user `mosquitto`, who may not read the test's folder; nobody else's
    // Mosquitto minds the line. Standard error, unlike a log file, is written at once.
    let mut text = String::from("user root\nlog_dest stderr\n");
    let types: &[&str] = match config.quiet {
        true => &["error", "warning", "information"],
        false => &["all"],
    };
    for log_type in types {
        text += &format!("log_type {log_type}\n");
    }
    text += &format!("allow_anonymous {}\n", !config.restricted);
    let listeners = config
        .listeners
        .iter()
        .zip(ports)
        .map(|((_, lines), &port)| (port, lines));
    for (port, lines) in [(port, &config.lines)].into_iter().chain(listeners) {
        text += &format!("listener {port} 127.0.0.1\n");
        for line in lines {
            text += &line.replace("{dir}", &dir.to_string_lossy());
            text.push('\n');
        }
    }
    text
}

fn wait_for_listeners(broker: &mut Process, port: u16, ports: &[u16]) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    // The log first: a connection alone could reach another process that took the port.
    let said = broker.find(PATIENCE, |line| line.ends_with(" running"));
    let listening = said.is_some()
        && [port].iter().chain(ports).all(|&port| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let left = end.saturating_duration_since(Instant::now());
            wait_until(left, || {
                TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
            })
        });
    if listening {
        Ok(())
    } else {
        Err(broker.output().join("\n"))
    }
}

fn parse(line: &str) -> Option<Message> {
    let (topic, hex) = line.rsplit_once('\t')?;
    let digits = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    Some(Message {
        topic: topic.to_owned(),
        payload: digits.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_clients_lines() {
        let message = Message {
            topic: "a b/c".to_owned(),
            payload: b"{\n".to_vec(),
        };
        assert_eq!(parse("a b/c\t7b0a"), Some(message));
        assert_eq!(
            parse("a\t").map(|message| message.payload),
            Some(Vec::new())
        );
        assert_eq!(parse("Connection error: refused"), None);
        assert_eq!(parse("a\txy"), None);
    }

    #[test]
    fn lines_follow_the_listener_they_belong_to() {
        let config = Config::new()
            .line("max_keepalive 60")
            .listener("tls", &["cafile {dir}/ca.pem"])
            .no_anonymous();
        let text = config_file(&config, Path::new("/folder"), 1, &[2]);
        let expected = "user root\nlog_dest stderr\nlog_type all\nallow_anonymous false\n\
            listener 1 127.0.0.1\nmax_keepalive 60\nlistener 2 127.0.0.1\ncafile /folder/ca.pem\n";
        assert_eq!(text, expected);
    }
}
