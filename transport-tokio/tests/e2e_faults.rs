//! Through a proxy whose connections all go wrong: nothing panics, spins, leaks, or is lost without
//! a word. A hundred connections; ten thousand with `SHADOW_LONG=1`, which `cargo xtask extra
//! faults` sets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

#[allow(dead_code, reason = "each test target uses its part")]
#[path = "support/counted.rs"]
mod counted;
#[path = "support/service.rs"]
mod service;

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::{
    collections::BTreeSet,
    env,
    sync::{Arc, Mutex},
};

use counted::{Counted, resident};
use testkit::{Config, FaultProxy, Mosquitto, skip_or_fail, wait_until};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};
use transport_tokio::{
    ConnectOptions, Driver, Json, MqttVersion, Qos, RequestFailure, ShadowClient, ShadowId,
    connect, open,
};

/// An outcome that has not come by then never comes: each has a deadline of two seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const CLIENTS: usize = 12;

/// What came of requests and messages.
#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    failed: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
    unacknowledged: AtomicU64,
    next: AtomicU64,
}

/// A client that comes back at once, on a driver of its own.
fn client(port: u16, index: usize, polls: &Arc<AtomicU64>) -> (ShadowClient, JoinHandle<()>) {
    let mut options = ConnectOptions::from_url(&format!("mqtt://127.0.0.1:{port}")).unwrap();
    options.version = match index % 2 {
        0 => MqttVersion::V5,
        _ => MqttVersion::V3_1_1,
    };
    options.client_id = format!("faulty-{index}");
    options.clean_start = index % 3 == 0;
    options.session_expiry = Some(PATIENCE);
    options.unlimited();
    options.keep_alive = Duration::from_secs(1);
    options.mqtt.ping_timeout = Duration::from_millis(500);
    options.connect_timeout = Duration::from_secs(1);
    options.operation_timeout = Duration::from_secs(2);
    options.close_timeout = Duration::from_millis(200);
    options.reconnect.base = Duration::from_millis(1);
    options.reconnect.max = Duration::from_millis(20);
    let (client, driver) = Driver::new(options, open).unwrap();
    (client, tokio::spawn(Counted::new(driver, polls)))
}

/// Requests and messages, one after another, until there were enough connections.
async fn work(
    client: ShadowClient,
    index: usize,
    tally: Arc<Tally>,
    proxy: Arc<FaultProxy>,
    until: usize,
) {
    let id = ShadowId::classic(&format!("lamp{index}")).unwrap();
    let shadow = client.shadow(id).unwrap();
    let state = Json::from_text(r#"{"color":"red"}"#).unwrap();
    while proxy.connections() < until {
        let number = tally.next.fetch_add(1, Ordering::Relaxed);
        let message = client.publish("faults", number.to_string(), Qos::AtLeastOnce);
        let (request, again) = (shadow.report(&state), shadow.get());
        match timeout(PATIENCE, message).await.expect("no outcome") {
            Ok(()) => drop(tally.acknowledged.lock().unwrap().insert(number)),
            Err(_) => drop(tally.unacknowledged.fetch_add(1, Ordering::Relaxed)),
        }
        count(
            &tally,
            timeout(PATIENCE, request).await.expect("no outcome"),
        );
        count(&tally, timeout(PATIENCE, again).await.expect("no outcome"));
    }
}

fn count<T>(tally: &Tally, outcome: Result<T, RequestFailure>) {
    match outcome {
        Ok(_) => &tally.accepted,
        Err(RequestFailure::Failure(_)) => &tally.failed,
        Err(other) => panic!("{other}"),
    }
    .fetch_add(1, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_goes_wrong_and_nothing_is_lost_without_a_word() {
    let Ok(broker) = Mosquitto::start(Config::new().quiet()) else {
        return skip_or_fail("mosquitto");
    };
    let long = env::var_os("SHADOW_LONG").is_some();
    let connections = if long { 10_000 } else { 100 };
    service::serve(&broker).await;
    let heard = Arc::new(Mutex::new(BTreeSet::new()));
    let mut options = ConnectOptions::from_url(&broker.url()).unwrap();
    options.mqtt.receive_maximum = u16::MAX;
    let observer = connect(options).await.unwrap();
    let its = Arc::clone(&heard);
    let observing = observer.subscribe_with("faults", Qos::AtLeastOnce, move |message| {
        let text = core::str::from_utf8(&message.payload).unwrap();
        its.lock().unwrap().insert(text.parse::<u64>().unwrap());
    });
    observing.await.unwrap();

    let proxy = Arc::new(FaultProxy::start(broker.port(), 4));
    let (tally, polls) = (Arc::new(Tally::default()), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|index| client(proxy.port(), index, &polls))
        .collect();
    let begin = Instant::now();
    let mut measured = Vec::new();
    for share in 1..=5 {
        let mut working = JoinSet::new();
        for (index, (client, _)) in clients.iter().enumerate() {
            let (tally, proxy) = (Arc::clone(&tally), Arc::clone(&proxy));
            working.spawn(work(
                client.clone(),
                index,
                tally,
                proxy,
                connections * share / 5,
            ));
        }
        while let Some(worked) = working.join_next().await {
            worked.unwrap();
        }
        // What was acknowledged has arrived, once it had the time to.
        let acknowledged = core::mem::take(&mut *tally.acknowledged.lock().unwrap());
        let mut missing: Vec<u64> = acknowledged.into_iter().collect();
        tokio::task::block_in_place(|| {
            wait_until(PATIENCE, || {
                let heard = heard.lock().unwrap();
                missing.retain(|number| !heard.contains(number));
                missing.is_empty()
            })
        });
        assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
        heard.lock().unwrap().clear();
        let tasks = Handle::current().metrics().num_alive_tasks();
        measured.push((proxy.connections(), tasks, resident()));
    }
    println!(
        "{} connections in {:?}: requests {} accepted, {} failed; messages {} without an \
         acknowledgement of {}; {} polls; (connections, tasks, KiB): {measured:?}",
        proxy.connections(),
        begin.elapsed(),
        tally.accepted.load(Ordering::Relaxed),
        tally.failed.load(Ordering::Relaxed),
        tally.unacknowledged.load(Ordering::Relaxed),
        tally.next.load(Ordering::Relaxed),
        polls.load(Ordering::Relaxed),
    );
    assert!(proxy.connections() >= connections);
    assert!(tally.accepted.load(Ordering::Relaxed) > 0);
    assert!(tally.failed.load(Ordering::Relaxed) > 0);

    // No panic, no spinning, no leak.
    for (_, driver) in &clients {
        assert!(!driver.is_finished());
    }
    let each = tally.next.load(Ordering::Relaxed) * 3 + proxy.connections() as u64;
    assert!(polls.load(Ordering::Relaxed) < each * 100);
    let (first, last) = (measured[0], measured[4]);
    // Those that end at this moment count or do not.
    assert!(last.1 <= first.1 + 4, "tasks: {} and {}", first.1, last.1);
    let grown = last
        .2
        .zip(first.2)
        .map(|(last, first)| last.saturating_sub(first));
    assert!(grown.unwrap_or_default() < 16 * 1024, "KiB more: {grown:?}");

    // And it works as if nothing had been.
    proxy.heal();
    for (client, _) in &clients {
        let shadow = client.shadow(ShadowId::classic("healed").unwrap()).unwrap();
        let working =
            async { while shadow.get().await.is_err_and(|error| !error.is_not_found()) {} };
        timeout(PATIENCE, working).await.expect("healed");
    }
    for (client, driver) in clients {
        client.shutdown(PATIENCE).await.unwrap();
        timeout(PATIENCE, driver).await.unwrap().unwrap();
    }
}
