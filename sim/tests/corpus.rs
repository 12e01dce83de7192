//! The kept corpus of the fuzz targets, without a fuzzer.

use std::fs;
use std::path::Path;

fn run(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut count = 0;
    for file in fs::read_dir(&corpus).expect("the corpus is there") {
        let path = file.expect("readable").path();
        println!("{}", path.display());
        body(&fs::read(path).expect("readable"));
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}

#[test]
fn topic() {
    run("topic", sim::fuzz::topic);
}

#[test]
fn wire() {
    run("wire", sim::fuzz::wire);
}

#[test]
fn service_requests() {
    run("service_requests", sim::fuzz::service_requests);
}

#[test]
fn client_ops() {
    run("client_ops", sim::fuzz::client_ops);
}

#[test]
fn json_patch() {
    run("json_patch", sim::fuzz::json_patch);
}

#[test]
fn session_bytes() {
    run("session_bytes", sim::fuzz::session_bytes);
}

#[cfg(feature = "fuzz")]
#[test]
fn codec_differential() {
    run("codec_differential", sim::fuzz::codec_differential);
}

#[test]
fn link_world() {
    run("link_world", sim::fuzz::link_world);
}

#[cfg(feature = "fuzz")]
#[test]
fn endpoint() {
    run("endpoint", sim::fuzz::endpoint);
}
