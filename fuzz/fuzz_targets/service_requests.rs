//! See `sim::fuzz::service_requests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::service_requests(bytes));
