//! The driver over in-memory streams, in paused time.

#![expect(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "helpers of tests are tests"
)]

#[path = "../../transport-core/tests/support/broker.rs"]
mod broker;

use core::{
    future::pending,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    time::Duration,
};
use std::{
    io,
    sync::{Arc, Mutex},
};

use broker::Broker;
use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
    },
    time::Instant,
};
use transport_tokio::{
    ConnectError, ConnectOptions, ConnectionEvent, Driver, Json, MqttVersion, Qos, RequestFailure,
    ShadowClient, ShadowId, connect, connect_with, start_with,
};

type Shared = Arc<Mutex<Broker>>;

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::from_url("mqtt://broker").unwrap();
    options.version = MqttVersion::V3_1_1;
    options.reconnect.jitter_percent = 0;
    options
}

fn broker() -> Shared {
    Arc::new(Mutex::new(Broker::new()))
}

/// A stream to the broker, which serves it in a task.
fn open(broker: &Shared, size: usize) -> DuplexStream {
    let (near, far) = duplex(size);
    broker.lock().unwrap().reset();
    tokio::spawn(serve(Arc::clone(broker), far));
    near
}

async fn serve(broker: Shared, mut stream: DuplexStream) {
    let mut bytes = [0; 64];
    loop {
        let count = stream.read(&mut bytes).await.unwrap_or(0);
        let (more, output) = {
            let mut broker = broker.lock().unwrap();
            let more = count > 0 && broker.feed(bytes.get(..count).unwrap());
            (more, broker.take_output())
        };
        if stream.write_all(&output).await.is_err() || !more {
            return;
        }
    }
}

async fn connected(broker: &Shared) -> ShadowClient {
    let its = Arc::clone(broker);
    let connector = move |_| {
        let stream = open(&its, 4096);
        async { io::Result::Ok(stream) }
    };
    connect_with(options(), connector).await.unwrap()
}

fn state(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_property_stays_in_sync() {
    let broker = broker();
    let client = connected(&broker).await;
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let mut deltas = shadow.deltas().unwrap();
    shadow.ready().await.unwrap();
    shadow.desire(&state(r#"{"color":"red"}"#)).await.unwrap();
    let delta = deltas.next().await.unwrap();
    shadow.report(&delta.state).await.unwrap();
    let document = shadow.get().await.unwrap();
    assert!(document.delta.is_absent());
    client.shutdown(Duration::from_secs(1)).await.unwrap();
    assert_eq!(broker.lock().unwrap().log.last().unwrap(), "disconnect");
}

#[tokio::test(start_paused = true)]
async fn tiny_streams_and_big_payloads() {
    let broker = broker();
    let its = Arc::clone(&broker);
    let connector = move |_| {
        let stream = open(&its, 16);
        async { io::Result::Ok(stream) }
    };
    let client = connect_with(options(), connector).await.unwrap();
    let mut messages = client.subscribe("big", Qos::AtLeastOnce).await.unwrap();
    let payload = vec![b'x'; 100_000];
    client
        .publish("big", payload.clone(), Qos::AtLeastOnce)
        .await
        .unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap().payload, payload);
}

#[tokio::test(start_paused = true)]
async fn timeouts_follow_the_runtimes_clock() {
    let broker = broker();
    broker.lock().unwrap().service = None;
    let client = connected(&broker).await;
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let begin = Instant::now();
    assert!(shadow.get().await.is_err());
    let took = begin.elapsed();
    let expected = Duration::from_secs(5)..Duration::from_millis(5_010);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn reconnects_after_what_the_backoff_says() {
    let broker = broker();
    let its = Arc::clone(&broker);
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let connector = move |_| {
        let refused = counter.fetch_add(1, Ordering::Relaxed) < 3;
        let stream = (!refused).then(|| open(&its, 4096));
        async { stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused)) }
    };
    let begin = Instant::now();
    let client = start_with(options(), connector).unwrap();
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let failure = shadow.get().await.unwrap_err();
    assert!(matches!(failure, RequestFailure::Failure(_)), "{failure}");
    client.connected().await.unwrap();
    // 1 + 2 + 4 seconds.
    assert_eq!(begin.elapsed().as_secs(), 7);
    assert_eq!(attempts.load(Ordering::Relaxed), 4);
    assert!(shadow.get().await.unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_never_ends_is_given_up() {
    let connector = |_| pending::<io::Result<DuplexStream>>();
    let begin = Instant::now();
    let error = connect_with(options(), connector).await.unwrap_err();
    assert_eq!(error, ConnectError::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_driver() {
    let broker = broker();
    let its = Arc::clone(&broker);
    let connector = move |_| {
        let stream = open(&its, 4096);
        async { io::Result::Ok(stream) }
    };
    let (client, driver) = Driver::new(options(), connector).unwrap();
    let driver = tokio::spawn(driver);
    client.connected().await.unwrap();
    drop(client);
    driver.await.unwrap();
    assert_eq!(broker.lock().unwrap().log.last().unwrap(), "disconnect");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_aborted_stops_the_client() {
    let broker = broker();
    let its = Arc::clone(&broker);
    let connector = move |_| {
        let stream = open(&its, 4096);
        async { io::Result::Ok(stream) }
    };
    let (client, driver) = Driver::new(options(), connector).unwrap();
    let mut events = client.connection_events();
    let driver = tokio::spawn(driver);
    client.connected().await.unwrap();
    driver.abort();
    while let Some(event) = events.next().await {
        if event == ConnectionEvent::Stopped {
            return;
        }
    }
    unreachable!("the stream ends with Stopped");
}

#[tokio::test(start_paused = true)]
async fn thousands_of_requests_pass_the_window() {
    let broker = broker();
    let its = Arc::clone(&broker);
    let connector = move |_| {
        let stream = open(&its, 4096);
        async { io::Result::Ok(stream) }
    };
    let mut options = options();
    options.unlimited();
    options.shadows.limits.requests = 5_000;
    let client = connect_with(options, connector).await.unwrap();
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let state = state(r#"{"on":true}"#);
    let requests: Vec<_> = (0..2_000).map(|_| shadow.report(&state)).collect();
    for request in requests {
        request.await.unwrap();
    }
    assert_eq!(shadow.get().await.unwrap().version.number(), 2_000);
}

/// A stream whose writes are noted: the kinds of the small packets in each.
struct Noted(DuplexStream, Arc<Mutex<Vec<Vec<u8>>>>);

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        let (mut rest, mut kinds) = (bytes, Vec::new());
        while let [first, length, ..] = *rest {
            assert!(length < 128, "one byte of length is enough here");
            kinds.push(first >> 4);
            rest = rest.get(2 + usize::from(length)..).unwrap();
        }
        self.1.lock().unwrap().push(kinds);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_leaves_with_the_request_that_its_answer_led_to() {
    const PUBLISH: u8 = 3;
    const PUBACK: u8 = 4;
    let broker = broker();
    let writes = Arc::new(Mutex::new(Vec::new()));
    let (its, noted) = (Arc::clone(&broker), Arc::clone(&writes));
    let connector = move |_| {
        let stream = Noted(open(&its, 4096), Arc::clone(&noted));
        async { io::Result::Ok(stream) }
    };
    let client = connect_with(options(), connector).await.unwrap();
    let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
    let reports = || {
        let shadow = shadow.clone();
        async move {
            for _ in 0..3 {
                shadow.report(&state(r#"{"on":true}"#)).await.unwrap();
            }
        }
    };
    // Its filters are asked for.
    reports().await;
    let expected = [vec![PUBLISH], vec![PUBACK, PUBLISH], vec![PUBACK, PUBLISH]];
    // Here it is the future that the runtime blocks on, there a task.
    for task in [false, true] {
        // The last acknowledgement, which no request follows.
        for _ in 0..1_000 {
            if writes.lock().unwrap().last() == Some(&vec![PUBACK]) {
                break;
            }
            tokio::task::yield_now().await;
        }
        writes.lock().unwrap().clear();
        match task {
            false => reports().await,
            true => tokio::spawn(reports()).await.unwrap(),
        }
        assert_eq!(*writes.lock().unwrap(), expected, "a task: {task}");
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let connector = |_| pending::<io::Result<DuplexStream>>();
    let error = start_with(options(), connector).unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
#[tokio::test]
async fn a_scheme_that_is_not_there_is_a_permanent_error() {
    let options = ConnectOptions::from_url("wss://broker").unwrap();
    let error = connect(options).await.unwrap_err();
    assert!(error.is_permanent(), "{error}");
    let text = error.to_string();
    assert!(text.contains("wss://broker:443"), "{text}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let options = ConnectOptions::from_url("mqtt://127.0.0.1:1").unwrap();
    let error = connect(options).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot connect to mqtt://127.0.0.1:1: "),
        "{text}"
    );
}
