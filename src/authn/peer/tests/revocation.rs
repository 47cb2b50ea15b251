//! Revocation lists, case by case (P43).

use rcgen::{CertificateParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope};
use rcgen::{KeyUsagePurpose, SerialNumber, date_time_ymd};

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::*;
use crate::authn::NoCache;
use crate::clock::UnixTime;
use crate::document::{Diagnostic, Severity};
use crate::secret::Fingerprint;
use crate::trust::TrustStore;
use crate::trust::tests::pki::{
    Ca, DAY, ca_params, compile, crl_params, leaf_params, trust_domain, url_encoded,
};

const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";

fn serial(number: u64) -> CertificateParams {
    with_serial(leaf_params(&[WEB]), number)
}

/// A trust domain with these lists and this `revocation`, in which `{crls}` stands for them.
fn domain(root: &Ca, crls: &[&[u8]], rules: &str) -> (TrustStore, Vec<Diagnostic>) {
    let names: Vec<_> = (0..crls.len()).map(|at| format!("{at}.crl")).collect();
    let list =
        names.iter().map(|name| format!("{{ file: {name} }}")).collect::<Vec<_>>().join(", ");
    let spec = format!(
        "{{ spiffe: prod.example, authorities: [{{ file: ca.pem }}], revocation: {{ crls: [{list}], {rules} }} }}"
    );
    let pem = root.pem();
    let mut files = vec![("ca.pem", pem.as_bytes())];
    files.extend(names.iter().map(String::as_str).zip(crls.iter().copied()));
    compile(&trust_domain("prod", &spec), &files)
}

fn clean(root: &Ca, crls: &[&[u8]], rules: &str) -> TrustStore {
    let (store, problems) = domain(root, crls, rules);
    assert!(problems.is_empty(), "{}", problems[0]);
    store
}

fn reason_at(leaf: &Leaf, trust: &TrustStore, seconds: i64) -> Option<Reason> {
    let found = Shown::certificate(leaf).verify_at(trust, UnixTime::from_secs(seconds));
    found.rejection().map(Rejection::reason)
}

fn reason(leaf: &Leaf, trust: &TrustStore) -> Option<Reason> {
    reason_at(leaf, trust, NOW.as_secs())
}

/// P43: what is on the list is revoked, whatever the first byte of its serial number; what is not on it passes.
#[test]
fn a_certificate_on_the_list_is_revoked() {
    let root = Ca::root("root");
    let der = root.crl(1, &[1, 0x80, 0xff00]);
    let pem = pem_crl(&der);
    for crl in [der.as_slice(), pem.as_bytes()] {
        let trust = clean(&root, &[crl], "");
        for number in [1, 0x80, 0xff00] {
            let leaf = root.sign(&serial(number));
            assert_eq!(reason(&leaf, &trust), Some(Reason::CertRevoked), "{number:x}");
        }
        assert_eq!(reason(&root.sign(&serial(2)), &trust), None);
    }
}

/// P366: a refusal names the certificate that is revoked, by a list of its CA too, without vouching for it.
#[test]
fn a_revoked_certificate_is_named_and_refused() {
    let root = Ca::root("root");
    let trust = clean(&root, &[&root.crl(1, &[1])], "");
    let leaf = root.sign(&serial(1));
    let found = Shown::certificate(&leaf).verify_at(&trust, NOW);
    let rejection = found.rejection().unwrap();
    let refused = rejection.refused().unwrap();
    let mark = |wanted: &str| {
        let mut marks = refused.marks.iter();
        marks.find(|(name, _)| *name == wanted).map(|(_, mark)| mark.as_str())
    };
    assert_eq!(
        (refused.credential, mark("spiffe"), mark("serial")),
        ("certificate", Some(WEB), Some("01"))
    );
    let fingerprint = Fingerprint::of(&leaf.der).to_hex();
    assert_eq!(mark("fingerprint"), Some(fingerprint.as_str()));
    // Of one that did not verify nothing is certain.
    let stranger = Ca::root("root").sign(&serial(1));
    let found = Shown::certificate(&stranger).verify_at(&trust, NOW);
    assert_eq!(found.rejection().map(|why| why.refused().is_some()), Some(false));
}

fn pem_crl(der: &[u8]) -> String {
    crate::trust::tests::pki::pem(der).replace("CERTIFICATE", "X509 CRL")
}

/// P43: no list is a refusal of its own, unless the document lets it pass by name.
#[test]
fn a_missing_list_denies_unless_it_may_be_missing() {
    let root = Ca::root("root");
    let leaf = root.sign(&serial(1));
    assert_eq!(reason(&leaf, &clean(&root, &[], "")), Some(Reason::CrlMissing));
    assert_eq!(reason(&leaf, &clean(&root, &[], "onMissing: deny")), Some(Reason::CrlMissing));
    assert_eq!(reason(&leaf, &clean(&root, &[], "onMissing: allow")), None);
    let listed = clean(&root, &[&root.crl(1, &[1])], "onMissing: allow");
    assert_eq!(reason(&leaf, &listed), Some(Reason::CertRevoked));
}

/// P43: past `nextUpdate` and its grace a list says nothing good any more, and before `thisUpdate` not yet.
#[test]
fn a_stale_list_denies_after_its_grace() {
    let root = Ca::root("root");
    let mut params = crl_params(1, &[1]);
    params.this_update = date_time_ymd(2026, 6, 14) + std::time::Duration::from_secs(3600);
    params.next_update = date_time_ymd(2026, 6, 15);
    let crl = root.sign_crl(&params);
    let (good, revoked) = (root.sign(&serial(2)), root.sign(&serial(1)));
    let strict = clean(&root, &[&crl], "");
    let grace = clean(&root, &[&crl], "onStale: { grace: 1h }");
    let by_name = clean(&root, &[&crl], "onStale: deny");
    let now = NOW.as_secs();
    for (trust, at, expected) in [
        (&strict, now, None),
        (&strict, now + 1, Some(Reason::CrlStale)),
        (&by_name, now + 1, Some(Reason::CrlStale)),
        (&grace, now + 3600, None),
        (&grace, now + 3601, Some(Reason::CrlStale)),
        (&strict, now - DAY + 3600, None),
        (&strict, now - DAY + 3599, Some(Reason::CrlStale)),
    ] {
        assert_eq!(reason_at(&good, trust, at), expected, "at {at}");
        assert_eq!(reason_at(&revoked, trust, at), Some(Reason::CertRevoked), "at {at}");
    }
    // P41: a remembered verification ends with the list.
    let presented = Shown::certificate(&good).evidence().source_certificate;
    let crate::evidence::Presented::Present(presented) = presented else { panic!() };
    let verifier =
        certificate::CertificateVerifier::new(&grace, grace.revocations(), &NoCache, NOW);
    let verified = verifier.certificate(&presented).unwrap();
    assert_eq!(verified.until, UnixTime::from_secs(now + 3600));
}

/// P43: of several lists of one issuer the newest counts, whatever their order.
#[test]
fn the_newest_list_counts() {
    let root = Ca::root("root");
    let (old, new, newest) = (root.crl(9, &[]), root.crl(10, &[1]), root.crl(256, &[1, 2]));
    let leaf = |number| root.sign(&serial(number));
    for order in [[&old, &new, &newest], [&newest, &old, &new], [&new, &newest, &old]] {
        let crls: Vec<_> = order.iter().map(|crl| crl.as_slice()).collect();
        let trust = clean(&root, &crls, "");
        assert_eq!(reason(&leaf(2), &trust), Some(Reason::CertRevoked));
        assert_eq!(reason(&leaf(3), &trust), None);
    }
}

/// P43: a list counts only with the signature of the very CA that issued the certificate.
#[test]
fn a_list_that_another_ca_signed_is_refused_when_it_is_loaded() {
    let (root, twin, other) = (Ca::root("root"), Ca::root("root"), Ca::root("other"));
    let codes = |crl: &[u8], rules: &str| {
        let (store, problems) = domain(&root, &[crl], rules);
        let found: Vec<_> = problems.iter().map(|p| (p.code.as_str(), p.severity)).collect();
        (found, store)
    };
    let (found, _) = codes(&twin.crl(1, &[]), "");
    assert_eq!(found, [("forged-crl", Severity::Error)]);
    let (found, _) = codes(&other.crl(1, &[]), "onMissing: allow");
    assert_eq!(found, [("unknown-crl-issuer", Severity::Error)]);
    let (found, store) = codes(&other.crl(1, &[]), "");
    assert_eq!(found, [("unknown-crl-issuer", Severity::Warning)]);
    assert_eq!(reason(&root.sign(&serial(1)), &store), Some(Reason::CrlMissing));
    let mut flipped = root.crl(1, &[]);
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(codes(&flipped, "").0, [("forged-crl", Severity::Error)]);
    let mut mute = ca_params("mute");
    mute.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let mute = Ca::self_signed(mute);
    // The library refuses to sign with such a CA; its twin has the same key and may.
    let key = rcgen::KeyPair::from_der_and_sign_algo(
        &mute.issuer.key().serialize_der().try_into().unwrap(),
        &rcgen::PKCS_ECDSA_P256_SHA256,
    );
    let able = rcgen::Issuer::new(ca_params("mute"), key.unwrap());
    let crl = crl_params(1, &[]).signed_by(&able).unwrap().der().to_vec();
    let (_, problems) = domain(&mute, &[&crl], "");
    assert_eq!(problems[0].code.as_str(), "unknown-crl-issuer");
}

/// P43: two CAs of one name, as in a key rollover, have a list each.
#[test]
fn a_list_speaks_of_the_key_that_signed_it_only() {
    let (old, new) = (Ca::root("root"), Ca::root("root"));
    let both = old.pem() + &new.pem();
    let spec = "{ spiffe: prod.example, authorities: [{ file: ca.pem }], revocation: { crls: [{ file: a.crl }] } }";
    let crl = old.crl(1, &[1]);
    let files: &[(&str, &[u8])] = &[("ca.pem", both.as_bytes()), ("a.crl", &crl)];
    let (trust, problems) = compile(&trust_domain("prod", spec), files);
    assert!(problems.is_empty());
    assert_eq!(reason(&old.sign(&serial(1)), &trust), Some(Reason::CertRevoked));
    assert_eq!(reason(&old.sign(&serial(2)), &trust), None);
    assert_eq!(reason(&new.sign(&serial(1)), &trust), Some(Reason::CrlMissing));
}

#[test]
fn the_depth_says_whether_issuers_are_checked() {
    let root = Ca::root("root");
    let mut params = ca_params("middle");
    params.serial_number = Some(SerialNumber::from(77));
    let middle = root.intermediate(params);
    let leaf = middle.sign(&serial(1));
    let inline = middle.pem().replace('\n', "\\n");
    let at_depth = |depth: &str, of_root: &[u64], of_middle: &[u64]| {
        let spec = format!(
            "{{ spiffe: prod.example, authorities: [{{ file: ca.pem }}], intermediates: [{{ inline: \"{inline}\" }}],
               revocation: {{ crls: [{{ file: root.crl }}, {{ file: middle.crl }}], depth: {depth} }} }}"
        );
        let (pem, root_crl, middle_crl) =
            (root.pem(), root.crl(1, of_root), middle.crl(1, of_middle));
        let files: &[(&str, &[u8])] =
            &[("ca.pem", pem.as_bytes()), ("root.crl", &root_crl), ("middle.crl", &middle_crl)];
        let (trust, problems) = compile(&trust_domain("prod", &spec), files);
        assert!(problems.is_empty());
        let chain = url_encoded(&[&leaf.der, &middle.der]);
        let found = Shown::xfcc(format!("Chain=\"{chain}\""), WEB).verify_at(&trust, NOW);
        found.rejection().map(Rejection::reason)
    };
    assert_eq!(at_depth("leaf", &[], &[]), None);
    assert_eq!(at_depth("leaf", &[], &[1]), Some(Reason::CertRevoked));
    assert_eq!(at_depth("leaf", &[77], &[]), None);
    assert_eq!(at_depth("chain", &[], &[]), None);
    assert_eq!(at_depth("chain", &[77], &[]), Some(Reason::CertRevoked));
    // The same serial number under another issuer is another certificate.
    assert_eq!(at_depth("chain", &[1], &[77]), None);
}

/// P43: a list for a part of the certificates says nothing of the others.
#[test]
fn a_list_counts_within_its_scope() {
    let root = Ca::root("root");
    let scoped = |uri: &str, scope| {
        let mut params = crl_params(1, &[1]);
        let distribution_point = CrlDistributionPoint { uris: vec![uri.to_owned()] };
        params.issuing_distribution_point =
            Some(CrlIssuingDistributionPoint { distribution_point, scope });
        root.sign_crl(&params)
    };
    let at = |uri: &str, number: u64| {
        let mut params = serial(number);
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![uri.to_owned()] }];
        root.sign(&params)
    };
    let (here, there) = ("http://crl.example/1", "http://crl.example/2");
    let ends = scoped(here, Some(CrlScope::UserCertsOnly));
    let trust = clean(&root, &[&ends], "");
    assert_eq!(reason(&at(here, 1), &trust), Some(Reason::CertRevoked));
    assert_eq!(reason(&at(here, 2), &trust), None);
    assert_eq!(reason(&at(there, 2), &trust), Some(Reason::CrlMissing));
    assert_eq!(reason(&root.sign(&serial(2)), &trust), Some(Reason::CrlMissing));
    let cas = scoped(here, Some(CrlScope::CaCertsOnly));
    assert_eq!(reason(&at(here, 2), &clean(&root, &[&cas], "")), Some(Reason::CrlMissing));
    let parts = [scoped(here, None), scoped(there, None)];
    let trust = clean(&root, &[&parts[0], &parts[1]], "");
    assert_eq!(reason(&at(there, 2), &trust), None);
    assert_eq!(reason(&at(there, 1), &trust), Some(Reason::CertRevoked));
}

/// P43: a list that cannot be read is a broken document, never an empty list.
#[test]
fn a_list_that_cannot_be_read_is_an_error() {
    let root = Ca::root("root");
    let whole = root.crl(1, &[1, 2, 3]);
    let truncated = &whole[..whole.len() - 40];
    let longer = [&whole[..], &[0]].concat();
    let certificate = root.pem();
    for (crl, code) in [
        (&b""[..], "no-crl"),
        (b"nothing", "no-crl"),
        (certificate.as_bytes(), "no-crl"),
        (truncated, "unusable-crl"),
        (&longer, "unusable-crl"),
        (&[0x30, 0x82, 0xff, 0xff], "unusable-crl"),
        (pem_crl(b"0").as_bytes(), "unusable-crl"),
    ] {
        let (store, problems) = domain(&root, &[crl], "");
        assert_eq!(problems.iter().map(|p| p.code.as_str()).collect::<Vec<_>>(), [code]);
        assert!(store.domains().is_empty());
    }
}

/// P43: a list of 10 MB is read and found in; `benches/certificate.rs` measures how fast.
#[test]
fn a_large_list_is_read() {
    let root = Ca::root("root");
    let serials: Vec<u64> = (0..400_000).map(|number| number * 0x1_0000_0001 + 7).collect();
    let crl = root.crl(1, &serials);
    assert!(crl.len() > 10_000_000);
    let trust = clean(&root, &[&crl], "");
    assert_eq!(reason(&root.sign(&serial(7)), &trust), Some(Reason::CertRevoked));
    assert_eq!(reason(&root.sign(&serial(8)), &trust), None);
}

/// P176: what an entry revokes of a CA is asked about with every request, whatever is remembered, and says that it is the CA's.
#[test]
fn an_entry_revokes_what_a_ca_has_issued() {
    let root = Ca::root("root");
    let middle = root.intermediate(with_serial(ca_params("middle"), 0x4d));
    let (leaf, direct) = (middle.sign(&serial(5)), root.sign(&serial(6)));
    let print = |der: &[u8]| Fingerprint::of(der).to_hex();
    let (_, parsed) = X509Certificate::from_der(&middle.der).unwrap();
    let key = print(parsed.public_key().raw);
    let spec = "{ spiffe: prod.example, authorities: [{ file: ca.pem }] }";
    let trust = |entry: &str| {
        let list = format!(
            "---\napiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: {{ name: l }}\nspec:\n  entries:\n    - {entry}\n"
        );
        let text = trust_domain("prod", spec) + &list;
        let (trust, problems) = compile(&text, &[("ca.pem", root.pem().as_bytes())]);
        assert!(problems.is_empty(), "{}", problems[0]);
        trust
    };
    let chain = url_encoded(&[&leaf.der, &middle.der]);
    let shown =
        Shown { without_tls: true, xfcc: Some(format!("Chain=\"{chain}\"")), ..Shown::default() };
    let other = Shown::certificate(&direct);
    for entry in [
        format!("{{ certificate: '{}' }}", print(&middle.der)),
        format!("{{ spki: '{key}' }}"),
        String::from("{ serial: 4D, certificateIssuer: 'cn=ROOT' }"),
    ] {
        let trust = trust(&entry);
        let rejection = shown.rejection_at(&trust, NOW);
        assert_eq!(rejection.reason(), Reason::CertRevoked, "{entry}");
        assert!(rejection.detail().contains("of a CA on its path"), "{rejection}");
        assert!(other.peer(&trust).spiffe.as_ref().is_some(), "{entry}");
    }
    let of_root = trust(&format!("{{ certificate: '{}' }}", print(&root.der)));
    assert_eq!(shown.reason(&of_root), Reason::CertRevoked);
    assert_eq!(other.reason(&of_root), Reason::CertRevoked);
    let before = "issuedBefore: 1970-01-02T00:00:00Z";
    let old = trust(&format!("{{ spki: '{key}', {before} }}"));
    assert!(shown.peer(&old).spiffe.as_ref().is_some());
}

fn with_serial(mut params: CertificateParams, number: u64) -> CertificateParams {
    params.serial_number = Some(SerialNumber::from(number));
    params
}
