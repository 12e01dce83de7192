//! No secret in what is shown: `Debug` and `Display` of options, attempts, errors and events, and
//! everything that is traced, with every kind of credential, while connections fail.
//!
//! Every secret here has the word "hush" in it, so what is shown must not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests are std's, fail as tests do, and a connector tells the time"
)]

use shadow_service::local::{Options, Server};
use std::{
    env,
    fmt::Debug,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    net::TcpListener,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use transport_tokio::{
    Authorizer, ConnectOptions, Credentials, CredentialsSource, MqttVersion, Pem, Proxy,
    RestClient, RestOptions, Roots, Secret, ShadowId, SigV4, connect, connect_with,
    flags::{ConnectionFlags, Words},
    open_over, start,
};

/// Prints everything that is traced.
struct Everything;

impl Visit for Everything {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        println!("traced {field} = {value:?}");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Self);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Self);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        println!("event {}", event.metadata().name());
        event.record(&mut Self);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The environment of this test is not for it to set, and what it prints is for it to read: so it
/// runs itself.
#[test]
fn nothing_secret_is_shown() {
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "everything_fails",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("AWS_ACCESS_KEY_ID", "AKID-of-the-environment")
        .env("AWS_SECRET_ACCESS_KEY", "hush-environment")
        .env("AWS_SESSION_TOKEN", "hush-session")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // It did what it is for.
    for part in [
        "event connection.connecting",
        "event connection.failed",
        "traced message = not connected",
        "AKID-of-the-environment",
        "AKID-static",
        "403 Forbidden",
        "fleet",
        "== user and password",
        "== the end",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for secret in [
        "hush",
        // What they become: base64 of "me:hush-proxy", a signature, a key.
        "bWU6aHVzaC1wcm94eQ",
        "X-Amz-Signature=",
        "X-Amz-Security-Token=",
        "Signature=",
        "MC4CAQAwBQYDK2Vw",
    ] {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

/// A key, if not of the certificate.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIHushhushhushhushhushhushhushhushhushhus\n\
                   -----END PRIVATE KEY-----\n";
const AWS: &str = "wss://abc-ats.iot.eu-west-1.amazonaws.com";

#[tokio::test]
async fn everything_fails() {
    tracing::subscriber::set_global_default(Everything).unwrap();
    let port = refusing_server().await;
    let local = |scheme: &str| format!("{scheme}://127.0.0.1:{port}");

    for version in [MqttVersion::V3_1_1, MqttVersion::V5] {
        let mut options = ConnectOptions::from_url(&local("mqtt")).unwrap();
        options.version = version;
        options.user_name = Some("hush-name".into());
        options.password = Some("hush-password".into());
        options.set_will("t", "hush-will");
        fails("user and password", options).await;
    }

    let mut options = ConnectOptions::from_url(&local("ws")).unwrap();
    options.endpoint = format!("{}/mqtt?token=hush-query", local("ws"))
        .parse()
        .unwrap();
    options.websocket_headers = vec![("Authorization".into(), Secret::new("hush-header"))];
    fails("a query and a header", options).await;

    for (scheme, in_query) in [("mqtt", false), ("ws", false), ("ws", true)] {
        let mut options = ConnectOptions::from_url(&local(scheme)).unwrap();
        let mut authorizer = Authorizer::named("fleet");
        authorizer.set_token("key", "hush-token", "hush-signature");
        authorizer.in_query = in_query;
        options.authorizer = Some(authorizer);
        fails("a custom authorizer", options).await;
    }

    let mut options = ConnectOptions::from_url("mqtt://broker.example").unwrap();
    let mut proxy = Proxy::new("127.0.0.1", port);
    proxy.set_user("me", "hush-proxy");
    options.proxy = Some(proxy);
    fails("a proxy", options).await;
    println!("{:?}", "http://me:hush-proxy@h:x".parse::<Proxy>());

    let keys = Credentials::new("AKID-static", "hush-static").with_session_token("hush-session");
    let file = env::temp_dir().join("no-such-credentials");
    for source in [
        keys.clone().into(),
        CredentialsSource::Environment,
        CredentialsSource::SharedFile {
            path: Some(file),
            profile: None,
        },
        CredentialsSource::callback(move || {
            let keys = keys.clone();
            async move { Ok(keys) }
        }),
    ] {
        println!("{source:?} {:?}", source.get().await);
        let mut options = ConnectOptions::from_url(AWS).unwrap();
        options.sigv4 = Some(SigV4::new(source.clone()));
        // Nobody is asked: the name is not looked up.
        offline("AWS credentials", &options).await;
        let mut rest = RestOptions::new("http://127.0.0.1").unwrap();
        rest.set_port(port);
        let mut sigv4 = SigV4::new(source);
        sigv4.region = Some("eu-west-1".into());
        rest.sigv4 = Some(sigv4);
        println!("{rest:?}");
        let client = RestClient::new(rest);
        let error = client.get(&ShadowId::classic("t").unwrap()).await;
        let error = error.unwrap_err();
        println!("{client:?} {error} {error:?}");
    }

    let mut options = ConnectOptions::from_url(&local("mqtts")).unwrap();
    options.tls.roots = Roots::Amazon;
    for key in [
        KEY.to_owned(),
        KEY.replace("PRIVATE", "hush"),
        "hush".to_owned(),
    ] {
        options
            .tls
            .set_identity(Pem::bytes("hush"), Pem::bytes(key.clone()));
        fails("a key", options.clone()).await;
        let own = include_str!("../../transport-core/src/tls/amazon.pem");
        options.tls.set_identity(Pem::bytes(own), Pem::bytes(key));
        fails("a key for a certificate", options.clone()).await;
    }

    for line in [
        "--endpoint mqtt://me:hush@h",
        "--endpoint ws://h/x?token=hush --cert c --key k",
        "--endpoint h --user hush --password hush --cert no-such --key no-such",
        "--endpoint h --proxy-password hush",
        "--endpoint h --custom-auth-token-value hush",
        "--endpoint h --custom-auth-authorizer-signature=hush --port 0",
    ] {
        let mut words = Words::new(line.split_whitespace().map(Into::into));
        let mut flags = ConnectionFlags::new("x");
        let mut read = Ok(());
        while let (Ok(()), Ok(Some(flag))) = (&read, words.next_flag()) {
            read = flags.read(&flag, &mut words).map(|_| ());
            println!("{words:?} {flags:?} {read:?}");
        }
        let error = flags
            .options(|_| Some("hush-variable".to_owned()))
            .unwrap_err();
        println!("{error} {error:?}");
    }
    println!("== the end");
}

/// Says no in the language in which it is asked, and repeats nothing.
async fn refusing_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let length = stream.read(&mut asked).await.unwrap_or(0);
                let _ = stream.write_all(answer(&asked[..length])).await;
            });
        }
    });
    port
}

fn answer(asked: &[u8]) -> &'static [u8] {
    match asked.first() {
        // A CONNECT of MQTT: not authorized, in 3.1.1 and in 5.
        Some(0x10) if asked.contains(&4) && asked.get(8) == Some(&4) => &[0x20, 2, 0, 5],
        Some(0x10) => &[0x20, 3, 0, 0x87, 0],
        _ if asked.starts_with(b"CONNECT") => {
            b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"test\"\r\n\r\n"
        }
        _ => b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
    }
}

/// Shows what there is to see of options and of a connection that fails, in every way.
async fn fails(name: &str, mut options: ConnectOptions) {
    offline(name, &options).await;
    let error = connect(options.clone()).await.err();
    let error = error.unwrap_or_else(|| panic!("{name}: it is connected"));
    println!("{error} {error:?}");

    options.reconnect.base = Duration::from_secs(600);
    options.reconnect.max = Duration::from_secs(600);
    let client = start(options.clone()).unwrap();
    let mut events = client.connection_events();
    while let Some(event) = events.next().await {
        println!("{event} {event:?} {client:?} {events:?}");
        if matches!(
            event,
            transport_tokio::ConnectionEvent::ConnectFailed { .. }
        ) {
            break;
        }
    }

    let mut service = Options::default();
    service.mqtt = Some(options);
    println!("{service:?}");
    let error = Server::start(service).await.err();
    let error = error.unwrap_or_else(|| panic!("{name}: it serves"));
    println!("{error} {error:?}");
}

/// The same without a socket: what a connector and another MQTT client are given, and a stream that
/// leads to someone who refuses.
async fn offline(name: &str, options: &ConnectOptions) {
    println!("== {name}\n{options:?}\n{options:#?}\n{}", options.endpoint);
    println!("{:?}", options.endpoint);
    let options = Arc::new(options.clone());
    let own = Arc::clone(&options);
    let connecting = connect_with(ConnectOptions::clone(&options), move |attempt| {
        let own = Arc::clone(&own);
        async move {
            let now = SystemTime::now();
            println!("{attempt:?} {:?}", attempt.plan(now).await);
            match attempt.prepare(now).await {
                Ok(opening) => println!("{opening:?}"),
                Err(error) => println!("{error} {error:?}"),
            }
            let (near, mut far) = duplex(4096);
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let length = far.read(&mut asked).await.unwrap_or(0);
                let _ = far.write_all(answer(&asked[..length])).await;
            });
            let stream = open_over(attempt, near).await;
            if let Ok(stream) = &stream {
                println!("{stream:?} {:?}", own.client_id);
            }
            stream
        }
    });
    let error = connecting.await.err();
    let error = error.unwrap_or_else(|| panic!("{name}: it is connected"));
    println!("{error} {error:?}");
}
