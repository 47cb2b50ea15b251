//! Any bytes as the leaf that Envoy tells.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| {
    fixture::verify(Some(fixture::encoded(der)), None);
});
