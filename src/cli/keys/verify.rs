//! `countersign keys verify`: a token, check by check, by the code that serves.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::Common;
use super::obtain::{Obtained, Origin, obtain};
use crate::authn::{
    self, Credential, NoMemory, PeerFacts, PeerIdentity, TokenCheck, TokenIdentity,
};
use crate::cli::style::{self, BAD, GOOD, Output, QUIET, visible};
use crate::cli::{Exit, moment};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::evidence::{self, CompactJws, PeerSources, PresentedToken};
use crate::evidence_level::EvidenceLevel;
use crate::limits::MAX_TOKEN_BYTES;
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, HeaderValue, Headers, SealedNames, TokenPlace};
use crate::secret::{Fingerprint, Secret};
use crate::trust::{Algorithm, Issuer, Material, TrustStore};

/// Arguments of `keys verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// The token. Without it, or with `-`, standard input: an argument can be seen by others and stays in the history.
    #[arg(value_name = "TOKEN", value_parser = secret)]
    token: Option<Secret<String>>,
    /// The certificate of whoever presents the token (PEM): what a token is bound to.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Judge at this moment instead of now: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    at: Option<UnixTime>,
}

/// What becomes of a token. Holds nothing of it but its header, the names of its claims, and its times.
#[derive(Debug, Serialize)]
struct Report {
    /// `verified` or `rejected`.
    verdict: &'static str,
    reason: Option<&'static str>,
    detail: Option<String>,
    at: String,
    /// The names of the token's issuer documents.
    issuer: Option<String>,
    source: Option<String>,
    /// The key that verifies it, or would if the rest were right.
    key: Option<KeyReport>,
    header: Option<Header>,
    claims: Vec<String>,
    times: Vec<Time>,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct KeyReport {
    kid: Option<String>,
    thumbprint: String,
}

#[derive(Debug, Serialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
}

#[derive(Debug, Serialize)]
struct Time {
    claim: &'static str,
    at: String,
    relative: String,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    /// `passed`, `failed` or `not_reached`.
    result: &'static str,
}

/// What keeps a token from being judged at all.
struct Unread(String);

const FORMAT: &str = "format";

pub(super) fn run(args: &Args) -> Exit {
    let text = match args.token() {
        Ok(text) => text,
        Err(Unread(message)) => {
            style::error(message);
            return Exit::Usage;
        }
    };
    let peer = match args.peer() {
        Ok(peer) => peer,
        Err(Unread(message)) => {
            style::error(message);
            return Exit::Usage;
        }
    };
    let (snapshot, runtime) = match args.common.prepare() {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let now = args.at.unwrap_or_else(|| SystemClock.now());
    let trust = snapshot.trust();
    let report = match present(text.expose(), trust) {
        Err(rejection) => Report::unreadable(&rejection, now),
        Ok(tokens) => runtime.block_on(judge(&tokens, trust, &peer, &args.common, now)),
    };
    let written = match args.common.output {
        Output::Human => write(&report, &mut anstream::stdout().lock()),
        Output::Json => style::json(&report, &mut io::stdout().lock()),
    };
    match written {
        Ok(()) if report.verdict == "verified" => Exit::Ok,
        Ok(()) | Err(_) => Exit::Failure,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the argument parser's signature")]
fn secret(text: &str) -> Result<Secret<String>, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

// === impl Args ===

impl Args {
    fn token(&self) -> Result<Secret<String>, Unread> {
        let given = self.token.as_ref().filter(|token| token.expose() != "-");
        let text = match given {
            Some(token) => token.clone(),
            None => from_stdin()?,
        };
        let bare = text.expose().trim();
        let bare = bare.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let bare = bare.map_or_else(|| text.expose().trim(), |(_, token)| token.trim());
        if bare.is_empty() {
            return Err(Unread(String::from("there is no token: give it on standard input")));
        }
        Ok(Secret::new(bare.to_owned()))
    }

    /// Whoever presents the token, as far as `--certificate` tells: the word of whoever asks, as in a policy test.
    fn peer(&self) -> Result<Credential<PeerIdentity>, Unread> {
        let Some(path) = &self.certificate else { return Ok(Credential::Absent) };
        let wrong = |why: &dyn std::fmt::Display| {
            Unread(format!("cannot read `{}`: {why}", visible(&path.to_string_lossy())))
        };
        let der = std::fs::read(path).map_err(|error| wrong(&error)).and_then(|pem| {
            leaf(&pem).ok_or_else(|| wrong(&"there is no PEM certificate in it"))
        })?;
        let facts = PeerFacts {
            certificate: Some(Fingerprint::of(&der)),
            ..PeerFacts::of("--certificate")
        };
        Ok(Credential::Verified(PeerIdentity::assertion(facts, EvidenceLevel::Leaf)))
    }
}

fn leaf(pem: &[u8]) -> Option<Vec<u8>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::pem_slice_iter(pem).next()?.ok().map(|der| der.to_vec())
}

fn from_stdin() -> Result<Secret<String>, Unread> {
    if io::stdin().is_terminal() {
        style::hint("reading a token from standard input: paste it and end with Ctrl-D");
    }
    // A token that is too long is found to be so where tokens are read.
    let most = u64::try_from(MAX_TOKEN_BYTES.saturating_mul(2)).unwrap_or(u64::MAX);
    let mut text = String::new();
    io::stdin().lock().take(most).read_to_string(&mut text).map_err(|_| {
        Unread(String::from("cannot read a token from standard input: it is not text"))
    })?;
    Ok(Secret::new(text))
}

/// The token as one that was found in a request, where tokens of the issuer that it claims to be from may be.
fn present(text: &str, trust: &TrustStore) -> Result<Vec<PresentedToken>, Rejection> {
    let jws = CompactJws::parse(text)?;
    let claimed = |name: &str| jws.claims().get(name).and_then(Value::as_str);
    let issuer = trust.issuers_named(claimed("iss"), claimed("sub")).next();
    let place = issuer.and_then(|issuer| issuer.places().first());
    let place = place.cloned().unwrap_or(TokenPlace::Authorization);
    let (name, value) = match &place {
        TokenPlace::Authorization => ("authorization", format!("Bearer {text}")),
        TokenPlace::Header(name) => (name.as_str(), text.to_owned()),
        TokenPlace::Cookie(name) => ("cookie", format!("{name}={text}")),
    };
    let mut headers = Headers::default();
    headers.push(name, HeaderValue::new(value.into_bytes()));
    let sealed = SealedNames::for_places([&place]);
    let (_, credentials) = CredentialHeaders::split(headers, &sealed, None, None);
    evidence::collect(&credentials, None, &PeerSources::default(), &[place]).tokens
}

async fn judge(
    tokens: &[PresentedToken],
    trust: &TrustStore,
    peer: &Credential<PeerIdentity>,
    common: &Common,
    now: UnixTime,
) -> Report {
    let token = tokens.first();
    let issuer = token.and_then(|token| {
        trust.issuers_named(token.claimed_issuer(), token.claimed_subject()).next()
    });
    let mut material = Material::default();
    let mut obtained = None;
    if let Some(issuer) = issuer {
        let got = obtain(issuer, common, now).await;
        if let Some(keys) = &got.keys {
            material.insert(issuer.name(), std::sync::Arc::clone(keys));
        }
        obtained = Some(got);
    }
    let mut passed = Vec::new();
    let mut tell = |check| passed.push(check);
    let verified =
        authn::verify_tokens_traced(tokens, peer, trust, &material, &NoMemory, now, &mut tell);
    let mut report = Report::new(verified.as_deref(), &passed, now);
    report.describe(token, now);
    report.issuer = issuer.map(|issuer| issuer.name().to_owned());
    report.source = obtained.as_ref().map(|obtained| source(&obtained.origin));
    report.key = token.zip(issuer).zip(obtained).and_then(|((t, i), o)| key(t, i, &o));
    report
}

fn source(origin: &Origin) -> String {
    match origin {
        Origin::Documents => String::from("the documents"),
        Origin::Fetched { address, .. } => format!("{address}, fetched now"),
        Origin::NotFetched { address, why } => format!("{address}, not fetched: {why}"),
    }
}

/// The key that the token's header leads to.
fn key(token: &PresentedToken, issuer: &Issuer, obtained: &Obtained) -> Option<KeyReport> {
    let header = token.jws().header();
    let algorithm = Algorithm::from_name(&header.algorithm)?;
    let key = obtained.keys.as_deref()?.select(header.key_id.as_deref(), algorithm).ok()?;
    issuer.allows_algorithm(algorithm).then(|| KeyReport {
        kid: key.id().map(str::to_owned),
        thumbprint: key.thumbprint().to_owned(),
    })
}

// === impl Report ===

impl Report {
    fn new(
        verified: Result<&[TokenIdentity], &Rejection>,
        passed: &[TokenCheck],
        now: UnixTime,
    ) -> Self {
        let rejection = verified.err();
        let mut failed = rejection.is_none();
        let mut checks = vec![Check { check: FORMAT, result: "passed" }];
        checks.extend(TokenCheck::ALL.iter().map(|check| {
            let result = match (passed.contains(check), failed) {
                (true, _) => "passed",
                (false, true) => "not_reached",
                (false, false) => "failed",
            };
            failed |= result == "failed";
            Check { check: check.as_str(), result }
        }));
        Self {
            verdict: if rejection.is_none() { "verified" } else { "rejected" },
            reason: rejection.map(|rejection| rejection.reason().as_str()),
            detail: rejection.map(|rejection| rejection.detail().to_owned()),
            at: moment::rfc3339(now),
            issuer: None,
            source: None,
            key: None,
            header: None,
            claims: Vec::new(),
            times: Vec::new(),
            checks,
        }
    }

    fn unreadable(rejection: &Rejection, now: UnixTime) -> Self {
        let mut report = Self::new(Err(rejection), &[], now);
        for check in &mut report.checks {
            check.result = if check.check == FORMAT { "failed" } else { "not_reached" };
        }
        report
    }

    /// What may be told of a token.
    fn describe(&mut self, token: Option<&PresentedToken>, now: UnixTime) {
        let Some(token) = token else { return };
        let header = token.jws().header();
        self.header = Some(Header {
            alg: header.algorithm.clone(),
            typ: header.token_type.clone(),
            kid: header.key_id.clone(),
        });
        let claims = token.jws().claims();
        self.claims = claims.keys().cloned().collect();
        for claim in ["iat", "nbf", "exp"] {
            if let Some(at) = claims.get(claim).and_then(Value::as_i64).map(UnixTime::from_secs) {
                let relative = moment::relative(at, now);
                self.times.push(Time { claim, at: moment::rfc3339(at), relative });
            }
        }
    }
}

fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    match (report.reason, report.detail.as_deref()) {
        (Some(reason), detail) => {
            let detail = visible(detail.unwrap_or_default());
            writeln!(out, "{BAD}rejected{BAD:#}  {reason}: {detail}")?;
        }
        (None, _) => writeln!(out, "{GOOD}verified{GOOD:#}")?,
    }
    writeln!(out, "{QUIET}judged at {}{QUIET:#}", report.at)?;
    write_token(report, out)?;
    writeln!(out)?;
    for check in &report.checks {
        let name = check.check;
        match check.result {
            "passed" => writeln!(out, "  {GOOD}passed{GOOD:#}       {name}")?,
            "failed" => {
                let reason = report.reason.unwrap_or_default();
                writeln!(out, "  {BAD}failed{BAD:#}       {name}: {reason}")?;
            }
            _ => writeln!(out, "  {QUIET}not reached  {name}{QUIET:#}")?,
        }
    }
    if report.reason == Some("binding_unavailable") {
        writeln!(
            out,
            "\n{QUIET}give the presenter's certificate with `--certificate FILE`{QUIET:#}"
        )?;
    }
    Ok(())
}

fn write_token(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let Some(header) = &report.header else { return Ok(()) };
    let word =
        |word: &Option<String>| word.as_deref().map_or_else(|| String::from("none"), visible);
    let none = || String::from("none that is configured");
    let issuer = report.issuer.as_deref().map_or_else(none, visible);
    let source = report.source.as_deref().map(|source| format!(", keys from {}", visible(source)));
    line(out, "issuer", &format!("{issuer}{}", source.unwrap_or_default()))?;
    let key =
        report.key.as_ref().map(|key| format!("{}, thumbprint {}", word(&key.kid), key.thumbprint));
    line(out, "key", &key.unwrap_or_else(|| String::from("none that fits")))?;
    let (alg, typ, kid) = (visible(&header.alg), word(&header.typ), word(&header.kid));
    line(out, "header", &format!("alg {alg}, typ {typ}, kid {kid}"))?;
    let claims: Vec<_> = report.claims.iter().map(|name| visible(name)).collect();
    line(out, "claims", &claims.join(" "))?;
    for time in &report.times {
        line(out, time.claim, &format!("{} ({})", time.at, time.relative))?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {QUIET}{label:<11}{QUIET:#}  {value}")
}
