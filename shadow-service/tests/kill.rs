//! `shadow-local --data`, killed at any moment: what was acknowledged is there again.
//!
//! 20 rounds; the environment variable `SHADOW_KILL_ROUNDS` asks for more.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the program is tested from outside, over sockets and from threads"
)]
#![cfg(unix)]

use core::time::Duration;
use shadow_service::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

const DEVICES: usize = 8;

struct Server {
    child: Child,
    http: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shadow-local"))
            .args(["--listen", "0", "--http", "0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let http = lines.find_map(|line| {
            let address = line.strip_prefix("REST data plane on http://")?;
            Some(address.to_owned())
        });
        Self {
            child,
            http: http.unwrap(),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.http).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }
}

/// One request on an open connection; `None` when the server died of it.
fn request(stream: &mut TcpStream, method: &str, thing: &str, body: &str) -> Option<Value> {
    let length = body.len();
    let request = format!(
        "{method} /things/{thing}/shadow HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().ok();
        }
    }
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Value::parse(core::str::from_utf8(&body).ok()?).ok()
}

/// Writes until the server dies; the last version that was acknowledged.
fn load(mut stream: TcpStream, device: usize, from: u64) -> u64 {
    let mut acknowledged = from;
    loop {
        let next = acknowledged + 1;
        // The document says which version it belongs to, so that a mixture would be noticed.
        let body = format!(
            r#"{{"state":{{"desired":{{"number":{next}}},"reported":{{"number":{next}}}}}}}"#
        );
        let Some(answer) = request(&mut stream, "POST", &format!("t{device}"), &body) else {
            return acknowledged;
        };
        let version = answer.as_object().unwrap().get("version").unwrap().as_u64();
        assert_eq!(version, Some(next), "{answer}");
        acknowledged = next;
    }
}

/// The version of a shadow, and that its document is whole.
fn stored(stream: &mut TcpStream, device: usize) -> u64 {
    let answer = request(stream, "GET", &format!("t{device}"), "").unwrap();
    let member = |value: &Value, name: &str| value.as_object().unwrap().get(name).cloned();
    let Some(version) = member(&answer, "version") else {
        assert_eq!(member(&answer, "code").unwrap().as_u64(), Some(404));
        return 0;
    };
    let state = member(&answer, "state").unwrap();
    for section in ["desired", "reported"] {
        let number = member(&member(&state, section).unwrap(), "number");
        assert_eq!(number, Some(version.clone()), "{answer}");
    }
    assert!(member(&state, "delta").is_none());
    version.as_u64().unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let rounds = std::env::var("SHADOW_KILL_ROUNDS").ok();
    let rounds: u64 = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let data: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kill");
    let _ = std::fs::remove_dir_all(&data);
    let mut acknowledged = [0; DEVICES];
    for round in 0..rounds {
        let mut server = Server::start(&data);
        let mut stream = server.connect();
        for (device, before) in acknowledged.iter_mut().enumerate() {
            let found = stored(&mut stream, device);
            // One more than acknowledged: the kill came between the commit and the answer.
            assert!(
                found == *before || found == *before + 1,
                "round {round}: {found} {before}"
            );
            *before = found;
        }
        let first = acknowledged;
        let writers: Vec<_> = (0..DEVICES)
            .map(|device| {
                let stream = server.connect();
                thread::spawn(move || load(stream, device, first[device]))
            })
            .collect();
        // The load itself says when: after so many updates of the first device.
        let kill_at = first[0] + 1 + round % 7;
        while stored(&mut stream, 0) < kill_at {}
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        for (device, writer) in writers.into_iter().enumerate() {
            acknowledged[device] = writer.join().unwrap();
        }
    }
    assert!(acknowledged.iter().all(|version| *version > 0));
    let _ = std::fs::remove_dir_all(&data);
}
