//! Certificates, as the flags name them.

use crate::local::TlsFiles;
use core::net::{IpAddr, SocketAddr};
use std::{
    borrow::ToOwned as _, format, path::PathBuf, string::String, string::ToString as _, vec::Vec,
};

/// Where certificates come from.
#[derive(Debug)]
pub(crate) enum Certificates {
    Files(TlsFiles),
    Made {
        directory: PathBuf,
        names: Vec<String>,
    },
}

/// Certificates as the flags name them, before it is known whether they fit.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) dev: Option<PathBuf>,
    pub(super) names: Vec<String>,
}

impl Files {
    /// What they amount to, given where TLS is served.
    pub(super) fn check(self, addresses: Vec<SocketAddr>) -> Result<Option<Certificates>, String> {
        let given = [
            ("--dev-certs", self.dev.is_some()),
            ("--cert", self.cert.is_some()),
            ("--key", self.key.is_some()),
            ("--ca", self.ca.is_some()),
            ("--dev-name", !self.names.is_empty()),
        ];
        let given = given.iter().find(|(_, given)| *given);
        if let (Some((flag, _)), true) = (given, addresses.is_empty()) {
            return Err(format!(
                "{flag} is for --tls-listen, --wss-listen and --https, and none is given"
            ));
        }
        match (self.dev, self.cert, self.key, self.ca) {
            _ if addresses.is_empty() => Ok(None),
            (Some(directory), None, None, None) => {
                let mut names = self.names;
                // Such as devices on the same network use.
                let plain = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_loopback();
                let ips = addresses.iter().map(SocketAddr::ip).filter(plain);
                names.extend(ips.map(|ip| ip.to_string()));
                Ok(Some(Certificates::Made { directory, names }))
            }
            (Some(_), ..) => Err("--dev-certs excludes --cert, --key and --ca".to_owned()),
            (None, ..) if !self.names.is_empty() => Err("--dev-name is for --dev-certs".to_owned()),
            (None, Some(cert), Some(key), ca) => {
                let files = TlsFiles::new(cert, key);
                Ok(Some(Certificates::Files(match ca {
                    Some(ca) => files.with_authority(ca),
                    None => files,
                })))
            }
            (None, ..) => Err(
                "TLS needs --cert and --key, and --ca to check clients; or --dev-certs".to_owned(),
            ),
        }
    }
}
