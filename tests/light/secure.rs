//! The light where connecting takes more than a host and a port.

use std::process::Command;

use serde_json::json;
use testkit::{Config, HttpProxy, MissingTool, Mosquitto, Pki, Process, Signal};

use crate::{
    programs::{LIMIT, Light, ShadowTopics, ended, installed, program, service},
    watcher::Tools,
};

/// A broker with every kind of listener, the plain one for the test's own tools, and a service.
struct Site {
    pki: Pki,
    broker: Mosquitto,
    tools: Tools,
    service: Process,
}

impl Site {
    fn start() -> Option<Self> {
        installed(Self::try_start())
    }

    fn try_start() -> Result<Self, MissingTool> {
        let pki = Pki::new()?;
        pki.client("lamp");
        let config = pki.listeners(Config::new().line("set_tcp_nodelay true"));
        let broker = Mosquitto::start(config)?;
        Ok(Self {
            service: service(&["--broker", &broker.url()])?,
            tools: Tools::find(broker.port())?,
            pki,
            broker,
        })
    }

    /// The light, in the folder with the certificates. `PORT:name` is the port of a listener.
    fn program(&self, line: &str) -> Command {
        let mut command = program();
        command.current_dir(self.pki.dir());
        for word in line.split_whitespace() {
            match word.split_once("PORT:") {
                Some((front, name)) => command.arg(format!("{front}{}", self.broker.port_of(name))),
                None => command.arg(word),
            };
        }
        command
    }

    /// The light does what it is for.
    fn is_in_sync(&self, thing: &str, command: &mut Command) -> Light {
        let watcher = self.tools.watch(&ShadowTopics::classic(thing));
        let mut light = Light {
            process: Process::spawn(command),
        };
        light.process.wait_for(LIMIT, "reported color = off");
        watcher.update(&json!({"desired": {"color": "teal"}}));
        light.process.wait_for(LIMIT, "reported color = teal");
        light
    }

    /// The one line that is left of it.
    fn fails(&self, command: &mut Command) -> String {
        let mut light = Process::spawn(command);
        let status = ended(&mut light);
        assert_eq!(status.code(), Some(1), "{:#?}", light.output());
        let stderr = light.stderr();
        assert_eq!(stderr.len(), 1, "{stderr:#?}");
        stderr[0].clone()
    }
}

/// As in the documentation of the AWS samples, with the name of another program.
#[test]
fn the_command_line_of_the_aws_sample() {
    let Some(site) = Site::start() else { return };
    for mqtt in ["", "--mqtt 3"] {
        let line = "--endpoint localhost:PORT:mutual --cert lamp.pem --key lamp.key \
                    --thing_name lamp --ca_file ca.pem";
        let mut command = site.program(&format!("{line} {mqtt}"));
        site.is_in_sync("lamp", &mut command).quit();
        site.tools
            .publish(&ShadowTopics::classic("lamp").topic("delete"), "");
    }
    assert_eq!(site.service.stderr(), [""; 0]);
}

#[test]
fn other_ways_in() {
    let Some(site) = Site::start() else { return };
    let proxy = HttpProxy::start(Some("bWU6d29yZA=="));
    let by_proxy = format!(
        "--endpoint localhost --port PORT:tls --ca-file=ca.pem --proxy_host 127.0.0.1 \
         --proxy_port {} --proxy-user me",
        proxy.port()
    );
    for (thing, line) in [
        (
            "tls",
            "--endpoint mqtts://localhost:PORT:tls --ca_file ca.pem --alpn none",
        ),
        ("ws", "--endpoint ws://localhost:PORT:ws --websocket"),
        (
            "wss",
            "--websocket --endpoint localhost --port PORT:wss --ca_file ca.pem --mqtt 3",
        ),
        ("proxy", &by_proxy),
    ] {
        let mut command = site.program(&format!("{line} --thing-name {thing}"));
        command.env("DEVICE_SHADOW_PROXY_PASSWORD", "word");
        site.is_in_sync(thing, &mut command).quit();
    }
    assert_eq!(
        proxy.tunnels(),
        [format!("localhost:{}", site.broker.port_of("tls"))]
    );
}

/// Without a CA file it is those that the system trusts, and what OpenSSL's variable names in their
/// place.
#[test]
fn the_systems_authorities() {
    let Some(site) = Site::start() else { return };
    let line = "--endpoint mqtts://localhost:PORT:tls --thing-name native";
    let mut command = site.program(line);
    command.env("SSL_CERT_FILE", site.pki.path("ca.pem"));
    site.is_in_sync("native", &mut command).quit();
    let mut command = site.program(line);
    command.env("SSL_CERT_FILE", site.pki.path("other-ca.pem"));
    let text = site.fails(&mut command);
    let reason = "is not signed by any authority in the system's root certificates";
    assert!(text.contains(reason), "{text}");
}

/// As often as the broker says so.
#[test]
fn a_keep_alive_of_the_brokers_is_told_once() {
    let broker = Mosquitto::start(Config::new().line("max_keepalive 30"));
    let Some(broker) = installed(broker) else {
        return;
    };
    let Some(_service) = installed(service(&["--broker", &broker.url()])) else {
        return;
    };
    let mut light = Light::on(&broker.url(), "lamp", &["--client-id", "lamp"]);
    light.process.wait_for(LIMIT, "reported color = off");
    for _ in 0..2 {
        let thief = Tools::find(broker.port()).expect("it was there before");
        thief.publish_as("lamp", "any", "");
        light.process.wait_for(LIMIT, "next attempt in");
        light.process.wait_for(LIMIT, "connected");
    }
    light.process.write_line("red");
    light
        .process
        .wait_for(LIMIT, "reported and desired color = red");
    let said = light.process.stdout();
    let told = said.iter().filter(|line| line.contains("keep-alive"));
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["the broker set the keep-alive to 30s"]
    );
    light.quit();
}

#[test]
fn who_does_not_get_in_is_told_why() {
    let Some(site) = Site::start() else { return };
    for (line, said) in [
        (
            "--endpoint localhost:PORT:mutual --ca_file ca.pem",
            "localhost wants a client certificate: give a certificate and its private key",
        ),
        (
            "--endpoint localhost:PORT:tls --ca_file other-ca.pem",
            "not signed by any authority in other-ca.pem: give the CA file of this server",
        ),
        (
            "--endpoint 127.0.0.1:PORT:tls --ca_file ca.pem",
            "the certificate that answers for 127.0.0.1 is for localhost: check the endpoint",
        ),
        (
            "--endpoint localhost:PORT:ws --ca_file ca.pem",
            "does not speak TLS",
        ),
    ] {
        let error = site.fails(&mut site.program(line));
        assert!(error.contains(said), "{line}: {error}");
    }
}

/// Made with `mosquitto_passwd`: the user is "tester", the password "secret".
const PASSWORDS: &str = "tester:$7$101$pwrXbOxBvTBTEg8m$AN7IVlAQ0M/SiqkZUP2tNPxX0RO3+qhwi6IYOGAFMfBIRhsQD75ERIB54mNJ9BTijhMI3SmxKQ2ZoyU3QzEHsA==\n";

/// The service too, on a broker that lets nobody in without.
#[test]
fn everyone_over_tls_with_a_password() {
    let Some(pki) = installed(Pki::new()) else {
        return;
    };
    let config = Config::new()
        .line("set_tcp_nodelay true")
        .line("password_file {dir}/passwords")
        .file("passwords", PASSWORDS)
        .no_anonymous();
    let Some(broker) = installed(Mosquitto::start(pki.listeners(config))) else {
        return;
    };
    let ca = pki.path("ca.pem").display().to_string();
    let host = |kind: &str| format!("localhost:{}", broker.port_of(kind));
    for (mqtt, kind, socket) in [
        ("3", "tls", None),
        ("5", "tls", None),
        ("5", "wss", Some("--websocket")),
    ] {
        let host = host(kind);
        let mut flags = vec!["--ca_file", &*ca, "--user", "tester", "--mqtt", mqtt];
        flags.extend(socket);
        let secret = [&["--broker", &host, "--password=secret"], &flags[..]].concat();
        let Some(mut service) = installed(service(&secret)) else {
            return;
        };
        let tools = installed(Tools::find(broker.port())).expect("it is there");
        let tools = tools.signed_in("tester", "secret", "");
        let watcher = tools.watch(&ShadowTopics::classic(kind));
        let mut light = program();
        light
            .args(["--endpoint", &host, "--thing-name", kind])
            .args(&flags);
        let mut light = Light {
            process: Process::spawn(light.env("DEVICE_SHADOW_PASSWORD", "secret")),
        };
        light.process.wait_for(LIMIT, "reported color = off");
        watcher.update(&json!({"desired": {"color": "teal"}}));
        light.process.wait_for(LIMIT, "reported color = teal");
        light.quit();
        service.signal(Signal::Interrupt);
        assert!(ended(&mut service).success());
        let said = service.output().join("\n");
        assert!(said.contains(&host) && !said.contains("secret"), "{said}");
    }
    for (flags, said) in [
        (
            &["--user", "tester", "--password", "wrong"][..],
            "not authorized",
        ),
        (&[], "not authorized"),
        (&["--ca_file", "no/such"], "cannot read no/such"),
        (
            &["--port", "1"],
            "--port 1: --broker names another port already",
        ),
    ] {
        let host = host("tls");
        let mut all = vec!["--broker", &*host];
        if !flags.contains(&"--ca_file") {
            all.extend(["--ca_file", &*ca]);
        }
        all.extend(flags);
        let program = testkit::binary("shadow-local").expect("it was there before");
        let mut service = Process::spawn(Command::new(program).args(&all));
        assert!(!ended(&mut service).success());
        let stderr = service.stderr();
        assert_eq!(stderr.len(), 1, "{stderr:#?}");
        assert!(
            stderr[0].contains(said) && !stderr[0].contains("wrong"),
            "{stderr:#?}"
        );
    }
}
