//! The client-certificate cases of x509-limbo (C2SP) through the whole peer verification.
//!
//! `tests/data/limbo.json` is the ledger: the reason for every denial, and every case where we decide otherwise than the
//! suite, with the reason why. A case that begins to agree with the suite fails until it is taken off the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use countersign::authn::{Credential, NoCache, PeerIdentity, verify_peer};
use countersign::clock::{Stopwatch, UnixTime};
use countersign::document::{self, Attachments, Severity, SourceFile};
use countersign::evidence::{PeerEvidence, PeerSources};
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::TrustStore;
use serde::Deserialize;

#[derive(Deserialize)]
struct Suite {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    tier: String,
    expected: String,
    trust_anchors: Vec<String>,
    intermediates: Vec<String>,
    leaf: String,
    crls: Vec<String>,
    time: Option<i64>,
    peer_names: Vec<String>,
    peer_name_literally_in_san: Option<bool>,
    features: Vec<String>,
}

/// The project's statements about the suite.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    /// Reason codes of the cases that the suite and we deny.
    denials: BTreeMap<String, String>,
    /// Cases that we decide otherwise.
    exceptions: BTreeMap<String, Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    got: String,
    why: String,
}

/// The suite, or nothing where it is not at hand, which a continuous integration run does not accept.
fn suite() -> Option<Suite> {
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map(PathBuf::from);
    let file = folder.map(|folder| folder.join("x509-limbo/cases.json"));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    if text.is_none() {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "COUNTERSIGN_VECTORS/x509-limbo/cases.json is missing: {file:?}");
        say(format_args!(
            "SKIPPED: set COUNTERSIGN_VECTORS to a folder with x509-limbo/cases.json"
        ));
    }
    Some(serde_json::from_str(&text?).expect("x509-limbo/cases.json has another shape"))
}

fn ledger() -> Ledger {
    serde_json::from_str(include_str!("../data/limbo.json")).expect("tests/data/limbo.json")
}

fn sources(pems: &[String]) -> String {
    let inline = |pem: &String| format!("{{ inline: {} }}", serde_json::to_string(pem).unwrap());
    format!("[{}]", pems.iter().map(inline).collect::<Vec<_>>().join(", "))
}

/// A trust domain with the authorities and lists of the case. Its CABF cases (`webpki::`) ask for an extended key usage,
/// its RFC 5280 cases do not.
fn trust(case: &Case) -> Result<TrustStore, String> {
    let revocation = if case.crls.is_empty() {
        String::new()
    } else {
        format!("revocation: {{ crls: {} }}, ", sources(&case.crls))
    };
    let absent = !case.id.contains("/webpki::");
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: limbo }}\nspec: {{ \
         authorities: {}, {revocation}leaf: {{ extendedKeyUsage: {{ allowAbsent: {absent} }} }} }}\n",
        sources(&case.trust_anchors)
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("limbo.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    let error = problems.iter().find(|problem| problem.severity == Severity::Error);
    error.map_or(Ok(store), |error| Err(format!("load:{}", error.code)))
}

fn url_encoded(pem: &str) -> String {
    pem.replace('\n', "%0A")
        .replace(' ', "%20")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

/// The case as Envoy would forward it: `Chain` with the leaf and whatever came with it.
fn evidence(case: &Case) -> PeerEvidence {
    let chain: String = std::iter::once(&case.leaf)
        .chain(&case.intermediates)
        .map(|pem| url_encoded(pem))
        .collect();
    let mut headers = Headers::default();
    let xfcc = format!("Chain=\"{chain}\"");
    headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc.into_bytes()));
    let (_, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let sources = PeerSources { xfcc: true, xfcc_without_tls: true, ..PeerSources::default() };
    PeerEvidence::collect(&sealed, None, &sources)
}

/// `allow`, a reason code, or `name` where the chain is good and the name is another.
fn outcome(case: &Case) -> String {
    let trust = match trust(case) {
        Ok(trust) => trust,
        Err(problem) => return problem,
    };
    let now = UnixTime::from_secs(case.time.unwrap_or(1_704_067_200));
    match verify_peer(&evidence(case), &trust, &NoCache, now) {
        Credential::Absent => "absent".to_owned(),
        Credential::Rejected(rejection) => rejection.reason().to_string(),
        Credential::Verified(peer) if has_names(&peer, case) => "allow".to_owned(),
        Credential::Verified(_) => "name".to_owned(),
    }
}

/// True if a rule that asks for the names of the case would match. A name behind a wildcard is no name of a peer, so
/// that only names that stand in the certificate are asked for; addresses are no names of peers at all.
fn has_names(peer: &PeerIdentity, case: &Case) -> bool {
    let asked = case.peer_name_literally_in_san == Some(true) || case.tier == "name-deny";
    !asked
        || case.peer_names.iter().all(|name| match name.split_once(':') {
            Some(("DNS", dns)) => peer.dns.iter().any(|own| *own == dns.to_ascii_lowercase()),
            Some(("RFC822", mail)) => peer.emails.iter().any(|own| own == mail),
            _ => case.tier != "name-deny",
        })
}

/// P44: name constraints, path building and the rest of RFC 5280, as x509-limbo has them.
#[test]
fn every_case_is_decided_as_the_suite_says_or_as_the_ledger_explains() {
    let Some(suite) = suite() else { return };
    let ledger = ledger();
    let mut wrong = Vec::new();
    for case in &suite.cases {
        let watch = Stopwatch::start();
        let got = outcome(case);
        let slow = case.features.iter().any(|f| f == "denial-of-service")
            && watch.elapsed().as_secs() >= 2;
        let agrees = (got == "allow") == (case.expected == "allow");
        let says = match (ledger.exceptions.get(&case.id), agrees) {
            (Some(exception), false) if exception.got == got => continue,
            (Some(_), true) => "is decided as the suite says, take it off the exceptions",
            (Some(_), false) => "has another outcome than its exception",
            (None, false) => "is decided otherwise than the suite says",
            (None, true) if slow => "takes longer than 2 s",
            (None, true) if got == "allow" => continue,
            (None, true) if ledger.denials.get(&case.id) == Some(&got) => continue,
            (None, true) => "is denied for another reason than the ledger says",
        };
        wrong.push(format!("{} [{}] {says}: {got}", case.id, case.tier));
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// The tiers that the suite's users agree on have no exceptions, and the ledger has no strangers.
#[test]
fn the_ledger_speaks_of_cases_that_exist_and_excuses_no_core_case() {
    let ledger = ledger();
    assert!(ledger.exceptions.values().all(|exception| exception.why.len() > 20));
    let Some(suite) = suite() else { return };
    let ids: BTreeSet<_> = suite.cases.iter().map(|case| case.id.as_str()).collect();
    let named = ledger.denials.keys().chain(ledger.exceptions.keys());
    let strangers: Vec<_> = named.filter(|id| !ids.contains(id.as_str())).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    for case in
        suite.cases.iter().filter(|case| case.tier.starts_with("core-") || case.tier == "name-deny")
    {
        assert!(!ledger.exceptions.contains_key(&case.id), "{} is excused", case.id);
    }
}

/// Says it on the terminal, past the test harness, which shows nothing of a test that passes.
fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{message}");
}
