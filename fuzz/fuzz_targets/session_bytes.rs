//! See `sim::fuzz::session_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::session_bytes(bytes));
