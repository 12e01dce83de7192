//! The examples of attaching to a client that a program has, as somebody runs them.

use std::{process::Command, time::Duration};

use shadow_service::local::{Options, Server};
use testkit::Process;

const LIMIT: Duration = Duration::from_secs(60);

async fn shows_the_shadow_and_ends(example: &str, broker: impl FnOnce(u16) -> String) {
    let server = Server::start(Options::on_free_ports()).await.unwrap();
    let broker = broker(server.mqtt_address().unwrap().port());
    let path = testkit::example(example).expect("the example is built");
    let ended = tokio::task::spawn_blocking(move || {
        let mut process = Process::spawn(Command::new(path).arg(broker));
        process.wait_for(LIMIT, r#"{"color":"red"}"#);
        process.wait_for(LIMIT, "done");
        process.wait(LIMIT).unwrap()
    });
    assert!(ended.await.unwrap().success());
}

async fn says_that_nobody_is_there(example: &str, broker: String) {
    let path = testkit::example(example).expect("the example is built");
    let ended = tokio::task::spawn_blocking(move || {
        let mut process = Process::spawn(Command::new(path).arg(broker));
        process.wait_for(LIMIT, "Error");
        process.wait(LIMIT).unwrap()
    });
    assert!(!ended.await.unwrap().success());
}

#[tokio::test]
async fn rumqttc() {
    let broker = |port| format!("127.0.0.1:{port}");
    for example in ["attach_rumqttc", "attach_rumqttc_v5"] {
        shows_the_shadow_and_ends(example, broker).await;
        says_that_nobody_is_there(example, broker(testkit::free_port())).await;
    }
}

#[cfg(feature = "paho")]
#[tokio::test]
async fn paho() {
    let broker = |port| format!("tcp://127.0.0.1:{port}");
    shows_the_shadow_and_ends("attach_paho", broker).await;
    says_that_nobody_is_there("attach_paho", broker(testkit::free_port())).await;
}
