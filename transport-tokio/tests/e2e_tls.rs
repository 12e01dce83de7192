//! Against a real broker over mutual TLS and WebSockets, with certificates and keys as the openssl
//! program writes them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../transport-core/tests/support/mosquitto.rs"]
mod mosquitto;

use core::time::Duration;

use mosquitto::{broker, options};
use testkit::{Pki, skip_or_fail};
use tokio::time::timeout;
use transport_tokio::{
    ConnectError, ConnectOptions, Hint, MqttVersion, Qos, ShadowClient, TlsError, connect,
};

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3_1_1, MqttVersion::V5];
const PATIENCE: Duration = Duration::from_secs(20);

/// A large message there and back: more than one record of TLS, more than one frame. Not larger,
/// because Mosquitto takes 4 KiB of a WebSocket in each tenth of a second.
async fn exercise(client: ShadowClient) {
    let payload: Vec<u8> = (0..20_000_u32).map(|index| (index % 253) as u8).collect();
    let mut messages = client
        .subscribe("there/and/back", Qos::AtLeastOnce)
        .await
        .unwrap();
    for _ in 0..3 {
        let publishing = client.publish("there/and/back", payload.clone(), Qos::AtLeastOnce);
        timeout(PATIENCE, publishing).await.unwrap().unwrap();
        let message = timeout(PATIENCE, messages.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(message.payload == payload);
    }
    client.shutdown(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn mutual_tls_with_every_form_of_key() {
    let Ok(pki) = Pki::new() else {
        return skip_or_fail("openssl");
    };
    let Some(broker) = broker(&pki) else {
        return skip_or_fail("mosquitto");
    };
    for (name, make, begin) in [
        (
            "pkcs1",
            &["genrsa", "-traditional", "-out", "pkcs1.key", "2048"][..],
            "-----BEGIN RSA PRIVATE KEY-----",
        ),
        (
            "pkcs8",
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
                "-out",
                "pkcs8.key",
            ],
            "-----BEGIN PRIVATE KEY-----",
        ),
        // With the parameters of the curve in front, as openssl writes them unless told otherwise.
        (
            "sec1",
            &[
                "ecparam",
                "-name",
                "prime256v1",
                "-genkey",
                "-out",
                "sec1.key",
            ],
            "-----BEGIN EC PARAMETERS-----",
        ),
    ] {
        pki.run(make);
        assert!(pki.text(&format!("{name}.key")).starts_with(begin));
        pki.sign(name, "ca", "extendedKeyUsage=clientAuth");
        for version in VERSIONS {
            let mut options = options("mqtts", broker.port_of("mutual"), &pki.path("ca.pem"));
            options.version = version;
            let key = pki.path(&format!("{name}.key"));
            options
                .tls
                .set_identity(pki.path(&format!("{name}.pem")), key);
            exercise(connect(options).await.unwrap()).await;
        }
    }
}

/// What `openssl x509 -req` makes of a request unless told of extensions.
#[tokio::test]
async fn a_certificate_of_version_1() {
    let Ok(pki) = Pki::new() else {
        return skip_or_fail("openssl");
    };
    let Some(broker) = broker(&pki) else {
        return skip_or_fail("mosquitto");
    };
    pki.client("old");
    pki.run(&[
        "x509",
        "-req",
        "-in",
        "old.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-days",
        "1",
        "-CAcreateserial",
        "-out",
        "old.pem",
    ]);
    let mut options = options("mqtts", broker.port_of("mutual"), &pki.path("ca.pem"));
    options
        .tls
        .set_identity(pki.path("old.pem"), pki.path("old.key"));
    exercise(connect(options).await.unwrap()).await;
}

#[tokio::test]
async fn websockets() {
    let Ok(pki) = Pki::new() else {
        return skip_or_fail("openssl");
    };
    let Some(broker) = broker(&pki) else {
        return skip_or_fail("mosquitto");
    };
    for scheme in ["ws", "wss"] {
        for version in VERSIONS {
            let mut options = options(scheme, broker.port_of(scheme), &pki.path("ca.pem"));
            options.version = version;
            exercise(connect(options).await.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn what_the_broker_or_its_certificate_is_refused_for() {
    let Ok(pki) = Pki::new() else {
        return skip_or_fail("openssl");
    };
    let Some(broker) = broker(&pki) else {
        return skip_or_fail("mosquitto");
    };
    pki.run(&["genrsa", "-out", "stranger.key", "2048"]);
    pki.sign("stranger", "other-ca", "extendedKeyUsage=clientAuth");
    let error = async |options: ConnectOptions| match connect(options).await {
        Err(ConnectError::Open(error)) => {
            error.tls().cloned().unwrap_or_else(|| panic!("{error:?}"))
        }
        other => panic!("{other:?}"),
    };
    let port = broker.port_of("mutual");
    let ca = pki.path("ca.pem");

    let missing = error(options("mqtts", port, &ca)).await;
    assert!(
        matches!(missing, TlsError::CertificateRequired { .. }),
        "{missing:?}"
    );

    let mut stranger = options("mqtts", port, &ca);
    stranger
        .tls
        .set_identity(pki.path("stranger.pem"), pki.path("stranger.key"));
    let refused = error(stranger).await;
    assert!(
        matches!(refused, TlsError::CertificateRefused { .. }),
        "{refused:?}"
    );

    let unknown = error(options("mqtts", port, &pki.path("other-ca.pem"))).await;
    assert!(
        matches!(unknown, TlsError::UnknownAuthority { .. }),
        "{unknown:?}"
    );

    let mut by_address = options("mqtts", port, &ca);
    by_address.endpoint = format!("mqtts://127.0.0.1:{port}").parse().unwrap();
    let wrong = error(by_address.clone()).await;
    assert!(matches!(wrong, TlsError::WrongHost { .. }), "{wrong:?}");

    // What is right with the server's name set gets as far as the certificate.
    by_address.tls.server_name = Some("localhost".into());
    let missing = error(by_address).await;
    assert!(
        matches!(missing, TlsError::CertificateRequired { .. }),
        "{missing:?}"
    );

    let plain = error(options("mqtts", broker.port_of("ws"), &ca)).await;
    assert!(matches!(plain, TlsError::NotTls { .. }), "{plain:?}");
}

#[tokio::test]
async fn a_port_for_something_else_is_guessed() {
    let Ok(pki) = Pki::new() else {
        return skip_or_fail("openssl");
    };
    let Some(broker) = broker(&pki) else {
        return skip_or_fail("mosquitto");
    };
    let ca = pki.path("ca.pem");
    let port = |listener| broker.port_of(listener);
    for (scheme, port, hint) in [
        ("mqtts", broker.port(), Hint::WithoutTls),
        ("mqtts", port("wss"), Hint::WantsWebSocket),
        ("mqtt", port("tls"), Hint::WantsTls),
        ("mqtt", port("mutual"), Hint::WantsTls),
        ("mqtt", port("ws"), Hint::WantsWebSocket),
        ("ws", broker.port(), Hint::WithoutWebSocketOrWantsTls),
        ("ws", port("tls"), Hint::WithoutWebSocketOrWantsTls),
        ("wss", port("tls"), Hint::WithoutWebSocket),
    ] {
        let options = options(scheme, port, &ca);
        let error = connect(options).await.unwrap_err();
        assert_eq!(error.hint(), Some(hint), "{scheme}: {error}");
        assert!(error.to_string().ends_with(&hint.to_string()), "{error}");
    }
}
