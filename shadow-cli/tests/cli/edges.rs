//! Nobody reads, nobody answers, the service goes and comes back, it is no terminal.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

use testkit::{Process, Signal, TempDir, free_port, wait_until};

use crate::site::{LIMIT, Site, bare};

/// As in `shadow watch lamp | head -n 1`.
#[test]
fn watch_ends_when_nobody_reads() {
    let site = Site::local();
    site.ends(&["update", "lamp", "-d", "a=1"]);
    let dir = TempDir::new();
    let mut command = bare(&dir);
    command.args(["watch", "lamp", "--endpoint", site.endpoint()]);
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    {
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with("lamp, version 1"), "{first}");
    }
    site.ends(&["update", "lamp", "-d", "a=2"]);
    let mut status = None;
    let ended = wait_until(LIMIT, || {
        status = watch.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        let _ = watch.kill();
    }
    assert_eq!(status.and_then(|it| it.code()), Some(0));
}

#[test]
fn interrupted_while_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("mqtt://{}", listener.local_addr().unwrap());
    let dir = TempDir::new();
    for signal in [Signal::Interrupt, Signal::Terminate] {
        let mut command = bare(&dir);
        let mut get = Process::spawn(command.args(["get", "lamp", "--endpoint", &endpoint]));
        // It has begun to talk, so it listens for signals.
        let (_stream, _) = listener.accept().unwrap();
        get.signal(signal);
        let status = get.wait(LIMIT).expect("it ends");
        assert_eq!(status.code(), Some(130), "{:?}", get.output());
        assert_eq!(get.stderr(), ["shadow: interrupted"]);
    }
    let mut command = bare(&dir);
    command.args(["get", "lamp", "--endpoint", &endpoint]);
    let mut get = Process::spawn(command.args(["--connect-timeout", "1"]));
    let status = get.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(69), "{:?}", get.output());
}

fn service(dir: &TempDir, port: u16) -> Process {
    let mut command = bare(dir);
    command.args(["local", "--listen", &format!("127.0.0.1:{port}")]);
    let mut service = Process::spawn(&mut command);
    service.wait_for(LIMIT, "documents are kept in memory");
    service
}

#[test]
fn the_service_goes_and_comes_back() {
    let (dir, port) = (TempDir::new(), free_port());
    let endpoint = format!("mqtt://127.0.0.1:{port}");
    let first = service(&dir, port);
    let start = |args: &[&str]| {
        let mut command = bare(&dir);
        command.args(args).args(["--endpoint", &endpoint]);
        Process::spawn(command.args(["--backoff", "0.1,0.5,20"]))
    };
    let mut watch = start(&["watch", "lamp"]);
    watch.wait_for(LIMIT, "there is no such shadow yet");
    let file = dir.path().join("lamp.json");
    let mut sync = start(&["sync", "lamp", "lamp.json"]);
    // It makes the file of what the shadow has.
    assert!(wait_until(LIMIT, || file.exists()), "{:?}", sync.output());
    drop(first);
    watch.wait_for(LIMIT, "next attempt in");
    let _second = service(&dir, port);
    watch.wait_for(LIMIT, "shadow: connected");
    watch.wait_for(LIMIT, "there is no such shadow yet");
    let mut update = start(&["update", "lamp", "-d", "a=1"]);
    assert!(update.wait(LIMIT).expect("it ends").success());
    watch.wait_for(LIMIT, "  desired.a: 1");
    watch.wait_for(LIMIT, "  reported.a: 1");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.split_whitespace().collect::<String>(), r#"{"a":1}"#);
    for process in [&mut watch, &mut sync] {
        process.signal(Signal::Interrupt);
        let status = process.wait(LIMIT).expect("it ends");
        assert_eq!(status.code(), Some(0), "{:?}", process.output());
    }
}

/// A second service on the same port is told who is in the way.
#[test]
fn two_services_on_one_port() {
    let (dir, port) = (TempDir::new(), free_port());
    let _first = service(&dir, port);
    let mut command = bare(&dir);
    command.args(["local", "--listen", &format!("127.0.0.1:{port}")]);
    let mut second = Process::spawn(&mut command);
    let status = second.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(1));
    let said = second.stderr().join("\n");
    assert!(said.contains("is in use"), "{said}");
}

#[test]
fn no_colors_but_on_a_terminal() {
    let site = Site::local();
    site.ends(&["update", "lamp", "-d", "a=1"]);
    let said = site.ends(&["get", "lamp"]);
    assert!(said.iter().all(|line| !line.contains('\u{1b}')), "{said:?}");
    // A terminal of util-linux's; other systems spell it otherwise.
    if cfg!(not(target_os = "linux")) || testkit::find_program("script").is_err() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_shadow");
    let get = format!("'{program}' get lamp --endpoint {}", site.endpoint());
    let on_terminal = |no_color: Option<&str>| {
        let mut command = Command::new("script");
        command
            .args(["-qec", &get, "/dev/null"])
            .env("TERM", "xterm");
        command
            .env_remove("NO_COLOR")
            .envs(no_color.map(|it| ("NO_COLOR", it)));
        let mut process = Process::spawn(&mut command);
        let status = process.wait(LIMIT).expect("it ends");
        assert!(status.success(), "{:?}", process.output());
        process.stdout().join("\n")
    };
    for (no_color, colored) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let said = on_terminal(no_color);
        assert!(said.contains("version 1"), "{said}");
        assert_eq!(said.contains('\u{1b}'), colored, "{no_color:?}: {said}");
    }
}
