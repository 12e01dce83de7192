//! TLS against an acceptor of our own: what the client shows and names, and what it says when
//! something is wrong. Over streams in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]
#![expect(clippy::std_instead_of_alloc, reason = "tests are std's")]

mod support;

use std::sync::{Arc, Mutex};

use rcgen::ExtendedKeyUsagePurpose;
use support::{
    accept_mqtt,
    pki::{Ca, Issued, expired, not_yet_valid},
};
use testkit::TempDir;
use tokio::{io::duplex, task::JoinHandle};
use tokio_rustls::{LazyConfigAcceptor, rustls::server::Acceptor};
use transport_tokio::{
    Alpn, Authorizer, ConnectError, ConnectOptions, Identity, Pem, PemFound, PemItem, PemSource,
    Provider, Roots, ShadowClient, TlsError, connect_with, open_over,
    rustls::{
        self, ClientConfig, ServerConfig, SignatureAlgorithm, SignatureScheme,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        sign::{self, CertifiedKey, SigningKey, SingleCertAndKey},
    },
};

const AWS: &str = "abc-ats.iot.eu-west-1.amazonaws.com";

/// What the acceptor saw.
#[derive(Default, Debug, Clone)]
struct Seen {
    sni: Option<String>,
    offered: Vec<String>,
    negotiated: Option<String>,
    certificates: usize,
    connect: Vec<u8>,
}

/// One attempt against a server with this configuration.
async fn attempt(
    options: ConnectOptions,
    server: ServerConfig,
) -> (Result<ShadowClient, ConnectError>, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let server = Arc::new(server);
    let result = {
        let seen = Arc::clone(&seen);
        connect_with(options, move |attempt| {
            let (near, far) = duplex(64 * 1024);
            drop(serve(far, Arc::clone(&server), Arc::clone(&seen)));
            open_over(attempt, near)
        })
        .await
    };
    (result, seen)
}

fn serve(
    stream: tokio::io::DuplexStream,
    config: Arc<ServerConfig>,
    seen: Arc<Mutex<Seen>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
            return;
        };
        let hello = start.client_hello();
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        {
            let mut seen = seen.lock().unwrap();
            seen.sni = hello.server_name().map(str::to_owned);
            seen.offered = hello.alpn().into_iter().flatten().map(text).collect();
        }
        let Ok(stream) = start.into_stream(config).await else {
            return;
        };
        {
            let (_, connection) = stream.get_ref();
            let mut seen = seen.lock().unwrap();
            seen.negotiated = connection.alpn_protocol().map(text);
            seen.certificates = connection.peer_certificates().map_or(0, <[_]>::len);
        }
        accept_mqtt(stream, |connect| seen.lock().unwrap().connect = connect).await;
    })
}

fn options(url: &str, ca: &Ca) -> ConnectOptions {
    let mut options = ConnectOptions::from_url(url).unwrap();
    options.tls.roots = Roots::Pem(Pem::bytes(ca.pem()));
    options
}

fn with_identity(mut options: ConnectOptions, issued: &Issued) -> ConnectOptions {
    let certificate = Pem::bytes(issued.certificate.as_str());
    options
        .tls
        .set_identity(certificate, Pem::bytes(issued.key.as_str()));
    options
}

fn tls_error(result: Result<ShadowClient, ConnectError>) -> TlsError {
    match result {
        Err(ConnectError::Open(error)) => match error.tls() {
            Some(tls) => {
                let text = error.to_string();
                assert!(text.starts_with("cannot connect to mqtts://"), "{text}");
                tls.clone()
            }
            None => panic!("not an error of TLS: {error:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_host_is_named_and_nothing_else() {
    let ca = Ca::new();
    let server = Ca::config(&ca.server(&["broker.example"]), None, &[]);
    let (result, seen) = attempt(options("mqtts://broker.example", &ca), server).await;
    result.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.sni.as_deref(), Some("broker.example"));
    assert!(seen.offered.is_empty(), "{seen:?}");
    assert_eq!(seen.connect.first(), Some(&0x10));
}

#[tokio::test]
async fn aws_on_port_443_wants_its_protocol_named() {
    let ca = Ca::new();
    let server = || Ca::config(&ca.server(&[AWS]), Some(&ca), &["x-amzn-mqtt-ca"]);
    for (port, offered) in [(443, Some("x-amzn-mqtt-ca")), (8883, None)] {
        let options = options(&format!("mqtts://{AWS}:{port}"), &ca);
        let options = with_identity(options, &ca.client());
        let (result, seen) = attempt(options, server()).await;
        result.unwrap();
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen.sni.as_deref(), Some(AWS));
        assert_eq!(seen.certificates, 1);
        assert_eq!(seen.offered, Vec::from_iter(offered), "{port}");
        assert_eq!(seen.negotiated.as_deref(), offered, "{port}");
    }
}

#[tokio::test]
async fn a_custom_authorizer_has_a_protocol_and_finds_its_query_in_the_connect() {
    let ca = Ca::new();
    let server = Ca::config(&ca.server(&[AWS]), None, &["mqtt", "x-amzn-mqtt-ca"]);
    let mut options = options(&format!("mqtts://{AWS}:443"), &ca);
    options.user_name = Some("me".into());
    options.password = Some("word".into());
    options.authorizer = Some(Authorizer::named("fleet"));
    let (result, seen) = attempt(options, server).await;
    result.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.negotiated.as_deref(), Some("mqtt"));
    assert_eq!(seen.sni.as_deref(), Some(AWS));
    let query = b"me?x-amz-customauthorizer-name=fleet\0\x04word";
    assert!(seen.connect.ends_with(query), "{:?}", seen.connect);
}

#[tokio::test]
async fn protocol_and_server_name_can_be_set() {
    let ca = Ca::new();
    let server = || Ca::config(&ca.server(&["other.example"]), Some(&ca), &["mqtt", "x"]);
    for (alpn, negotiated) in [
        (Alpn::Protocols(vec!["x".into(), "y".into()]), Some("x")),
        (Alpn::None, None),
    ] {
        let mut options = options("mqtts://broker.example:443", &ca);
        options.tls.server_name = Some("other.example".into());
        options.tls.alpn = alpn;
        let options = with_identity(options, &ca.client());
        let (result, seen) = attempt(options, server()).await;
        result.unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(seen.sni.as_deref(), Some("other.example"));
        assert_eq!(seen.negotiated.as_deref(), negotiated);
    }
}

#[tokio::test]
async fn a_protocol_that_the_server_does_not_speak() {
    let ca = Ca::new();
    let server = Ca::config(&ca.server(&["h.example"]), None, &["mqtt"]);
    let mut options = options("mqtts://h.example", &ca);
    options.tls.alpn = Alpn::Protocols(vec!["http/1.1".into()]);
    let error = tls_error(attempt(options, server).await.0);
    assert_eq!(
        error.to_string(),
        "h.example does not speak http/1.1 on this port (ALPN): check the port and the ALPN option"
    );
}

#[tokio::test]
async fn every_form_of_key() {
    let ca = Ca::new();
    let pkcs8 = ca.client();
    assert!(pkcs8.key.starts_with("-----BEGIN PRIVATE KEY-----"));
    let sec1 = Issued {
        certificate: pkcs8.certificate.clone(),
        key: pkcs8.sec1(),
    };
    let pkcs1 = ca.rsa_client();
    assert!(pkcs1.key.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    for issued in [pkcs8, sec1, pkcs1] {
        let server = Ca::config(&ca.server(&["h.example"]), Some(&ca), &[]);
        let options = with_identity(options("mqtts://h.example", &ca), &issued);
        let (result, seen) = attempt(options, server).await;
        result.unwrap();
        assert_eq!(seen.lock().unwrap().certificates, 1);
    }
}

#[tokio::test]
async fn files_are_read_anew_at_each_connect() {
    let dir = TempDir::new();
    let old = Ca::new();
    let new = Ca::new();
    let write = |ca: &Ca| {
        let client = ca.client();
        dir.write("ca.pem", ca.pem());
        dir.write("device.crt", client.certificate);
        dir.write("device.key", client.key);
    };
    let path = |name: &str| Pem::file(dir.path().join(name));
    let mut options = ConnectOptions::from_url("mqtts://h.example").unwrap();
    options.tls.roots = Roots::Pem(path("ca.pem"));
    options
        .tls
        .set_identity(path("device.crt"), path("device.key"));
    for ca in [&old, &new] {
        write(ca);
        let server = Ca::config(&ca.server(&["h.example"]), Some(ca), &[]);
        attempt(options.clone(), server).await.0.unwrap();
    }
}

#[tokio::test]
async fn a_ready_configuration_and_a_key_elsewhere() {
    /// Signs through a function, as a chip would.
    #[derive(Debug)]
    struct Chip(Arc<dyn SigningKey>);

    impl SigningKey for Chip {
        fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn sign::Signer>> {
            self.0.choose_scheme(offered)
        }

        fn algorithm(&self) -> SignatureAlgorithm {
            self.0.algorithm()
        }
    }

    let ca = Ca::new();
    let client = ca.client();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
    let key = Chip(provider.key_provider.load_private_key(key).unwrap());
    let chain = vec![CertificateDer::from_pem_slice(client.certificate.as_bytes()).unwrap()];
    let resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(
        chain,
        Arc::new(key),
    )));
    let server = || Ca::config(&ca.server(&[AWS]), Some(&ca), &["x-amzn-mqtt-ca"]);

    let mut by_resolver = options(&format!("mqtts://{AWS}:443"), &ca);
    by_resolver.tls.identity = Some(Identity::Resolver(Arc::clone(&resolver) as _));

    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(resolver);
    let mut by_config = ConnectOptions::from_url(&format!("mqtts://{AWS}:443")).unwrap();
    by_config.tls.config = Some(Arc::new(config));

    for options in [by_resolver, by_config] {
        let (result, seen) = attempt(options, server()).await;
        result.unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(seen.certificates, 1);
        assert_eq!(seen.negotiated.as_deref(), Some("x-amzn-mqtt-ca"));
    }
}

/// Whatever the process has for a default, which here is nothing.
#[tokio::test]
async fn every_provider_of_cryptography_that_is_built_in() {
    let ca = Ca::new();
    let providers = [
        Provider::Auto,
        Provider::Ring,
        #[cfg(feature = "tls-aws-lc")]
        Provider::AwsLc,
        Provider::Custom(Arc::new(rustls::crypto::ring::default_provider())),
    ];
    for provider in providers {
        let server = Ca::config(&ca.server(&["h.example"]), Some(&ca), &[]);
        let mut options = with_identity(options("mqtts://h.example", &ca), &ca.client());
        options.tls.provider = provider;
        attempt(options, server).await.0.unwrap();
    }
}

#[tokio::test]
async fn an_authority_that_is_not_trusted() {
    let ca = Ca::new();
    let server = Ca::config(&Ca::new().server(&["h.example"]), None, &[]);
    let error = tls_error(attempt(options("mqtts://h.example", &ca), server).await.0);
    assert!(
        matches!(error, TlsError::UnknownAuthority { .. }),
        "{error:?}"
    );
    assert!(error.is_permanent());
    assert_eq!(
        error.to_string(),
        "the certificate of h.example is not signed by any authority in the given bytes: \
         give the CA file of this server"
    );
    let server = Ca::config(&ca.server(&[AWS]), None, &[]);
    let aws = ConnectOptions::from_url(&format!("mqtts://{AWS}")).unwrap();
    let error = tls_error(attempt(aws, server).await.0).to_string();
    assert!(
        error.contains("any authority in Amazon's root certificates"),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_host() {
    let ca = Ca::new();
    let server = Ca::config(&ca.server(&["a.example", "b.example"]), None, &[]);
    let error = tls_error(attempt(options("mqtts://h.example", &ca), server).await.0);
    assert_eq!(
        error.to_string(),
        "the certificate that answers for h.example is for a.example, b.example: check the \
         endpoint, or set the server name to verify"
    );
    let server = Ca::config(&ca.server(&[]), None, &[]);
    let error = tls_error(attempt(options("mqtts://127.0.0.1", &ca), server).await.0);
    assert!(matches!(error, TlsError::WrongHost { ref names, .. } if names.is_empty()));
}

#[tokio::test]
async fn a_certificate_outside_its_time() {
    let ca = Ca::new();
    let old = Ca::config(&ca.issue(&["h.example"], expired), None, &[]);
    let error = tls_error(attempt(options("mqtts://h.example", &ca), old).await.0);
    assert!(error.is_permanent());
    let text = error.to_string();
    assert!(
        text.starts_with(
            "the certificate of h.example expired at 2021-01-01 00:00:00 UTC, it is 20"
        ),
        "{text}"
    );
    let early = Ca::config(&ca.issue(&["h.example"], not_yet_valid), None, &[]);
    let error = tls_error(attempt(options("mqtts://h.example", &ca), early).await.0);
    assert!(!error.is_permanent());
    let text = error.to_string();
    assert!(
        text.contains("is not yet valid (from 2999-01-01 00:00:00 UTC on)"),
        "{text}"
    );
    assert!(text.ends_with("check the clock"), "{text}");
}

#[tokio::test]
async fn our_own_certificate_outside_its_time() {
    let ca = Ca::new();
    for (span, start) in [
        (
            expired as fn(&mut _),
            "the client certificate in the given bytes expired at 2021-01-01",
        ),
        (
            not_yet_valid,
            "the client certificate in the given bytes is valid from 2999-01-01",
        ),
    ] {
        let server = Ca::config(&ca.server(&["h.example"]), Some(&ca), &[]);
        let options = with_identity(options("mqtts://h.example", &ca), &ca.issue(&[], span));
        let error = tls_error(attempt(options, server).await.0).to_string();
        assert!(error.starts_with(start), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate() {
    let ca = Ca::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Ca::config_of(&ca.server(&["h.example"]), Some(&ca), &[], &[version]);
        let error = tls_error(attempt(options("mqtts://h.example", &ca), server).await.0);
        assert!(
            matches!(error, TlsError::CertificateRequired { .. }),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "h.example wants a client certificate: give a certificate and its private key"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_our_certificate() {
    let ca = Ca::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for other in [Ca::named("another"), Ca::new()] {
            let server = Ca::config_of(&ca.server(&["h.example"]), Some(&ca), &[], &[version]);
            let options = with_identity(options("mqtts://h.example", &ca), &other.client());
            let error = tls_error(attempt(options, server).await.0);
            assert!(
                matches!(error, TlsError::CertificateRefused { .. }),
                "{error:?}"
            );
            assert!(
                error
                    .to_string()
                    .starts_with("h.example does not accept the client certificate")
            );
        }
    }
    // A server's certificate that is shown as a client's.
    let server = Ca::config(&ca.server(&["h.example"]), Some(&ca), &[]);
    let wrong_use = ca.issue(&[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let options = with_identity(options("mqtts://h.example", &ca), &wrong_use);
    let error = tls_error(attempt(options, server).await.0);
    assert!(
        matches!(error, TlsError::CertificateRefused { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_answers_does_not_speak_tls() {
    let ca = Ca::new();
    let result = connect_with(options("mqtts://h.example:1883", &ca), |attempt| {
        let (near, mut far) = duplex(1024);
        tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut far, b"HTTP/1.1 400 Bad Request\r\n\r\n").await
        });
        open_over(attempt, near)
    });
    let error = tls_error(result.await);
    assert_eq!(
        error.to_string(),
        "what answers at h.example does not speak TLS: check the port"
    );
}

/// The error of an attempt that does not get as far as a stream.
async fn refused_at_home(options: ConnectOptions) -> TlsError {
    let result = connect_with(options, |attempt| open_over(attempt, duplex(1).0));
    tls_error(result.await)
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let dir = TempDir::new();
    let ca = Ca::new();
    let (client, other) = (ca.client(), ca.client());
    let damaged = client.key.replace("\n-----END", "*\n-----END");
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let empty_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (name, content) in [
        ("ca.pem", ca.pem().as_str()),
        ("device.crt", &client.certificate),
        ("device.key", &client.key),
        ("other.key", &other.key),
        ("empty", ""),
        ("binary", "\u{1}0\u{2}"),
        ("damaged.key", &damaged),
        ("encrypted.key", encrypted),
        ("empty.key", empty_key),
    ] {
        dir.write(name, content);
    }
    let at = |name: &str| dir.path().join(name);
    for (roots, certificate, key, expected) in [
        (
            "no.pem",
            "device.crt",
            "device.key",
            "cannot read DIR/no.pem (CA certificate): No such file",
        ),
        (
            "ca.pem",
            "no.crt",
            "device.key",
            "cannot read DIR/no.crt (client certificate): No such file",
        ),
        (
            "ca.pem",
            "device.crt",
            "no.key",
            "cannot read DIR/no.key (private key): No such file",
        ),
        (
            "empty",
            "device.crt",
            "device.key",
            "DIR/empty holds no CA certificate in PEM form",
        ),
        (
            "device.key",
            "device.crt",
            "device.key",
            "DIR/device.key holds no CA certificate",
        ),
        (
            "ca.pem",
            "binary",
            "device.key",
            "DIR/binary holds no client certificate in PEM form",
        ),
        (
            "ca.pem",
            "device.key",
            "device.crt",
            "are certificate and key swapped?",
        ),
        (
            "ca.pem",
            "device.crt",
            "device.crt",
            "DIR/device.crt holds no private key in PEM form",
        ),
        (
            "ca.pem",
            "device.crt",
            "encrypted.key",
            "the key is encrypted; decrypt it with",
        ),
        (
            "ca.pem",
            "device.crt",
            "damaged.key",
            "the private key in DIR/damaged.key cannot be used",
        ),
        (
            "ca.pem",
            "device.crt",
            "empty.key",
            "the private key in DIR/empty.key cannot be used",
        ),
        (
            "ca.pem",
            "device.crt",
            "other.key",
            "the private key in DIR/other.key is not the one of the certificate in DIR/device.crt",
        ),
    ] {
        let mut options = ConnectOptions::from_url("mqtts://h.example").unwrap();
        options.tls.roots = Roots::Pem(Pem::file(at(roots)));
        options.tls.set_identity(at(certificate), at(key));
        let error = refused_at_home(options).await;
        assert!(error.is_permanent(), "{error:?}");
        let text = error
            .to_string()
            .replace(dir.path().to_str().unwrap(), "DIR");
        assert!(text.contains(expected), "{text}");
    }
    let mut options = ConnectOptions::from_url("mqtts://h.example").unwrap();
    options.tls.roots = Roots::Pem(Pem::file(at("ca.pem")));
    options.tls.set_identity(at("device.key"), at("device.crt"));
    assert_eq!(
        refused_at_home(options).await,
        TlsError::NotPem {
            source: PemSource::File(at("device.key")),
            item: PemItem::Certificate,
            found: PemFound::Other,
        }
    );
}

#[tokio::test]
async fn no_key_in_debug_output_or_errors() {
    let ca = Ca::new();
    let client = ca.client();
    let secret: Vec<&str> = client
        .key
        .lines()
        .filter(|line| !line.starts_with('-'))
        .map(|line| line.get(..20).unwrap_or(line))
        .collect();
    let hidden = |text: &str| secret.iter().all(|part| !text.contains(part));
    let options = with_identity(options("mqtts://h.example", &ca), &client);
    assert!(hidden(&format!("{options:?}")));
    let mut damaged = options.clone();
    let key = client.key.replacen("\nM", "\n*M", 1);
    damaged
        .tls
        .set_identity(Pem::bytes(client.certificate.as_str()), Pem::bytes(key));
    let error = refused_at_home(damaged).await;
    assert!(matches!(error, TlsError::Damaged { .. }), "{error:?}");
    assert!(hidden(&format!("{error:?} {error}")));
}
