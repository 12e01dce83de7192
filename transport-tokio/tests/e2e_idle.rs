//! What a client costs: no processor time when it is idle, no more memory the longer it runs. Five
//! thousand round trips; a million, and a minute of idling, with `SHADOW_LONG=1`, which `cargo
//! xtask extra idle` sets.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

#[path = "../../transport-core/tests/support/broker.rs"]
mod broker;
#[allow(dead_code, reason = "each test target uses its part")]
#[path = "support/counted.rs"]
mod counted;

use core::time::Duration;
use std::{collections::VecDeque, env};

use broker::Broker;
use counted::{processor_ticks, resident};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use transport_tokio::{ConnectOptions, Json, MqttVersion, ShadowId, connect};

const PATIENCE: Duration = Duration::from_secs(60);
/// Requests under way at a time.
const WINDOW: usize = 8;

async fn serve(mut stream: TcpStream) {
    let mut broker = Broker::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).await.unwrap_or(0);
        let more = count > 0 && broker.feed(bytes.get(..count).unwrap());
        broker.log.clear();
        let output = broker.take_output();
        if stream.write_all(&output).await.is_err() || !more {
            return;
        }
    }
}

#[tokio::test]
async fn memory_stays_flat_however_many_round_trips() {
    let long = env::var_os("SHADOW_LONG").is_some();
    let round_trips = if long { 1_000_000 } else { 5_000 };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        serve(stream).await;
    });
    let mut options = ConnectOptions::from_url(&url).unwrap();
    options.version = MqttVersion::V3_1_1;
    options.unlimited();
    options.keep_alive = Duration::from_secs(5);
    options.operation_timeout = PATIENCE;
    let client = connect(options).await.unwrap();
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let state = Json::from_text(r#"{"color":"red","on":true}"#).unwrap();
    let mut measured = vec![(0, resident())];
    let mut waiting = VecDeque::new();
    for done in 1..=round_trips {
        waiting.push_back(shadow.report(&state));
        if waiting.len() >= WINDOW {
            let oldest = waiting.pop_front().unwrap();
            timeout(PATIENCE, oldest).await.unwrap().unwrap();
        }
        if done % (round_trips / 10) == 0 {
            measured.push((done, resident()));
        }
    }
    for left in waiting {
        timeout(PATIENCE, left).await.unwrap().unwrap();
    }
    println!("(round trips, KiB): {measured:?}");
    // The first tenth warms up.
    let grown = measured[10].1.zip(measured[1].1);
    let grown = grown.map(|(last, first)| last.saturating_sub(first));
    assert!(grown.unwrap_or_default() < 1024, "KiB more: {grown:?}");

    if long {
        let before = processor_ticks();
        sleep(Duration::from_secs(60)).await;
        let used = processor_ticks()
            .zip(before)
            .map(|(after, before)| after - before);
        println!("processor time in 60 s with a keep-alive of 5 s, in ticks of 10 ms: {used:?}");
        assert!(used.unwrap_or_default() <= 3, "{used:?}");
    }
    client.shutdown(PATIENCE).await.unwrap();
    server.await.unwrap();
}
