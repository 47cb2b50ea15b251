//! Chains that are made to cost: what a caller shows is compared with the keys of the documents, a few times.

use super::*;
use crate::authn::signed_intermediates;
use crate::limits::{MAX_CHAIN_CERTIFICATES, MAX_FAILED_SIGNATURES};
use crate::trust::IssuerKeys;
use crate::trust::tests::pki::{Ca, ca_params, leaf_params, store, url_encoded};

const WEB: &str = "spiffe://prod.example/web";
const SPIFFE: &str = "spiffe: prod.example";

/// As many certificates as fit beside a leaf.
fn each<T>(make: impl FnMut(usize) -> T) -> Vec<T> {
    (1..MAX_CHAIN_CERTIFICATES).map(make).collect()
}

fn with_chain(leaf: &Leaf, issuers: &[Ca]) -> Shown {
    let chain: Vec<_> =
        std::iter::once(&leaf.der).chain(issuers.iter().map(|ca| &ca.der)).collect();
    Shown::xfcc(format!("Chain=\"{}\"", url_encoded(&chain)), WEB)
}

/// A workload without a SPIFFE ID, which every trust domain without `spiffe` may vouch for.
fn plain(ca: &Ca, names_key: bool) -> Leaf {
    let mut params = leaf_params(&[]);
    params.subject_alt_names = vec![rcgen::SanType::DnsName("web.example".try_into().unwrap())];
    params.use_authority_key_identifier_extension = names_key;
    ca.sign(&params)
}

/// P240: issuers of the pinned authority's name, or a ring of issuers that leads nowhere, cost a few checks.
#[test]
fn made_up_issuers_are_not_tried_in_every_order() {
    let root = Ca::root("root");
    let trust = store(&[("prod", &root, SPIFFE)]);
    let named = each(|_| Ca::root("root"));
    let rejection = with_chain(&named[0].workload(WEB), &named).rejection_at(&trust, NOW);
    assert_eq!(rejection.reason(), Reason::ChainUntrusted);
    assert!(rejection.detail().contains("too many issuers called `CN=root`"), "{rejection}");
    // No key of the documents has these names, so that nothing is checked.
    let ring = each(|_| Ca::root("ring"));
    let rejection = with_chain(&ring[0].workload(WEB), &ring).rejection_at(&trust, NOW);
    assert_eq!(rejection.reason(), Reason::ChainUntrusted);
    assert!(rejection.detail().contains("no pinned authority issued"), "{rejection}");
}

/// P240: good certificates pass with as much beside them as fits, as long as their own issuers can be distinguished from the rest.
#[test]
fn a_good_chain_passes_with_strangers_in_it() {
    let root = Ca::root("root");
    let trust = store(&[("prod", &root, SPIFFE)]);
    let middle = || root.intermediate(ca_params("middle"));
    // Intermediates of one name, all of them good: the leaf is by the last.
    let mut good = each(|_| middle());
    let own = good.pop().unwrap();
    let mut params = leaf_params(&[WEB]);
    params.use_authority_key_identifier_extension = true;
    let leaf = own.sign(&params);
    good.push(own);
    assert!(with_chain(&leaf, &good).verify_at(&trust, NOW).verified().is_some());
    // Without the issuer's key identifier, a few may come before it.
    let few = usize::try_from(MAX_FAILED_SIGNATURES).unwrap();
    for (before, expected) in [(few, true), (few + 1, false)] {
        let mut chain: Vec<_> = (0..before).map(|_| middle()).collect();
        let own = middle();
        let leaf = own.workload(WEB);
        chain.push(own);
        let found = with_chain(&leaf, &chain).verify_at(&trust, NOW);
        assert_eq!(found.verified().is_some(), expected, "{before} before its own");
    }
    // The pinned authority itself, and issuers of other names, cost nothing.
    let mut chain = each(|at| Ca::root(&format!("stranger {at}")));
    let leaf = root.workload(WEB);
    chain.pop();
    chain.insert(0, root);
    assert!(with_chain(&leaf, &chain).verify_at(&trust, NOW).verified().is_some());
}

/// P240: one budget for all trust domains; only those are asked whose authority has signed.
#[test]
fn a_hundred_trust_domains_cost_as_little_as_one() {
    let authorities: Vec<_> =
        (0..100).map(|at| (format!("d{at:03}"), Ca::root("same name"))).collect();
    let of: Vec<_> = authorities.iter().map(|(name, ca)| (name.as_str(), ca, "leaf: {}")).collect();
    let trust = store(&of);
    let (name, ca) = &authorities[57];
    let peer = Shown::certificate(&plain(ca, true)).peer(&trust);
    assert_eq!(peer.trust_domain, *name);
    let rejection = Shown::certificate(&plain(ca, false)).rejection_at(&trust, NOW);
    assert!(rejection.detail().contains("authority key identifier"), "{rejection}");
    let few = usize::try_from(MAX_FAILED_SIGNATURES).unwrap();
    let trust = store(&of[..=few]);
    let (name, ca) = &authorities[few];
    assert_eq!(Shown::certificate(&plain(ca, false)).peer(&trust).trust_domain, *name);
}

/// P240: a certificate is of every trust domain whose authority has signed it, however these authorities call their key.
#[test]
fn every_trust_domain_of_a_key_vouches() {
    let root = Ca::root("root");
    let mut renewed = ca_params("root");
    renewed.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1, 2, 3]);
    let der = renewed.self_signed(root.issuer.key()).unwrap().der().clone();
    let renewed =
        Ca { issuer: rcgen::Issuer::new(renewed, rcgen::KeyPair::generate().unwrap()), der };
    let other = Ca::root("root");
    let trust = store(&[
        ("a", &other, "leaf: {}"),
        ("b", &root, "sharedWith: [c]"),
        ("c", &renewed, "sharedWith: [b]"),
    ]);
    let peer = Shown::certificate(&plain(&root, true)).peer(&trust);
    assert_eq!(peer.trust_domain, "b");
    assert_eq!(peer.facts.other_trust_domains, ["c"]);
}

/// P240: the listener takes from a client's chain only what its authorities have signed.
#[test]
fn a_tls_client_is_checked_against_signed_issuers_only() {
    let root = Ca::root("root");
    let keys = IssuerKeys::of_authorities(std::slice::from_ref(&root.der));
    let middle = root.intermediate(ca_params("middle"));
    let ders = |issuers: &[Ca]| issuers.iter().map(|ca| ca.der.clone()).collect::<Vec<_>>();
    let leaf = middle.workload(WEB);
    let mut shown = ders(&each(|_| Ca::root("root")));
    assert!(signed_intermediates(&leaf.der, &shown, &keys).is_empty());
    shown.truncate(2);
    shown.push(middle.der.clone());
    assert_eq!(signed_intermediates(&leaf.der, &shown, &keys), [middle.der]);
}

/// P240: an issuer is found whichever of the shown certificates comes first, and a CA's new key below its old one.
#[test]
fn the_order_of_a_chain_hides_no_trust_domain() {
    let root = Ca::root("root");
    let middle = root.intermediate(ca_params("middle"));
    let lower = middle.intermediate(ca_params("lower"));
    let leaf = plain(&lower, true);
    let trust = store(&[("a", &middle, "leaf: {}"), ("b", &root, "leaf: {}")]);
    for chain in [[&lower.der, &middle.der], [&middle.der, &lower.der]] {
        let shown = [&[&leaf.der][..], &chain].concat();
        let peer =
            Shown::xfcc(format!("Chain=\"{}\"", url_encoded(&shown)), "web.example").peer(&trust);
        assert_eq!(peer.trust_domain, "a");
        assert_eq!(peer.facts.other_trust_domains, ["b"]);
    }
    let (old, key) = (Ca::root("root"), rcgen::KeyPair::generate().unwrap());
    let params = ca_params("root");
    let new = Ca {
        der: params.self_signed(&key).unwrap().der().clone(),
        issuer: rcgen::Issuer::new(params, key),
    };
    let mut params = ca_params("root");
    params.use_authority_key_identifier_extension = true;
    let new_with_old = params.signed_by(new.issuer.key(), &old.issuer).unwrap().der().clone();
    let trust = store(&[("a", &new, "leaf: {}"), ("b", &old, "leaf: {}")]);
    let shown = url_encoded(&[&plain(&new, true).der, &new_with_old]);
    let peer = Shown::xfcc(format!("Chain=\"{shown}\""), "web.example").peer(&trust);
    assert_eq!(peer.trust_domain, "a");
    assert_eq!(peer.facts.other_trust_domains, ["b"]);
}
