//! The cost that a rule adds to a whole decision if it asks for more, or gives more: an assertion, an opaque token, a proof.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be set up must fail"
)]

#[path = "../tests/in_process/caller.rs"]
mod caller;
mod support;

/// As the binary has it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use crate::support::testbed::mint;
use bytes::Bytes;
use caller::Key;
use countersign::clock::{Clock as _, SystemClock};
use countersign::envoy::CheckService;
use countersign::signer::{AssertionOptions, Signer};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use support::{Ask, Form, Shown, World};
use tokio::runtime::Runtime;

/// The URL that proofs are made for.
const PROVEN: &str = "https://orders.example.com/v1/proven";

/// Says of every token what an issuer would say, as often as it is asked.
fn introspection_endpoint(answer: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|stream| introspect(stream, &answer));
        }
    });
    port
}

fn introspect(stream: TcpStream, answer: &str) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
        let value = line.to_ascii_lowercase();
        length =
            value.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
    }
    reader.read_exact(&mut vec![0; length])?;
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", answer.len());
    reader.into_inner().write_all(format!("{head}\r\n\r\n{answer}").as_bytes())
}

/// The claims behind the opaque token.
fn claims() -> String {
    let now = SystemClock.now().as_secs();
    let claims = json!({
        "active": true, "iss": "https://opaque.example.com", "aud": "orders", "sub": "alice",
        "scope": "orders:read", "token_type": "Bearer", "iat": now, "exp": now + 3600,
    });
    claims.to_string()
}

fn call(world: &World, path: &str, headers: &[(&str, &str)]) -> Bytes {
    let (form, shown) = (Form::Raw, Shown::Leaf);
    support::framed(&world.ask(Ask { form, path, token: None, shown, headers }))
}

fn features(c: &mut Criterion) {
    let world = World::new();
    let documents = include_str!("support/features.yaml");
    let port = introspection_endpoint(claims());
    world.write("secret", "secret");
    world.write("policies/features.yaml", &documents.replace("${PORT}", &port.to_string()));
    let options: AssertionOptions =
        serde_json::from_value(json!({ "issuer": "https://countersign.example.com" })).unwrap();
    let signer = Arc::new(Signer::new(&options, Arc::new(SystemClock)).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = {
        let _inside = runtime.enter();
        let pdp = world.pdp().asserting(Arc::clone(&signer));
        CheckService::new(Arc::new(pdp), Vec::new())
    };
    let answer = |call: Bytes| decide(&runtime, &service, call);

    let mut group = c.benchmark_group("whole decision");
    let jwt = format!("Bearer {}", world.rs256);
    for (name, path, authorization) in [
        ("plain", "/v1/plain", &*jwt),
        ("with an assertion that is kept", "/v1/asserted", &*jwt),
        ("with an opaque token that is known", "/v1/opaque", "Bearer opaque"),
    ] {
        let call = call(&world, path, &[("authorization", authorization)]);
        support::assert_allow(&answer(call.clone()));
        group.bench_function(name, |b| b.iter(|| black_box(answer(call.clone()))));
        support::assert_allow(&answer(call));
    }
    let proven = proofs(&world);
    support::assert_allow(&answer(proven()));
    group.bench_function("with a new proof of possession, ES256", |b| {
        b.iter_batched(&proven, |call| black_box(answer(call)), BatchSize::SmallInput);
    });
    support::assert_allow(&answer(proven()));
    group.finish();

    let claims = json!({ "iss": "a", "sub": "alice", "aud": "orders", "exp": 1, "peer": {} });
    let claims = claims.as_object().unwrap();
    c.bench_function("an assertion signed", |b| {
        b.iter(|| signer.sign(black_box(claims)).unwrap());
    });
}

fn decide(runtime: &Runtime, service: &CheckService, call: Bytes) -> Bytes {
    runtime.block_on(service.answer(call))
}

/// Calls with one token and each with a proof of its own.
fn proofs(world: &World) -> impl Fn() -> Bytes {
    let key = Key::new();
    let bound = json!({ "cnf": { "jkt": key.thumbprint() } });
    let token = world.issuer.mint(mint::Key::Rsa, &bound).unwrap();
    let number = std::cell::Cell::new(0);
    move || {
        number.set(number.get() + 1);
        let own = json!({ "jti": format!("proof-{}", number.get()) });
        let at = (PROVEN, SystemClock.now().as_secs());
        let proof = key.proof(&token, at, (&Value::Object(serde_json::Map::new()), &own));
        let authorization = format!("DPoP {token}");
        call(world, "/v1/proven", &[("authorization", &authorization), ("dpop", &proof)])
    }
}

criterion_group!(benches, features);
criterion_main!(benches);
