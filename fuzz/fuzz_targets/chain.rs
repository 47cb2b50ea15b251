//! Any bytes, cut into certificates at every 0xff 0x00, as a presented chain.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parts = bytes.windows(2).enumerate().filter(|(_, pair)| *pair == [0xff, 0]);
    let mut cuts: Vec<usize> = parts.map(|(at, _)| at).collect();
    cuts.push(bytes.len());
    let mut from = 0;
    let mut chain = String::new();
    for to in cuts {
        chain.push_str(&fixture::encoded(bytes.get(from..to).unwrap_or_default()));
        from = to + 2;
    }
    fixture::verify(None, Some(format!("Chain=\"{chain}\"")));
});
