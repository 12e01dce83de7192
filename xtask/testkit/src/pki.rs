use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Config, MissingTool, TempDir, find_program};

/// A folder with certificates and keys as the openssl program writes them: the authorities `ca` and `other-ca`, a
/// `server` called localhost, and whom else a test needs. Each has NAME.pem and NAME.key.
#[derive(Debug)]
pub struct Pki {
    openssl: PathBuf,
    dir: TempDir,
}

impl Pki {
    /// Makes the authorities and the server's certificate.
    ///
    /// # Errors
    ///
    /// When openssl is not installed.
    ///
    /// # Panics
    ///
    /// When openssl fails.
    pub fn new() -> Result<Self, MissingTool> {
        let pki = Self {
            openssl: find_program("openssl")?,
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
        Ok(pki)
    }

    /// Makes a client's key and certificate.
    ///
    /// # Panics
    ///
    /// When openssl fails.
    pub fn client(&self, name: &str) {
        let key = format!("{name}.key");
        self.run(&[
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            &key,
        ]);
        self.sign(name, "ca", "extendedKeyUsage=clientAuth");
    }

    /// Signs what belongs to the key `name.key`: `name.pem`.
    ///
    /// # Panics
    ///
    /// When openssl fails.
    pub fn sign(&self, name: &str, ca: &str, extension: &str) {
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

    /// Runs openssl in the folder.
    ///
    /// # Panics
    ///
    /// When it fails, with what it said.
    pub fn run(&self, args: &[&str]) {
        let output = Command::new(&self.openssl)
            .args(args)
            .current_dir(self.dir.path())
            .output()
            .expect("openssl runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {said}");
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file of the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in a file of the folder.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Adds listeners to a broker: `tls`, `mutual` (for clients whose certificate `ca` signed), `ws` and `wss`.
    #[must_use]
    pub fn listeners(&self, config: Config) -> Config {
        let tls = [
            "cafile {dir}/ca.pem",
            "certfile {dir}/server.pem",
            "keyfile {dir}/server.key",
        ];
        let config = config
            .listener("tls", &tls)
            .listener(
                "mutual",
                &[&tls[..], &["require_certificate true"]].concat(),
            )
            .listener("ws", &["protocol websockets"])
            .listener("wss", &[&tls[..], &["protocol websockets"]].concat());
        let files = ["ca.pem", "server.pem", "server.key"].into_iter();
        files.fold(config, |config, name| config.file(name, self.text(name)))
    }
}
