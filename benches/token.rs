//! What does a token cost beside the bare signature check of the cryptography library?

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must fail")]
#![expect(clippy::print_stdout, reason = "its result is a line")]

mod support;

/// As the binary has it: what tokens take and cost depends on it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::authn::{self, Memory, NoMemory};
use countersign::clock::{Clock as _, SystemClock};
use countersign::demo::mint::Key;
use countersign::evidence;
use countersign::pdp::{MemoryOptions, Remembered};
use countersign::trust::Material;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::Value;
use support::{World, sources};

/// The same check with nothing around it, on the key as the library parses it from its components.
fn raw(world: &World, kid: &str, token: &str) -> impl Fn() {
    let set: Value = serde_json::from_str(&world.key_set).expect("a key set");
    let keys = set.get("keys").and_then(Value::as_array).expect("keys");
    let key = keys
        .iter()
        .find(|key| key.get("kid").and_then(Value::as_str) == Some(kid))
        .expect("the key");
    let part = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(key.get(name).and_then(Value::as_str).expect("a member"))
            .expect("base64url")
    };
    let (algorithm, bytes): (&'static dyn VerificationAlgorithm, Vec<u8>) =
        if key.get("kty").and_then(Value::as_str) == Some("RSA") {
            let (n, e) = (part("n"), part("e"));
            (&RSA_PKCS1_2048_8192_SHA256, rsa_der(&n, &e))
        } else {
            (&ECDSA_P256_SHA256_FIXED, [vec![4], part("x"), part("y")].concat())
        };
    let (input, signature) = token.rsplit_once('.').expect("a compact JWS");
    let (input, signature) =
        (input.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(signature).expect("base64url"));
    let key = UnparsedPublicKey::new(algorithm, bytes).parse().expect("a key");
    move || key.verify_sig(black_box(&input), black_box(&signature)).expect("it verifies")
}

/// `RSAPublicKey` of RFC 8017 appendix A.1.1.
fn rsa_der(n: &[u8], e: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let padded =
            [if bytes.first().is_some_and(|b| *b >= 0x80) { &[0][..] } else { &[] }, bytes]
                .concat();
        element(2, &padded)
    };
    element(0x30, &[integer(n), integer(e)].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    let length = match length {
        [0, short] if short < 0x80 => vec![short],
        [high, low] => vec![0x82, high, low],
    };
    [vec![tag], length, content.to_vec()].concat()
}

fn token(c: &mut Criterion) {
    let world = World::new();
    let snapshot = world.snapshot();
    let now = SystemClock.now();
    let nothing = Memory { certificates: &NoMemory, tokens: &NoMemory };
    let remembered = Remembered::new(&MemoryOptions::default());
    for (name, kid, token) in
        [("RS256", "demo-rsa", &world.rs256), ("ES256", "demo-ec", &world.es256)]
    {
        let (_, credentials) = world.decoded(&snapshot, Some(token), false);
        let identify = |memory: Memory<'_>| {
            let places = snapshot.token_places();
            let evidence = evidence::collect(black_box(&credentials), None, &sources(), places);
            let none = Material::default();
            authn::authenticate(&evidence, snapshot.trust(), &none, memory, now)
        };
        let warm = remembered.memory();
        assert!(identify(warm).tokens().verified().is_some());
        let mut group = c.benchmark_group(format!("token/{name}"));
        group.bench_function("raw signature check", |b| b.iter(raw(&world, kid, token)));
        group.bench_function("cold, from header to identity", |b| b.iter(|| identify(nothing)));
        group.bench_function("warm, from header to identity", |b| b.iter(|| identify(warm)));
        group.finish();
    }
}

/// What 100,000 tokens that are remembered take, by the operating system's count.
fn memory(_: &mut Criterion) {
    let world = World::new();
    let snapshot = world.snapshot();
    let now = SystemClock.now();
    let room = 192 * 1024 * 1024;
    let remembered =
        Remembered::new(&MemoryOptions { token_bytes: room, ..MemoryOptions::default() });
    let before = resident_bytes();
    let identify = |token: &str| {
        let (_, credentials) = world.decoded(&snapshot, Some(token), false);
        let evidence = evidence::collect(&credentials, None, &sources(), snapshot.token_places());
        let none = Material::default();
        authn::authenticate(&evidence, snapshot.trust(), &none, remembered.memory(), now)
    };
    for n in 0..100_000 {
        let claims = serde_json::json!({ "jti": format!("token-{n}"), "sub": format!("user-{n}") });
        let token = world.issuer.mint(Key::Ec, &claims).expect("a token");
        assert!(identify(&token).tokens().verified().is_some());
    }
    let grown = resident_bytes().saturating_sub(before) / 1024;
    println!(
        "100,000 tokens: {} are remembered, {} kB by our count, {grown} kB by the system's",
        remembered.tokens().0,
        remembered.tokens().1 / 1024,
    );
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kilobytes * 1024
}

criterion_group!(benches, token, memory);
criterion_main!(benches);
