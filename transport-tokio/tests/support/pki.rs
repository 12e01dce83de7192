//! Certificates of the tests' own, made anew in each run.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, PKCS_RSA_SHA256, date_time_ymd,
};
use transport_tokio::rustls::{
    ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// An authority that signs certificates.
pub(crate) struct Ca {
    certificate: Certificate,
    key: KeyPair,
}

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        Self::named("the authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, key }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for these host names.
    pub(crate) fn server(&self, names: &[&str]) -> Issued {
        self.issue(names, |_| ())
    }

    /// A certificate of a client.
    pub(crate) fn client(&self) -> Issued {
        self.issue(&[], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// The same over the RSA key in this folder, which is PKCS#1.
    pub(crate) fn rsa_client(&self) -> Issued {
        let text = include_str!("rsa.pem");
        let key = KeyPair::from_pem_and_sign_algo(&to_pkcs8(text), &PKCS_RSA_SHA256).unwrap();
        let params = CertificateParams::default();
        let certificate = params.signed_by(&key, &self.certificate, &self.key);
        Issued {
            certificate: certificate.unwrap().pem(),
            key: text.to_owned(),
        }
    }

    pub(crate) fn issue(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key);
        Issued {
            certificate: certificate.unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A server with this certificate; with `clients`, for clients of that authority alone.
    pub(crate) fn config(issued: &Issued, clients: Option<&Self>, alpn: &[&str]) -> ServerConfig {
        Self::config_of(issued, clients, alpn, ALL_VERSIONS)
    }

    pub(crate) fn config_of(
        issued: &Issued,
        clients: Option<&Self>,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ClientCertVerifier> = match clients {
            None => Arc::new(NoClientAuth),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.certificate.der().clone()).unwrap();
                let builder = WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(&provider),
                );
                builder.build().unwrap()
            }
        };
        let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                chain.map(Result::unwrap).collect(),
                PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

impl Issued {
    /// The same key as SEC1, which is what PKCS#8 has inside.
    pub(crate) fn sec1(&self) -> String {
        let der = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let der = der.secret_der();
        // SEQUENCE { version, algorithm, OCTET STRING }: the key begins with the only SEQUENCE
        // that holds the version 1.
        let at = der
            .windows(5)
            .position(|window| window[0] == 0x30 && window[2..] == [0x02, 0x01, 0x01]);
        pem("EC PRIVATE KEY", &der[at.unwrap()..])
    }
}

/// Sets a time span that ended in 2021.
pub(crate) fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

/// Sets a time span that begins in 2999.
pub(crate) fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2999, 1, 1);
    params.not_after = date_time_ymd(3000, 1, 1);
}

/// PKCS#1 with the frame of PKCS#8 around it: the version, and that it is RSA.
fn to_pkcs8(pkcs1: &str) -> String {
    let der = PrivateKeyDer::from_pem_slice(pkcs1.as_bytes()).unwrap();
    let key = der.secret_der();
    let long = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    };
    const RSA: &[u8] = b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    pem(
        "PRIVATE KEY",
        &long(0x30, &[RSA, &long(0x04, key)].concat()),
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        base64(der)
    )
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index)) as usize & 63];
            text.push(if index > group.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}
