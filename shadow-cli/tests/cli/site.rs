//! A broker with a shadow service, and the program on it.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use testkit::{Config, Mosquitto, Process, TempDir, skip_or_fail};

/// Far more than any of it needs on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// Where the program works.
pub(crate) struct Site {
    /// The flags that say where the broker is.
    connection: Vec<String>,
    dir: TempDir,
    _service: Process,
    _broker: Option<Mosquitto>,
}

impl Site {
    /// The service on a broker of its own, by `shadow local`.
    pub(crate) fn local() -> Self {
        let dir = TempDir::new();
        let mut service = bare(&dir);
        service.args(["local", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let (service, greeting) = greeted(&mut service);
        let connection = [
            flag("--endpoint", &url(&greeting, "mqtt://")),
            flag("--rest-url", &url(&greeting, "http://")),
        ];
        Self {
            connection: connection.concat(),
            dir,
            _service: service,
            _broker: None,
        }
    }

    /// A Mosquitto that wants a certificate of every client but the service.
    pub(crate) fn over_tls() -> Option<Self> {
        let dir = TempDir::new();
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        // openssl takes equal names for the same certificate.
        ca.distinguished_name.push(DnType::CommonName, "ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = ca.self_signed(&ca_key).unwrap();
        let issue = |names: &[&str], client: bool| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, "issued");
            if client {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &ca, &ca_key).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (server, server_key) = issue(&["localhost"], false);
        let (client, client_key) = issue(&[], true);
        let config = Config::new()
            .line("set_tcp_nodelay true")
            .file("ca.pem", ca.pem())
            .file("server.pem", server)
            .file("server.key", server_key)
            .listener(
                "tls",
                &[
                    "cafile {dir}/ca.pem",
                    "certfile {dir}/server.pem",
                    "keyfile {dir}/server.key",
                    "require_certificate true",
                ],
            );
        let broker = Mosquitto::start(config);
        let broker = broker.map_err(|tool| skip_or_fail(tool.name())).ok()?;
        let mut service = bare(&dir);
        service.args(["local", "--http", "127.0.0.1:0", "--broker", &broker.url()]);
        let (service, greeting) = greeted(&mut service);
        let file = |name: &str, text: String| dir.write(name, text).display().to_string();
        let connection = [
            flag("--ca-file", &file("ca.pem", ca.pem())),
            flag("--cert", &file("client.pem", client)),
            flag("--key", &file("client.key", client_key)),
            flag(
                "--endpoint",
                &format!("mqtts://localhost:{}", broker.port_of("tls")),
            ),
            flag("--rest-url", &url(&greeting, "http://")),
        ];
        Some(Self {
            connection: connection.concat(),
            dir,
            _service: service,
            _broker: Some(broker),
        })
    }

    /// A thing that no other test has.
    pub(crate) fn thing(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("lamp-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.value("--endpoint")
    }

    pub(crate) fn rest_url(&self) -> &str {
        self.value("--rest-url")
    }

    fn value(&self, flag: &str) -> &str {
        let at = self.connection.iter().position(|word| word == flag);
        &self.connection[at.expect("there is one") + 1]
    }

    /// A file in a folder of the site's.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        self.dir.write(name, text).display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The program with these arguments, running.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        let mut command = bare(&self.dir);
        // Not all commands know every flag.
        let rest = args.contains(&"--rest") || args.contains(&"list");
        let takes = |flag: &[String]| flag[0] != "--rest-url" || rest;
        let flags = self.connection.chunks(2).filter(|flag| takes(flag));
        command.args(args).args(flags.flatten());
        Process::spawn(&mut command)
    }

    /// The code it ends with, and all it says.
    pub(crate) fn run(&self, args: &[&str]) -> (Option<i32>, Vec<String>) {
        finish(self.start(args), args)
    }

    /// What it says if it ends well.
    pub(crate) fn ends(&self, args: &[&str]) -> Vec<String> {
        let (code, said) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}: {said:#?}");
        said
    }

    /// Ends with this code, having said why.
    pub(crate) fn fails(&self, args: &[&str], code: i32, part: &str) {
        fails(self.run(args), args, code, part);
    }

    /// The same, without the flags of the connection.
    pub(crate) fn fails_bare(&self, args: &[&str], code: i32, part: &str) {
        let process = Process::spawn(bare(&self.dir).args(args));
        fails(finish(process, args), args, code, part);
    }
}

/// The program, in an environment without settings of the user's.
pub(crate) fn bare(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shadow"));
    command.env_clear().env("HOME", dir.path());
    command.env("RUST_BACKTRACE", "1").current_dir(dir.path());
    command
}

pub(crate) fn finish(mut process: Process, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let status = process.wait(LIMIT);
    let said = process.output();
    let status = status.unwrap_or_else(|| panic!("{args:?} does not end; it said: {said:#?}"));
    (status.code(), said)
}

pub(crate) fn fails(
    (ended, said): (Option<i32>, Vec<String>),
    args: &[&str],
    code: i32,
    part: &str,
) {
    assert_eq!(ended, Some(code), "{args:?}: {said:#?}");
    let found = said.iter().any(|line| line.contains(part));
    assert!(found, "{args:?} did not say {part:?}: {said:#?}");
}

fn flag(name: &str, value: &str) -> [String; 2] {
    [name.to_owned(), value.to_owned()]
}

fn greeted(command: &mut Command) -> (Process, Vec<String>) {
    let mut service = Process::spawn(command);
    service.wait_for(LIMIT, "documents are kept in memory");
    let greeting = service.stdout();
    (service, greeting)
}

fn url(greeting: &[String], scheme: &str) -> String {
    let words = greeting.iter().flat_map(|line| line.split(' '));
    let mut urls = words.filter(|word| word.starts_with(scheme));
    urls.next().expect("where it listens").to_owned()
}
