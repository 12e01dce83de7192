//! See `sim::fuzz::client_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::client_ops(bytes));
