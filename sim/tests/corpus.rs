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
