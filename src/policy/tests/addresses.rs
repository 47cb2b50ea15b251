//! IP addresses of certificates in rules.

use super::fixtures::*;
use crate::authn::{Credential, PeerFacts, PeerIdentity, Subject};
use crate::evidence_level::EvidenceLevel;

/// P106: addresses of the certificate, alone and in blocks; unknown where the certificate was not shown.
#[test]
fn rules_name_the_ip_addresses_of_the_certificate() {
    let set = rules(&[
        "{ name: one, effect: allow, on: { paths: [/one] }, peer: { ips: [192.0.2.7] } }",
        "{ name: block, effect: allow, on: { paths: [/block] }, peer: { ips: [10.0.0.0/8, '2001:db8::/64'] } }",
        "{ name: when, effect: allow, on: { paths: [/when] }, peer: { any: true }, when: '\"192.0.2.7\" in peer.ips' }",
        "{ name: open, effect: allow, public: true, on: { paths: [/denied] } }",
        "{ name: banned, effect: deny, on: { paths: [/denied] }, peer: { ips: [192.0.2.9] } }",
        "{ name: unless, effect: allow, public: true, on: { paths: [/unless] } }",
        "{ name: not, effect: deny, on: { paths: [/unless] }, peer: { any: true }, when: '!(\"192.0.2.7\" in peer.ips)' }",
    ]);
    let peer = |ips: &[&str], level| {
        let ips = ips.iter().map(ToString::to_string).collect();
        let peer = PeerIdentity::assertion(PeerFacts { ips, ..PeerFacts::of("prod") }, level);
        Subject::assertion(Credential::Verified(peer), Credential::Absent)
    };
    let one = peer(&["192.0.2.7"], EvidenceLevel::Leaf);
    let both = peer(&["192.0.2.9", "2001:db8::17"], EvidenceLevel::Leaf);
    let none = peer(&[], EvidenceLevel::Leaf);
    let hash = peer(&[], EvidenceLevel::Hash);
    for (subject, path, expected) in [
        (&one, "/one", "allow one"),
        (&both, "/one", "deny cert_san one"),
        (&none, "/one", "deny cert_san one"),
        (&hash, "/one", "deny eval_error one"),
        (&both, "/block", "allow block"),
        (&one, "/block", "deny cert_san block"),
        (&one, "/when", "allow when"),
        (&both, "/when", "deny no_rule when"),
        (&hash, "/when", "deny eval_error when"),
        (&one, "/denied", "allow open"),
        (&both, "/denied", "deny rule_denied banned"),
        (&hash, "/denied", "deny eval_error banned"),
        (&one, "/unless", "allow unless"),
        (&none, "/unless", "deny rule_denied not"),
        (&hash, "/unless", "deny eval_error not"),
    ] {
        assert_eq!(outcome(&set, subject, &get(path)), expected, "{path}");
    }
}
