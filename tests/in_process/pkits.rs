//! NIST's Public Key Interoperability Test Suite (PKITS) through the whole peer verification.
//!
//! Every end entity of the suite is presented as a client, with revocation checked for the whole chain. Its file name says
//! what should come of it (`Valid..`, `Invalid..`; the ones of the policy sections say neither). `tests/data/pkits.json`
//! is the ledger: the reason for every denial, and every case where we decide otherwise than the suite, with the reason
//! why. A case that begins to agree with the suite fails until it is taken off the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::authn::{Credential, NoCache, verify_peer};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, Severity, SourceFile};
use countersign::evidence::{PeerEvidence, PeerSources};
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::TrustStore;
use serde::Deserialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// 2026-06-15T00:00:00Z: the suite is valid from 2010 to 2030.
const NOW: UnixTime = UnixTime::from_secs(1_781_481_600);

const ROOT: &str = "TrustAnchorRootCertificate";

/// The suite. Names of issuers and subjects are text, for finding what belongs together.
struct Suite {
    /// The certificate of the authority, DER.
    root: Vec<u8>,
    /// The end entities, DER, by the names of their files.
    leaves: BTreeMap<String, Vec<u8>>,
    cas: Vec<Ca>,
    /// Revocation lists, DER, beside their issuers.
    lists: Vec<(String, Vec<u8>)>,
}

struct Ca {
    subject: String,
    issuer: String,
    der: Vec<u8>,
    /// True if it can be configured as an intermediate. What cannot may be presented all the same.
    configurable: bool,
}

/// The project's statements about the suite.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    /// The outcome of the cases that the suite leaves to the policies that one asks for; we ask for none.
    policies: BTreeMap<String, String>,
    /// Reason codes of the cases that the suite and we deny.
    denials: BTreeMap<String, String>,
    /// Cases that we decide otherwise, by what came of them and why.
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    got: String,
    why: String,
    cases: BTreeSet<String>,
}

fn folder(path: &Path) -> Option<BTreeMap<String, Vec<u8>>> {
    let files = std::fs::read_dir(path).ok()?.map(|entry| entry.unwrap().path());
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    Some(files.map(|path| (stem(&path), std::fs::read(&path).unwrap())).collect())
}

/// The suite, or nothing where it is not at hand. It comes with no other suite, so that continuous integration may lack it.
fn suite() -> Option<Suite> {
    let path = std::env::var_os("COUNTERSIGN_VECTORS").map(PathBuf::from);
    let read = |name: &str| path.as_ref().and_then(|path| folder(&path.join("pkits").join(name)));
    let (Some(mut certificates), Some(lists)) = (read("certs"), read("crls")) else {
        say(
            "SKIPPED: set COUNTERSIGN_VECTORS to a folder with pkits/certs and pkits/crls (NIST PKITS)\n",
        );
        return None;
    };
    let root = certificates.remove(ROOT).expect("the authority of the suite");
    let (leaves, cas): (BTreeMap<_, _>, BTreeMap<_, _>) =
        certificates.into_iter().partition(|(name, _)| name.ends_with("EE"));
    let cas = cas.into_values().map(|der| Ca::read(&root, der)).collect();
    let issuer = |der: Vec<u8>| {
        let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
        (normal(&list.issuer().to_string()), der)
    };
    Some(Suite { root, leaves, cas, lists: lists.into_values().map(issuer).collect() })
}

impl Ca {
    fn read(root: &[u8], der: Vec<u8>) -> Self {
        let (subject, issuer) = names(&der);
        let configurable = trust(root, &[&der], &[]).is_ok_and(|store| {
            store.domains().iter().all(|domain| domain.intermediates.len() == 1)
        });
        Self { subject, issuer, der, configurable }
    }
}

/// The names of a certificate's subject and of its issuer.
fn names(der: &[u8]) -> (String, String) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    (normal(&certificate.subject().to_string()), normal(&certificate.issuer().to_string()))
}

fn ledger() -> Ledger {
    serde_json::from_str(include_str!("../data/pkits.json")).expect("tests/data/pkits.json")
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn url_encoded(der: &[u8]) -> String {
    let pem = pem("CERTIFICATE", der);
    pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F")
}

/// A trust domain of the suite's authority with these intermediates and lists; nothing of it but the codes of its errors
/// where it does not load.
fn trust(root: &[u8], intermediates: &[&[u8]], lists: &[&[u8]]) -> Result<TrustStore, String> {
    let inline = |label: &'static str| {
        move |der: &&[u8]| {
            format!("{{ inline: {} }}", serde_json::to_string(&pem(label, der)).unwrap())
        }
    };
    let join = |items: Vec<String>| items.join(", ");
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: pkits }}\nspec: {{ \
         authorities: [{}], intermediates: [{}], revocation: {{ depth: chain, crls: [{}] }}, \
         leaf: {{ extendedKeyUsage: {{ allowAbsent: true }} }} }}\n",
        inline("CERTIFICATE")(&root),
        join(intermediates.iter().map(inline("CERTIFICATE")).collect()),
        join(lists.iter().map(inline("X509 CRL")).collect()),
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("pkits.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    let error = problems.iter().find(|problem| problem.severity == Severity::Error);
    error.map_or(Ok(store), |error| Err(format!("load:{}", error.code)))
}

/// The CAs whose names lead from `leaf` to the authority, and the lists of all of them.
fn gather<'a>(suite: &'a Suite, leaf: &[u8]) -> (Vec<&'a Ca>, Vec<&'a [u8]>) {
    let mut names = BTreeSet::from([names(leaf).1]);
    loop {
        let known = names.len();
        let on_the_way = suite.cas.iter().filter(|ca| names.contains(&ca.subject));
        let issuers: Vec<_> = on_the_way.map(|ca| ca.issuer.clone()).collect();
        names.extend(issuers);
        if names.len() == known {
            break;
        }
    }
    let lists = suite.lists.iter().filter(|(issuer, _)| names.contains(issuer));
    let cas = suite.cas.iter().filter(|ca| names.contains(&ca.subject));
    (cas.collect(), lists.map(|(_, der)| der.as_slice()).collect())
}

fn ders<'a>(cas: &[&'a Ca]) -> Vec<&'a [u8]> {
    cas.iter().map(|ca| ca.der.as_slice()).collect()
}

/// Names as the suite compares them: without regard to case and white space (RFC 5280 section 7.1).
fn normal(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// `allow`, a reason code, or what keeps the trust domain from loading.
fn outcome(suite: &Suite, leaf: &[u8]) -> String {
    let (cas, lists) = gather(suite, leaf);
    let (configured, presented): (Vec<&Ca>, Vec<&Ca>) = cas.iter().partition(|ca| ca.configurable);
    let trust = match trust(&suite.root, &ders(&configured), &lists) {
        Ok(trust) => trust,
        Err(problem) => return problem,
    };
    let chain: String = std::iter::once(leaf).chain(ders(&presented)).map(url_encoded).collect();
    let mut headers = Headers::default();
    headers.push(
        "x-forwarded-client-cert",
        HeaderValue::new(format!("Chain=\"{chain}\"").into_bytes()),
    );
    let (_, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let sources = PeerSources { xfcc: true, xfcc_without_tls: true, ..PeerSources::default() };
    match verify_peer(&PeerEvidence::collect(&sealed, None, &sources), &trust, &NoCache, NOW) {
        Credential::Absent => "absent".to_owned(),
        Credential::Rejected(rejection) => rejection.reason().to_string(),
        Credential::Verified(_) => "allow".to_owned(),
    }
}

/// P43, P44: signatures, validity, names, revocation lists, path lengths, key usage and name constraints, as NIST has them.
#[test]
fn every_case_is_decided_as_the_suite_says_or_as_the_ledger_explains() {
    let Some(suite) = suite() else { return };
    let ledger = ledger();
    let mut wrong = Vec::new();
    for (name, leaf) in &suite.leaves {
        let got = outcome(&suite, leaf);
        let expected = ["Valid", "Invalid"].into_iter().find(|verdict| name.starts_with(verdict));
        let agrees = expected.is_none_or(|verdict| (got == "allow") == (verdict == "Valid"));
        let exception = ledger.exceptions.iter().find(|exception| exception.cases.contains(name));
        let pinned = ledger.policies.get(name).filter(|_| expected.is_none());
        let says = match (exception, agrees) {
            (Some(exception), false) if exception.got == got => continue,
            (Some(_), true) => "is decided as the suite says, take it off the exceptions",
            (Some(_), false) => "has another outcome than its exception",
            (None, false) => "is decided otherwise than the suite says",
            (None, true) if pinned == Some(&got) => continue,
            (None, true) if expected.is_some() && got == "allow" => continue,
            (None, true) if ledger.denials.get(name) == Some(&got) => continue,
            (None, true) => "has another outcome than the ledger says",
        };
        wrong.push(format!("{name} {says}: {got}"));
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_ledger_speaks_of_cases_that_exist() {
    let ledger = ledger();
    assert!(ledger.exceptions.iter().all(|exception| exception.why.len() > 20));
    let Some(suite) = suite() else { return };
    let excused = ledger.exceptions.iter().flat_map(|exception| &exception.cases);
    let named = excused.chain(ledger.denials.keys()).chain(ledger.policies.keys());
    let strangers: Vec<_> = named.filter(|name| !suite.leaves.contains_key(*name)).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

/// Says it on the terminal, past the test harness, which shows nothing of a test that passes.
fn say(message: &str) {
    use std::io::Write as _;
    let _ = std::io::stderr().write_all(message.as_bytes());
}
