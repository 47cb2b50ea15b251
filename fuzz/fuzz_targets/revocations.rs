//! `bodies::revocations`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bodies::revocations(bytes);
});
