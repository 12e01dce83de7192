//! The public calls of the core, where a script cannot say what they are to do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test may panic, and runs with std"
)]

mod client;
mod harness;
mod snapshots;
mod texts;
mod transactions;
mod tries;
mod values;
