//! Every command of `shadow`, as a user runs it: against the local service on its own broker, and
//! on a Mosquitto over mutual TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "helpers of tests fail as tests do, and are std's"
)]
#![cfg(unix)]

#[path = "cli/edges.rs"]
mod edges;
#[path = "cli/list.rs"]
mod list;
#[path = "cli/offline.rs"]
mod offline;
#[path = "cli/rights.rs"]
mod rights;
#[path = "cli/site.rs"]
mod site;
#[path = "cli/sync.rs"]
mod sync;

use site::{LIMIT, Site};
use testkit::Signal;

/// All that talks to a broker, from nothing to nothing.
fn every_command(site: &Site) {
    let lamp = site.thing();
    site.fails(&["get", &lamp], 1, "rejected: 404 No shadow exists");
    let mut watch = site.start(&["watch", &lamp, "--count", "2"]);
    watch.wait_for(LIMIT, "there is no such shadow yet");

    let updated = site.ends(&[
        "update",
        &lamp,
        "-d",
        "color=teal",
        "-d",
        "a.b=1.50",
        "-r",
        "on=true",
    ]);
    assert!(
        updated[0].starts_with(&format!("{lamp}, version 1, 20")),
        "{updated:?}"
    );
    assert_eq!(
        watch.wait_for(LIMIT, "desired.color"),
        "  desired.color: \"teal\""
    );
    watch.wait_for(LIMIT, "  reported.on: true");

    let document = site.ends(&["--json", "get", &lamp]);
    assert!(
        document[0].starts_with(&format!(
            r#"{{"event":"document","thing":"{lamp}","version":1,"timestamp":"#
        )),
        "{document:?}"
    );
    assert!(
        document[0].contains(
            r#""desired":{"a":{"b":1.50},"color":"teal"},"reported":{"on":true},"delta":{"a":{"b":1.50},"color":"teal"},"metadata":{"#
        ),
        "{document:?}"
    );
    let (code, said) = site.run(&["diff", &lamp]);
    assert_eq!(code, Some(3), "{said:?}");
    assert!(
        said.contains(&"  state.color: \"teal\"".to_owned()),
        "{said:?}"
    );

    let mut wait = site.start(&[
        "wait",
        &lamp,
        "--until",
        r#"delta == null && reported.color == "teal""#,
    ]);
    site.fails(
        &["update", &lamp, "-d", "x=1", "--if-version", "9"],
        1,
        "rejected: 409 Version conflict",
    );
    let file = site.file(
        "state.json",
        r#"{"state": {"reported": {"color": "teal", "a": {"b": 1.50}}}}"#,
    );
    site.ends(&["update", &lamp, &format!("@{file}"), "--if-version", "1"]);
    let status = wait.wait(LIMIT).expect("it has come true");
    assert!(status.success(), "{:?}", wait.output());
    assert_eq!(site.ends(&["diff", &lamp]), ["in sync"]);
    // Two changes were to be watched.
    watch.wait_for(LIMIT, "  reported.color: \"teal\"");
    assert!(watch.wait(LIMIT).expect("it has counted").success());

    site.fails(
        &[
            "wait",
            &lamp,
            "--until",
            "version > 100",
            "--timeout",
            "200ms",
        ],
        2,
        "not true after 200ms",
    );
    // From standard input.
    let mut update = site.start(&["update", &lamp, "-"]);
    update.write(br#"{"reported": {"piped": true, "on": null}}"#);
    update.close_stdin();
    let status = update.wait(LIMIT).expect("it ends");
    assert!(status.success(), "{:?}", update.output());
    // As a device, which has what is reported, and does what is desired.
    let file = site.path("lamp.json");
    site.ends(&["update", &lamp, "-d", "color=red"]);
    site.ends(&["sync", "--once", &lamp, &file]);
    let kept: String = std::fs::read_to_string(&file).unwrap();
    let kept: String = kept.split_whitespace().collect();
    assert_eq!(kept, r#"{"a":{"b":1.50},"color":"red","piped":true}"#);
    assert_eq!(site.ends(&["diff", &lamp]), ["in sync"]);

    let cleared = site.ends(&["--json", "update", &lamp, "--clear", "desired"]);
    assert!(cleared[0].ends_with(r#","desired":null}"#), "{cleared:?}");
    site.ends(&["update", &lamp, "--clear", "all"]);

    let named = ["-n", "config"];
    site.ends(
        &[
            &["update", &lamp, "-d", "mode=eco", "-d", "gone=null"][..],
            &named,
        ]
        .concat(),
    );
    assert_eq!(site.ends(&["list", &lamp]), ["config"]);
    let rest = site.ends(&[&["get", "--rest", &lamp][..], &named].concat());
    assert!(
        rest.contains(&"    \"mode\": \"eco\"".to_owned()),
        "{rest:?}"
    );
    site.ends(&[&["update", "--rest", &lamp, "-r", "mode=eco"][..], &named].concat());
    site.ends(&[&["diff", "--rest", &lamp][..], &named].concat());
    site.ends(&[&["delete", "--rest", &lamp][..], &named].concat());
    assert_eq!(site.ends(&["delete", &lamp]), [format!("{lamp} deleted")]);
    site.fails(&["delete", "--rest", &lamp], 1, "rejected: 404");
}

#[test]
fn every_command_on_the_local_service() {
    let site = Site::local();
    every_command(&site);
}

#[test]
fn every_command_over_tls() {
    let Some(site) = Site::over_tls() else { return };
    every_command(&site);
    // Without the certificate there is no way in.
    site.fails_bare(&["get", "lamp", "--endpoint", site.endpoint()], 69, "");
}

#[test]
fn json_tells_of_failures_too() {
    let site = Site::local();
    let (code, said) = site.run(&["get", "nobody", "--json"]);
    assert_eq!(code, Some(1));
    let line =
        r#"{"event":"rejected","code":404,"message":"No shadow exists with name: 'nobody'"}"#;
    assert!(said.contains(&line.to_owned()), "{said:?}");
}

#[test]
fn ctrl_c_ends_watch_in_good_order() {
    let site = Site::local();
    let mut watch = site.start(&["watch", "lamp", "--json"]);
    watch.wait_for(LIMIT, r#"{"event":"absent","thing":"lamp"}"#);
    site.ends(&["update", "lamp", "-d", "color=teal"]);
    let changed = watch.wait_for(LIMIT, r#""event":"changed""#);
    assert!(
        changed.contains(r#""desired":{"color":"teal"}"#),
        "{changed}"
    );
    site.ends(&["delete", "lamp"]);
    watch.wait_for(LIMIT, r#""event":"deleted""#);
    watch.signal(Signal::Interrupt);
    let status = watch.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(0), "{:?}", watch.output());

    let mut sync = site.start(&["sync", "lamp", &site.path("lamp.json"), "--json"]);
    site.ends(&["wait", "lamp", "--until", "!version || version"]);
    sync.signal(Signal::Terminate);
    let status = sync.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(0), "{:?}", sync.output());

    let mut wait = site.start(&["wait", "lamp", "--until", "reported.never", "--mqtt", "3"]);
    // By then it listens for signals.
    site.ends(&["wait", "lamp", "--until", "!version || version"]);
    wait.signal(Signal::Interrupt);
    assert!(wait.wait(LIMIT).is_some(), "it ends");
}
