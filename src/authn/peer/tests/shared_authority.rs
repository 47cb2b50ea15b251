//! Several trust domains over one authority: the one that a rule names counts, and what is revoked is so for all.

use rcgen::{
    CertificateParams, CertificateRevocationListParams, KeyUsagePurpose, SerialNumber,
    date_time_ymd,
};

use super::memory::Map as Remembered;
use super::*;
use crate::authn::NoCache;
use crate::clock::UnixTime;
use crate::document::{Diagnostic, Severity};
use crate::evidence::Presented;
use crate::secret::Fingerprint;
use crate::trust::TrustStore;
use crate::trust::tests::pki::{Ca, ca_params, compile, crl_params, leaf_params, trust_domain};

fn plain(number: u64) -> CertificateParams {
    let mut params = leaf_params(&[]);
    params.subject_alt_names = vec![rcgen::SanType::DnsName("web.example".try_into().unwrap())];
    params.serial_number = Some(SerialNumber::from(number));
    params
}

/// Documents by these names and with this in their specs, over one authority.
fn documents(root: &Ca, domains: &[(&str, &str)], crl: &[u8]) -> (TrustStore, Vec<Diagnostic>) {
    let spec = |more: &str| format!("{{ authorities: [{{ file: ca.pem }}], {more} }}");
    let text: String = domains.iter().map(|(name, more)| trust_domain(name, &spec(more))).collect();
    compile(&text, &[("ca.pem", root.pem().as_bytes()), ("a.crl", crl)])
}

fn meant(root: &Ca, domains: &[(&str, &str)], crl: &[u8]) -> TrustStore {
    let (store, problems) = documents(root, domains, crl);
    let others = problems.iter().filter(|problem| problem.code != "shared-authority");
    assert_eq!(others.count(), 0, "{problems:?}");
    store
}

fn reason_of(leaf: &Leaf, trust: &TrustStore) -> Option<Reason> {
    Shown::certificate(leaf).verify_at(trust, NOW).rejection().map(Rejection::reason)
}

/// P112: of several trust domains over one authority every one that vouches counts, and each by its own demands.
#[test]
fn every_domain_that_vouches_is_known_and_no_other() {
    let root = Ca::root("root");
    let trust = meant(
        &root,
        &[("a", "leaf: { maxLifetime: 30d }"), ("b", "leaf: { maxLifetime: 3d }"), ("c", "")],
        b"",
    );
    let short = Shown::certificate(&root.sign(&plain(1))).peer(&trust);
    assert_eq!(short.trust_domains().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(short.is_vouched_for_by("b"), Some(true));
    assert_eq!(short.only_trust_domain(), None);
    let mut params = plain(2);
    params.not_before = date_time_ymd(2026, 6, 1);
    let long = Shown::certificate(&root.sign(&params)).peer(&trust);
    assert_eq!(long.trust_domains().collect::<Vec<_>>(), ["a", "c"]);
    // Its authority is that of `b` too: whether it is of `b` cannot be determined, so that no deny rule is got around.
    assert_eq!(long.is_vouched_for_by("b"), None);
    assert_eq!(long.is_vouched_for_by("d"), Some(false));
}

/// P112: pins say which certificates are of a trust domain: one that they exclude is certainly not.
#[test]
fn a_certificate_that_pins_exclude_is_of_no_such_domain() {
    let (root, other) = (Ca::root("root"), Ca::root("other"));
    let leaf = root.sign(&plain(1));
    let pin = Fingerprint::of(&leaf.der).to_hex();
    let pinned = format!("leaf: {{ pins: [{{ certificate: {pin} }}], maxLifetime: 1h }}");
    let strange = format!("leaf: {{ pins: [{{ certificate: {} }}] }}", "0".repeat(64));
    let trust = meant(&root, &[("a", ""), ("b", &pinned), ("c", &strange)], b"");
    let peer = Shown::certificate(&leaf).peer(&trust);
    assert_eq!(peer.trust_domains().collect::<Vec<_>>(), ["a"]);
    assert_eq!((peer.is_vouched_for_by("b"), peer.is_vouched_for_by("c")), (None, Some(false)));
    // An authority that the domain does not trust.
    let text = trust_domain("a", "{ authorities: [{ file: a.pem }] }")
        + &trust_domain(
            "b",
            "{ authorities: [{ file: b.pem }], leaf: { extendedKeyUsage: { allowAny: true } } }",
        );
    let (root_pem, other_pem) = (root.pem(), other.pem());
    let files: &[(&str, &[u8])] =
        &[("a.pem", root_pem.as_bytes()), ("b.pem", other_pem.as_bytes())];
    let (trust, _) = compile(&text, files);
    let peer = Shown::certificate(&leaf).peer(&trust);
    assert_eq!(peer.is_vouched_for_by("b"), Some(false));
    assert_eq!(peer.only_trust_domain(), Some("a"));
}

/// P111: what an authority revoked is revoked in every document that trusts it, also in those that look at no list.
#[test]
fn a_revoked_certificate_is_revoked_for_every_domain() {
    let root = Ca::root("root");
    let crl = root.crl(1, &[1]);
    let lists = "revocation: { crls: [{ file: a.crl }] }";
    for (a, b) in [("", lists), (lists, ""), ("leaf: { maxLifetime: 30d }", lists)] {
        let trust = meant(&root, &[("a", a), ("b", b)], &crl);
        assert_eq!(reason_of(&root.sign(&plain(1)), &trust), Some(Reason::CertRevoked), "{a} {b}");
        let good = Shown::certificate(&root.sign(&plain(2))).peer(&trust);
        assert_eq!(good.trust_domains().collect::<Vec<_>>(), ["a", "b"]);
    }
    // With and without SPIFFE, in both directions.
    let workload = |number: u64| {
        let mut params = leaf_params(&["spiffe://prod.example/a"]);
        params.serial_number = Some(SerialNumber::from(number));
        root.sign(&params)
    };
    for (mesh, corp) in [("", lists), (lists, "")] {
        let mesh = format!("spiffe: prod.example, {mesh}");
        let trust = meant(&root, &[("corp", corp), ("mesh", &mesh)], &crl);
        for leaf in [workload(1), root.sign(&plain(1))] {
            assert_eq!(reason_of(&leaf, &trust), Some(Reason::CertRevoked), "{mesh} {corp}");
        }
        assert_eq!(reason_of(&workload(2), &trust), None);
    }
}

/// P111: a stale list in one document closes no other, and still knows what was revoked.
#[test]
fn a_stale_list_of_another_document_revokes_and_refuses_nothing_else() {
    let root = Ca::root("root");
    let mut params = crl_params(1, &[1]);
    params.this_update = date_time_ymd(2026, 6, 1);
    params.next_update = date_time_ymd(2026, 6, 2);
    let crl = root.sign_crl(&params);
    let trust = meant(&root, &[("a", ""), ("b", "revocation: { crls: [{ file: a.crl }] }")], &crl);
    assert_eq!(reason_of(&root.sign(&plain(1)), &trust), Some(Reason::CertRevoked));
    let good = Shown::certificate(&root.sign(&plain(2))).peer(&trust);
    assert_eq!(good.trust_domains().collect::<Vec<_>>(), ["a"]);
    assert_eq!(good.is_vouched_for_by("b"), None);
}

/// P111: an intermediate that a document which looks at whole paths knows to be revoked is so for the others.
#[test]
fn a_revoked_intermediate_is_revoked_for_every_domain() {
    let root = Ca::root("root");
    let mut params = ca_params("middle");
    params.serial_number = Some(SerialNumber::from(77));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let middle = root.intermediate(params);
    let leaf = middle.sign(&plain(1));
    let crl = root.crl(1, &[77]);
    let inline = format!("intermediates: [{{ inline: {:?} }}]", middle.pem());
    let reason = |depth: &str| {
        let lists = format!(
            "{inline}, revocation: {{ crls: [{{ file: a.crl }}], onMissing: allow, depth: {depth} }}"
        );
        let trust = meant(&root, &[("a", &inline), ("b", &lists)], &crl);
        reason_of(&leaf, &trust)
    };
    assert_eq!(reason("chain"), Some(Reason::CertRevoked));
    assert_eq!(reason("leaf"), None);
}

/// P112: `check` explains documents over one authority, with both places, until they say that it is meant.
#[test]
fn an_overlap_is_explained_until_it_is_meant() {
    let root = Ca::root("root");
    let codes = |domains: &[(&str, &str)]| {
        let (_, problems) = documents(&root, domains, b"");
        problems.iter().map(|problem| (problem.code.as_str(), problem.severity)).collect::<Vec<_>>()
    };
    let (_, problems) = documents(&root, &[("a", ""), ("b", "")], b"");
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!((problem.code.as_str(), problem.severity), ("shared-authority", Severity::Warning));
    assert!(problem.message.contains("`a` (docs/trust.yaml:4:"), "{problem}");
    assert!(problem.to_string().contains("docs/trust.yaml:9:"), "{problem}");
    assert!(codes(&[("a", "sharedWith: [b]"), ("b", "")]).is_empty());
    assert!(codes(&[("a", ""), ("b", "sharedWith: [a]")]).is_empty());
    assert!(codes(&[("a", "spiffe: a"), ("b", "")]).is_empty());
    assert!(codes(&[("a", "spiffe: a"), ("b", "spiffe: b")]).is_empty());
    assert_eq!(codes(&[("a", "sharedWith: [c]")]), [("unknown-trust-domain", Severity::Error)]);
}

/// P112: what was verified once holds for all domains together, and no longer than for each.
#[test]
fn a_remembered_certificate_is_asked_of_every_domain_again_in_time() {
    let root = Ca::root("root");
    let trust = meant(&root, &[("a", ""), ("b", "leaf: { minRemaining: 12h }")], b"");
    let leaf = root.sign(&plain(1));
    let Presented::Present(presented) = Shown::certificate(&leaf).evidence().source_certificate
    else {
        panic!()
    };
    let verifier =
        |now| certificate::CertificateVerifier::new(&trust, trust.revocations(), &NoCache, now);
    let until = verifier(NOW).certificate(&presented).unwrap().until;
    assert_eq!(until, UnixTime::from_secs(NOW.as_secs() + 12 * 3600));
    let later = verifier(UnixTime::from_secs(until.as_secs() + 1)).certificate(&presented).unwrap();
    assert_eq!(later.facts.trust_domain, "a");
    assert_eq!(later.facts.unsure_trust_domains, ["b"]);
    // P713: the doubt is of that moment.
    assert_eq!((later.from, later.until), (later.until, UnixTime::from_secs(until.as_secs() + 1)));
}

/// P713: a domain whose list begins to count vouches from then on, also for a certificate that is remembered with the doubt.
#[test]
fn a_doubt_that_time_ends_is_not_remembered() {
    let root = Ca::root("root");
    let list = root.sign_crl(&CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 6, 15),
        ..crl_params(1, &[])
    });
    let (trust, _) =
        documents(&root, &[("a", ""), ("b", "revocation: { crls: [{ file: a.crl }] }")], &list);
    let leaf = root.sign(&plain(1));
    let Presented::Present(presented) = Shown::certificate(&leaf).evidence().source_certificate
    else {
        panic!()
    };
    let memory = Remembered::default();
    let domains = |now| {
        let verifier =
            certificate::CertificateVerifier::new(&trust, trust.revocations(), &memory, now);
        let verified = verifier.certificate(&presented).unwrap();
        (verified.facts.other_trust_domains.clone(), verified.facts.unsure_trust_domains.clone())
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let before = UnixTime::from_secs(NOW.as_secs() - 3600);
    assert_eq!(domains(before), (names(&[]), names(&["b"])));
    assert_eq!(domains(NOW), (names(&["b"]), names(&[])));
    assert_eq!(domains(before), (names(&[]), names(&["b"])));
}
