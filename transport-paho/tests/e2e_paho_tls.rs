//! Against a real broker over mutual TLS, WebSockets and an HTTP proxy; and what is said when there
//! is no connection.

#![cfg(unix)]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

#[path = "../../transport-core/tests/support/mosquitto.rs"]
mod mosquitto;

extern crate alloc;

use alloc::sync::Arc;
use core::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use std::{io, net::TcpListener};

use mosquitto::{broker, options};
use testkit::{HttpProxy, Mosquitto, Pki, skip_or_fail};
use tokio::{sync::Mutex, time::timeout};
use transport_paho::{
    ConnectError, ConnectOptions, Credentials, CredentialsSource, MqttVersion, OpenError, Pem,
    Proxy, Qos, Roots, ShadowClient, SigV4, TlsError, connect,
};

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3_1_1, MqttVersion::V5];
const PATIENCE: Duration = Duration::from_secs(20);

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

/// Held by a test that connects over a WebSocket, of which a process can have one.
static WEBSOCKET: Mutex<()> = Mutex::const_new(());

/// Those of a client with a certificate.
fn mutual(pki: &Pki, broker: &Mosquitto) -> ConnectOptions {
    let mut options = options("mqtts", broker.port_of("mutual"), &pki.path("ca.pem"));
    pki.client("client");
    options
        .tls
        .set_identity(pki.path("client.pem"), pki.path("client.key"));
    options
}

/// A large message there and back: more than one record of TLS, more than one frame.
async fn exercise(client: ShadowClient) {
    let payload: Vec<u8> = (0..20_000_u32).map(|index| (index % 253) as u8).collect();
    let topic = "there/and/back";
    let subscribing = client.subscribe(topic, Qos::AtLeastOnce);
    let mut messages = timeout(PATIENCE, subscribing).await.unwrap().unwrap();
    for _ in 0..3 {
        let publishing = client.publish(topic, payload.clone(), Qos::AtLeastOnce);
        timeout(PATIENCE, publishing).await.unwrap().unwrap();
        let message = timeout(PATIENCE, messages.next()).await.unwrap();
        assert!(message.unwrap().unwrap().payload == payload);
    }
    client.shutdown(PATIENCE).await.unwrap();
}

async fn open_error(options: ConnectOptions) -> OpenError {
    match timeout(PATIENCE, connect(options)).await.unwrap() {
        Err(ConnectError::Open(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn mutual_tls() {
    given!(pki, broker);
    for version in VERSIONS {
        let mut options = mutual(&pki, &broker);
        options.version = version;
        exercise(connect(options).await.unwrap()).await;
    }
    // Authorities may be in memory.
    let mut options = mutual(&pki, &broker);
    options.tls.roots = Roots::Pem(Pem::bytes(pki.text("ca.pem")));
    exercise(connect(options).await.unwrap()).await;
}

/// Connects, and comes back from two restarts of the broker.
async fn outlive(mut broker: Mosquitto, mut options: ConnectOptions) {
    options.reconnect.base = Duration::from_millis(100);
    options.reconnect.max = Duration::from_secs(1);
    let client = connect(options).await.unwrap();
    for _ in 0..2 {
        let mut events = client.connection_events();
        broker.kill();
        broker.restart();
        let back = async {
            loop {
                let event = events.next().await.unwrap();
                if event.to_string().starts_with("connected") {
                    return;
                }
            }
        };
        timeout(PATIENCE, back).await.unwrap();
    }
    exercise(client).await;
}

#[tokio::test]
async fn a_broker_that_restarts_is_found_again_over_tls() {
    given!(pki, broker);
    let options = mutual(&pki, &broker);
    outlive(broker, options).await;
}

#[tokio::test]
async fn each_connect_is_signed_anew() {
    given!(pki, broker);
    let _one = WEBSOCKET.lock().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let mut options = options("wss", broker.port_of("wss"), &pki.path("ca.pem"));
    let mut sigv4 = SigV4::new(CredentialsSource::callback(move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(Credentials::new("AKIDEXAMPLE", "hush")) }
    }));
    sigv4.region = Some("eu-west-1".into());
    options.sigv4 = Some(sigv4);
    // The client of the C library, which was made with the first URL, goes on.
    options.clean_start = false;
    options.session_expiry = Some(Duration::from_secs(60));
    outlive(broker, options).await;
    assert!(asked.load(Ordering::Relaxed) >= 3);
}

#[tokio::test]
async fn websockets() {
    given!(pki, broker);
    let _one = WEBSOCKET.lock().await;
    for scheme in ["ws", "wss"] {
        for version in VERSIONS {
            let mut options = options(scheme, broker.port_of(scheme), &pki.path("ca.pem"));
            options.version = version;
            exercise(connect(options).await.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn a_second_websocket_is_refused_while_there_is_one() {
    given!(pki, broker);
    let _one = WEBSOCKET.lock().await;
    let ws = || options("ws", broker.port_of("ws"), &pki.path("ca.pem"));
    let first = connect(ws()).await.unwrap();
    let error = open_error(ws()).await;
    assert_eq!(error.kind, io::ErrorKind::ResourceBusy, "{error}");
    assert!(!error.permanent);
    exercise(first).await;
    exercise(connect(ws()).await.unwrap()).await;
}

#[tokio::test]
async fn through_a_proxy() {
    given!(pki, broker);
    let _one = WEBSOCKET.lock().await;
    let proxy = HttpProxy::start(Some("bWU6aHVzaA=="));
    let through = |mut options: ConnectOptions, password: &str| {
        let mut its = Proxy::new("127.0.0.1", proxy.port());
        its.set_user("me", password);
        options.proxy = Some(its);
        options
    };
    let wss = || options("wss", broker.port_of("wss"), &pki.path("ca.pem"));
    let client = connect(through(mutual(&pki, &broker), "hush")).await;
    exercise(client.unwrap()).await;
    exercise(connect(through(wss(), "hush")).await.unwrap()).await;
    let target = |listener| format!("localhost:{}", broker.port_of(listener));
    assert_eq!(proxy.tunnels(), [target("mutual"), target("wss")]);

    // Not said: that it was the proxy, and why.
    let error = open_error(through(wss(), "wrong")).await;
    assert!(error.to_string().ends_with("does not say why"), "{error}");
    assert_eq!(proxy.tunnels().len(), 2);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    given!(pki, broker);
    let error = async |options| {
        let error = open_error(options).await;
        let tls = error.tls().cloned();
        tls.unwrap_or_else(|| panic!("{error:?}"))
    };
    let port = broker.port_of("mutual");
    let ca = pki.path("ca.pem");

    let missing = error(options("mqtts", port, &ca)).await;
    let fits = matches!(missing, TlsError::CertificateRequired { .. });
    assert!(fits, "{missing:?}");

    pki.run(&["genrsa", "-out", "stranger.key", "2048"]);
    pki.sign("stranger", "other-ca", "extendedKeyUsage=clientAuth");
    let mut stranger = options("mqtts", port, &ca);
    let (certificate, key) = (pki.path("stranger.pem"), pki.path("stranger.key"));
    stranger.tls.set_identity(certificate, key);
    let refused = error(stranger).await;
    let fits = matches!(refused, TlsError::CertificateRefused { .. });
    assert!(fits, "{refused:?}");

    let unknown = error(options("mqtts", port, &pki.path("other-ca.pem"))).await;
    let fits = matches!(unknown, TlsError::UnknownAuthority { .. });
    assert!(fits, "{unknown:?}");

    let mut by_address = mutual(&pki, &broker);
    by_address.endpoint = format!("mqtts://127.0.0.1:{port}").parse().unwrap();
    let wrong = error(by_address).await;
    assert!(matches!(wrong, TlsError::WrongHost { .. }), "{wrong:?}");

    let plain = error(options("mqtts", broker.port_of("ws"), &ca)).await;
    assert!(matches!(plain, TlsError::NotTls { .. }), "{plain:?}");

    let mut absent = mutual(&pki, &broker);
    absent.tls.set_identity("/no/such/certificate", "/no/key");
    let file = error(absent).await;
    assert!(matches!(file, TlsError::File { .. }), "{file:?}");
}

#[tokio::test]
async fn what_the_c_library_cannot_be_given_is_refused() {
    given!(pki, broker);
    let refused = async |set: fn(&mut ConnectOptions)| {
        let mut options = mutual(&pki, &broker);
        set(&mut options);
        let error = open_error(options).await;
        assert!(error.permanent, "{error}");
        error.message.to_string()
    };
    let name = refused(|options| options.tls.server_name = Some("elsewhere".into())).await;
    assert!(name.contains("server_name"), "{name}");
    let memory = |options: &mut ConnectOptions| {
        options.tls.set_identity(Pem::bytes("c"), Pem::bytes("k"));
    };
    let memory = refused(memory).await;
    assert!(memory.contains("give paths"), "{memory}");
    // The same as they are is no contradiction.
    let mut options = mutual(&pki, &broker);
    options.tls.server_name = Some("localhost".into());
    exercise(connect(options).await.unwrap()).await;
}

#[tokio::test]
async fn a_broker_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("mqtt://127.0.0.1:{port}");
    let closed = open_error(ConnectOptions::from_url(&url).unwrap()).await;
    assert_eq!(closed.kind, io::ErrorKind::ConnectionRefused, "{closed}");
    assert!(!closed.permanent);

    // One that accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut options = ConnectOptions::from_url(&format!("mqtt://127.0.0.1:{port}")).unwrap();
    options.connect_timeout = Duration::from_millis(300);
    let error = timeout(PATIENCE, connect(options)).await.unwrap();
    assert!(matches!(error, Err(ConnectError::TimedOut)), "{error:?}");
}
