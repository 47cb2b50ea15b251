//! Any bytes as a revocation list, beside an authority that did not sign it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (_, problems) = fixture::compile("revocation: { crls: [{ file: data }] }", bytes);
    assert!(!problems.is_empty());
});
