//! See `sim::fuzz::codec_differential`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::codec_differential(bytes));
