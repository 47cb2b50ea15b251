//! Trust domain documents that are accepted, and the messages about those that are not.

use rcgen::{BasicConstraints, CustomExtension, IsCa};

use super::*;
use crate::clock::UnixTime;
use crate::document::Severity;
use crate::secret::Fingerprint;
use crate::trust::tests::pki::{Ca, ca_params, compile, compile_at, leaf_params, trust_domain};

/// The codes of what is wrong with a trust domain that has this spec.
fn codes(spec: &str, files: &[(&str, &[u8])]) -> Vec<&'static str> {
    let (_, problems) = compile(&trust_domain("prod", spec), files);
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

#[test]
fn a_whole_document_compiles() {
    let (root, other) = (Ca::root("root"), Ca::root("other"));
    let both = format!("{}{}", root.pem(), other.pem());
    let spec = "{ spiffe: prod.example, authorities: [{ file: ca.pem }], intermediates: [{ file: ca.pem }],
        forwarders: ['spiffe://prod.example/ns/istio-system/sa/*'],
        leaf: { maxLifetime: 25h, minRemaining: 5s, minRsaBits: 3072, extendedKeyUsage: { allowAny: true },
                pins: [{ certificate: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
                       { spki: 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=' }] } }";
    let (store, problems) = compile(&trust_domain("prod", spec), &[("ca.pem", both.as_bytes())]);
    assert!(problems.is_empty(), "{}", problems[0]);
    let domain = &store.domains()[0];
    assert_eq!(&domain.name, "prod");
    assert_eq!((domain.authorities.len(), domain.intermediates.len()), (2, 2));
    assert!(domain.is_forwarder(&"spiffe://prod.example/ns/istio-system/sa/in".parse().unwrap()));
    assert!(!domain.is_forwarder(&"spiffe://prod.example/ns/web/sa/in".parse().unwrap()));
    let rules = &domain.leaf;
    assert_eq!(rules.pins[0], LeafPin::Certificate(Fingerprint::of(b"abc")));
    assert_eq!(rules.pins[1], LeafPin::Spki(Fingerprint::of(b"abc")));
    assert!(rules.extended_key_usage.allow_any && !rules.extended_key_usage.allow_absent);
    assert!(store.domain_of(&"spiffe://prod.example/x".parse().unwrap()).is_some());
    assert!(store.domain_of(&"spiffe://prod.example.evil/x".parse().unwrap()).is_none());
    assert!(store.issuer_keys(None).unwrap().domains().is_empty());
}

/// P348: an authority that has expired, or soon will, is not visible in a gauge alone.
#[test]
fn an_authority_that_ends_is_reported() {
    let (root, below) = (Ca::root("root"), Ca::root("below"));
    let files = [("ca.pem", root.pem()), ("below.pem", below.pem())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_bytes()));
    let spec = "{ authorities: [{ file: ca.pem }], intermediates: [{ file: below.pem }] }";
    for (at, code, text) in [
        (
            "2025-12-31T23:59:59Z",
            "authority-out-of-date",
            "is not valid before 2026-01-01T00:00:00Z",
        ),
        ("2026-06-15T00:00:00Z", "", ""),
        // A tenth of a year is more than 30 days.
        ("2026-11-30T00:00:00Z", "", ""),
        ("2026-12-03T00:00:00Z", "authority-ending", "expires soon, at 2027-01-01T00:00:00Z"),
        ("2027-01-01T00:00:01Z", "authority-out-of-date", "has expired at 2027-01-01T00:00:00Z"),
    ] {
        let now = UnixTime::from_rfc3339(at);
        let (_, problems) = compile_at(now, &trust_domain("prod", spec), &files);
        let wanted = if code.is_empty() { 0 } else { 2 };
        assert_eq!(problems.len(), wanted, "{at}: {problems:?}");
        for (problem, name) in problems.iter().zip(["CN=root", "CN=below"]) {
            assert_eq!((problem.code.as_str(), problem.severity), (code, Severity::Warning));
            assert!(problem.message.contains(text) && problem.message.contains(name), "{problem}");
        }
    }
}

/// P368: an intermediate that can be on no path is reported, and stays: it may have signed a revocation list.
#[test]
fn an_intermediate_that_is_on_no_path_is_reported() {
    let private = || {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        vec![extension]
    };
    let (any, last) = (BasicConstraints::Unconstrained, BasicConstraints::Constrained(0));
    let spec = "{ authorities: [{ file: ca.pem }], intermediates: [{ file: below.pem }] }";
    for (root, below, extensions, text) in [
        (last, any, vec![], "`CN=root` permits no intermediate"),
        (any, any, private(), "1.2.3.4"),
        (any, last, vec![], ""),
    ] {
        let params = |name: &str, length| {
            let mut params = ca_params(name);
            params.is_ca = IsCa::Ca(length);
            params
        };
        let root = Ca::self_signed(params("root", root));
        let mut below = params("below", below);
        below.custom_extensions = extensions;
        let files = [("ca.pem", root.pem()), ("below.pem", root.intermediate(below).pem())];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_bytes()));
        let (store, problems) = compile(&trust_domain("prod", spec), &files);
        assert_eq!(problems.len(), usize::from(!text.is_empty()), "{problems:?}");
        for problem in &problems {
            let found = (problem.code.as_str(), problem.severity);
            assert_eq!(found, ("odd-authority", Severity::Warning));
            assert!(problem.message.contains(text), "{problem}");
        }
        assert_eq!(store.domains()[0].intermediates.len(), 1);
    }
}

/// Short lifetimes end in their last tenth, long ones in their last 30 days.
#[test]
fn the_end_of_a_lifetime_is_near_in_proportion() {
    let hours = |hours: u64| UnixTime::from_secs(0).plus(std::time::Duration::from_hours(hours));
    let day = Validity { not_before: hours(1), not_after: hours(25) };
    let at_minute = |minute: u64| {
        day.phase(UnixTime::from_secs(0).plus(std::time::Duration::from_mins(minute)))
    };
    assert_eq!(day.phase(hours(0)), LifePhase::Early);
    assert_eq!(at_minute(25 * 60 - 145), LifePhase::Within);
    assert_eq!(at_minute(25 * 60 - 143), LifePhase::Ending);
    assert_eq!(at_minute(25 * 60), LifePhase::Ending);
    assert_eq!(at_minute(25 * 60 + 1), LifePhase::Over);
    let years = Validity { not_before: hours(0), not_after: hours(20 * 365 * 24) };
    assert_eq!(years.phase(hours((20 * 365 - 31) * 24)), LifePhase::Within);
    assert_eq!(years.phase(hours((20 * 365 - 29) * 24)), LifePhase::Ending);
}

/// Documents with mistakes, and the codes of these.
const WRONG: &[(&str, &[&str])] = &[
    ("{ authorities: [{ file: odd.pem }] }", &["odd-authority", "no-authorities"]),
    ("{ authorities: [{ file: both.pem }] }", &["odd-authority"]),
    ("{}", &["no-authorities"]),
    ("{ authorities: [{ file: gone.pem }] }", &["unreadable-file"]),
    ("{ authorities: [{ file: broken.pem }] }", &["invalid-pem"]),
    ("{ authorities: [{ file: empty.pem }] }", &["no-certificate"]),
    ("{ authorities: [{ file: public.pem }] }", &["no-certificate"]),
    ("{ authorities: [{ file: key.pem }] }", &["private-key"]),
    ("{ authorities: [{ file: leaf.pem }] }", &["not-an-authority"]),
    ("{ authorities: [{ file: not-x509.pem }] }", &["not-an-authority"]),
    (
        "{ authorities: [{ file: ca.pem }], intermediates: [{ file: leaf.pem }] }",
        &["not-an-authority"],
    ),
    ("{ authorities: [{ file: ca.pem }], spiffe: 'spiffe://a' }", &["invalid-spiffe-name"]),
    (
        "{ authorities: [{ file: ca.pem }], spiffe: a, forwarders: ['spiffe://a/b*'] }",
        &["invalid-spiffe-pattern"],
    ),
    (
        "{ authorities: [{ file: ca.pem }], spiffe: a, forwarders: ['spiffe://b/c'] }",
        &["foreign-forwarder"],
    ),
    ("{ authorities: [{ file: ca.pem }], forwarders: ['spiffe://b/c'] }", &["foreign-forwarder"]),
    (
        "{ authorities: [{ file: ca.pem }], spiffe: a, forwarders: ['spiffe://a/**'] }",
        &["broad-forwarder"],
    ),
    ("{ authorities: [{ file: ca.pem }], leaf: { minRsaBits: 1024 } }", &["invalid-rsa-bits"]),
    ("{ authorities: [{ file: ca.pem }], leaf: { pins: [{ spki: abc }] } }", &["invalid-pin"]),
    ("{ authorities: [{ file: ca.pem }], leaf: { maxLifetime: 25 } }", &["invalid-value"]),
    ("{ authorities: [{ file: ca.pem }], authoritys: [] }", &["unknown-field"]),
    (
        "{ authorities: [{ file: gone.pem }, { file: leaf.pem }], spiffe: A }",
        &["invalid-spiffe-name", "unreadable-file", "not-an-authority"],
    ),
];

#[test]
fn what_is_wrong_with_a_document_is_said_with_its_own_code() {
    let ca = Ca::root("root");
    let pem = ca.pem();
    let leaf = crate::trust::tests::pki::pem(&ca.sign(&leaf_params(&["spiffe://a/b"])).der);
    let key = format!("{pem}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let mut broken = pem.clone();
    broken.truncate(200);
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files: &[(&str, &[u8])] = &[
        ("ca.pem", pem.as_bytes()),
        ("leaf.pem", leaf.as_bytes()),
        ("key.pem", key.as_bytes()),
        ("broken.pem", broken.as_bytes()),
        ("public.pem", public.as_bytes()),
        ("not-x509.pem", not_x509.as_bytes()),
        ("empty.pem", b""),
    ];
    let odd = {
        let mut params = ca_params("odd");
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
        Ca::self_signed(params).pem()
    };
    let odd_and_good = odd.clone() + &pem;
    let files =
        &[files, &[("odd.pem", odd.as_bytes()), ("both.pem", odd_and_good.as_bytes())]].concat();
    for (spec, expected) in WRONG {
        assert_eq!(codes(spec, files), *expected, "{spec}");
    }
}

#[test]
fn a_document_with_an_error_is_not_used_and_one_with_a_warning_is() {
    let pem = Ca::root("root").pem();
    let files: &[(&str, &[u8])] = &[("ca.pem", pem.as_bytes())];
    let broad = "{ spiffe: a, authorities: [{ file: ca.pem }], forwarders: ['spiffe://a/**'] }";
    let (store, problems) = compile(&trust_domain("prod", broad), files);
    assert_eq!(problems[0].severity, Severity::Warning);
    assert_eq!(store.domains().len(), 1);
    let (store, _) = compile(&trust_domain("prod", "{}"), files);
    assert!(store.domains().is_empty());
}

/// P45: no two documents vouch for one SPIFFE trust domain.
#[test]
fn a_spiffe_trust_domain_has_one_document() {
    let pem = Ca::root("root").pem();
    let spec = "{ spiffe: a, authorities: [{ file: ca.pem }] }";
    let text = trust_domain("one", spec) + &trust_domain("two", spec);
    let (_, problems) = compile(&text, &[("ca.pem", pem.as_bytes())]);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code.as_str(), "duplicate-trust-domain");
    assert_eq!(problems[0].span.line_column().0, 10);
}

/// P40: the revision changes with the document and with every file that it points to, and with nothing else.
#[test]
fn the_revision_follows_the_documents_and_their_files() {
    let (one, two) = (Ca::root("root").pem(), Ca::root("root").pem());
    let revision = |spec: &str, pem: &str| {
        let (store, problems) = compile(&trust_domain("prod", spec), &[("ca.pem", pem.as_bytes())]);
        assert!(problems.is_empty(), "{}", problems[0]);
        *store.domains_revision().unwrap()
    };
    let spec = "{ spiffe: a, authorities: [{ file: ca.pem }] }";
    let base = revision(spec, &one);
    assert_eq!(base, revision(spec, &one));
    assert_ne!(base, revision(spec, &two));
    assert_ne!(
        base,
        revision(
            "{ spiffe: a, authorities: [{ file: ca.pem }], leaf: { minRemaining: 1s } }",
            &one
        )
    );
}

/// A bundle as SPIRE serves it.
fn bundle(keys: &[String]) -> String {
    format!(
        "{{ \"keys\": [{}], \"spiffe_sequence\": 12, \"spiffe_refresh_hint\": 600 }}",
        keys.join(", ")
    )
}

fn x509_key(ca: &Ca) -> String {
    use base64::Engine as _;
    let x5c = base64::engine::general_purpose::STANDARD.encode(&ca.der);
    format!("{{ \"use\": \"x509-svid\", \"kty\": \"EC\", \"x5c\": [\"{x5c}\"] }}")
}

const JWT_KEY: &str = "{ \"use\": \"jwt-svid\", \"kty\": \"EC\", \"crv\": \"P-256\", \"kid\": \"k1\",
    \"x\": \"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\", \"y\": \"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\" }";

#[test]
fn a_spiffe_bundle_gives_authorities_for_certificates_and_for_tokens() {
    let (one, two) = (Ca::root("one"), Ca::root("two"));
    let other = String::from("{ \"use\": \"wit-svid\", \"kty\": \"EC\" }");
    let text = bundle(&[x509_key(&one), x509_key(&two), JWT_KEY.to_owned(), other]);
    let spec = "{ spiffe: prod.example, bundle: { file: b.json } }";
    let (store, problems) = compile(&trust_domain("prod", spec), &[("b.json", text.as_bytes())]);
    assert!(problems.is_empty(), "{}", problems[0]);
    let domain = &store.domains()[0];
    assert_eq!((domain.authorities.len(), domain.anchors.len()), (2, 2));
    let (_, token_keys) = bundle::read(text.as_bytes()).unwrap();
    assert_eq!(token_keys.keys().len(), 1);
    assert!(token_keys.has("k1"));
}

#[test]
fn a_bundle_that_breaks_a_rule_is_refused() {
    let ca = Ca::root("root");
    let key = x509_key(&ca);
    let leaf = Ca { der: ca.sign(&leaf_params(&["spiffe://a/b"])).der, issuer: ca.issuer };
    let two = key.replace("[\"", "[\"AAAA\", \"");
    for (text, codes) in [
        ("[]".to_owned(), &["invalid-bundle"][..]),
        ("{}".to_owned(), &["invalid-bundle"]),
        ("{ \"keys\": [1] }".to_owned(), &["invalid-bundle"]),
        ("{ \"keys\": [], \"keys\": [] }".to_owned(), &["invalid-bundle"]),
        ("{ \"keys\": [], \"spiffe_sequence\": \"1\" }".to_owned(), &["invalid-bundle"]),
        (bundle(&[]), &["no-authorities"]),
        (bundle(&[JWT_KEY.to_owned()]), &["no-authorities"]),
        (bundle(&[two]), &["invalid-bundle"]),
        (bundle(&[key.replace("x5c", "x5t")]), &["invalid-bundle"]),
        (bundle(&[key.replace("MII", "!II")]), &["invalid-bundle"]),
        (bundle(&[x509_key(&leaf)]), &["not-an-authority"]),
        (
            bundle(&[key.clone(), JWT_KEY.replace("\"kid\"", "\"d\": \"AA\", \"kid\"")]),
            &["secret-key"],
        ),
        (bundle(&[key.clone(), JWT_KEY.replace("P-256", "P-999")]), &["skipped-key"]),
        (bundle(&vec![key.clone(); 257]), &["invalid-bundle"]),
    ] {
        let spec = "{ spiffe: prod.example, bundle: { file: b.json } }";
        assert_eq!(self::codes(spec, &[("b.json", text.as_bytes())]), codes, "{text}");
    }
    let text = bundle(&[key]);
    let codes = codes("{ bundle: { file: b.json } }", &[("b.json", text.as_bytes())]);
    assert_eq!(codes, ["bundle-without-spiffe"]);
}
