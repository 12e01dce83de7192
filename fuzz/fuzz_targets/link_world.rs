//! See `sim::fuzz::link_world`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::link_world(bytes));
