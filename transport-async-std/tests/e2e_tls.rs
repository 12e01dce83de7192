//! Against a real broker over mutual TLS, WebSockets and an HTTP proxy, on each runtime that is
//! compiled in.

#![cfg(all(unix, any(feature = "async-std", feature = "smol")))]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../transport-core/tests/support/mosquitto.rs"]
mod mosquitto;

use core::time::Duration;

use mosquitto::{broker, options};
use testkit::{HttpProxy, Mosquitto, Pki, skip_or_fail};
use transport_async_std::{ConnectError, ConnectOptions, MqttVersion, OpenCause, Proxy, TlsError};

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3_1_1, MqttVersion::V5];
const PATIENCE: Duration = Duration::from_secs(20);

/// Those of a client with a certificate.
fn mutual(pki: &Pki, broker: &Mosquitto) -> ConnectOptions {
    let mut options = options("mqtts", broker.port_of("mutual"), &pki.path("ca.pem"));
    pki.run(&["genrsa", "-out", "client.key", "2048"]);
    pki.sign("client", "ca", "extendedKeyUsage=clientAuth");
    options
        .tls
        .set_identity(pki.path("client.pem"), pki.path("client.key"));
    options
}

/// A certificate, a broker, or the end of the test.
macro_rules! given {
    ($pki:ident, $broker:ident) => {
        let Ok($pki) = Pki::new() else {
            return skip_or_fail("openssl");
        };
        let Some($broker) = broker(&$pki) else {
            return skip_or_fail("mosquitto");
        };
    };
}

/// The same tests on each runtime: its module, and how a program begins on it.
macro_rules! on {
    ($runtime:ident, $block_on:path) => {
        mod $runtime {
            use transport_async_std::$runtime::{Qos, connect};

            use super::*;

            /// A large message there and back: more than one record of TLS, more than one frame.
            async fn exercise(options: ConnectOptions) {
                let client = connect(options).await.unwrap();
                let payload: Vec<u8> = (0..20_000_u32).map(|index| (index % 253) as u8).collect();
                let topic = "there/and/back";
                let mut messages = client.subscribe(topic, Qos::AtLeastOnce).await.unwrap();
                for _ in 0..3 {
                    let publishing = client.publish(topic, payload.clone(), Qos::AtLeastOnce);
                    publishing.await.unwrap();
                    let message = messages.next().await.unwrap().unwrap();
                    assert!(message.payload == payload);
                }
                client.shutdown(PATIENCE).await.unwrap();
            }

            #[test]
            fn mutual_tls() {
                given!(pki, broker);
                for version in VERSIONS {
                    let mut options = mutual(&pki, &broker);
                    options.version = version;
                    $block_on(exercise(options));
                }
            }

            #[test]
            fn websockets() {
                given!(pki, broker);
                for scheme in ["ws", "wss"] {
                    for version in VERSIONS {
                        let port = broker.port_of(scheme);
                        let mut options = options(scheme, port, &pki.path("ca.pem"));
                        options.version = version;
                        $block_on(exercise(options));
                    }
                }
            }

            #[test]
            fn through_a_proxy() {
                given!(pki, broker);
                let proxy = HttpProxy::start(Some("bWU6aHVzaA=="));
                let through = |mut options: ConnectOptions, password: &str| {
                    let mut its = Proxy::new("127.0.0.1", proxy.port());
                    its.set_user("me", password);
                    options.proxy = Some(its);
                    options
                };
                let wss = || options("wss", broker.port_of("wss"), &pki.path("ca.pem"));
                $block_on(exercise(through(mutual(&pki, &broker), "hush")));
                $block_on(exercise(through(wss(), "hush")));
                let target = |listener| format!("localhost:{}", broker.port_of(listener));
                assert_eq!(proxy.tunnels(), [target("mutual"), target("wss")]);

                let wrong = through(wss(), "wrong");
                let Err(ConnectError::Open(error)) = $block_on(connect(wrong)) else {
                    panic!("not an error of opening");
                };
                let cause = error.cause.as_deref();
                assert!(matches!(cause, Some(OpenCause::Proxy(_))), "{error:?}");
                assert_eq!(proxy.tunnels().len(), 2);
            }

            #[test]
            fn what_is_wrong_is_said() {
                given!(pki, broker);
                let error = |options| match $block_on(connect(options)) {
                    Err(ConnectError::Open(error)) => error.tls().cloned().unwrap(),
                    other => panic!("{other:?}"),
                };
                let (mutual, ws) = (broker.port_of("mutual"), broker.port_of("ws"));
                let (ca, other) = (pki.path("ca.pem"), pki.path("other-ca.pem"));
                let missing = error(options("mqtts", mutual, &ca));
                let unknown = error(options("mqtts", mutual, &other));
                let plain = error(options("mqtts", ws, &ca));
                let fits = matches!(missing, TlsError::CertificateRequired { .. });
                assert!(fits, "{missing:?}");
                let fits = matches!(unknown, TlsError::UnknownAuthority { .. });
                assert!(fits, "{unknown:?}");
                assert!(matches!(plain, TlsError::NotTls { .. }), "{plain:?}");
            }
        }
    };
}

#[cfg(feature = "async-std")]
on!(async_std, ::async_std::task::block_on);
#[cfg(feature = "smol")]
on!(smol, ::smol::block_on);
