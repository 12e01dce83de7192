//! TLS and WebSocket on the embedded broker and on the REST data plane, and the certificates.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

use core::{net::SocketAddr, time::Duration};
use shadow_proto::{ShadowId, Version};
use shadow_service::{
    UnixTime,
    local::{
        Clock, ListenError, Options, Server, StartError, TlsFiles,
        broker::BrokerOptions,
        dev_certs::{DevCertificates, DevCertsError},
    },
};
use std::{collections::BTreeMap, net::TcpListener, path::Path};
use testkit::TempDir;
use tokio::net::TcpStream;
use transport_tokio::{ConnectError, ConnectOptions, RestClient, RestOptions, Roots, ShadowClient};

const FREE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn certificates(directory: &Path) -> DevCertificates {
    DevCertificates::in_directory(directory, &[], Clock::system().now()).unwrap()
}

/// Everything over TLS, and WebSocket.
async fn start(found: &DevCertificates) -> Server {
    let free = SocketAddr::from(FREE);
    let mut broker = BrokerOptions::default();
    broker.plain = false;
    broker.tls = Some(free);
    broker.websocket = Some(free);
    broker.websocket_tls = Some(free);
    broker.certificates = Some(found.server.clone());
    let mut options = Options::default();
    options.broker = Some(broker);
    options.https = Some((free, found.server.clone()));
    options.republish = Vec::from(["p/+=$aws/things/+/shadow/update".parse().unwrap()]);
    Server::start(options).await.unwrap()
}

/// How to connect to `localhost`: with the client's certificate, or without.
fn options(url: &str, found: &DevCertificates, identity: bool) -> ConnectOptions {
    let mut options = ConnectOptions::from_url(url).unwrap();
    options.tls.roots = Roots::Pem(found.authority.clone().into());
    if identity {
        let (certificate, key) = (&found.client_certificate, &found.client_key);
        options.tls.set_identity(certificate.clone(), key.clone());
    }
    options
}

async fn connect(options: ConnectOptions) -> Result<ShadowClient, ConnectError> {
    let connected =
        tokio::time::timeout(Duration::from_secs(30), transport_tokio::connect(options));
    connected.await.unwrap()
}

#[tokio::test]
async fn every_way_in_leads_to_the_same_documents() {
    let directory = TempDir::new();
    let found = certificates(directory.path());
    let server = start(&found).await;
    let at = server.mqtt_addresses();
    assert_eq!((at.plain, server.mqtt_address()), (None, None));
    let port = |address: Option<SocketAddr>| address.unwrap().port();
    // Those that connect and say nothing keep nobody out.
    let mut silent = Vec::new();
    for address in [
        at.tls,
        at.websocket,
        at.websocket_tls,
        server.https_address(),
    ] {
        silent.push(TcpStream::connect(address.unwrap()).await.unwrap());
    }
    let lamp = ShadowId::classic("lamp").unwrap();
    for (number, url) in [
        format!("mqtts://localhost:{}", port(at.tls)),
        format!("ws://127.0.0.1:{}/mqtt", port(at.websocket)),
        format!("wss://localhost:{}/mqtt", port(at.websocket_tls)),
    ]
    .iter()
    .enumerate()
    {
        let client = connect(options(url, &found, true)).await.unwrap();
        let shadow = client.shadow(lamp.clone()).unwrap();
        let update = shadow.report(&BTreeMap::from([("number", number)])).await;
        let version = Version::new(number as u64 + 1);
        assert_eq!(update.unwrap().version(), Some(version), "{url}");
    }
    let url = format!("https://localhost:{}", port(server.https_address()));
    let mut rest = RestOptions::new(&url).unwrap();
    rest.tls = options("mqtts://localhost", &found, true).tls;
    let document = RestClient::new(rest).get(&lamp).await.unwrap();
    assert_eq!(document.version, Version::new(3));
    drop(silent);
    server.stop().await;
}

#[tokio::test]
async fn without_a_certificate_nobody_comes_in() {
    let directory = TempDir::new();
    let found = certificates(directory.path());
    let server = start(&found).await;
    let at = server.mqtt_addresses();
    for url in [
        format!("mqtts://localhost:{}", at.tls.unwrap().port()),
        format!("wss://localhost:{}/mqtt", at.websocket_tls.unwrap().port()),
    ] {
        let error = connect(options(&url, &found, false)).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{url}: {error}");
    }
    let url = format!(
        "https://localhost:{}",
        server.https_address().unwrap().port()
    );
    let mut rest = RestOptions::new(&url).unwrap();
    rest.tls = options("mqtts://localhost", &found, false).tls;
    let lamp = ShadowId::classic("lamp").unwrap();
    assert!(RestClient::new(rest).get(&lamp).await.is_err());
    // A certificate of another authority is as good as none.
    let elsewhere = TempDir::new();
    let foreign = certificates(elsewhere.path());
    let url = format!("mqtts://localhost:{}", at.tls.unwrap().port());
    let mut other = options(&url, &foreign, true);
    other.tls.roots = Roots::Pem(found.authority.clone().into());
    let _refused = connect(other).await.unwrap_err();
    server.stop().await;
}

#[tokio::test]
async fn wills_are_republished_though_nobody_listens_on_plain_tcp() {
    let directory = TempDir::new();
    let found = certificates(directory.path());
    let server = start(&found).await;
    let url = format!(
        "mqtts://localhost:{}",
        server.mqtt_addresses().tls.unwrap().port()
    );
    let client = connect(options(&url, &found, true)).await.unwrap();
    let accepted = "$aws/things/lamp/shadow/update/accepted";
    let answers = client.subscribe(accepted, transport_tokio::MqttQos::AtLeastOnce);
    let mut answers = answers.await.unwrap();
    let update = br#"{"state":{"reported":{"connected":false}}}"#.as_slice();
    let sent = client.publish("p/lamp", update, transport_tokio::MqttQos::AtLeastOnce);
    sent.await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(30), answers.next());
    assert!(answer.await.unwrap().is_some());
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_files_and_addresses_is_said() {
    let directory = TempDir::new();
    let found = certificates(directory.path());
    let nonsense = directory.write("nonsense", "no PEM at all");
    let broken = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
    let broken = directory.write("broken", broken);
    let missing = directory.path().join("missing");
    let good = &found.server;
    let files = |certificate: &Path, key: &Path| TlsFiles::new(certificate, key);
    for (files, expected) in [
        (files(&missing, &good.key), "cannot read"),
        (
            files(&good.certificate, &missing),
            "should hold a private key",
        ),
        (
            files(&nonsense, &good.key),
            "holds no certificate: expected PEM text",
        ),
        (files(&good.certificate, &nonsense), "holds no private key"),
        (
            files(&good.certificate, &good.certificate),
            "-----BEGIN PRIVATE KEY-----",
        ),
        (files(&broken, &good.key), "damaged"),
        (
            files(&good.certificate, &found.client_key),
            "is not that of the certificate in",
        ),
        (
            good.clone().with_authority(&missing),
            "certificate of an authority",
        ),
        (
            good.clone().with_authority(&good.key),
            "certificate of an authority",
        ),
    ] {
        for https in [false, true] {
            let mut options = Options::default();
            if https {
                options.https = Some((SocketAddr::from(FREE), files.clone()));
            } else {
                let mut broker = BrokerOptions::default();
                broker.plain = false;
                broker.tls = Some(SocketAddr::from(FREE));
                broker.certificates = Some(files.clone());
                options.broker = Some(broker);
            }
            let error = Server::start(options).await.unwrap_err();
            assert!(matches!(error, StartError::Certificates(_)), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(expected), "{expected}: {text}");
            assert!(!text.contains("BEGIN EC"), "{text}");
        }
    }
    let taken = TcpListener::bind(SocketAddr::from(FREE)).unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    for door in 0..3 {
        let mut broker = BrokerOptions::default();
        broker.plain = false;
        let which = [
            &mut broker.tls,
            &mut broker.websocket,
            &mut broker.websocket_tls,
        ];
        *which.into_iter().nth(door).unwrap() = Some(taken.1);
        broker.certificates = Some(good.clone());
        let mut options = Options::default();
        options.broker = Some(broker);
        let error = Server::start(options).await.unwrap_err();
        let in_use = matches!(
            error,
            StartError::Listen(ListenError::AddressInUse { address }) if address == taken.1
        );
        assert!(in_use, "{error:?}");
    }
}

#[test]
fn certificates_are_made_once_and_again_before_they_end() {
    let directory = TempDir::new();
    let path = directory.path().join("certs");
    let day = 24 * 60 * 60;
    let start = UnixTime::from_seconds(1_800_000_000);
    let after = |days: u64| UnixTime::from_seconds(1_800_000_000 + days * day);
    let find = |names: &[&str], now| -> Result<Vec<String>, DevCertsError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let found = DevCertificates::in_directory(&path, &names, now)?;
        let made = found.made.iter();
        Ok(made
            .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    };
    let server = ["server.pem", "server.key"];
    let client = ["client.pem", "client.key"];
    let both = [server, client].concat();
    let all = [["ca.pem", "ca.key"], server, client].concat();
    assert_eq!(find(&[], start).unwrap(), all);
    #[cfg(unix)]
    for (file, mode) in [
        ("ca.key", 0o600),
        ("server.key", 0o600),
        ("client.key", 0o600),
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(path.join(file)).unwrap().permissions();
        assert_eq!(found.mode() & 0o777, mode, "{file}");
    }
    assert_eq!(find(&[], start).unwrap().len(), 0);
    assert_eq!(find(&[], after(300)).unwrap().len(), 0);
    assert_eq!(find(&["localhost", "127.0.0.1"], start).unwrap().len(), 0);
    assert_eq!(
        find(&["gateway.local", "192.0.2.1"], start).unwrap(),
        server
    );
    assert_eq!(find(&["192.0.2.1"], start).unwrap().len(), 0);
    assert_eq!(find(&[], after(340)).unwrap(), both);
    // Someone's clock was a year ahead.
    assert_eq!(find(&[], start).unwrap(), both);
    std::fs::remove_file(path.join("client.key")).unwrap();
    assert_eq!(find(&[], start).unwrap(), client);
    std::fs::copy(path.join("client.key"), path.join("server.key")).unwrap();
    assert_eq!(find(&[], start).unwrap(), server);

    let refused = find(&["a name"], start).unwrap_err().to_string();
    assert!(
        refused.contains("neither a host name nor an address"),
        "{refused}"
    );
    // An authority that is incomplete is never replaced: clients trust it.
    let other = directory.path().join("other");
    let _made = DevCertificates::in_directory(&other, &[], start).unwrap();
    std::fs::copy(other.join("ca.key"), path.join("ca.key")).unwrap();
    assert_eq!(
        find(&[], start).unwrap().len(),
        0,
        "what is good needs no new signature"
    );
    let foreign = find(&["elsewhere"], start).unwrap_err().to_string();
    assert!(foreign.contains("does not belong to ca.key"), "{foreign}");
    std::fs::remove_file(path.join("ca.key")).unwrap();
    let missing = find(&[], start).unwrap_err().to_string();
    assert!(missing.contains("ca.key: it is missing"), "{missing}");
}
