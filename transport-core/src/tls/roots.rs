//! The authorities to trust.

use alloc::sync::Arc;

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{
    error::{PemItem, TlsError},
    pem::Pem,
};
use crate::network::RootsFile;

/// Which authorities may have signed the server's certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Roots {
    /// [`Amazon`](Self::Amazon) for hosts in `amazonaws.com` (and China's `amazonaws.com.cn`),
    /// otherwise [`Native`](Self::Native). The default.
    #[default]
    Auto,
    /// Those in this PEM text, and no others.
    Pem(Pem),
    /// Amazon Root CA 1 to 4, which sign the endpoints of AWS IoT Core. Compiled in.
    Amazon,
    /// Those that the system trusts. Needs the feature `native-roots`.
    Native,
}

impl Roots {
    /// The authorities, and a few words that name them.
    pub(super) fn load(&self, host: &str) -> Result<(Arc<RootCertStore>, Box<str>), TlsError> {
        match self {
            Self::Auto if is_amazon(host) => Ok(amazon()),
            Self::Amazon => Ok(amazon()),
            Self::Auto | Self::Native => native(host),
            Self::Pem(pem) => {
                let mut store = RootCertStore::empty();
                let certificates = pem.certificates(PemItem::Authorities)?;
                let (added, _) = store.add_parsable_certificates(certificates);
                if added == 0 {
                    let message = "none of the certificates in it is one of an authority";
                    return Err(pem.damaged(PemItem::Authorities, message));
                }
                Ok((Arc::new(store), pem.source().to_string().into()))
            }
        }
    }
}

impl Roots {
    /// Where another library finds them.
    pub(super) fn file(&self, host: &str) -> Result<RootsFile, TlsError> {
        match self {
            Self::Auto if is_amazon(host) => Ok(RootsFile::Text(AMAZON.into())),
            Self::Amazon => Ok(RootsFile::Text(AMAZON.into())),
            Self::Auto | Self::Native => Ok(RootsFile::System),
            Self::Pem(pem) => {
                pem.certificates(PemItem::Authorities)?;
                Ok(match pem {
                    Pem::File(path) => RootsFile::File(path.clone()),
                    Pem::Bytes(text) => RootsFile::Text(text.as_slice().into()),
                })
            }
        }
    }
}

/// Whether Amazon's authorities sign for this host.
fn is_amazon(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    [".amazonaws.com", ".amazonaws.com.cn"]
        .iter()
        .any(|domain| host.ends_with(domain))
}

fn amazon() -> (Arc<RootCertStore>, Box<str>) {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(AMAZON).flatten());
    debug_assert_eq!(store.len(), 4, "compiled in, and tested");
    (Arc::new(store), "Amazon's root certificates".into())
}

#[cfg(feature = "native-roots")]
fn native(host: &str) -> Result<(Arc<RootCertStore>, Box<str>), TlsError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(loaded.certs);
    if store.is_empty() {
        let reason = match loaded.errors.first() {
            Some(error) => format!(": {error}"),
            None => String::new(),
        };
        let message = format!(
            "no usable certificates of authorities were found on this system{reason}; \
             install them (package ca-certificates) or give a CA file"
        );
        return Err(TlsError::NoRoots {
            host: host.into(),
            message: message.into(),
        });
    }
    Ok((Arc::new(store), "the system's root certificates".into()))
}

#[cfg(not(feature = "native-roots"))]
fn native(host: &str) -> Result<(Arc<RootCertStore>, Box<str>), TlsError> {
    Err(TlsError::NoRoots {
        host: host.into(),
        message: "give a CA file, or build with the feature `native-roots` to trust those of \
                  the system"
            .into(),
    })
}

/// From <https://www.amazontrust.com/repository/>; a test compares their fingerprints.
pub(super) const AMAZON: &[u8] = include_bytes!("amazon.pem");

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sigv4")]
    #[test]
    fn amazon_roots_are_the_published_ones() {
        use ring::digest::{SHA256, digest};

        const PUBLISHED: [&str; 4] = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        ];
        let certificates = CertificateDer::pem_slice_iter(AMAZON).map(Result::unwrap);
        let found: Vec<String> = certificates
            .map(|it| crate::text::hex(digest(&SHA256, &it).as_ref()))
            .collect();
        assert_eq!(found, PUBLISHED);
    }

    #[test]
    fn amazon_hosts() {
        assert_eq!(amazon().0.len(), 4);
        for host in [
            "abc-ats.iot.eu-west-1.amazonaws.com",
            "abc.ats.iot.cn-north-1.amazonaws.com.cn",
            "ABC.IOT.AMAZONAWS.COM.",
        ] {
            assert!(is_amazon(host), "{host}");
        }
        for host in [
            "amazonaws.com.evil.example",
            "notamazonaws.com",
            "broker.example",
            "",
        ] {
            assert!(!is_amazon(host), "{host}");
        }
    }

    #[cfg(not(feature = "native-roots"))]
    #[test]
    fn without_native_roots_a_ca_file_is_asked_for() {
        let error = Roots::Auto.load("broker.example").unwrap_err().to_string();
        assert!(error.contains("broker.example: give a CA file"), "{error}");
    }
}
