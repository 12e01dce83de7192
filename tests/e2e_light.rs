//! The light, end to end: the sample program against a shadow service on Mosquitto, against the
//! embedded broker, by itself, and where something is wrong.

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

#[path = "light/demo.rs"]
mod demo;
#[path = "light/errors.rs"]
mod errors;
#[path = "light/others.rs"]
mod others;
#[path = "light/outages.rs"]
mod outages;
#[path = "light/programs.rs"]
mod programs;
#[path = "light/rights.rs"]
mod rights;
#[path = "light/secure.rs"]
mod secure;
#[path = "light/start.rs"]
mod start;
#[path = "light/strange.rs"]
mod strange;
#[path = "light/sync.rs"]
mod sync;
#[cfg(target_os = "linux")]
#[path = "light/terminal.rs"]
mod terminal;
#[path = "light/watcher.rs"]
mod watcher;
#[path = "light/words.rs"]
mod words;
