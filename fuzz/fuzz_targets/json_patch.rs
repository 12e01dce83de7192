//! See `sim::fuzz::json_patch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::json_patch(bytes));
