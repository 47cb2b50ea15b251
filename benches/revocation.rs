//! The cost of a million revoked tokens: to load, to keep, to look up.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must fail")]
#![expect(clippy::print_stdout, reason = "its result is a line")]

/// As the binary has it: what entries take depends on it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use countersign::clock::{Stopwatch, UnixTime};
use countersign::trust::{FIRST_LINE, ListText, RevocationKind, RevocationTarget, RevocationView};
use criterion::{Criterion, criterion_group, criterion_main};

const ISSUER: &str = "https://login.example.com";
const ENTRIES: u64 = 1_000_000;

fn token(n: u64) -> String {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-{:04x}-4000-8000-{n:012x}", mixed >> 32, (mixed >> 16) & 0xffff)
}

fn text() -> String {
    let mut text = format!("{FIRST_LINE}\n@sequence 1\n@issuer {ISSUER}\n@reason leaked\n");
    for n in 0..ENTRIES {
        writeln!(text, "jti {}", token(n)).expect("memory");
    }
    text
}

/// Resident memory in bytes, as Linux tells it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

fn bench(c: &mut Criterion) {
    let text = text();
    let before = resident();
    let watch = Stopwatch::start();
    let list = ListText::parse("bench", text.as_bytes()).expect("a list");
    println!("1,000,000 entries ({} MB) read in {:?}", text.len() / 1_000_000, watch.elapsed());
    println!("they take {} MB", resident().saturating_sub(before) / 1_000_000);
    drop(text);
    let revocations = RevocationView::new(vec![Arc::new(list.table)]);
    let now = UnixTime::from_secs(1_800_000_000);
    let values: Vec<String> = (0..4096).map(|n| token(n * 243)).collect();
    let others: Vec<String> = (0..4096).map(|n| token(ENTRIES + n)).collect();
    let find = |value: &str| {
        let key = RevocationTarget::OfIssuer(RevocationKind::Token, ISSUER, value);
        revocations.find(&key, None, now).is_some()
    };
    let mut group = c.benchmark_group("a million revoked tokens");
    for (name, values, expected) in [("revoked", &values, true), ("not revoked", &others, false)] {
        let mut next = values.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| assert_eq!(find(black_box(next.next().expect("a value"))), expected));
        });
    }
    group.bench_function("a kind without entries", |b| {
        b.iter(|| {
            revocations
                .find(black_box(&RevocationTarget::Spiffe("spiffe://a/b")), None, now)
                .is_some()
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
