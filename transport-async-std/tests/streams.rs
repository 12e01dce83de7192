//! The driver over streams within the process, on each runtime that is compiled in.

#![cfg(all(unix, any(feature = "async-std", feature = "smol")))]
#![expect(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "helpers of tests are tests"
)]

#[path = "../../transport-core/tests/support/broker.rs"]
mod broker;

use core::time::Duration;
use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    thread,
};

use async_io::Async;
use broker::Broker;
use transport_async_std::{ConnectOptions, Json, MqttVersion, ShadowId};

type Shared = Arc<Mutex<Broker>>;

fn broker() -> Shared {
    Arc::new(Mutex::new(Broker::new()))
}

/// The last packet that came, once the thread of the stream has ended and so holds it no longer.
fn last_words(broker: Shared) -> String {
    let mut broker = Some(broker);
    loop {
        match Arc::try_unwrap(broker.take().unwrap()) {
            Ok(broker) => return broker.into_inner().unwrap().log.pop().unwrap(),
            Err(shared) => broker = Some(shared),
        }
        thread::yield_now();
    }
}

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::from_url("mqtt://broker").unwrap();
    options.version = MqttVersion::V3_1_1;
    options.reconnect.base = Duration::from_millis(20);
    options
}

/// A stream to the broker, which serves it on a thread.
fn open(broker: &Shared) -> io::Result<Async<UnixStream>> {
    let (near, far) = UnixStream::pair()?;
    broker.lock().unwrap().reset();
    let broker = Arc::clone(broker);
    thread::spawn(move || serve(&broker, far));
    Async::new(near)
}

fn serve(broker: &Shared, mut stream: UnixStream) {
    let mut bytes = [0; 61];
    loop {
        let count = stream.read(&mut bytes).unwrap_or(0);
        let (more, output) = {
            let mut broker = broker.lock().unwrap();
            let more = count > 0 && broker.feed(bytes.get(..count).unwrap());
            (more, broker.take_output())
        };
        if stream.write_all(&output).is_err() || !more {
            return;
        }
    }
}

fn color(color: &str) -> Json {
    Json::from_text(&format!(r#"{{"color":"{color}"}}"#)).unwrap()
}

fn lamp() -> ShadowId {
    ShadowId::classic("lamp").unwrap()
}

/// The same tests on each runtime: its module, and how a program begins on it.
macro_rules! on {
    ($runtime:ident, $block_on:path) => {
        mod $runtime {
            use transport_async_std::$runtime::{
                ConnectError, ConnectionEvent, Driver, Qos, ShadowClient, connect, connect_with,
                start_with,
            };

            use super::*;

            async fn connected(broker: &Shared) -> ShadowClient {
                let its = Arc::clone(broker);
                let connector = move |_| core::future::ready(open(&its));
                connect_with(options(), connector).await.unwrap()
            }

            #[test]
            fn a_property_stays_in_sync() {
                $block_on(async {
                    let broker = broker();
                    let client = connected(&broker).await;
                    let shadow = client.shadow(lamp()).unwrap();
                    let mut deltas = shadow.deltas().unwrap();
                    shadow.ready().await.unwrap();
                    shadow.desire(&color("red")).await.unwrap();
                    let delta = deltas.next().await.unwrap();
                    shadow.report(&delta.state).await.unwrap();
                    let document = shadow.get().await.unwrap();
                    assert!(document.delta.is_absent());
                    client.shutdown(Duration::from_secs(5)).await.unwrap();
                    assert_eq!(last_words(broker), "disconnect");
                });
            }

            #[test]
            fn big_payloads_fit_no_read_and_no_write() {
                $block_on(async {
                    let client = connected(&broker()).await;
                    let mut messages = client.subscribe("big", Qos::AtLeastOnce).await.unwrap();
                    let payload = vec![b'x'; 100_000];
                    let published = client.publish("big", payload.clone(), Qos::AtLeastOnce);
                    published.await.unwrap();
                    assert_eq!(messages.next().await.unwrap().unwrap().payload, payload);
                });
            }

            #[test]
            fn timeouts_happen() {
                $block_on(async {
                    let broker = broker();
                    broker.lock().unwrap().service = None;
                    let its = Arc::clone(&broker);
                    let connector = move |_| core::future::ready(open(&its));
                    let mut options = options();
                    options.operation_timeout = Duration::from_millis(50);
                    let client = connect_with(options, connector).await.unwrap();
                    let begin = std::time::Instant::now();
                    let shadow = client.shadow(lamp()).unwrap();
                    assert!(shadow.get().await.is_err());
                    assert!(begin.elapsed() >= Duration::from_millis(50));
                });
            }

            #[test]
            fn reconnects() {
                $block_on(async {
                    let broker = broker();
                    let its = Arc::clone(&broker);
                    let mut left = 3;
                    let connector = move |_| {
                        left = i32::max(left - 1, 0);
                        let refused = || Err(io::Error::from(io::ErrorKind::ConnectionRefused));
                        core::future::ready(if left > 0 { refused() } else { open(&its) })
                    };
                    let client = start_with(options(), connector).unwrap();
                    let shadow = client.shadow(lamp()).unwrap();
                    assert!(shadow.get().await.unwrap_err().is_not_found());
                });
            }

            #[test]
            fn an_attempt_that_never_ends_is_given_up() {
                $block_on(async {
                    let mut options = options();
                    options.connect_timeout = Duration::from_millis(50);
                    let never = |_| core::future::pending::<io::Result<Async<UnixStream>>>();
                    let error = connect_with(options, never).await.unwrap_err();
                    assert_eq!(error, ConnectError::TimedOut);
                });
            }

            #[test]
            fn dropping_the_last_handle_ends_the_driver() {
                $block_on(async {
                    let broker = broker();
                    let its = Arc::clone(&broker);
                    let connector = move |_| core::future::ready(open(&its));
                    let (client, driver) = Driver::new(options(), connector).unwrap();
                    // Both in one task: the driver needs no spawn.
                    let mut driver = Box::pin(driver);
                    // It holds a handle.
                    let mut connected = Some(Box::pin(client.connected()));
                    let mut client = Some(client);
                    core::future::poll_fn(|cx| {
                        let up = connected.as_mut().map(|it| it.as_mut().poll(cx).is_ready());
                        if up == Some(true) {
                            (client, connected) = (None, None);
                        }
                        driver.as_mut().poll(cx)
                    })
                    .await;
                    assert!(client.is_none());
                    drop(driver);
                    assert_eq!(last_words(broker), "disconnect");
                });
            }

            #[test]
            fn dropping_the_driver_stops_the_client() {
                $block_on(async {
                    let broker = broker();
                    let connector = move |_| core::future::ready(open(&broker));
                    let (client, driver) = Driver::new(options(), connector).unwrap();
                    let mut events = client.connection_events();
                    drop(driver);
                    assert_eq!(events.next().await, Some(ConnectionEvent::Stopped));
                });
            }

            #[test]
            fn a_broker_that_is_not_there_is_named() {
                $block_on(async {
                    let options = ConnectOptions::from_url("mqtt://127.0.0.1:1").unwrap();
                    let error = connect(options).await.unwrap_err().to_string();
                    assert!(error.contains("connect to mqtt://127.0.0.1:1"), "{error}");
                });
            }
        }
    };
}

#[cfg(feature = "async-std")]
on!(async_std, ::async_std::task::block_on);
#[cfg(feature = "smol")]
on!(smol, ::smol::block_on);
