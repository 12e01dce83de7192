//! `shadow sync`: a file and a shadow in step.

use std::fs;

use testkit::{Signal, wait_until};

use crate::site::{LIMIT, Site};

/// Waits until the file holds this JSON, however it is set out.
fn holds(path: &str, json: &str) {
    let mut last = String::new();
    let found = wait_until(LIMIT, || {
        last = fs::read_to_string(path).unwrap_or_default();
        last.split_whitespace().collect::<String>() == json
    });
    assert!(found, "{path} holds {last}, not {json}");
}

#[test]
fn a_file_and_a_shadow_are_kept_in_step() {
    let site = Site::local();
    let lamp = site.thing();
    let path = site.file("lamp.json", r#"{"color": "off", "old": 1}"#);
    site.ends(&["update", &lamp, "-r", "gone=1", "-d", "color=teal"]);
    let mut sync = site.start(&["sync", &lamp, &path]);
    // What is desired wins over what the file said of the same key.
    holds(&path, r#"{"color":"teal","old":1}"#);
    site.ends(&[
        "wait",
        &lamp,
        "--until",
        "delta == null && reported.old == 1 && !reported.gone",
    ]);

    // From the application to the file.
    site.ends(&["update", &lamp, "-d", "deep.er=true"]);
    holds(&path, r#"{"color":"teal","deep":{"er":true},"old":1}"#);
    site.ends(&["wait", &lamp, "--until", "delta == null"]);

    // From the file to the application: a removal, and a change that differs from what is still
    // desired, so that it is undone.
    fs::write(&path, r#"{"color": "red", "deep": {"er": true}}"#).unwrap();
    let back = "!reported.old && reported.color == teal && delta == null";
    site.ends(&["wait", &lamp, "--until", back]);
    sync.wait_for(LIMIT, r#"file.color: "teal" -> "red""#);
    holds(&path, r#"{"color":"teal","deep":{"er":true}}"#);

    // Rubbish is said, and changes nothing.
    fs::write(&path, "{").unwrap();
    sync.wait_for(LIMIT, "lamp.json: ");
    fs::write(&path, r#"{"color":"teal","deep":{"er":true},"new":2}"#).unwrap();
    site.ends(&["wait", &lamp, "--until", "reported.new == 2"]);

    // Nor is it written over: whoever typed it has not finished.
    fs::write(&path, "{\"typing\": ").unwrap();
    site.ends(&["update", &lamp, "-d", "color=amber"]);
    sync.wait_for(LIMIT, "lamp.json: what is desired waits");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"typing\": ");
    fs::write(&path, r#"{"color":"teal","deep":{"er":true},"typing":3}"#).unwrap();
    holds(&path, r#"{"color":"amber","deep":{"er":true},"typing":3}"#);
    let both = "reported.color == amber && reported.typing == 3 && !reported.new && delta == null";
    site.ends(&["wait", &lamp, "--until", both]);

    // A file that is gone takes nothing with it; what is desired next makes it anew.
    fs::remove_file(&path).unwrap();
    site.ends(&["update", &lamp, "-d", "color=red"]);
    holds(&path, r#"{"color":"red","deep":{"er":true},"typing":3}"#);
    site.ends(&["wait", &lamp, "--until", "delta == null"]);

    sync.signal(Signal::Interrupt);
    let status = sync.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(0), "{:?}", sync.output());
}

/// Two devices of one name: each does what the other reports as little as any device would.
#[test]
fn two_at_once() {
    let site = Site::local();
    let lamp = site.thing();
    let (one, two) = (site.file("one.json", "{}"), site.file("two.json", "{}"));
    let mut syncs = [&one, &two].map(|path| site.start(&["sync", &lamp, path]));
    site.ends(&["wait", &lamp, "--until", "!version || version"]);
    site.ends(&["update", &lamp, "-d", "color=teal"]);
    holds(&one, r#"{"color":"teal"}"#);
    holds(&two, r#"{"color":"teal"}"#);
    site.ends(&["wait", &lamp, "--until", "delta == null"]);
    for sync in &mut syncs {
        sync.signal(Signal::Interrupt);
        let status = sync.wait(LIMIT).expect("it ends");
        assert_eq!(status.code(), Some(0), "{:?}", sync.output());
    }
}

#[test]
fn once_makes_the_file() {
    let site = Site::local();
    let lamp = site.thing();
    let path = site.path("new.json");
    site.ends(&["update", &lamp, "-r", "on=true", "-d", "color=teal"]);
    site.ends(&["sync", "--once", &lamp, &path]);
    holds(&path, r#"{"color":"teal","on":true}"#);
    assert_eq!(site.ends(&["diff", &lamp]), ["in sync"]);

    site.fails(
        &["sync", &lamp, "/no/such/folder/x.json"],
        74,
        "/no/such/folder",
    );
    let wrong = site.file("wrong.json", "[1]");
    site.fails(&["sync", &lamp, &wrong], 64, "not a JSON object");
}
