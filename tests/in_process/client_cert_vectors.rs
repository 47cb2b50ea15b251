//! The example of RFC 9440 appendix A, and other ways of writing its header, through the whole peer verification.

use std::path::PathBuf;

use countersign::authn::{Credential, NoCache, verify_peer};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, SourceFile, any_error};
use countersign::evidence::{PeerEvidence, PeerSources};
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::TrustStore;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    client_cert_header: String,
    client_cert_chain_header: String,
    cases: Vec<Case>,
    rfc9440_header_syntax: Vec<Syntax>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    trust_anchors: Vec<String>,
    intermediates: Vec<String>,
    time: i64,
}

#[derive(Deserialize)]
struct Syntax {
    value: String,
    expected: String,
}

/// The outcome of each case, with the reason. An intermediate may be pinned, since a pinned authority is trusted for
/// itself; a leaf may not.
const OUTCOMES: [(&str, &str); 6] = [
    ("rfc9440/valid-2020", "full"),
    ("rfc9440/expired-2021-02", "cert_expired"),
    ("rfc9440/not-yet-2019", "cert_not_yet_valid"),
    ("rfc9440/missing-intermediate", "chain_untrusted"),
    ("rfc9440/intermediate-as-anchor", "leaf"),
    ("rfc9440/wrong-anchor-is-leaf", "documents refused"),
];

/// The vectors, or nothing where they are not at hand, which a continuous integration run does not accept.
fn vectors() -> Option<Vectors> {
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map(PathBuf::from);
    let file = folder.map(|folder| folder.join("rfc-tokens/rfc9440.json"));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    if text.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "COUNTERSIGN_VECTORS/rfc-tokens/rfc9440.json is missing"
        );
        say(format_args!(
            "SKIPPED: set COUNTERSIGN_VECTORS to a folder with rfc-tokens/rfc9440.json"
        ));
    }
    text.map(|text| serde_json::from_str(&text).unwrap())
}

fn trust(anchors: &[String]) -> Option<TrustStore> {
    let sources: Vec<_> = anchors
        .iter()
        .map(|pem| format!("{{ inline: {} }}", serde_json::to_string(pem).unwrap()))
        .collect();
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: example }}\nspec: {{ authorities: [{}] }}\n",
        sources.join(", ")
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("example.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    (!any_error(&problems)).then_some(store)
}

fn evidence(client_cert: &str, chain: Option<&str>) -> PeerEvidence {
    let mut headers = Headers::default();
    headers.push("client-cert", HeaderValue::new(client_cert.as_bytes().to_vec()));
    if let Some(chain) = chain {
        headers.push("client-cert-chain", HeaderValue::new(chain.as_bytes().to_vec()));
    }
    let (_, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let sources =
        PeerSources { client_cert: true, client_cert_without_tls: true, ..PeerSources::default() };
    PeerEvidence::collect(&sealed, None, &sources)
}

fn outcome(evidence: &PeerEvidence, trust: &TrustStore, time: i64) -> String {
    match verify_peer(evidence, trust, &NoCache, UnixTime::from_secs(time)) {
        Credential::Absent => String::from("absent"),
        Credential::Rejected(rejection) => rejection.reason().to_string(),
        Credential::Verified(peer) => peer.level().to_string(),
    }
}

#[test]
fn every_case_is_decided_for_the_right_reason() {
    let Some(vectors) = vectors() else { return };
    let chain = vectors.client_cert_chain_header.as_str();
    let decided: Vec<_> = vectors
        .cases
        .iter()
        .map(|case| {
            let chain = (!case.intermediates.is_empty()).then_some(chain);
            let got = trust(&case.trust_anchors).map_or_else(
                || String::from("documents refused"),
                |trust| outcome(&evidence(&vectors.client_cert_header, chain), &trust, case.time),
            );
            (case.id.clone(), got)
        })
        .collect();
    let expected: Vec<_> =
        OUTCOMES.iter().map(|(id, got)| ((*id).to_owned(), (*got).to_owned())).collect();
    assert_eq!(decided, expected);
}

/// RFC 8941 section 3.3.5: a byte sequence and nothing else. An empty header is as good as none.
#[test]
fn only_a_byte_sequence_is_a_certificate() {
    let Some(vectors) = vectors() else { return };
    let case = vectors.cases.first().unwrap();
    let trust = trust(&case.trust_anchors).unwrap();
    for Syntax { value, expected } in &vectors.rfc9440_header_syntax {
        let chain = Some(vectors.client_cert_chain_header.as_str());
        let got = outcome(&evidence(value, chain), &trust, case.time);
        assert_eq!(got == "full", expected == "ok", "{value}: {got}");
    }
}

/// Says it on the terminal, past the test harness, which shows nothing of a test that passes.
fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{message}");
}
