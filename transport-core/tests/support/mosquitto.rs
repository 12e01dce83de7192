//! A broker with a listener of each kind, with certificates and keys as the openssl program writes
//! them.

use std::path::Path;

use testkit::{Config, Mosquitto, Pki};
use transport_core::{ConnectOptions, Pem, Roots};

/// One broker with a listener of each kind; `None` if it is not installed.
pub(crate) fn broker(pki: &Pki) -> Option<Mosquitto> {
    Mosquitto::start(pki.listeners(Config::new())).ok()
}

/// Options for one of its listeners.
pub(crate) fn options(scheme: &str, port: u16, ca: &Path) -> ConnectOptions {
    let mut options = ConnectOptions::from_url(&format!("{scheme}://localhost:{port}")).unwrap();
    options.tls.roots = Roots::Pem(Pem::file(ca));
    options
}
