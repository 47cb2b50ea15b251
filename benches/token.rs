//! The cost of a token beside the bare signature check of the cryptography library.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must fail")]
#![expect(clippy::print_stdout, reason = "its result is a line")]

mod support;

/// As the binary has it: what tokens take and cost depends on it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;

use crate::support::testbed::mint::Key;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_SHA256, RsaEncoding, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::authn::{self, Caches, NoCache};
use countersign::clock::{Clock as _, SystemClock};
use countersign::evidence;
use countersign::pdp::{VerificationCache, VerificationCacheOptions};
use countersign::trust::Material;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use support::{World, sources};

/// Signs a message.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// The parts that one algorithm needs to be measured.
struct Signer {
    name: &'static str,
    /// The public key, without `kid` and `alg`.
    jwk: Value,
    /// The public key as the library takes it.
    public: Vec<u8>,
    verification: &'static dyn VerificationAlgorithm,
    sign: Sign,
}

/// A token, and the same check with nothing around it.
struct Case {
    token: String,
    raw: Box<dyn Fn()>,
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa(
    name: &'static str,
    encoding: &'static dyn RsaEncoding,
    verification: &'static dyn VerificationAlgorithm,
) -> Signer {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let public = pair.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let jwk = json!({
        "kty": "RSA",
        "n": encoded(n.big_endian_without_leading_zero()),
        "e": encoded(e.big_endian_without_leading_zero()),
    });
    let public = public.as_ref().to_vec();
    let sign: Sign = Box::new(move |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("it signs");
        signature
    });
    Signer { name, jwk, public, verification, sign }
}

fn ecdsa(
    name: &'static str,
    curve: &str,
    signing: &'static EcdsaSigningAlgorithm,
    verification: &'static dyn VerificationAlgorithm,
) -> Signer {
    let pair = EcdsaKeyPair::generate(signing).expect("a key");
    let public = pair.public_key().as_ref().to_vec();
    // SEC 1 section 2.3.3: a byte that says that both coordinates follow.
    let (_, point) = public.split_at(1);
    let (x, y) = point.split_at(point.len() / 2);
    let jwk = json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) });
    let sign: Sign = Box::new(move |message: &[u8]| {
        pair.sign(&SystemRandom::new(), message).expect("it signs").as_ref().to_vec()
    });
    Signer { name, jwk, public, verification, sign }
}

fn ed25519() -> Signer {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let public = pair.public_key().as_ref().to_vec();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(&public) });
    let sign: Sign = Box::new(move |message: &[u8]| pair.sign(message).as_ref().to_vec());
    Signer { name: "EdDSA", jwk, public, verification: &ED25519, sign }
}

fn signers() -> [Signer; 5] {
    let (p256, p384) = (&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING);
    [
        rsa("RS256", &RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
        rsa("PS256", &RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
        ecdsa("ES256", "P-256", p256, &ECDSA_P256_SHA256_FIXED),
        ecdsa("ES384", "P-384", p384, &ECDSA_P384_SHA384_FIXED),
        ed25519(),
    ]
}

impl Signer {
    fn jwk(&self) -> Value {
        let mut jwk = self.jwk.clone();
        let members = jwk.as_object_mut().expect("an object");
        members.insert("kid".into(), self.name.into());
        members.insert("alg".into(), self.name.into());
        jwk
    }

    /// A token with the claims of `like`.
    fn case(&self, like: &str) -> Case {
        let header = json!({ "alg": self.name, "typ": "at+jwt", "kid": self.name }).to_string();
        let payload = like.split('.').nth(1).expect("a compact JWS");
        let input = format!("{}.{payload}", encoded(header.as_bytes()));
        let signature = (self.sign)(input.as_bytes());
        let token = format!("{input}.{}", encoded(&signature));
        let key = UnparsedPublicKey::new(self.verification, &self.public).parse().expect("a key");
        let raw = Box::new(move || {
            key.verify_sig(black_box(input.as_bytes()), black_box(&signature)).expect("it verifies")
        });
        Case { token, raw }
    }
}

/// The demo's issuer with these keys.
fn trust(world: &World, signers: &[Signer]) {
    let keys: Vec<Value> = signers.iter().map(Signer::jwk).collect();
    world.write("keys/corp.jwks.json", &json!({ "keys": keys }).to_string());
    let issuer = include_str!("../src/demo/documents/token-issuer.yaml");
    let names: Vec<&str> = signers.iter().map(|signer| signer.name).collect();
    let (before, after) = issuer.split_once("[RS256, ES256]").expect("the algorithms");
    let issuer = format!("{before}[{}]{after}", names.join(", "));
    world.write("policies/token-issuer.yaml", &issuer);
}

fn token(c: &mut Criterion) {
    let (world, signers) = (World::new(), signers());
    trust(&world, &signers);
    let snapshot = world.snapshot();
    let now = SystemClock.now();
    let nothing = Caches { certificates: &NoCache, tokens: &NoCache };
    let remembered = VerificationCache::new(&VerificationCacheOptions::default());
    for signer in &signers {
        let Case { token, raw } = signer.case(&world.es256);
        let (_, credentials) = world.decoded(&snapshot, Some(&token), false);
        let identify = |memory: Caches<'_>| {
            let places = snapshot.token_places();
            let evidence = evidence::collect(black_box(&credentials), None, &sources(), places);
            let none = Material::default();
            authn::authenticate(&evidence, snapshot.trust(), &none, memory, now)
        };
        let warm = remembered.memory();
        assert!(identify(warm).tokens().verified().is_some());
        let mut group = c.benchmark_group(format!("token/{}", signer.name));
        group.bench_function("raw signature check", |b| b.iter(&raw));
        group.bench_function("cold, from header to identity", |b| b.iter(|| identify(nothing)));
        group.bench_function("warm, from header to identity", |b| b.iter(|| identify(warm)));
        group.finish();
    }
}

/// The memory of 100,000 cached tokens, by the operating system's count.
fn memory(_: &mut Criterion) {
    let world = World::new();
    let snapshot = world.snapshot();
    let now = SystemClock.now();
    let room = 192 * 1024 * 1024;
    let remembered = VerificationCache::new(&VerificationCacheOptions {
        token_bytes: room,
        ..VerificationCacheOptions::default()
    });
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
