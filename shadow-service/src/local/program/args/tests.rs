//! Command lines, right and wrong.

use super::*;
use crate::{local::TlsFiles, settings::Assumption};
use std::string::ToString as _;

fn read(args: &str) -> Result<Args, FlagError> {
    Args::read(args.split_whitespace().map(Into::into), |_| None)
}

fn run(args: &str) -> Run {
    match read(args).unwrap() {
        Args::Run(run) => *run,
        other @ (Args::Help | Args::Version) => panic!("{other:?}"),
    }
}

fn listen(run: &Run) -> &Listen {
    match &run.mqtt {
        Mqtt::Listen(listen) => listen,
        Mqtt::Broker(options) => panic!("{options:?}"),
    }
}

#[test]
fn where_tls_is_served_and_with_what() {
    let all = run(
        "--tls-listen 8883 --ws-listen 0 --wss-listen=[::1]:443 --https 0 \
         --cert c --key k --ca a",
    );
    assert_eq!(listen(&all).plain, None);
    assert_eq!(listen(&all).tls.unwrap().to_string(), "127.0.0.1:8883");
    assert_eq!(listen(&all).websocket.unwrap().to_string(), "127.0.0.1:0");
    assert_eq!(listen(&all).websocket_tls.unwrap().to_string(), "[::1]:443");
    assert!(all.https.is_some());
    let files = TlsFiles::new("c", "k").with_authority("a");
    assert!(matches!(all.certificates, Some(Certificates::Files(all)) if all == files));

    let impatient = run("--dev-certs d");
    assert!(listen(&impatient).plain.is_some());
    assert_eq!(listen(&impatient).tls.unwrap().port(), 8883);
    let named = run("--dev-certs d --https 192.0.2.7:0 --dev-name gateway");
    assert_eq!(listen(&named).tls, None);
    let Some(Certificates::Made { directory, names }) = named.certificates else {
        panic!("{:?}", named.certificates);
    };
    assert_eq!(directory, PathBuf::from("d"));
    assert_eq!(names, ["gateway", "192.0.2.7"]);
    assert!(
        run("--broker mqtt://x --https 0 --dev-certs d")
            .https
            .is_some()
    );
}

#[test]
fn how_it_connects_to_a_broker() {
    let broker = |args: &str| match run(args).mqtt {
        Mqtt::Broker(options) => *options,
        Mqtt::Listen(listen) => panic!("{listen:?}"),
    };
    let plain = broker("--broker=mqtt://x");
    assert_eq!(plain.endpoint.to_string(), "mqtt://x:1883");
    assert!(plain.client_id.starts_with("shadow-local-"));
    let other = broker("--mqtt 3 --user me --broker x --port 7 --client_id one --keep-alive 9");
    assert_eq!(other.endpoint.to_string(), "mqtt://x:7");
    assert_eq!(other.user_name.as_deref(), Some("me"));
    assert_eq!((&*other.client_id, other.keep_alive.as_secs()), ("one", 9));
    let both = run("--broker x --https 0 --https-cert c --https-key k --https-ca a");
    let files = TlsFiles::new("c", "k").with_authority("a");
    assert!(matches!(both.certificates, Some(Certificates::Files(it)) if it == files));
}

#[test]
fn every_flag_is_read() {
    let all = run("--listen 0.0.0.0:0 --http=8080 -v --data /x/y \
         --republish p/+=$aws/things/+/shadow/update \
         --republish=q=$aws/things/t/shadow/get --prefix site/1 --max-document-bytes 30720 \
         --max-depth=6 --rate 20 --shuffle 7 --in-flight 10 --fault drop=5%@t --fault=swallow \
         --fault-seed 9");
    assert_eq!(listen(&all).plain.unwrap().to_string(), "0.0.0.0:0");
    assert_eq!(all.http.unwrap().to_string(), "127.0.0.1:8080");
    assert_eq!(all.data, Some(PathBuf::from("/x/y")));
    assert_eq!(all.republish.len(), 2);
    assert!(all.verbose);
    assert_eq!(all.settings.prefix.as_str(), "site/1");
    assert_eq!(all.settings.limits.max_document_bytes, 30720);
    assert_eq!(all.settings.limits.max_depth, 6);
    assert_eq!(all.settings.rate, Some(Rate::new(20, 20)));
    assert_eq!((all.in_flight, all.fault_seed), (Some(10), 9));
    assert_eq!(all.faults.len(), 2);
    assert_eq!(all.settings.order, MessageOrder::Shuffled { seed: 7 });
    let plain = listen(&run("")).plain.unwrap();
    assert_eq!(plain.to_string(), "127.0.0.1:1883");
    assert!(matches!(read("-v --help"), Ok(Args::Help)));
    assert!(matches!(read("-V"), Ok(Args::Version)));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (args, part) in [
        ("--listen", "--listen needs a value"),
        ("--listen nowhere", "127.0.0.1:1883"),
        ("--http 70000", "\"70000\" is not an address"),
        ("--republish p", "expected FILTER=TOPIC"),
        ("--rate -1", "not a number"),
        ("--fault explode", "--fault: \"explode\": known are"),
        ("--rate=", "not a number"),
        ("--prefix a/#", "'#'"),
        ("--listen 1 --broker mqtt://x", "--broker excludes --listen"),
        (
            "--broker mqtt://x --ws-listen 1",
            "--broker excludes --listen",
        ),
        ("--tls-listen 1", "TLS needs --cert and --key"),
        ("--https 1 --cert c --ca a", "TLS needs --cert and --key"),
        ("--https 1 --cert c --dev-certs d", "--dev-certs excludes"),
        (
            "--https 1 --cert c --key k --dev-name n",
            "is for --dev-certs",
        ),
        ("--cert c --key k", "--cert is for --tls-listen"),
        ("--broker mqtt://x --dev-certs d", "--dev-certs is for"),
        ("--user me", "--user goes with --broker"),
        ("--broker", "--broker needs a value"),
        ("--broker http://x", "--broker: unknown scheme \"http\""),
        ("--broker x --cert c", "--cert goes with --key"),
        (
            "--broker x --clean-session=false",
            "begins anew with each connection",
        ),
        ("--assume delta", "--assume: \"delta\" is not NAME=VALUE"),
        ("--assume depth=6", "nothing is called \"depth\""),
        (
            "--assume numbers=1",
            "numbers cannot be \"1\"; it is one of value, text",
        ),
        (
            "--assume in-flight=connection --broker x",
            "--assume in-flight is for the embedded broker",
        ),
        (
            "--broker x --assume retained=drop",
            "--assume retained is for the embedded broker",
        ),
        ("--verbose=yes", "--verbose takes no value"),
        ("listen", "unknown argument listen"),
        ("--frobnicate", "--help"),
    ] {
        let error = read(args).unwrap_err().to_string();
        assert!(error.contains(part), "{args}: {error}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn every_open_question_has_its_switch_and_is_in_the_help() {
    let help = help();
    for assumption in Assumption::ALL {
        assert!(help.contains(assumption.about()), "{}", assumption.name());
        for value in assumption.values() {
            let text = format!("{}={value}", assumption.name());
            let run = run(&format!("--assume {text}"));
            let mut expected = Behaviour::default();
            expected.assume(&text).unwrap();
            assert_eq!(run.settings.behaviour, expected);
        }
    }
}
