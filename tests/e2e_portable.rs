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

/// The code of the files differs in one `use` line.
#[test]
fn one_use_line_differs() {
    let tokio = include_str!("../examples/portable/tokio.rs");
    for other in [
        include_str!("../examples/portable/smol.rs"),
        include_str!("../examples/portable/async_std.rs"),
        include_str!("../examples/portable/paho.rs"),
    ] {
        let code = |text: &'static str| text.lines().filter(|line| !line.starts_with("//!"));
        assert_eq!(code(tokio).count(), code(other).count());
        let differing = code(tokio).zip(code(other)).filter(|(one, two)| one != two);
        let differing: Vec<_> = differing.collect();
        assert_eq!(differing.len(), 1, "{differing:?}");
        assert!(differing.iter().all(|(line, _)| line.starts_with("use ")));
    }
}
