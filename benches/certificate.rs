//! The cost of learning who is on the wire: reading XFCC, verifying a certificate cold, looking it up warm.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must fail")]

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use crate::support::testbed::pki::FRONTEND;
use countersign::authn::{self, CertificateCache, CertificateKey, NoCache, VerifiedCertificate};
use countersign::clock::{Clock as _, SystemClock};
use countersign::envoy::decode;
use countersign::evidence::{self, Xfcc};
use countersign::request::Text;
use countersign::trust::IssuerId;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use support::{Ask, Form, Shown, World, sources};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Remembers everything, with nothing that a real cache would do besides.
#[derive(Debug, Default)]
struct Everything(Mutex<HashMap<CertificateKey, Arc<VerifiedCertificate>>>);

impl CertificateCache for Everything {
    fn lookup(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        self.0.lock().expect("no panic inside").get(key).cloned()
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.0.lock().expect("no panic inside").insert(key, Arc::clone(verified));
    }
}

fn xfcc(c: &mut Criterion) {
    let element = "By=spiffe://prod.example/ns/orders/sa/orders;Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688;Subject=\"CN=frontend,O=web\";URI=spiffe://prod.example/ns/web/sa/frontend";
    let mut group = c.benchmark_group("xfcc");
    for elements in [1u64, 4, 16] {
        let header = vec![element; usize::try_from(elements).expect("small")].join(",");
        let header = Text::from(header);
        group.throughput(Throughput::Elements(elements));
        group.bench_function(format!("parse {elements}"), |b| {
            b.iter(|| Xfcc::parse(black_box(&header)).expect("well-formed"));
        });
    }
    group.finish();
}

fn peer(c: &mut Criterion) {
    let world = World::new();
    let snapshot = world.snapshot();
    let evidence = world.evidence(&snapshot, None, true);
    let now = SystemClock.now();
    let mut group = c.benchmark_group("peer");
    group.bench_function("cold", |b| {
        b.iter(|| authn::verify_peer(black_box(&evidence.peer), snapshot.trust(), &NoCache, now));
    });
    let memory = Everything::default();
    group.bench_function("warm", |b| {
        b.iter(|| authn::verify_peer(black_box(&evidence.peer), snapshot.trust(), &memory, now));
    });
    group.finish();
}

/// The same where an intermediate authority has to be passed, which XFCC shows.
fn chain(c: &mut Criterion) {
    let world = World::new();
    let xfcc = with_intermediate(&world);
    let snapshot = world.snapshot();
    let headers = [("x-forwarded-client-cert", xfcc.as_str())];
    let (form, path, shown) = (Form::Raw, "/", Shown::Nothing);
    let message = world.ask(Ask { form, path, token: None, shown, headers: &headers });
    let (_, credentials) = decode(message, snapshot.sealed()).expect("a check");
    let evidence = evidence::collect(&credentials, None, &sources(), snapshot.token_places());
    let (now, memory) = (SystemClock.now(), Everything::default());
    let verify = |memory: &dyn CertificateCache| {
        authn::verify_peer(black_box(&evidence.peer), snapshot.trust(), memory, now)
    };
    assert!(verify(&memory).verified().is_some());
    let mut group = c.benchmark_group("peer with a chain of two");
    group.bench_function("cold", |b| b.iter(|| verify(&NoCache)));
    group.bench_function("warm", |b| b.iter(|| verify(&memory)));
    group.finish();
}

/// XFCC that shows the caller with a certificate of an intermediate authority. The trust domain pins only the root.
fn with_intermediate(world: &World) -> String {
    let authority = |name: &str| (named(name), new_key());
    let (root, key) = authority("deep root");
    let root = CertifiedIssuer::self_signed(root, key).expect("a CA");
    let (middle, key) = authority("deep intermediate");
    let middle = CertifiedIssuer::signed_by(middle, key, &root).expect("a CA");
    let mut leaf = CertificateParams::default();
    let id = FRONTEND.try_into().expect("a name");
    leaf.subject_alt_names = vec![SanType::URI(id)];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().expect("a key");
    let leaf = leaf.signed_by(&key, &middle).expect("a certificate").pem();
    world.write("ca/deep.pem", &root.pem());
    world.write(
        "policies/trust-domain.yaml",
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: { name: prod }\nspec:\n  spiffe: prod.example\n  authorities: [{ file: ../ca/deep.pem }]\n",
    );
    let encoded = |pem: &str| utf8_percent_encode(pem, NON_ALPHANUMERIC).to_string();
    let chain = encoded(&format!("{leaf}{}", middle.pem()));
    format!("Cert=\"{}\";Chain=\"{chain}\"", encoded(&leaf))
}

/// A CA with a revocation list of `entries`, as a document and its files; one of its certificates, and its own.
fn with_revocations(world: &World, entries: u64) -> (rcgen::Certificate, Vec<u8>) {
    let ca = CertifiedIssuer::self_signed(named("big CA"), new_key()).expect("a CA");
    let (from, to) = (date_time_ymd(2026, 1, 1), date_time_ymd(2096, 1, 1));
    let revoked = |serial: u64| RevokedCertParams {
        serial_number: SerialNumber::from(serial.wrapping_mul(0x1_0000_0001)),
        revocation_time: from,
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: from,
        next_update: to,
        crl_number: SerialNumber::from(1u64),
        issuing_distribution_point: None,
        revoked_certs: (1..=entries).map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&ca).expect("a list");
    assert!(entries < 1000 || list.der().len() > 10_000_000, "{} bytes", list.der().len());
    world.write("ca/big.pem", &ca.pem());
    world.write("ca/big.crl", &list.pem().expect("PEM"));
    world.write(
        "policies/big.yaml",
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: { name: big }\nspec:\n  spiffe: big.example\n  authorities: [{ file: ../ca/big.pem }]\n  revocation: { crls: [{ file: ../ca/big.crl }] }\n",
    );
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::default().signed_by(&key, &ca).expect("a certificate");
    (leaf, ca.der().to_vec())
}

fn revocation(c: &mut Criterion) {
    let mut group = c.benchmark_group("revocation");
    group.sample_size(10);
    let world = World::new();
    with_revocations(&world, 1);
    group.bench_function("load, list of 1", |b| b.iter(|| world.snapshot()));
    let (leaf, ca) = with_revocations(&world, 420_000);
    group.bench_function("load, list of 10 MB", |b| b.iter(|| world.snapshot()));
    group.sample_size(100);
    let snapshot = world.snapshot();
    let domain = snapshot.trust().domains().iter().find(|domain| domain.name == "big").expect("it");
    let lists = domain.revocation.as_ref().expect("lists");
    let (_, leaf) = X509Certificate::from_der(leaf.der()).expect("a certificate");
    let (_, ca) = X509Certificate::from_der(&ca).expect("a certificate");
    let (issuer, now) = (IssuerId::of(&ca), SystemClock.now());
    group.bench_function("look up in 10 MB", |b| {
        b.iter(|| lists.check(black_box(&leaf), &issuer, now))
    });
    group.finish();
}

/// A leaf with seven issuers that call themselves like a pinned authority, and that no authority has signed: the worst certificate
/// that a client without credentials can show, beside an ordinary one with an intermediate. With one trust domain, and with a thousand
/// that pin an authority of that name, none of which is named by the leaf's SPIFFE ID.
fn hostile(c: &mut Criterion) {
    let mut group = c.benchmark_group("hostile chain");
    for domains in [1u32, 1000] {
        let world = World::new();
        let good = with_intermediate(&world);
        let bad = with_impostors();
        // Each with an authority of its own.
        for number in 1..domains {
            let authority =
                CertifiedIssuer::self_signed(named("deep root"), new_key()).expect("a CA");
            world.write(&format!("ca/{number}.pem"), &authority.pem());
            world.write(
                &format!("policies/other-{number}.yaml"),
                &format!("apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: other-{number} }}\nspec:\n  authorities: [{{ file: ../ca/{number}.pem }}]\n"),
            );
        }
        let (snapshot, now) = (world.snapshot(), SystemClock.now());
        let verdict = |xfcc: &str| {
            let headers = [("x-forwarded-client-cert", xfcc)];
            let (form, path, shown) = (Form::Raw, "/", Shown::Nothing);
            let message = world.ask(Ask { form, path, token: None, shown, headers: &headers });
            let (_, credentials) = decode(message, snapshot.sealed()).expect("a check");
            evidence::collect(&credentials, None, &sources(), snapshot.token_places())
        };
        for (name, evidence) in [("ordinary", verdict(&good)), ("hostile", verdict(&bad))] {
            group.bench_function(format!("{name}, trust domains: {domains}"), |b| {
                b.iter(|| {
                    authn::verify_peer(black_box(&evidence.peer), snapshot.trust(), &NoCache, now)
                });
            });
        }
    }
    group.finish();
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// XFCC with a leaf of the first of eight authorities that have the name of the pinned one, and the seven others as its chain.
fn with_impostors() -> String {
    let made = |_| CertifiedIssuer::self_signed(named("deep root"), new_key()).expect("a CA");
    let impostors: Vec<_> = (0..8).map(made).collect();
    let mut leaf = CertificateParams::default();
    leaf.subject_alt_names = vec![SanType::URI(FRONTEND.try_into().expect("a name"))];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (first, others) = impostors.split_first().expect("eight");
    let leaf = leaf.signed_by(&new_key(), first).expect("a certificate").pem();
    let encoded = |pem: &str| utf8_percent_encode(pem, NON_ALPHANUMERIC).to_string();
    let chain: String =
        std::iter::once(leaf.clone()).chain(others.iter().map(|own| own.pem())).collect();
    format!("Cert=\"{}\";Chain=\"{}\"", encoded(&leaf), encoded(&chain))
}

criterion_group!(benches, xfcc, peer, chain, hostile, revocation);
criterion_main!(benches);
