//! What is wrong is said in one line, and the program fails.

use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::ffi::OsStrExt as _,
    process::Command,
    thread,
    time::Duration,
};

use testkit::{Config, Mosquitto, Process, Signal, binary, free_port};

use crate::programs::{LIMIT, broker, ended, installed, program, service};

/// The one line that the program leaves on standard error.
fn fails(process: Process) -> String {
    fails_with(process).1
}

/// The program's code and its one line.
fn fails_with(mut process: Process) -> (i32, String) {
    let status = ended(&mut process);
    let output = process.output().join("\n");
    assert!(
        matches!(status.code(), Some(code) if code != 0),
        "{status}: {output}"
    );
    assert!(
        !output.contains("panicked") && !output.contains("backtrace"),
        "{output}"
    );
    let stderr = process.stderr();
    assert_eq!(stderr.len(), 1, "{stderr:#?}");
    (status.code().unwrap_or_default(), stderr[0].clone())
}

fn light(args: &[&str]) -> Process {
    Process::spawn(program().args(args))
}

#[test]
fn wrong_words_on_the_command_line() {
    let cases: [(&[&str], &str); 22] = [
        (&["--bogus"], "unknown argument --bogus; --help lists them"),
        (&["lamp"], "unknown argument lamp; --help lists them"),
        (&["--thing-name"], "--thing-name needs a value"),
        (&["--endpoint"], "--endpoint needs a value"),
        (&["--mute=1"], "--mute takes no value"),
        (
            &["--thing-name", "a/b"],
            "the thing name holds '/' at byte 1",
        ),
        (&["--thing-name="], "the thing name is empty"),
        (
            &["--shadow-name", "a b"],
            "the shadow name holds ' ' at byte 1",
        ),
        (&["--property="], "--property: the name is empty"),
        (&["--mqtt", "4"], "--mqtt 4: use 3 (for 3.1.1) or 5"),
        (
            &["--patience", "-1"],
            "--patience -1: not a number of seconds",
        ),
        (&["--port", "1883"], "--port goes with --endpoint"),
        (
            &["--endpoint", "h", "--port", "0"],
            "--port 0: not a port number",
        ),
        (
            &["--endpoint", "http://h"],
            "--endpoint: unknown scheme \"http\"",
        ),
        (&["--endpoint", "mqtt://h:x"], "\"x\" is not a port"),
        (&["--endpoint", "mqtt://u:p@h"], "user name or password"),
        (&["--endpoint="], "--endpoint needs a value"),
        (
            &["--cert", "c", "--key", "k"],
            "--cert goes with --endpoint",
        ),
        (
            &["--endpoint", "h", "--cert", "c", "--thing_name", "n"],
            "--cert goes with --key",
        ),
        (
            &["--endpoint", "h", "--cert", "no/such", "--key", "no/such"],
            "cannot read no/such (client certificate): No such file or directory",
        ),
        (
            &["--endpoint", "h", "--ca_file", "no/such"],
            "cannot read no/such",
        ),
        (
            &["--keep-alive", "1.5"],
            "--keep-alive 1.5: 0 to 65535 seconds",
        ),
    ];
    for (args, part) in cases {
        let (code, line) = fails_with(light(args));
        assert_eq!(code, 64, "{args:?}");
        assert!(
            line.starts_with("light: ") && line.contains(part),
            "{args:?}: {line}"
        );
    }
    let no_text = OsStr::from_bytes(b"--\xff");
    let line = fails(Process::spawn(program().arg(no_text)));
    assert!(line.contains("unknown argument --\u{fffd}"), "{line}");
}

#[test]
fn nobody_listens() {
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    for mqtt in ["3", "5"] {
        let line = fails(light(&["--endpoint", &url, "--mqtt", mqtt]));
        let said = format!("light: cannot connect to {url}: Connection refused");
        assert!(line.starts_with(&said), "{line}");
    }
    let line = fails(light(&["--endpoint", "no-such-host.invalid"]));
    let said = "light: cannot connect to mqtt://no-such-host.invalid:1883: ";
    assert!(line.starts_with(said), "{line}");
}

/// Another protocol's server, and one that hangs up.
#[test]
fn no_broker_listens() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(answer.as_bytes());
        });
        let line = fails(light(&["--endpoint", "127.0.0.1", "--port", &port]));
        assert!(
            line.starts_with("light: no answer to the CONNECT: "),
            "{line}"
        );
        server.join().unwrap();
    }
}

#[test]
fn the_broker_refuses() {
    let refusing = Mosquitto::start(Config::new().no_anonymous());
    let Some(refusing) = installed(refusing) else {
        return;
    };
    for mqtt in ["3", "5"] {
        let line = fails(light(&["--endpoint", &refusing.url(), "--mqtt", mqtt]));
        assert!(line.to_lowercase().contains("not authorized"), "{line}");
    }
}

/// MQTT 5 says so; over 3.1.1 the broker can only be silent.
#[test]
fn the_broker_refuses_the_request() {
    let config = Config::new()
        .file("acl", "topic read $aws/things/lamp/shadow/#\n")
        .line("acl_file {dir}/acl");
    let Some(refusing) = installed(Mosquitto::start(config)) else {
        return;
    };
    let line = fails(light(&[
        "--endpoint",
        &refusing.url(),
        "--thing-name",
        "lamp",
    ]));
    assert_eq!(
        line,
        "light: could not get the shadow: the broker refused the publish: 0x87 not authorized; \
         the policy or access list lacks, probably, iot:Publish on \
         topic/$aws/things/lamp/shadow/get"
    );
}

#[test]
fn nobody_serves() {
    let Some(broker) = installed(broker()) else {
        return;
    };
    // MQTT 5 would have said if the request was not allowed.
    let publish = "iot:Publish on topic/$aws/things/light/shadow/get, or ";
    let versions = [("3", publish), ("5", "")];
    let lights = versions.map(|(mqtt, _)| light(&["--endpoint", &broker.url(), "--mqtt", mqtt]));
    for (light, (_, publish)) in lights.into_iter().zip(versions) {
        let expected = format!(
            "light: could not get the shadow: timed out (acknowledged by the broker, not answered \
             by the shadow service); does a shadow service run on this broker? If so, the policy or access list may lack {publish}iot:Receive on \
             topic/$aws/things/light/shadow/get/accepted and \
             topic/$aws/things/light/shadow/get/rejected"
        );
        assert_eq!(fails(light), expected);
    }
}

/// A broker that accepts and never says a word: Ctrl-C ends the wait.
#[test]
fn the_broker_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let mut light = light(&["--endpoint", &url]);
    light.wait_for(LIMIT, &format!("connecting to {url}"));
    let connection = listener.accept().unwrap();
    light.signal(Signal::Interrupt);
    let status = light.wait(Duration::from_secs(4));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    drop(connection);
}

#[test]
fn shadow_local_says_what_is_wrong() {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let Some(_first) = installed(service(&["--listen", &listen])) else {
        return;
    };
    let nobody = format!("mqtt://127.0.0.1:{}", free_port());
    let in_use = format!("{listen} is in use");
    let refused = format!("cannot connect to {nobody}: Connection refused");
    let cases: [(&[&str], &str); 8] = [
        (&["--listen", &listen], &in_use),
        (&["--listen", "127.0.0.1:0", "--http", &listen], &in_use),
        (&["--broker", &nobody], &refused),
        (&["--broker", "http://h"], "unknown scheme \"http\""),
        (&["--bogus"], "unknown argument --bogus"),
        (&["--listen"], "--listen needs a value"),
        (&["--listen", "nowhere"], "\"nowhere\" is not an address"),
        (
            &["--broker", "h", "--listen", "1"],
            "--broker excludes --listen",
        ),
    ];
    for (args, part) in cases {
        let program = binary("shadow-local").unwrap();
        let process = Process::spawn(Command::new(program).env("RUST_BACKTRACE", "1").args(args));
        let line = fails(process);
        assert!(
            line.starts_with("shadow-local: ") && line.contains(part),
            "{args:?}: {line}"
        );
    }
}
