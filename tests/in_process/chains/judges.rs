//! The two judges of a chain: ourselves and `openssl verify`.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::authn::{Credential, NoCache, verify_peer};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, Severity, SourceFile};
use countersign::evidence::{PeerEvidence, PeerSources};
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::TrustStore;

use super::generator::Chain;

/// 2026-06-15T00:00:00Z.
const NOW: i64 = 1_781_481_600;

/// Allowed, or why not.
pub(crate) type Verdict = Result<(), String>;

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Our verdict: a trust domain with the root as its one authority, and the chain as Envoy writes it. What is asked of the
/// leaf beyond RFC 5280 does not count here.
pub(crate) fn ours(chain: &Chain) -> Verdict {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: pool }}\nspec: {{ authorities: \
         [{{ inline: {} }}], leaf: {{ extendedKeyUsage: {{ allowAbsent: true, allowAny: true }} }} }}\n",
        serde_json::to_string(&pem(&chain.root)).unwrap()
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("pool.yaml", text), &mut problems);
    let trust = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        let first =
            problems.first().map(|problem| format!("load: {}: {}", problem.code, problem.message));
        return Err(first.unwrap());
    }
    let presented = std::iter::once(&chain.leaf).chain(&chain.intermediates);
    let encoded: String = presented
        .map(|der| pem(der).replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B"))
        .collect();
    let mut headers = Headers::default();
    let xfcc = format!("Chain=\"{}\"", encoded.replace('/', "%2F").replace('=', "%3D"));
    headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc.into_bytes()));
    let (_, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let sources = PeerSources { xfcc: true, xfcc_without_tls: true, ..PeerSources::default() };
    let evidence = PeerEvidence::collect(&sealed, None, &sources);
    match verify_peer(&evidence, &trust, &NoCache, UnixTime::from_secs(NOW)) {
        Credential::Verified(_) => Ok(()),
        Credential::Rejected(rejection) => {
            Err(format!("{}: {}", rejection.reason(), rejection.detail()))
        }
        Credential::Absent => Err(String::from("absent")),
    }
}

/// True if there is an `openssl` to ask.
pub(crate) fn has_openssl() -> bool {
    let mut asked = Command::new("openssl");
    asked.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// The verdict of `openssl verify` on a client's chain, with the policies of RFC 5280, at the same time.
pub(crate) fn openssl(
    folder: &Path,
    chain: &Chain,
    intermediates: &[&Vec<u8>],
    options: &[&str],
) -> Verdict {
    let write = |name: &str, ders: &[&Vec<u8>]| {
        let text: String = ders.iter().map(|der| pem(der)).collect();
        std::fs::write(folder.join(name), text).unwrap();
    };
    write("root.pem", &[&chain.root]);
    write("leaf.pem", &[&chain.leaf]);
    let mut command = Command::new("openssl");
    // A pinned authority need not be self-signed for us.
    command.args(["verify", "-partial_chain", "-trusted", "root.pem", "-purpose", "sslclient"]);
    command.args(["-policy_check", "-attime", &NOW.to_string()]).args(options);
    if !intermediates.is_empty() {
        write("untrusted.pem", intermediates);
        command.args(["-untrusted", "untrusted.pem"]);
    }
    let output = command.arg("leaf.pem").current_dir(folder).output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let reason =
        said.lines().find_map(|line| Some(line.split_once("depth lookup: ")?.1.to_owned()));
    Err(reason.unwrap_or(said))
}

/// The same for any path through the intermediates: openssl follows one, and does not turn back.
pub(crate) fn openssl_by_any_path(folder: &Path, chain: &Chain, options: &[&str]) -> Verdict {
    let all: Vec<_> = chain.intermediates.iter().collect();
    let first = openssl(folder, chain, &all, options);
    let subsets = 1_usize << all.len();
    let others = (0..subsets).map(|subset| {
        let chosen: Vec<_> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| subset >> at & 1 == 1)
            .map(|(_, der)| *der)
            .collect();
        openssl(folder, chain, &chosen, options)
    });
    if first.is_ok() || others.into_iter().any(|verdict| verdict.is_ok()) { Ok(()) } else { first }
}
