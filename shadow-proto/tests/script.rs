//! Script tests of `Client`: the files in `scripts/`, run by the interpreter in `world/`, which
//! says how they are written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    clippy::or_fun_call,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test may panic, and runs with std"
)]

mod world;

use world::run;

#[test]
fn scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut ran = 0;
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for case in text.split("\n## ").skip(1) {
            let (name, script) = case.split_once('\n').unwrap();
            if std::panic::catch_unwind(|| run(name, script)).is_err() {
                failed.push(name.to_owned());
            }
            ran += 1;
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(ran >= 50, "only {ran} scripts");
}
