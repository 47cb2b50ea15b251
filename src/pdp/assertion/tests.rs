//! The content of assertions, and how often they are signed.

use serde_json::json;

use super::*;
use crate::authn::{Binding, Credential, PeerFacts};
use crate::clock::FixedClock;
use crate::evidence_level::EvidenceLevel;
use crate::signer::{AssertionKeys, AssertionOptions};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn assertions(clock: &FixedClock) -> (Assertions, Arc<Signer>) {
    let options = AssertionOptions {
        issuer: "https://countersign.example".into(),
        keys: AssertionKeys::default(),
        publish: None,
    };
    let signer = Arc::new(Signer::new(&options, Arc::new(clock.clone())).unwrap());
    (Assertions::new(Arc::clone(&signer)), signer)
}

fn wanted(lifetime: u64) -> AssertionRequest {
    AssertionRequest {
        header: "x-assertion".into(),
        audience: "orders".into(),
        issuer: Some("corp".into()),
        lifetime: Duration::from_secs(lifetime),
        claims: json!({ "tenant": "acme" }).as_object().cloned().unwrap(),
    }
}

fn rule() -> RuleName {
    RuleName { policy: "orders".into(), rule: "read".into() }
}

fn subject(claims: &Value) -> Subject {
    let facts = PeerFacts {
        spiffe: Some("spiffe://prod.example/ns/web/sa/front".parse().unwrap()),
        ..PeerFacts::of("prod")
    };
    let token =
        TokenIdentity::assertion("corp", claims.as_object().cloned().unwrap(), Binding::None);
    Subject::assertion(
        Credential::Verified(PeerIdentity::assertion(facts, EvidenceLevel::Hash)),
        Credential::Verified(vec![token.unwrap()]),
    )
}

fn claims_of(header: &SealedHeader) -> Value {
    let payload = header.value.expose().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn an_assertion_says_who_calls_on_whose_behalf() {
    let (assertions, _) = assertions(&FixedClock::at(NOW));
    let claims = json!({ "sub": "alice", "client_id": "web", "act": { "sub": "batch" } });
    let header = assertions.header(&wanted(60), &rule(), &subject(&claims), NOW).unwrap();
    let mut said = claims_of(&header);
    assert_eq!(said["jti"].as_str().unwrap().len(), 32);
    said.as_object_mut().unwrap().remove("jti");
    let expected = json!({
        "iss": "https://countersign.example", "sub": "alice", "aud": "orders", "client_id": "web",
        "iat": 1_800_000_000, "exp": 1_800_000_060, "tenant": "acme",
        "act": { "sub": "spiffe://prod.example/ns/web/sa/front", "act": { "sub": "batch" } },
        "peer": {
            "spiffe": "spiffe://prod.example/ns/web/sa/front", "trust_domain": "prod", "evidence": "hash",
        },
        "policy": "orders", "rule": "read",
    });
    assert_eq!(said, expected);
    assert!(!format!("{header:?}").contains(header.value.expose()));
}

/// A thousand requests of one caller cost one signature, until three quarters of the assertion's life are over.
#[test]
fn an_assertion_is_signed_once_and_used_again() {
    let clock = FixedClock::at(NOW);
    let (assertions, signer) = assertions(&clock);
    let alice = subject(&json!({ "sub": "alice" }));
    let header = |who: &Subject, at| assertions.header(&wanted(60), &rule(), who, at).unwrap();
    let first = header(&alice, NOW);
    for millis in 0..1000 {
        let again = header(&alice, NOW.plus(Duration::from_millis(millis * 44)));
        assert_eq!(again.value.expose(), first.value.expose());
    }
    assert_eq!(signer.signed(), 1);
    let later = NOW.plus(Duration::from_secs(45));
    assert_ne!(header(&alice, later).value.expose(), first.value.expose());
    assert_eq!(signer.signed(), 2);
    // Another caller, claim, rule or audience is another statement.
    header(&subject(&json!({ "sub": "bob" })), later);
    let mut other = wanted(60);
    other.audience = "stock".into();
    assertions.header(&other, &rule(), &alice, later).unwrap();
    other.claims.clear();
    assertions.header(&other, &rule(), &alice, later).unwrap();
    let rule = RuleName { rule: "write".into(), ..rule() };
    assertions.header(&other, &rule, &alice, later).unwrap();
    assert_eq!(signer.signed(), 6);
    // And so is one by another key.
    clock.set(NOW.plus(Duration::from_secs(24 * 3600)));
    assert_eq!(signer.refresh(), Ok(true));
    header(&alice, later);
    assert_eq!(signer.signed(), 7);
}

/// Invariant 7: what speaks of a token ends with it.
#[test]
fn an_assertion_does_not_outlive_its_token() {
    let (assertions, _) = assertions(&FixedClock::at(NOW));
    let end = |exp: i64| {
        let subject = subject(&json!({ "sub": "alice", "exp": exp }));
        claims_of(&assertions.header(&wanted(60), &rule(), &subject, NOW).unwrap())["exp"].clone()
    };
    assert_eq!(end(1_800_000_030), 1_800_000_030);
    assert_eq!(end(1_900_000_000), 1_800_000_060);
    // Accepted within the issuer's skew, so that it has some life to be verified in.
    assert_eq!(end(1_799_999_990), 1_800_000_005);
}
