//! The same options for a TLS library that reads files itself.

use std::{path::PathBuf, time::SystemTime};

use super::{
    error::TlsError,
    identity::Identity,
    options::{Alpn, TlsOptions},
    pem::Pem,
};
use crate::{endpoint::Purpose, network::RootsFile};

/// Certificate and key.
type IdentityFiles = (PathBuf, PathBuf);

impl TlsOptions {
    /// Checks the files as [`prepare`](Self::prepare) does, and says where they are. No identity
    /// although there is one: it is not in files.
    pub(crate) fn files(
        &self,
        host: &str,
        now: SystemTime,
    ) -> Result<(RootsFile, Option<IdentityFiles>), TlsError> {
        let roots = self.roots.file(host)?;
        let Some(Identity::Pem {
            certificate: Pem::File(certificate),
            key: Pem::File(key),
        }) = &self.identity
        else {
            return Ok((roots, None));
        };
        let identity = self.identity.iter();
        for identity in identity {
            identity.check(self.provider.get().ok().as_deref(), now)?;
        }
        Ok((roots, Some((certificate.clone(), key.clone()))))
    }

    /// The protocols to name in the handshake.
    pub(crate) fn protocols(&self, purpose: Purpose, port: u16, certificate: bool) -> Vec<String> {
        match &self.alpn {
            Alpn::Auto => {
                let protocol = purpose.alpn(port, certificate);
                protocol.map(str::to_owned).into_iter().collect()
            }
            Alpn::None => Vec::new(),
            Alpn::Protocols(protocols) => protocols.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Roots;

    fn files(set: impl FnOnce(&mut TlsOptions), host: &str) -> Result<RootsFile, TlsError> {
        let mut options = TlsOptions::default();
        set(&mut options);
        let files = options.files(host, SystemTime::UNIX_EPOCH);
        files.map(|(roots, _)| roots)
    }

    #[test]
    fn amazon_s_authorities_are_a_text_and_the_system_s_are_the_system_s_business() {
        let amazon = files(|_| (), "a.iot.eu-west-1.amazonaws.com").unwrap();
        assert_eq!(amazon, RootsFile::Text(crate::tls::roots::AMAZON.into()));
        assert_eq!(files(|_| (), "broker.example").unwrap(), RootsFile::System);
    }

    #[test]
    fn a_file_that_is_not_there_is_said_before_anything_is_opened() {
        let error = files(|it| it.roots = Roots::Pem("/no/ca".into()), "h").unwrap_err();
        assert!(matches!(error, TlsError::File { .. }), "{error}");
        let error = files(|it| it.set_identity("/no/cert", "/no/key"), "h").unwrap_err();
        assert!(error.to_string().contains("/no/cert"), "{error}");
    }

    #[test]
    fn keys_in_memory_have_no_file() {
        let mut options = TlsOptions::default();
        options.set_identity(Pem::bytes("c"), Pem::bytes("k"));
        let (_, identity) = options.files("h", SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(identity, None);
    }
}
