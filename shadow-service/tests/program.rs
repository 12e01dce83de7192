//! The program `shadow-local`, run as a user would.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use core::time::Duration;
use mqtt5::{ConnectOptions, MqttClient};
use shadow_service::{
    FileStore,
    local::{
        Options, Server,
        broker::{Broker, BrokerOptions},
    },
};
use std::process::Stdio;
use testkit::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shadow-local"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the first line that begins with `start`.
    async fn line(&mut self, start: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(start) {
                    return rest.to_owned();
                }
            }
            panic!("no line begins with {start:?}");
        };
        tokio::time::timeout(Duration::from_secs(30), found)
            .await
            .unwrap()
    }

    /// The next line.
    async fn next(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line());
        line.await.unwrap().unwrap().expect("the program has ended")
    }

    async fn end(mut self) -> (Option<i32>, String) {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        let ended = async {
            stderr.read_to_string(&mut errors).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(Duration::from_secs(30), ended)
            .await
            .unwrap();
        (status.code(), errors)
    }
}

#[tokio::test]
async fn a_server_that_stopped_gives_its_store_back() {
    let directory = TempDir::new();
    for round in 0..3 {
        let store = FileStore::open(directory.path());
        let store = store.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let mut options = Options::on_free_ports();
        options.store = Some(Box::new(store));
        let server = Server::start(options).await.unwrap();
        server.stop().await;
    }
}

#[tokio::test]
async fn it_serves_says_so_and_ends_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(&["--listen", "0", "--http", "0", "--verbose"]);
        let url = program
            .line("shadow service for MQTT 3.1.1 and 5 on ")
            .await;
        let _rest = program.line("REST data plane on http://127.0.0.1:").await;
        let options = ConnectOptions::new("test").with_automatic_reconnect(false);
        let client = MqttClient::with_options(options.clone());
        client.connect_with_options(&url, options).await.unwrap();
        let request = r#"{"state":{"desired":{"on":true}}}"#;
        client
            .publish_qos1("$aws/things/lamp/shadow/update", request)
            .await
            .unwrap();
        assert_eq!(program.line("mqtt update lamp: ").await, "version 1");
        if cfg!(unix) {
            let id = program.child.id().unwrap().to_string();
            let kill = Command::new("kill").args(["-s", signal, &id]).status();
            assert!(kill.await.unwrap().success());
            assert_eq!(program.end().await, (Some(0), String::new()));
        }
    }
}

#[tokio::test]
async fn mistakes_are_one_clear_line() {
    let mut first = Program::start(&["--listen", "0"]);
    let url = first
        .line("shadow service for MQTT 3.1.1 and 5 on mqtt://")
        .await;
    let (code, error) = Program::start(&["--listen", &url]).end().await;
    assert_eq!(code, Some(1));
    assert_eq!(
        error,
        format!("shadow-local: {url} is in use: another program listens there\n")
    );
    let (code, error) = Program::start(&["--listen", "0", "--http", &url])
        .end()
        .await;
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    let nobody = format!("mqtt://127.0.0.1:{}", testkit::free_port());
    let (code, error) = Program::start(&["--broker", &nobody]).end().await;
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains(&nobody), "{error}");
    let (code, error) = Program::start(&["--broker", "http://x"]).end().await;
    assert_eq!((code, error.lines().count()), (Some(64), 1), "{error}");
    let (code, error) = Program::start(&["--lisen", "0"]).end().await;
    assert_eq!(code, Some(64));
    assert_eq!(
        error,
        "shadow-local: unknown argument --lisen; --help lists them\n"
    );
    let mut help = Program::start(&["--help"]);
    let _usage = help.line("Usage: shadow-local").await;
    assert_eq!(help.end().await, (Some(0), String::new()));
}

#[tokio::test]
async fn a_broker_that_goes_away_and_comes_back_is_told_once() {
    let mut options = BrokerOptions::default();
    options.listen.set_port(testkit::free_port());
    let mut broker = Broker::bare(&options).await.unwrap();
    let url = format!("mqtt://{}", options.listen);
    let mut program = Program::start(&["--broker", &url, "--verbose"]);
    assert_eq!(program.line("shadow service on the broker ").await, url);
    let _kept = program.line("documents are kept in memory").await;
    for version in ["version 1", "version 2"] {
        broker.stop().await;
        let gone = program.next().await;
        assert!(gone.starts_with("the broker is gone: "), "{gone}");
        assert!(gone.ends_with("; nothing is served until it is back"));
        // More attempts than one fail, and one line says so.
        let refused = program.next().await;
        assert!(refused.starts_with("still no broker: "), "{refused}");
        broker = Broker::bare(&options).await.unwrap();
        assert_eq!(program.next().await, "serving again");
        let client = ConnectOptions::new("test").with_automatic_reconnect(false);
        let mqtt = MqttClient::with_options(client.clone());
        mqtt.connect_with_options(&url, client).await.unwrap();
        let request = r#"{"state":{"desired":{"on":true}}}"#;
        let update = "$aws/things/lamp/shadow/update";
        mqtt.publish_qos1(update, request).await.unwrap();
        assert_eq!(program.next().await, format!("mqtt update lamp: {version}"));
        mqtt.disconnect().await.unwrap();
    }
    broker.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_cannot_be_had_is_one_clear_line() {
    let directory = TempDir::new();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("file"), "").unwrap();
    std::fs::create_dir(path("damaged")).unwrap();
    std::fs::write(path("damaged/shadows.redb"), "not a store").unwrap();
    // One that was closed in good order, and of which all but the first page was overwritten.
    drop(FileStore::open(&directory.path().join("worse")).unwrap());
    let mut worse = std::fs::read(path("worse/shadows.redb")).unwrap();
    worse.iter_mut().skip(4096).for_each(|byte| *byte ^= 0xa5);
    std::fs::write(path("worse/shadows.redb"), worse).unwrap();
    let mut first = Program::start(&["--listen=0", "--data", &path("new/deeper")]);
    let kept = first.line("documents are kept in ").await;
    assert_eq!(kept, path("new/deeper"));
    for (data, part) in [
        ("file", "it is in no directory"),
        ("damaged", "is no store of shadows, or is damaged"),
        ("worse", "is no store of shadows, or is damaged"),
        ("new/deeper", "is in use by another process"),
    ] {
        let (code, error) = Program::start(&["--listen=0", "--data", &path(data)])
            .end()
            .await;
        assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
        assert!(
            error.contains(part) && error.contains(&path(data)),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_argument_that_is_not_utf_8_is_one_clear_line() {
    use std::os::unix::ffi::OsStrExt as _;
    let output = Command::new(env!("CARGO_BIN_EXE_shadow-local"))
        .arg(std::ffi::OsStr::from_bytes(b"--\xff"))
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("unknown argument"), "{errors}");
}
