//! What the client says when something is wrong.

use rcgen::ExtendedKeyUsagePurpose;
use testkit::TempDir;
use tokio::io::duplex;
use transport_tokio::{
    ConnectOptions, Pem, PemFound, PemItem, PemSource, Roots, TlsError, connect_with, open_over,
    rustls,
};

use crate::{
    AWS, attempt, options,
    support::pki::{Ca, expired, not_yet_valid},
    tls_error, with_identity,
};

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
