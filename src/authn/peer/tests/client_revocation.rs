//! Revocation of clients by depth, by the key usage of the CAs and by what a list says of its scope: the cases of
//! rustls-webpki's client revocation suite, with certificates and words of our own.

use rcgen::{
    CertificateParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::*;
use crate::document::Severity;
use crate::trust::tests::pki::{
    Ca, ca_params, compile, crl_params, leaf_params, trust_domain, url_encoded,
};

const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";
const HERE: &str = "http://crl.example/1";
const THERE: &str = "http://crl.example/2";

/// Serial numbers: of the leaf, with the bit that makes a number negative, and of the intermediate.
const LEAF: u64 = 0x80;
const MIDDLE: u64 = 77;

/// The uses that the CAs state for their keys.
#[derive(Clone, Copy)]
enum KeyUsage {
    Unsaid,
    WithCrlSign,
    WithoutCrlSign,
}

use KeyUsage::{Unsaid, WithCrlSign, WithoutCrlSign};

/// A root, an intermediate and a leaf.
struct Chain {
    root: Ca,
    middle: Ca,
    leaf: Leaf,
    /// Signs in the name of the intermediate with its key, and in that of the root with another key.
    able: Issuer<'static, KeyPair>,
    impostor: Ca,
}

type Lists = fn(&Chain) -> Vec<Vec<u8>>;

/// The depth, the lists that may be missing, the usages of the CAs, the lists, and the result.
type Row = (&'static str, &'static str, &'static str, KeyUsage, Lists, Option<&'static str>);

const NONE: Lists = |_| Vec::new();
const CLEAN: Lists = |chain| vec![chain.root.crl(1, &[]), chain.middle.crl(1, &[])];
const OF_LEAF_ONLY: Lists = |chain| vec![chain.middle.crl(1, &[])];
const OTHERS: Lists = |chain| vec![chain.root.crl(1, &[]), chain.middle.crl(1, &[0x0080_0000, 7])];
const LEAF_REVOKED: Lists = |chain| vec![chain.root.crl(1, &[]), chain.middle.crl(1, &[LEAF])];
const MIDDLE_REVOKED: Lists = |chain| vec![chain.root.crl(1, &[MIDDLE]), chain.middle.crl(1, &[])];
const BY_ABLE: Lists = |chain| vec![chain.root.crl(1, &[]), list_by(&chain.able, &[LEAF])];
const BY_ABLE_CLEAN: Lists = |chain| vec![chain.root.crl(1, &[]), list_by(&chain.able, &[])];
const FORGED: Lists = |chain| vec![chain.impostor.crl(1, &[LEAF])];
const EXPIRED: Lists = |chain| vec![expired(&chain.middle, &[])];
const EXPIRED_REVOKED: Lists = |chain| vec![expired(&chain.middle, &[LEAF])];
const EXPIRED_OF_ROOT: Lists = |chain| vec![expired(&chain.root, &[]), chain.middle.crl(1, &[])];
const POINT_HERE: Lists = |chain| vec![scoped(&chain.middle, HERE, None)];
const POINT_THERE: Lists = |chain| vec![scoped(&chain.middle, THERE, None)];
const OF_USERS: Lists = |chain| {
    vec![
        scoped(&chain.root, HERE, Some(CrlScope::UserCertsOnly)),
        scoped(&chain.middle, HERE, Some(CrlScope::UserCertsOnly)),
    ]
};
const OF_CAS: Lists = |chain| {
    vec![
        scoped(&chain.root, HERE, Some(CrlScope::CaCertsOnly)),
        scoped(&chain.middle, HERE, Some(CrlScope::CaCertsOnly)),
    ]
};
const OF_EACH: Lists = |chain| {
    vec![
        scoped(&chain.root, HERE, Some(CrlScope::CaCertsOnly)),
        scoped(&chain.middle, HERE, Some(CrlScope::UserCertsOnly)),
    ]
};

const REVOKED: Option<&str> = Some("cert_revoked");
const MISSING: Option<&str> = Some("crl_missing");
const STALE: Option<&str> = Some("crl_stale");

const ROWS: [Row; 36] = [
    ("no list", "leaf", "deny", Unsaid, NONE, MISSING),
    ("no list", "leaf", "allow", Unsaid, NONE, None),
    ("no list", "chain", "deny", Unsaid, NONE, MISSING),
    ("no list", "chain", "allow", Unsaid, NONE, None),
    ("a list of the leaf's issuer alone", "leaf", "deny", Unsaid, OF_LEAF_ONLY, None),
    ("a list of the leaf's issuer alone", "chain", "deny", Unsaid, OF_LEAF_ONLY, MISSING),
    ("a list of the leaf's issuer alone", "chain", "allow", Unsaid, OF_LEAF_ONLY, None),
    ("nothing is revoked", "leaf", "deny", Unsaid, CLEAN, None),
    ("nothing is revoked", "chain", "deny", WithCrlSign, CLEAN, None),
    ("others are revoked", "chain", "deny", Unsaid, OTHERS, None),
    ("the leaf is revoked", "leaf", "deny", Unsaid, LEAF_REVOKED, REVOKED),
    ("the leaf is revoked", "leaf", "allow", WithCrlSign, LEAF_REVOKED, REVOKED),
    ("the leaf is revoked", "chain", "deny", Unsaid, LEAF_REVOKED, REVOKED),
    ("the leaf is revoked", "chain", "allow", WithCrlSign, LEAF_REVOKED, REVOKED),
    ("the intermediate is revoked", "leaf", "deny", Unsaid, MIDDLE_REVOKED, None),
    ("the intermediate is revoked", "chain", "deny", Unsaid, MIDDLE_REVOKED, REVOKED),
    ("the intermediate is revoked", "chain", "allow", WithCrlSign, MIDDLE_REVOKED, REVOKED),
    ("a CA that may not sign lists revokes", "leaf", "deny", WithoutCrlSign, BY_ABLE, MISSING),
    ("a CA that may not sign lists", "leaf", "deny", WithoutCrlSign, BY_ABLE_CLEAN, MISSING),
    ("a CA that may not sign lists", "chain", "deny", WithoutCrlSign, BY_ABLE_CLEAN, MISSING),
    (
        "the same, where lists may be missing",
        "leaf",
        "allow",
        WithoutCrlSign,
        BY_ABLE,
        Some("unknown-crl-issuer"),
    ),
    ("the key of another CA of the name", "leaf", "deny", Unsaid, FORGED, Some("forged-crl")),
    (
        "the key of another CA of the name",
        "chain",
        "allow",
        WithCrlSign,
        FORGED,
        Some("forged-crl"),
    ),
    ("a stale list", "leaf", "deny", Unsaid, EXPIRED, STALE),
    ("a stale list, where it may be missing", "leaf", "allow", Unsaid, EXPIRED, STALE),
    ("a stale list that revokes", "leaf", "deny", Unsaid, EXPIRED_REVOKED, REVOKED),
    ("a stale list of the root", "leaf", "deny", Unsaid, EXPIRED_OF_ROOT, None),
    ("a stale list of the root", "chain", "deny", Unsaid, EXPIRED_OF_ROOT, STALE),
    ("the list of the leaf's distribution point", "leaf", "deny", Unsaid, POINT_HERE, REVOKED),
    ("the list of another distribution point", "leaf", "deny", Unsaid, POINT_THERE, MISSING),
    ("the list of another distribution point", "leaf", "allow", Unsaid, POINT_THERE, None),
    ("lists of end entities", "leaf", "deny", Unsaid, OF_USERS, REVOKED),
    ("lists of CAs", "leaf", "deny", Unsaid, OF_CAS, MISSING),
    ("lists of CAs, which may be missing", "leaf", "allow", Unsaid, OF_CAS, None),
    ("lists of each kind", "leaf", "deny", Unsaid, OF_EACH, REVOKED),
    ("lists of each kind", "chain", "deny", Unsaid, OF_EACH, MISSING),
];

fn list_by(issuer: &Issuer<'static, KeyPair>, serials: &[u64]) -> Vec<u8> {
    crl_params(1, serials).signed_by(issuer).unwrap().der().to_vec()
}

fn expired(ca: &Ca, serials: &[u64]) -> Vec<u8> {
    let mut params = crl_params(1, serials);
    params.this_update = date_time_ymd(2026, 5, 1);
    params.next_update = date_time_ymd(2026, 6, 14);
    ca.sign_crl(&params)
}

/// A list that revokes the leaf, for one distribution point.
fn scoped(ca: &Ca, uri: &str, scope: Option<CrlScope>) -> Vec<u8> {
    let mut params = crl_params(1, &[LEAF]);
    let distribution_point = CrlDistributionPoint { uris: vec![uri.to_owned()] };
    params.issuing_distribution_point =
        Some(CrlIssuingDistributionPoint { distribution_point, scope });
    ca.sign_crl(&params)
}

impl Chain {
    fn new(usage: KeyUsage) -> Self {
        let ca = |name: &str| -> CertificateParams {
            let mut params = ca_params(name);
            params.serial_number = Some(SerialNumber::from(MIDDLE));
            params.key_usages = match usage {
                Unsaid => Vec::new(),
                WithCrlSign => vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
                WithoutCrlSign => vec![KeyUsagePurpose::KeyCertSign],
            };
            params
        };
        // The root may always sign lists: its own are not what the rows are about.
        let root = Ca::root("root");
        let middle = root.intermediate(ca("middle"));
        let key = KeyPair::try_from(middle.issuer.key().serialize_der()).unwrap();
        let mut params = leaf_params(&[WEB]);
        params.serial_number = Some(SerialNumber::from(LEAF));
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![HERE.to_owned()] }];
        let leaf = middle.sign(&params);
        let able = Issuer::new(ca_params("middle"), key);
        Self { root, middle, leaf, able, impostor: Ca::root("middle") }
    }

    /// Nothing where the leaf is verified, a reason code, or the code with which the documents are refused.
    fn outcome(&self, depth: &str, on_missing: &str, lists: &[Vec<u8>]) -> Option<&'static str> {
        let names: Vec<_> = (0..lists.len()).map(|at| format!("{at}.crl")).collect();
        let crls: Vec<_> = names.iter().map(|name| format!("{{ file: {name} }}")).collect();
        let spec = format!(
            "{{ spiffe: prod.example, authorities: [{{ file: root.pem }}], intermediates: [{{ file: middle.pem }}], \
             revocation: {{ crls: [{}], depth: {depth}, onMissing: {on_missing} }} }}",
            crls.join(", ")
        );
        let (root, middle) = (self.root.pem(), self.middle.pem());
        let mut files = vec![("root.pem", root.as_bytes()), ("middle.pem", middle.as_bytes())];
        files.extend(names.iter().map(String::as_str).zip(lists.iter().map(Vec::as_slice)));
        let (trust, problems) = compile(&trust_domain("prod", &spec), &files);
        let error = problems.iter().find(|problem| problem.severity == Severity::Error);
        if let Some(error) = error {
            return Some(error.code.as_str());
        }
        let chain = url_encoded(&[&self.leaf.der, &self.middle.der]);
        let found = Shown::xfcc(format!("Chain=\"{chain}\""), WEB).verify_at(&trust, NOW);
        found.rejection().map(|rejection| rejection.reason().as_str())
    }
}

/// P43: depth, key usage, signatures, dates and scope, in every combination that a suite has thought of.
#[test]
fn revocation_of_a_client_is_decided_by_depth_signer_and_scope() {
    let mut wrong = Vec::new();
    for (what, depth, on_missing, usage, lists, expected) in ROWS {
        let chain = Chain::new(usage);
        let got = chain.outcome(depth, on_missing, &lists(&chain));
        if got != expected {
            wrong.push(format!(
                "{what}, depth {depth}, onMissing {on_missing}: {got:?}, expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
