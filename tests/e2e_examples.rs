//! The examples, each as a user runs it, by what it prints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    reason = "helpers of tests fail as tests do, and are std's"
)]
#![cfg(unix)]

use std::{process::Command, time::Duration};

use testkit::{MissingTool, Process, Signal, skip_or_fail};

/// Far more than any of it needs on a loaded machine.
const LIMIT: Duration = Duration::from_secs(40);

fn start(example: &str, args: &[&str]) -> Process {
    let program = testkit::example(example).expect("the example is built");
    Process::spawn(Command::new(program).env("RUST_BACKTRACE", "1").args(args))
}

/// What an example says that ends by itself, and well.
fn said(example: &str, args: &[&str]) -> Vec<String> {
    let mut process = start(example, args);
    ends_well(&mut process);
    process.stdout()
}

fn ends_well(process: &mut Process) {
    let ended = process.wait(LIMIT);
    let output = process.output();
    let status = ended.unwrap_or_else(|| panic!("it does not end; it said: {output:#?}"));
    assert!(status.success(), "{status}: {output:#?}");
    assert_eq!(process.stderr(), [""; 0]);
}

/// Each line begins with what is expected of it.
#[track_caller]
fn begin_with(lines: &[String], expected: &[&str]) {
    let fits = |(line, start): (&String, &&str)| line.starts_with(start);
    let fit = lines.len() == expected.len() && lines.iter().zip(expected).all(fits);
    assert!(fit, "{lines:#?}\nis not\n{expected:#?}");
}

/// A shadow service as a program of its own, and the line of its greeting with `what` in it.
fn service(args: &[&str], what: &str) -> Option<(Process, String)> {
    let started = testkit::binary("shadow-local").map(|program| {
        let mut service = Process::spawn(Command::new(program).args(args));
        service.wait_for(LIMIT, "documents are kept in memory");
        service
    });
    let missing = |tool: MissingTool| skip_or_fail(tool.name());
    let service = started.map_err(missing).ok()?;
    let lines = service.stdout();
    let line = lines.iter().find(|line| line.contains(what));
    let url = line.and_then(|line| line.rsplit(' ').next());
    let url = url.expect("where it listens").to_owned();
    Some((service, url))
}

#[test]
fn basic() {
    let lines = said("basic", &[]);
    begin_with(
        &lines,
        &[
            "get sent, token ",
            r#"get rejected: {"code":404,"message":"No shadow exists with name: 'basic-light'""#,
            r#"update accepted: {"state":{"desired":{"brightness":70,"color":"teal"},"reported":{"color":"off"}}"#,
            r#"get accepted: {"state":{"desired":{"brightness":70,"color":"teal"},"reported":{"color":"off"},"delta":{"brightness":70,"color":"teal"}}"#,
            "hurried update timeout: timed out (",
        ],
    );
}

#[test]
fn deltas() {
    let lines = said("deltas", &[]);
    let expected = [
        r#"delta of version 1: {"color":"teal","lamp":{"on":true}}"#,
        r#"applied {"color":"teal","lamp":{"on":true}}"#,
        r#"delta of version 3: {"color":"amber"}"#,
        r#"applied {"color":"amber"}"#,
        r#"unregistered; left to be done: {"color":"violet"}"#,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn three_shadows() {
    let lines = said("three_shadows", &["--thing-name", "home"]);
    let shadows = [
        "home-1: ",
        "home-2: ",
        "home-3: ",
        "home~lights: ",
        "home~heating: ",
        "home~alarm: ",
        "6 shadows on one connection",
    ];
    begin_with(&lines, &shadows);
    for (number, line) in lines.iter().take(6).enumerate() {
        let state = format!(r#""state":{{"number":{number}}}"#);
        assert!(line.contains(&state), "{line}");
    }
}

#[test]
fn presence() {
    let expected = ["presence-lamp is there", "presence-lamp is gone"];
    assert_eq!(said("presence", &[]), expected);
}

#[test]
fn typed_state() {
    let lines = said("typed_state", &[]);
    let expected = [
        "wanted: LampPatch { on: Value(true), color: Absent, timer: Value(600) }",
        "took the timer back: true",
        "reported: Lamp { on: true, color: None, timer: None }",
        "in sync: true",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn blocking() {
    let expected = [r#"delta {"color":"teal"}"#, r#"reported {"color":"teal"}"#];
    assert_eq!(said("blocking", &[]), expected);
}

#[test]
fn wrong_words_and_help() {
    let mut process = start("basic", &["--endpiont", "x"]);
    let status = process.wait(LIMIT).expect("it ends");
    assert!(!status.success());
    let said = process.output().join(" ");
    assert!(said.contains("--endpiont"), "{said}");
    let help = self::said("basic", &["--help"]).join(" ");
    assert!(
        help.contains("--thing-name") && help.contains("--ca-file"),
        "{help}"
    );
}

#[test]
fn in_memory() {
    let lines = said("in_memory", &[]);
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("publish $aws/things/lamp/shadow/get "), 1);
    assert_eq!(count("publish $aws/things/lamp/shadow/update "), 1);
    assert_eq!(count(r#"delta {"color":"teal"}"#), 1);
    let last = lines.last().expect("it said something");
    let document = r#"{"state":{"desired":{"color":"teal"},"reported":{"color":"teal"}}"#;
    assert!(last.contains(document), "{lines:#?}");
}

#[test]
fn a_watcher_sees_what_a_publisher_does() {
    // The watcher has the service, and says where.
    let mut watcher = start("named_watcher", &[]);
    let hint = watcher.wait_for(LIMIT, "In another terminal: ");
    watcher.wait_for(LIMIT, "Waiting for shadow publish...");
    let url = hint.rsplit(' ').next().expect("a URL");

    let lines = said("named_publisher", &["--endpoint", url]);
    let delta =
        r#"{"settings":{"interval":30,"units":{"temperature":"celsius"}},"welcome":"aws-iot"}"#;
    let expected = [
        "updated to version 1".to_owned(),
        format!("got version 1, delta {delta}"),
        "Publish Complete!".to_owned(),
    ];
    assert_eq!(lines, expected);

    let update = watcher.wait_for(LIMIT, "update accepted: ");
    assert_eq!(
        update,
        format!("update accepted: version 1, desired {delta}, reported null")
    );
    let get = watcher.wait_for(LIMIT, "get accepted: ");
    assert_eq!(
        get,
        format!("get accepted: version 1, desired {delta}, reported nothing, delta {delta}")
    );
    watcher.signal(Signal::Interrupt);
    ends_well(&mut watcher);
}

#[test]
fn rest() {
    let args = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let Some((_service, url)) = service(&args, "REST") else {
        return;
    };
    let lines = said("rest", &[&url]);
    begin_with(
        &lines,
        &[
            "updated to version 1",
            r#"got version 1: desired {"color":"teal"}"#,
            "the second time: 409 ",
            r#"named shadows: ["config"]"#,
            "deleted",
        ],
    );
}

#[test]
fn own_loop() {
    let args = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let Some((service, rest)) = service(&args, "REST") else {
        return;
    };
    let lines = service.stdout();
    let mqtt = lines.iter().find_map(|line| line.split("mqtt://").nth(1));
    let mqtt = mqtt.expect("where it listens").to_owned();
    let mut process = start("own_loop", &[&mqtt]);
    process.wait_for(LIMIT, "in step with the shadow");
    put(
        &rest,
        "own-loop-lamp",
        r#"{"state":{"desired":{"color":"teal"}}}"#,
    );
    ends_well(&mut process);
    let lines = process.stdout();
    assert_eq!(
        lines.last().map(String::as_str),
        Some("reported"),
        "{lines:?}"
    );
}

/// Updates a classic shadow over REST, by hand.
fn put(url: &str, thing: &str, body: &str) {
    use std::io::{Read as _, Write as _};
    let host = url.strip_prefix("http://").expect("a URL");
    let mut stream = std::net::TcpStream::connect(host).expect("the service listens");
    let length = body.len();
    write!(
        stream,
        "POST /things/{thing}/shadow HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
