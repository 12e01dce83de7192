//! A broker with a listener of each kind, with certificates and keys as the openssl program writes
//! them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use testkit::{Config, Mosquitto, TempDir, find_program};
use transport_core::{ConnectOptions, Pem, Roots};

/// A folder with an authority and what it signed.
pub(crate) struct Pki {
    openssl: PathBuf,
    dir: TempDir,
}

impl Pki {
    pub(crate) fn new() -> Option<Self> {
        let pki = Self {
            openssl: find_program("openssl").ok()?,
            dir: TempDir::new(),
        };
        for ca in ["ca", "other-ca"] {
            pki.run(&["genrsa", "-out", &format!("{ca}.key"), "2048"]);
            let (key, pem, name) = (
                format!("{ca}.key"),
                format!("{ca}.pem"),
                format!("/CN={ca}"),
            );
            pki.run(&[
                "req", "-x509", "-new", "-key", &key, "-days", "2", "-subj", &name, "-out", &pem,
            ]);
        }
        pki.run(&["genrsa", "-out", "server.key", "2048"]);
        pki.sign("server", "ca", "subjectAltName=DNS:localhost");
        Some(pki)
    }

    /// Signs what belongs to the key `name.key`: `name.pem`.
    pub(crate) fn sign(&self, name: &str, ca: &str, extension: &str) {
        let file = |ending: &str| format!("{name}.{ending}");
        let subject = format!("/CN={name}");
        self.run(&[
            "req",
            "-new",
            "-key",
            &file("key"),
            "-subj",
            &subject,
            "-out",
            &file("csr"),
        ]);
        self.dir.write("extensions", extension);
        self.run(&[
            "x509",
            "-req",
            "-in",
            &file("csr"),
            "-CA",
            &format!("{ca}.pem"),
            "-CAkey",
            &format!("{ca}.key"),
            "-CAcreateserial",
            "-days",
            "1",
            "-extfile",
            "extensions",
            "-out",
            &file("pem"),
        ]);
    }

    pub(crate) fn run(&self, args: &[&str]) {
        let output = Command::new(&self.openssl)
            .args(args)
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {said}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// One broker with a listener of each kind; `None` if it is not installed.
    pub(crate) fn broker(&self) -> Option<Mosquitto> {
        let tls = [
            "cafile {dir}/ca.pem",
            "certfile {dir}/server.pem",
            "keyfile {dir}/server.key",
        ];
        let mutual = [&tls[..], &["require_certificate true"]].concat();
        let config = Config::new()
            .listener("mutual", &mutual)
            .listener("ws", &["protocol websockets"])
            .listener("wss", &[&tls[..], &["protocol websockets"]].concat());
        let files = ["ca.pem", "server.pem", "server.key"].into_iter();
        let config = files.fold(config, |config, name| config.file(name, self.text(name)));
        Mosquitto::start(config).ok()
    }
}

/// Options for one of its listeners.
pub(crate) fn options(scheme: &str, port: u16, ca: &Path) -> ConnectOptions {
    let mut options = ConnectOptions::from_url(&format!("{scheme}://localhost:{port}")).unwrap();
    options.tls.roots = Roots::Pem(Pem::file(ca));
    options
}
