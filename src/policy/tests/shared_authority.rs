//! Peers that several trust domains vouch for, or of which that is not certain.

use super::fixtures::*;
use crate::authn::{Credential, PeerFacts, PeerIdentity, Subject};
use crate::evidence_level::EvidenceLevel;

/// Vouched for by `domains`, and perhaps of `unsure`.
fn of(domains: &[&str], unsure: &[&str]) -> Subject {
    let [first, others @ ..] = domains else { panic!("no domain vouches") };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let facts = PeerFacts {
        other_trust_domains: owned(others),
        unsure_trust_domains: owned(unsure),
        dns: vec!["web.example".into()],
        ..PeerFacts::of(first)
    };
    let peer = PeerIdentity::assertion(facts, EvidenceLevel::Full);
    Subject::assertion(Credential::Verified(peer), Credential::Absent)
}

/// P112: the trust domain that a rule names is the one that has to vouch, whichever others do; a deny rule that names one is
/// not got around by a certificate that breaks its rules.
#[test]
fn the_domain_that_a_rule_names_counts() {
    let allow = "{ name: r, effect: allow, peer: { trustDomain: edge } }";
    let open = "{ name: open, effect: allow, peer: { any: true } }";
    let deny = "{ name: d, effect: deny, peer: { trustDomain: edge } }";
    for (domains, unsure, allowed, denied) in [
        (&["prod", "edge"][..], &[][..], true, true),
        (&["edge"], &[], true, true),
        (&["prod"], &[], false, false),
        (&["prod"], &["edge"], false, true),
    ] {
        let subject = of(domains, unsure);
        let is = |rules_of: &[&str]| outcome(&rules(rules_of), &subject, &get("/"));
        assert_eq!(is(&[allow]).starts_with("allow"), allowed, "{domains:?} {unsure:?}");
        assert_eq!(is(&[open, deny]).starts_with("deny"), denied, "{domains:?} {unsure:?}");
    }
    let doubted = outcome(&rules(&[open, deny]), &of(&["prod"], &["edge"]), &get("/"));
    assert!(doubted.starts_with("deny eval_error"), "{doubted}");
}

/// P112: in conditions the trust domain is the one that the rule names; of several none is chosen.
#[test]
fn a_condition_does_not_choose_among_trust_domains() {
    let both = of(&["edge", "prod"], &[]);
    let named = "{ name: r, effect: allow, peer: { trustDomain: prod }, when: 'peer.trustDomain == \"prod\"' }";
    let unnamed =
        "{ name: r, effect: allow, peer: { any: true }, when: 'peer.trustDomain == \"prod\"' }";
    let denying =
        "{ name: d, effect: deny, peer: { any: true }, when: 'peer.trustDomain == \"prod\"' }";
    let open = "{ name: open, effect: allow, peer: { any: true } }";
    let is = |subject: &Subject, rules_of: &[&str]| outcome(&rules(rules_of), subject, &get("/"));
    assert!(is(&both, &[named]).starts_with("allow"));
    assert!(is(&both, &[unnamed]).starts_with("deny eval_error"));
    assert!(is(&both, &[open, denying]).starts_with("deny eval_error"));
    assert!(is(&of(&["prod"], &[]), &[unnamed]).starts_with("allow"));
    assert!(is(&of(&["edge"], &[]), &[open, denying]).starts_with("allow"));
}
