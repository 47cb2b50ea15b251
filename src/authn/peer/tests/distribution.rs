//! Which certificates a revocation list speaks of: distribution points against scopes (RFC 5280 section 6.3.3).

use rcgen::{CertificateParams, CustomExtension, SerialNumber};

use super::*;
use crate::authn::Credential;
use crate::document::{Diagnostic, Severity};
use crate::trust::TrustStore;
use crate::trust::tests::pki::{Ca, ca_params, compile, leaf_params, trust_domain, url_encoded};

const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";
const HERE: &str = "http://crl.example/1";
const THERE: &str = "http://crl.example/2";

/// A DER value of less than 65536 bytes.
fn tlv(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let content = contents.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    match (high, low) {
        (0, 0..=0x7f) => [&[tag, low][..], &content].concat(),
        (0, _) => [&[tag, 0x81, low][..], &content].concat(),
        (_, _) => [&[tag, 0x82, high, low][..], &content].concat(),
    }
}

fn uri(text: &str) -> Vec<u8> {
    tlv(0x86, &[text.as_bytes()])
}

/// A directory name of one common name, as a `GeneralName`.
fn directory(common: &str) -> Vec<u8> {
    tlv(0xa4, &[&tlv(0x30, &[&relative(common)])])
}

fn relative(common: &str) -> Vec<u8> {
    let attribute = tlv(0x30, &[&[6, 3, 0x55, 4, 3], &tlv(0x0c, &[common.as_bytes()])]);
    tlv(0x31, &[&attribute])
}

/// `distributionPoint` with a `fullName`.
fn full(names: &[Vec<u8>]) -> Vec<u8> {
    tlv(0xa0, &[&tlv(0xa0, &[&names.concat()])])
}

/// `distributionPoint` with a name relative to the issuer's.
fn to_issuer(common: &str) -> Vec<u8> {
    let rdn = relative(common);
    tlv(0xa0, &[&tlv(0xa1, &[rdn.get(2..).unwrap()])])
}

/// `reasons`, the first of which is unused.
fn reasons(bits: [u8; 2]) -> Vec<u8> {
    tlv(0x81, &[&[7], &bits])
}

const EVERY_REASON: [u8; 2] = [0x7f, 0x80];
const COMPROMISE: [u8; 2] = [0x60, 0];
const THE_REST: [u8; 2] = [0x1f, 0x80];

fn issued_by(name: &[u8]) -> Vec<u8> {
    tlv(0xa2, &[name])
}

/// A leaf with serial number 2 and these distribution points, each given by its members.
fn leaf(points: &[Vec<u8>]) -> CertificateParams {
    let points: Vec<_> = points.iter().map(|members| tlv(0x30, &[members])).collect();
    let content = tlv(0x30, &[&points.concat()]);
    with_points(content)
}

fn with_points(content: Vec<u8>) -> CertificateParams {
    let mut params = leaf_params(&[WEB]);
    params.serial_number = Some(SerialNumber::from(2));
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 31], content)];
    params
}

/// A list of `ca` that revokes serial number 1, with an issuing distribution point of these members.
fn list(ca: &Ca, members: Option<&[Vec<u8>]>) -> Vec<u8> {
    let plain = ca.crl(1, &[1]);
    let Some(members) = members else { return plain };
    let members = members.concat();
    scoped(ca, &plain, &tlv(0x30, &[&members]))
}

/// Puts an issuing distribution point into a list, and signs it with the key of `ca`.
fn scoped(ca: &Ca, list: &[u8], scope: &[u8]) -> Vec<u8> {
    use rcgen::SigningKey as _;
    use x509_parser::asn1_rs::{Any, FromDer as _};
    let (_, whole) = Any::from_der(list).unwrap();
    let (signature, content) = Any::from_der(whole.data).unwrap();
    let (_, algorithm) = Any::from_der(signature).unwrap();
    // The extensions are last: `[0]` with a sequence.
    let mut at = content.data;
    let mut head = Vec::new();
    let extensions = loop {
        let (rest, part) = Any::from_der(at).unwrap();
        if part.header.is_contextspecific() {
            break part;
        }
        head.extend_from_slice(at.get(..at.len() - rest.len()).unwrap());
        at = rest;
    };
    let (_, inner) = Any::from_der(extensions.data).unwrap();
    let point = tlv(0x30, &[&[6, 3, 0x55, 0x1d, 0x1c, 1, 1, 0xff], &tlv(4, &[scope])]);
    let extensions = tlv(0xa0, &[&tlv(0x30, &[inner.data, &point])]);
    let content = tlv(0x30, &[&head, &extensions]);
    let signed = ca.issuer.key().sign(&content).unwrap();
    tlv(0x30, &[&content, &tlv(0x30, &[algorithm.data]), &tlv(3, &[&[0], &signed])])
}

fn trust(root: &Ca, lists: &[Vec<u8>]) -> (TrustStore, Vec<Diagnostic>) {
    let names: Vec<_> = (0..lists.len()).map(|at| format!("{at}.crl")).collect();
    let sources: Vec<_> = names.iter().map(|name| format!("{{ file: {name} }}")).collect();
    let spec = format!(
        "{{ spiffe: prod.example, authorities: [{{ file: ca.pem }}], revocation: {{ depth: chain, crls: [{}] }} }}",
        sources.join(", ")
    );
    let pem = root.pem();
    let mut files = vec![("ca.pem", pem.as_bytes())];
    files.extend(names.iter().map(String::as_str).zip(lists.iter().map(Vec::as_slice)));
    compile(&trust_domain("prod", &spec), &files)
}

fn reason(root: &Ca, lists: &[Vec<u8>], leaf: &CertificateParams) -> Option<Reason> {
    let (trust, problems) = trust(root, lists);
    assert!(problems.is_empty(), "{}", problems[0]);
    let found = Shown::certificate(&root.sign(leaf)).verify_at(&trust, NOW);
    found.rejection().map(Rejection::reason)
}

/// P104: the authority's own list covers a certificate only where one of its distribution points has the authority
/// publish, and for every reason. What is on the list is revoked all the same.
#[test]
fn a_list_covers_what_its_issuer_publishes_there() {
    let root = Ca::root("root");
    let whole = [list(&root, None)];
    let here = full(&[uri(HERE)]);
    let join = |parts: &[&[u8]]| parts.concat();
    for (what, points, covered) in [
        ("a URI", vec![here.clone()], true),
        ("a directory name", vec![full(&[directory("lists")])], true),
        ("a name relative to the issuer", vec![to_issuer("lists")], true),
        ("another issuer", vec![join(&[&here, &issued_by(&directory("other"))])], false),
        ("another issuer, without a name", vec![issued_by(&directory("other"))], false),
        // Section 4.2.1.13 forbids it for one's own lists; section 6.3.3 (b) (1) wants an indirect list then.
        ("itself as another issuer", vec![join(&[&here, &issued_by(&directory("root"))])], false),
        (
            "another issuer of an odd kind",
            vec![join(&[&here, &issued_by(&tlv(0x99, &[b"a"]))])],
            false,
        ),
        ("some reasons", vec![join(&[&here, &reasons(COMPROMISE)])], false),
        ("every reason, by name", vec![join(&[&here, &reasons(EVERY_REASON)])], true),
        ("no reason", vec![join(&[&here, &reasons([0, 0])])], false),
        (
            "every reason, at two points",
            vec![
                join(&[&here, &reasons(COMPROMISE)]),
                join(&[&full(&[uri(THERE)]), &reasons(THE_REST)]),
            ],
            true,
        ),
        (
            "the other reasons of another issuer",
            vec![
                join(&[&here, &reasons(COMPROMISE)]),
                join(&[&here, &reasons(THE_REST), &issued_by(&directory("other"))]),
            ],
            false,
        ),
        ("another issuer, and itself", vec![issued_by(&directory("other")), here.clone()], true),
        ("reasons alone", vec![reasons(EVERY_REASON)], false),
        ("nothing", vec![Vec::new()], false),
    ] {
        let mut params = leaf(&points);
        let found = reason(&root, &whole, &params);
        assert_eq!(found, (!covered).then_some(Reason::CrlMissing), "{what}");
        params.serial_number = Some(SerialNumber::from(1));
        assert_eq!(reason(&root, &whole, &params), Some(Reason::CertRevoked), "{what}");
    }
}

/// P104: points that cannot be read, or in another order than the standard has, are not taken for ordinary ones.
#[test]
fn points_that_cannot_be_read_are_not_covered() {
    let root = Ca::root("root");
    let whole = [list(&root, None)];
    let here = full(&[uri(HERE)]);
    let point = |members: &[&[u8]]| tlv(0x30, &[&tlv(0x30, members)]);
    for (what, content) in [
        ("another order", point(&[&issued_by(&directory("other")), &here])),
        ("an unknown member", point(&[&here, &tlv(0x83, &[b"a"])])),
        ("a member twice", point(&[&here, &here])),
        ("reasons without bits", point(&[&here, &tlv(0x81, &[])])),
        ("a name of no kind", point(&[&tlv(0xa0, &[&tlv(0xa2, &[&uri(HERE)])])])),
        ("no names", point(&[&full(&[])])),
        ("no points", tlv(0x30, &[])),
    ] {
        let found = reason(&root, &whole, &with_points(content));
        assert!(
            matches!(found, Some(Reason::CrlMissing | Reason::ChainUntrusted)),
            "{what}: {found:?}"
        );
    }
}

/// P105: the scopes that section 5.2.5 has, and what each is about.
#[test]
fn a_scope_is_what_the_issuing_distribution_point_says() {
    let root = Ca::root("root");
    let (users, cas) = (tlv(0x81, &[&[0xff]]), tlv(0x82, &[&[0xff]]));
    let here = || full(&[uri(HERE)]);
    let at = |names: &[Vec<u8>]| leaf(&[full(names)]);
    let bare = leaf_params(&[WEB]);
    for (what, members, leaf, covered) in [
        ("users only, without a name", vec![users.clone()], bare.clone(), true),
        ("users only, without a name", vec![users.clone()], at(&[uri(HERE)]), true),
        ("CAs only, without a name", vec![cas.clone()], bare.clone(), false),
        ("users only, at the point", vec![here(), users.clone()], at(&[uri(HERE)]), true),
        ("users only, at another point", vec![here(), users], at(&[uri(THERE)]), false),
        ("one of several names", vec![full(&[uri(THERE), uri(HERE)])], at(&[uri(HERE)]), true),
        ("one of several names", vec![here()], at(&[uri(THERE), uri(HERE)]), true),
        ("a URI in other letters", vec![here()], at(&[uri("HTTP://crl.example/1")]), false),
        ("a directory name", vec![full(&[directory("lists")])], at(&[directory("lists")]), true),
        ("another directory name", vec![full(&[directory("lists")])], at(&[directory("x")]), false),
        ("a name, and a certificate without", vec![here()], bare.clone(), false),
        ("the issuer's name", vec![full(&[directory("root")])], bare, true),
        ("a relative name in the certificate", vec![here()], leaf(&[to_issuer("a")]), false),
    ] {
        let found = reason(&root, &[list(&root, Some(&members))], &leaf);
        assert_eq!(found, (!covered).then_some(Reason::CrlMissing), "{what}");
    }
}

/// P105: lists for end entities and lists for CAs, neither with a name, cover a whole chain together.
#[test]
fn lists_for_users_and_for_cas_cover_a_chain_together() {
    let root = Ca::root("root");
    let middle = root.intermediate(ca_params("middle"));
    let (users, cas) = (tlv(0x81, &[&[0xff]]), tlv(0x82, &[&[0xff]]));
    let lists = [list(&root, Some(&[users])), list(&root, Some(&[cas]))];
    let of = |lists: &[Vec<u8>]| {
        let (trust, problems) = trust(&root, lists);
        assert!(problems.is_empty(), "{}", problems[0]);
        let leaf = root.workload(WEB);
        let alone = Shown::certificate(&leaf).verify_at(&trust, NOW);
        let leaf = middle.workload(WEB);
        let chain = format!("Chain=\"{}\"", url_encoded(&[&leaf.der, &middle.der]));
        let below = Shown::xfcc(chain, WEB).verify_at(&trust, NOW);
        let reason = |found: Credential<PeerIdentity>| found.rejection().map(Rejection::reason);
        (reason(alone), reason(below).is_some())
    };
    // The intermediate has no list of its own for its leaf.
    assert_eq!(of(&lists), (None, true));
    assert_eq!(of(&lists[1..]).0, Some(Reason::CrlMissing));
}

/// P105: what is not supported is refused by name when it is loaded.
#[test]
fn scopes_that_are_not_supported_are_refused() {
    let root = Ca::root("root");
    let yes = |tag: u8| tlv(tag, &[&[0xff]]);
    let here = || full(&[uri(HERE)]);
    for (members, said) in [
        (vec![here(), tlv(0x83, &[&[1, 0x60]])], "some reasons"),
        (vec![here(), yes(0x84)], "indirect"),
        (vec![yes(0x85)], "attribute certificates"),
        (vec![yes(0x81), yes(0x82)], "about nothing"),
        (vec![to_issuer("lists")], "neither a URI nor a directory name"),
        (vec![full(&[tlv(0x82, &[b"crl.example"])])], "neither a URI nor a directory name"),
        (vec![], "is empty"),
        (vec![yes(0x82), yes(0x81)], "cannot be read"),
        (vec![yes(0x81), yes(0x81)], "cannot be read"),
        (vec![tlv(0x81, &[&[1]])], "cannot be read"),
        (vec![yes(0x86)], "cannot be read"),
        (vec![full(&[])], "cannot be read"),
    ] {
        let (store, problems) = trust(&root, &[list(&root, Some(&members))]);
        assert_eq!(problems.len(), 1, "{said}");
        assert_eq!(
            (problems[0].code.as_str(), problems[0].severity),
            ("unusable-crl", Severity::Error)
        );
        assert!(problems[0].message.contains(said), "{}: {said}", problems[0]);
        assert!(store.domains().is_empty(), "{said}");
    }
    // Neither of two scopes is taken.
    let users = tlv(0x30, &[&yes(0x81)]);
    let twice = scoped(&root, &scoped(&root, &root.crl(1, &[1]), &users), &users);
    assert_eq!(trust(&root, &[twice]).1[0].code, "unusable-crl");
}
