//! What the client shows and names.

use std::sync::Arc;

use testkit::TempDir;
use transport_tokio::{
    Alpn, Authorizer, ConnectOptions, Identity, Pem, Provider, Roots,
    rustls::{
        self, ClientConfig, SignatureAlgorithm, SignatureScheme,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        sign::{self, CertifiedKey, SigningKey, SingleCertAndKey},
    },
};

use crate::{
    AWS, attempt, options,
    support::pki::{Ca, Issued},
    tls_error, with_identity,
};

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
