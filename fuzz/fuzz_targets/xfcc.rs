//! Any header value.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    fixture::verify(None, Some(text.to_owned()));
});
