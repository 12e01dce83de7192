//! The other examples of ways to connect: a fleet, and a key that is elsewhere.

use std::process::Command;

use testkit::{Config, Mosquitto, Pki, Process, Signal, example, free_port};

use crate::{
    programs::{LIMIT, Site, ended, installed, service},
    watcher::Tools,
};

fn start(name: &str, args: &[&str]) -> Process {
    let mut command = Command::new(example(name).expect("the example is built"));
    Process::spawn(command.env("RUST_BACKTRACE", "1").args(args))
}

/// What two things and a named shadow are told, and how a fleet shows the documents.
const UPDATES: [(&str, &str, &str); 5] = [
    (
        "lamp/shadow/update",
        r#"{"reported":{"on":true}}"#,
        r#"lamp: version 1, nothing desired, reported {"on":true}"#,
    ),
    (
        "lamp/shadow/update",
        r#"{"desired":{"on":false}}"#,
        r#"lamp: version 2, desired {"on":false}, reported {"on":true}"#,
    ),
    (
        "door/shadow/update",
        r#"{"desired":{"open":1.50}}"#,
        r#"door: version 1, desired {"open":1.50}, nothing reported"#,
    ),
    (
        "lamp/shadow/name/night/update",
        r#"{"reported":{"dim":3}}"#,
        r#"lamp night: version 1, nothing desired, reported {"dim":3}"#,
    ),
    (
        "lamp/shadow/update",
        r#"{"reported":null}"#,
        r#"lamp: version 3, desired {"on":false}, nothing reported"#,
    ),
];

fn fleet(url: &str, args: &[&str]) -> Process {
    let mut fleet = start("fleet", &[&["--endpoint", url], args].concat());
    fleet.wait_for(LIMIT, "every document from now on:");
    fleet
}

/// Publishes the updates and waits until each document was shown, by one fleet or another. The
/// order of different shadows is nobody's promise.
fn documents(tools: &Tools, fleets: &[&Process]) {
    for (topic, state, _) in UPDATES {
        let topic = format!("$aws/things/{topic}");
        tools.publish(&topic, &format!(r#"{{"state":{state}}}"#));
    }
    let shown = || {
        fleets
            .iter()
            .flat_map(|fleet| fleet.stdout())
            .collect::<Vec<_>>()
    };
    let expected = UPDATES.map(|(_, _, line)| line);
    let all = testkit::wait_until(LIMIT, || {
        let shown = shown();
        expected
            .iter()
            .all(|line| shown.iter().any(|it| it == line))
    });
    assert!(all, "{:#?}", shown());
    // Each once: to several of a group goes one.
    assert_eq!(
        shown().len(),
        fleets.len() + expected.len(),
        "{:#?}",
        shown()
    );
}

#[test]
fn the_documents_of_a_fleet() {
    for mqtt in ["3", "5"] {
        let Some(site) = Site::start() else { return };
        let mut fleet = fleet(&site.broker.url(), &["--mqtt", mqtt]);
        documents(&site.tools, &[&fleet]);
        fleet.signal(Signal::Interrupt);
        assert!(ended(&mut fleet).success());
        assert_eq!(fleet.stderr(), [""; 0]);
    }
}

/// On the embedded broker: Mosquitto gives shared subscriptions nothing of topics with a dollar.
#[test]
fn a_fleet_whose_messages_are_shared() {
    let port = free_port();
    let Some(_local) = installed(service(&["--listen", &format!("127.0.0.1:{port}")])) else {
        return;
    };
    let Some(tools) = installed(Tools::find(port)) else {
        return;
    };
    let url = format!("mqtt://127.0.0.1:{port}");
    let fleets = [(); 2].map(|()| fleet(&url, &["--share", "backend"]));
    documents(&tools, &[&fleets[0], &fleets[1]]);
    let shown = fleets.map(|fleet| fleet.stdout().len());
    assert!(shown.iter().all(|&lines| lines > 1), "{shown:?}");
}

#[test]
fn what_a_fleet_cannot_do_is_said_in_one_line() {
    for (args, said) in [
        (&[][..], "fleet: --endpoint is missing"),
        (&["--share"], "fleet: --share needs a value"),
        (
            &["--fleet"],
            "fleet: unknown argument --fleet; --help lists them",
        ),
    ] {
        let mut fleet = start("fleet", args);
        assert_eq!(ended(&mut fleet).code(), Some(64));
        assert_eq!(fleet.output(), [said]);
    }
}

/// The key is read by openssl alone: the program is not even told where it is, but for the command.
#[test]
fn a_key_that_the_program_never_sees() {
    let Some(pki) = installed(Pki::new()) else {
        return;
    };
    pki.client("lamp");
    pki.client("stranger");
    let broker = Mosquitto::start(pki.listeners(Config::new()));
    let Some(broker) = installed(broker) else {
        return;
    };
    let Some(_service) = installed(service(&["--broker", &broker.url()])) else {
        return;
    };
    let run = |key: &str, mqtt: &str| {
        let signer = format!("openssl dgst -sha256 -sign {}", pki.path(key).display());
        let endpoint = format!("localhost:{}", broker.port_of("mutual"));
        let (ca, own) = (pki.path("ca.pem"), pki.path("lamp.pem"));
        let (ca, own) = (ca.display().to_string(), own.display().to_string());
        let args = [
            "--endpoint",
            &endpoint,
            "--ca_file",
            &ca,
            "--certificate",
            &own,
            "--signer",
            &signer,
            "--mqtt",
            mqtt,
        ];
        let mut program = start("external_key", &args);
        let code = ended(&mut program).code();
        (code, program.output().join("\n"))
    };
    for mqtt in ["3", "5"] {
        let (code, said) = run("lamp.key", mqtt);
        let expected = "signed in with a key that this program never saw\n\
                        there is no such shadow yet";
        assert_eq!((code, said.as_str()), (Some(0), expected));
    }
    // It is the signature that lets it in.
    let (code, said) = run("stranger.key", "5");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("does not accept the client certificate"),
        "{said}"
    );
    let (code, said) = run("no-such.key", "5");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.lines().count() == 1 && said.contains("openssl dgst"),
        "{said}"
    );
}
