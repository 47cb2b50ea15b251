//! The soonest to expire of many, and no more than a bounded number.

use super::*;
use crate::authn::PeerFacts;
use crate::evidence_level::EvidenceLevel;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn peer(domain: &str, secs: i64) -> PeerIdentity {
    let facts = PeerFacts {
        spiffe: Some(format!("spiffe://{domain}/w{secs}").parse().unwrap()),
        certificate: Some(Fingerprint::of(&secs.to_be_bytes())),
        not_after: Some(UnixTime::from_secs(NOW.as_secs() + secs)),
        ..PeerFacts::of(domain)
    };
    PeerIdentity::assertion(facts, EvidenceLevel::Leaf)
}

#[test]
fn the_first_to_expire_is_shown_and_the_next_once_it_was_renewed() {
    let callers = Callers::default();
    for (domain, secs) in [("a", 900), ("a", 700), ("b", 800)] {
        callers.note(&peer(domain, secs), NOW);
    }
    let at = |secs: i64| NOW.as_secs() + secs;
    let shown = [("a".to_owned(), at(700)), ("b".to_owned(), at(800))];
    assert_eq!(callers.soonest(NOW), shown);
    let named = callers.named(NOW);
    assert_eq!(named.len(), 3);
    assert_eq!(named[0].name, "spiffe://a/w700");
    // The first was not shown for ten minutes, and the others were.
    let later = NOW.plus(FORGET);
    callers.note(&peer("a", 900), later);
    callers.note(&peer("b", 800), later);
    assert_eq!(callers.soonest(later), [("a".to_owned(), at(900)), ("b".to_owned(), at(800))]);
    assert_eq!(callers.soonest(NOW.plus(Duration::from_secs(850))), [("a".to_owned(), at(900))]);
}

#[test]
fn however_many_callers_there_are_the_soonest_of_a_bounded_number_are_kept() {
    let callers = Callers::default();
    for secs in (1..2000).rev() {
        callers.note(&peer("a", secs), NOW);
    }
    assert_eq!(callers.0.lock().unwrap().len(), MOST);
    assert_eq!(callers.soonest(NOW), [("a".to_owned(), NOW.as_secs() + 1)]);
    assert_eq!(callers.named(NOW).len(), NAMED);
}
