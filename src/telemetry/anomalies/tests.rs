//! Each signal is given for what it is about, once, and not for what is usual.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::authn::{Binding, PeerFacts, PeerIdentity, TokenIdentity};
use crate::clock::UnixTime;
use crate::evidence_level::EvidenceLevel;
use crate::limits::MAX_ANOMALY_NAMES;
use crate::policy::DecisionId;
use crate::secret::Fingerprint;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A decision `after` so many seconds.
fn seen(after: u64) -> ProvenDecision {
    ProvenDecision {
        at: NOW.plus(Duration::from_secs(after)),
        decision: DecisionId::from_bytes([0; 16]),
        denied: false,
        policy: Some("orders".into()),
        peer: None,
        tokens: Vec::new(),
        network: None,
    }
}

/// A workload with a certificate of this `number`, which lives for so many hours.
fn peer(name: &str, issuer: &str, number: u32, hours: u64) -> Option<PeerIdentity> {
    let facts = PeerFacts {
        spiffe: format!("spiffe://prod.example/{name}").parse().ok(),
        issuer: Some(issuer.to_owned()),
        certificate: Some(Fingerprint::of(&number.to_be_bytes())),
        spki: Some(Fingerprint::of(&number.to_le_bytes())),
        not_before: Some(NOW),
        not_after: Some(NOW.plus(Duration::from_secs(3600 * hours))),
        ..PeerFacts::of("prod")
    };
    Some(PeerIdentity::assertion(facts, EvidenceLevel::Leaf))
}

fn token(issuer: &str, audience: &str, jti: u32) -> Vec<TokenIdentity> {
    let claims =
        json!({ "iss": issuer, "aud": [audience, "all"], "sub": "canary", "jti": jti.to_string() });
    let claims = claims.as_object().unwrap().clone();
    vec![TokenIdentity::assertion(issuer, claims, Binding::None).unwrap()]
}

/// The signals that `decisions` give in this order, with what they are about.
fn found(decisions: impl IntoIterator<Item = ProvenDecision>) -> Vec<(Signal, String)> {
    let (mut families, mut found) = (Families::default(), Vec::new());
    for seen in decisions {
        families.look(&seen, |signal, about, detail| {
            assert!(!about.contains("canary") && !detail.contains("canary"), "{about}: {detail}");
            found.push((signal, about.to_owned()));
        });
    }
    found
}

fn signals(decisions: impl IntoIterator<Item = ProvenDecision>) -> Vec<Signal> {
    found(decisions).into_iter().map(|(signal, _)| signal).collect()
}

#[test]
fn the_first_certificate_of_another_issuer_is_one_signal() {
    let of = |name, issuer| ProvenDecision { peer: peer(name, issuer, 1, 24), ..seen(0) };
    let all = [of("a", "CN=x"), of("b", "CN=y"), of("a", "CN=x"), of("a", "CN=y"), of("a", "CN=y")];
    let expected = (Signal::CertificateIssuer, "spiffe://prod.example/a".to_owned());
    assert_eq!(found(all), [expected]);
}

/// P456: a key that was there before is not new.
#[test]
fn a_key_before_its_time_is_a_signal_and_a_renewal_is_not() {
    let at = |hours: u64, number| ProvenDecision {
        peer: peer("a", "CN=x", number, 24),
        ..seen(3600 * hours)
    };
    assert_eq!(signals([at(0, 1), at(13, 2), at(14, 2)]), []);
    assert_eq!(signals([at(0, 1), at(11, 2), at(11, 2)]), [Signal::CertificateKey]);
    assert_eq!(signals([at(0, 1), at(1, 2), at(1, 1), at(2, 2)]), [Signal::CertificateKey]);
}

#[test]
fn a_lifetime_that_is_unlike_others_is_reported() {
    let of = |number, hours| {
        // Old enough that another key is a renewal.
        ProvenDecision { peer: peer(&format!("w{number}"), "CN=x", number, hours), ..seen(0) }
    };
    let usual = || (0..20).map(|number| of(number, 24));
    for (hours, odd) in [(24, false), (90, false), (97, true), (7, false), (5, true), (8760, true)]
    {
        let found = signals(usual().chain([of(99, hours), of(99, hours)]));
        assert_eq!(found == [Signal::CertificateLifetime], odd, "{hours} h: {found:?}");
    }
    assert_eq!(signals((0..4).map(|number| of(number, 24)).chain([of(99, 8760)])), [], "too few");
}

#[test]
fn tokens_of_another_issuer_or_for_another_audience_are_told() {
    let of = |issuer, audience| ProvenDecision {
        peer: peer("a", "CN=x", 1, 24),
        tokens: token(issuer, audience, 1),
        ..seen(0)
    };
    let all =
        [of("corp", "orders"), of("partner", "orders"), of("corp", "bank"), of("corp", "bank")];
    // The first one has two audiences.
    let expected = [Signal::TokenAudience, Signal::TokenIssuer, Signal::TokenAudience];
    assert_eq!(signals(all), expected);
    let denied = |issuer| ProvenDecision { denied: true, ..of(issuer, "orders") };
    assert_eq!(signals([denied("corp"), denied("partner")]), [], "it may not have got there");
}

#[test]
fn a_token_of_two_peers_or_many_networks_is_one_signal() {
    let of = |name: &str, policy: &str| ProvenDecision {
        peer: peer(name, "CN=x", 1, 24),
        policy: Some(policy.into()),
        tokens: token("corp", "all", 1),
        ..seen(0)
    };
    let passed_on = [of("a", "orders"), of("b", "stock")];
    assert_eq!(signals(passed_on), [], "a service that passes its caller's token on");
    let all = [of("a", "orders"), of("b", "orders"), of("b", "orders"), of("c", "orders")];
    assert_eq!(signals(all), [Signal::TokenPeers]);
    let from = |last: u8| ProvenDecision {
        tokens: token("corp", "all", 1),
        network: Some(IpAddr::from([10, 0, 0, last])),
        ..seen(0)
    };
    let twice = |most| (0..most).chain(0..most).map(from);
    assert_eq!(signals(twice(8)), []);
    assert_eq!(signals(twice(30)), [Signal::TokenAddresses]);
}

#[test]
fn a_sudden_share_of_denials_is_reported_once() {
    let of =
        |after, denied| ProvenDecision { peer: peer("a", "CN=x", 1, 24), denied, ..seen(after) };
    let minute = |minute: u64, denied: u64| {
        (0..30).map(move |number| of(60 * minute + number, number < denied))
    };
    let both = [Signal::PeerDenials, Signal::PolicyDenials];
    assert_eq!(signals(minute(0, 1).chain(minute(1, 20))), both);
    assert_eq!(signals(minute(0, 20).chain(minute(1, 20))), [], "it was always so");
    assert_eq!(signals(minute(0, 1).chain(minute(1, 9))), []);
    assert_eq!(signals((0..19).map(|number| of(number, true))), [], "too few");
}

/// P428: whatever names and tokens there are, the memory is bounded.
#[test]
fn names_are_remembered_within_a_bound() {
    let firsts = Firsts::default();
    for number in 0..u32::try_from(2 * MAX_ANOMALY_NAMES).unwrap() {
        let peer = peer(&format!("w{number}"), "CN=x", number, 24);
        firsts.look(&ProvenDecision { peer, ..seen(0) }, &mut |_, _, _| {});
    }
    let (values, keys) = firsts.len();
    assert!(values <= MAX_ANOMALY_NAMES && keys <= MAX_ANOMALY_NAMES, "{values} {keys}");
}

/// P429: signals never delay an answer: what does not fit into the queue is counted and not looked at.
#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let (said, heard) = std::sync::mpsc::channel();
    let tell = move |anomaly: &Anomaly| said.send(anomaly.clone()).unwrap();
    let anomalies = Anomalies::start(AnomalyOptions::default(), Box::new(tell));
    let of = |issuer| ProvenDecision { peer: peer("a", issuer, 1, 24), ..seen(0) };
    // Nothing is looked at before this test waits.
    for number in 0..MAX_ANOMALY_QUEUE + 5 {
        anomalies.offer(of(if number == 0 { "CN=x" } else { "CN=y" }));
    }
    assert_eq!(anomalies.tally().dropped(), 5);
    while anomalies.tally().last().is_empty() {
        tokio::task::yield_now().await;
    }
    let event = heard.try_recv().unwrap();
    assert_eq!((event.signal, event.at), (Signal::CertificateIssuer, NOW));
    assert_eq!(anomalies.tally().last(), [event]);
    let counts: Vec<_> = anomalies.tally().counts().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [(Signal::CertificateIssuer, 1)]);
}
