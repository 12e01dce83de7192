//! One program over each transport: only the line that names it differs.

#![cfg(all(
    feature = "async-std",
    feature = "blocking",
    feature = "smol",
    feature = "tokio"
))]

use core::time::Duration;
use std::process::Command;

use shadow_service::local::{Options, Server};
use testkit::Process;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_transport_runs_the_same_program() {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let url = format!("mqtt://{}", server.mqtt_address().unwrap());
    let mut transports = vec!["tokio", "smol", "async_std"];
    if cfg!(feature = "paho") {
        transports.push("paho");
    }
    for transport in transports {
        let program = testkit::example(&format!("portable_{transport}")).expect("it is built");
        let url = url.clone();
        let played = tokio::task::spawn_blocking(move || {
            let mut process = Process::spawn(Command::new(program).arg(url));
            process.wait_for(LIMIT, r#"{"color":"red"}"#);
            process.wait(LIMIT).expect("it ends")
        });
        assert!(played.await.unwrap().success(), "{transport}");
    }
}

/// The files of the transports differ in their `use` line, and in the executor alone.
#[test]
fn one_use_line_differs() {
    let smol = include_str!("../examples/portable/smol.rs");
    let other = include_str!("../examples/portable/async_std.rs");
    let code = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("//!"));
        lines.map(str::to_owned).collect()
    };
    let (smol, other) = (code(smol), code(other));
    let differing = smol.iter().zip(&other).filter(|(one, other)| one != other);
    let differing: Vec<_> = differing.collect();
    assert_eq!(smol.len(), other.len());
    assert_eq!(differing.len(), 1, "{differing:?}");
    assert!(differing.iter().all(|(line, _)| line.starts_with("use ")));
}
