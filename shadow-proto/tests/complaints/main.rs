//! What users of other shadow clients complained of, as far as a client core can have the fault:
//! a module for each project, a test for each complaint, with the symptom in its name and the
//! issue above it. `docs/complaints.md` lists what was wished for beyond that.

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

mod embedded;
mod go;
mod java;
mod js;
mod python;
mod request_response;
mod rustot;
mod service_client;
#[path = "../world/mod.rs"]
mod world;

/// Runs a script; the name in a failure is that of the test.
fn script(text: &str) {
    let test = std::thread::current();
    world::run(test.name().unwrap_or("complaint"), text);
}
