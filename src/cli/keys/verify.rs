//! `countersign keys verify`: verifies a token, check by check, with the code that serves.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::common::Common;
use super::explanation::{KeyReport, VerifyReport, write};
use super::obtain::{KeyPlace, Obtained, obtain};
use crate::authn::{self, Credential, NoCache, PeerFacts, PeerIdentity};
use crate::cli::documents::Progress;
use crate::cli::inspect::Verdict;
use crate::cli::{CommandError, Exit, files, style};
use crate::clock::{SystemClock, UnixTime};
use crate::config::standard_proxies;
use crate::evidence::{self, CompactJws, PeerSources, Presented, PresentedToken};
use crate::evidence_level::EvidenceLevel;
use crate::limits::{KEY_FETCH_TIMEOUT, MAX_FITTING_KEYS, MAX_TOKEN_BYTES};
use crate::pdp::Introspector;
use crate::reason::Rejection;
use crate::request::{
    CredentialHeaders, HeaderValue, Headers, PROTOCOLS, ProtocolElement, SealedNames, TokenPlace,
};
use crate::secret::{Fingerprint, Secret};
use crate::trust::{Algorithm, Issuer, KeySource, Material, Outdated, TrustStore, VerificationKey};
use crate::words::of_system;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign keys verify --documents policies < token.jwt
  countersign keys verify --config countersign.yaml token.jwt
  countersign keys verify --documents policies --at 2026-11-22T03:00:00Z --output json < token.jwt

Exit codes: 0 it verifies; 1 it does not; 2 wrong arguments; 3 wrong settings; 4 the documents have
errors")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// A file with the token, or the token. Unset or `-` reads standard input: other users can see an argument, and it stays in the
    /// history.
    #[arg(value_name = "FILE|TOKEN", value_parser = secret)]
    token: Option<Secret<String>>,
    /// The certificate of the caller that presents the token (PEM): a token may be bound to it.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Show the values of the claims. They may be about people.
    #[arg(long)]
    show_values: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let text = args.token()?;
    let peer = args.peer()?;
    let common = &args.common.filled()?;
    let (snapshot, runtime) = common.prepare()?;
    let now = common.now();
    let trust = snapshot.trust();
    let report = match present(text.expose(), trust) {
        Err(rejection) => VerifyReport::unreadable(&rejection, now),
        Ok(tokens) => {
            let mut report = runtime.block_on(verify(&tokens, trust, &peer, common, now));
            let jws = tokens.first().and_then(|token| token.jws().ok());
            report.values = jws.filter(|_| args.show_values).map(|jws| (*jws.claims).clone());
            report
        }
    };
    common.output.write(&report, write)?;
    Ok(Exit::ok_if(report.verdict == Verdict::Verified))
}

#[expect(clippy::unnecessary_wraps, reason = "the argument parser's signature")]
fn secret(text: &str) -> Result<Secret<String>, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

impl Args {
    fn token(&self) -> Result<Secret<String>, CommandError> {
        let given = self.token.as_ref().filter(|token| token.expose() != "-");
        let text = match given {
            // A token is no name of a file: it is longer than one may be, or there is none.
            Some(token) if Path::new(token.expose()).exists() => in_file(token.expose())?,
            Some(token) if is_file_name(token.expose()) => {
                return Err(usage(
                    "there is no file of this name, and it is not a token either: give a file with a token, or the token on standard input",
                ));
            }
            Some(token) => token.clone(),
            None => from_stdin()?,
        };
        let bare = without_scheme(text.expose().trim());
        if bare.is_empty() {
            return Err(usage("there is no token: give it on standard input"));
        }
        Ok(Secret::new(bare.to_owned()))
    }

    /// The caller that presents the token. `--certificate` is not verified, as in a policy test.
    fn peer(&self) -> Result<Credential<PeerIdentity>, CommandError> {
        let Some(path) = &self.certificate else { return Ok(Credential::Absent) };
        let wrong = |why: &dyn std::fmt::Display| {
            usage(format_args!("cannot read `{}`: {why}", files::shown(path)))
        };
        let (der, _) =
            std::fs::read(path).map_err(|error| wrong(&of_system(&error))).and_then(|pem| {
                files::leaf(&pem).ok_or_else(|| wrong(&"there is no PEM certificate in it"))
            })?;
        let facts = PeerFacts {
            certificate: Some(Fingerprint::of(&der)),
            ..PeerFacts::of("--certificate")
        };
        Ok(Credential::Verified(PeerIdentity::assertion(facts, EvidenceLevel::Leaf)))
    }
}

fn usage(message: impl std::fmt::Display) -> CommandError {
    CommandError::Usage(message.to_string())
}

/// True if `text` looks like the name of a file, and not like a token: a JWT has three parts, or five, and begins with a JSON object
/// in Base64. The text is not quoted in messages, since it may be a token all the same.
fn is_file_name(text: &str) -> bool {
    let path = Path::new(text);
    let is_jwt = text.starts_with("ey") && matches!(text.split('.').count(), 3 | 5);
    let is_word = |own: &std::ffi::OsStr| {
        let own = own.as_encoded_bytes();
        own.len() <= 5 && own.iter().all(u8::is_ascii_alphanumeric)
    };
    let has_folder = text.starts_with(['/', '.', '~'])
        || path.parent().is_some_and(|own| !own.as_os_str().is_empty() && own.is_dir());
    !is_jwt && !text.contains(' ') && (has_folder || path.extension().is_some_and(is_word))
}

fn without_scheme(text: &str) -> &str {
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") { rest.trim() } else { text }
}

fn in_file(path: &str) -> Result<Secret<String>, CommandError> {
    let path = Path::new(path);
    let wrong = |why: &dyn std::fmt::Display| {
        usage(format_args!("cannot read a token from `{}`: {why}", files::shown(path)))
    };
    let bytes = files::read(path).map_err(|error| wrong(&of_system(&error)))?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| wrong(&"it is not text"))
}

fn from_stdin() -> Result<Secret<String>, CommandError> {
    if io::stdin().is_terminal() {
        style::hint("reading a token from standard input: paste it and end with Ctrl-D");
    }
    // Reading tokens refuses one that is too long.
    let most = u64::try_from(MAX_TOKEN_BYTES.saturating_mul(2)).unwrap_or(u64::MAX);
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|_| usage("cannot read a token from standard input: it is not text"))?;
    Ok(Secret::new(text))
}

/// The token as one that was found in a request.
fn present(text: &str, trust: &TrustStore) -> Result<Vec<PresentedToken>, Rejection> {
    let place = place(text, trust);
    let (name, value) = carried(text, &place);
    let sealed = SealedNames::for_places([&place]);
    let (_, parameters) = sealed.split_target((&value).into());
    let mut headers = Headers::default();
    headers.push(&name, HeaderValue::new(value.into_bytes()));
    let (_, credentials) = CredentialHeaders::split(headers, &sealed, None, None);
    let credentials = credentials.with_parameters(parameters);
    evidence::collect(&credentials, None, &PeerSources::default(), &[place]).tokens
}

/// The header that carries the token `text`, which may have a scheme before it, and its value. Without a name it is a path
/// whose query carries it.
pub(in crate::cli) fn token_header(text: &str, trust: &TrustStore) -> (String, String) {
    let bare = without_scheme(text);
    carried(bare, &place(bare, trust))
}

fn carried(text: &str, place: &TokenPlace) -> (String, String) {
    match place {
        TokenPlace::Authorization => (String::from("authorization"), format!("Bearer {text}")),
        TokenPlace::Header(name) => (name.clone(), text.to_owned()),
        TokenPlace::Prefixed(name, word) => {
            (name.clone(), format!("{word} {text}").trim().to_owned())
        }
        TokenPlace::Protocol(ProtocolElement { marker, follows, encoded }) => {
            let text = if *encoded { URL_SAFE_NO_PAD.encode(text) } else { text.to_owned() };
            let between = if *follows { ", " } else { "" };
            (PROTOCOLS.to_owned(), format!("{marker}{between}{text}"))
        }
        TokenPlace::Cookie(name) => (String::from("cookie"), format!("{name}={text}")),
        TokenPlace::Query(name) => {
            (String::new(), format!("/?{name}={}", text.replace('+', "%2B")))
        }
    }
}

/// The place in a request where the issuer that the token claims has its tokens.
fn place(text: &str, trust: &TrustStore) -> TokenPlace {
    let jws = CompactJws::parse(text);
    let issuer = match &jws {
        Ok(jws) => {
            let claimed = |name: &str| jws.claims.get(name).and_then(Value::as_str);
            trust.issuers_named(claimed("iss"), claimed("sub")).next()
        }
        // Only an issuer with introspection understands an opaque token.
        Err(_) => trust.issuers().iter().find(|issuer| is_introspected(issuer)),
    };
    let place = issuer.and_then(|issuer| issuer.places.first());
    place.cloned().unwrap_or(TokenPlace::Authorization)
}

fn is_introspected(issuer: &Issuer) -> bool {
    matches!(&issuer.keys, KeySource::Introspected(_))
}

async fn verify(
    tokens: &[PresentedToken],
    trust: &TrustStore,
    peer: &Credential<PeerIdentity>,
    common: &Common,
    now: UnixTime,
) -> VerifyReport {
    let token = tokens.first();
    let issuer = token.and_then(|token| match token.jws() {
        Ok(_) => trust.issuers_named(token.claimed_issuer(), token.claimed_subject()).next(),
        Err(_) => trust.introspecting_at(&token.place),
    });
    if let (None, Some(Err(rejection))) = (issuer, token.map(PresentedToken::jws)) {
        return VerifyReport::unreadable(rejection, now);
    }
    let mut material = Material::default();
    let mut obtained = None;
    for part in issuer.iter().flat_map(|issuer| with_other_sources(issuer, trust)) {
        let got = obtain(part, common, now).await;
        if let Some(keys) = &got.keys {
            material.insert(&part.id, Arc::clone(keys));
        }
        if let (KeyPlace::NotFetched { why, .. }, None) = (&got.origin, &got.keys) {
            if got.saved.is_none() {
                material.note_outdated(&part.id, Outdated::Missing);
            }
            material.note_failure(&part.id, why);
        }
        if let KeyPlace::Introspected { address } = &got.origin
            && !common.offline
        {
            let _progress = Progress::begin(address);
            let introspector =
                Introspector::https(Arc::new(SystemClock), Arc::new(standard_proxies()));
            introspector.follow(trust, None);
            let patience = KEY_FETCH_TIMEOUT;
            introspector.gather(tokens, trust, &NoCache, None, patience, &mut material).await;
        }
        // Of several sources the one with the token's key is shown.
        let has_key = |got: &Obtained| token.is_some_and(|token| key(token, part, got).is_some());
        if obtained.is_none() || has_key(&got) {
            obtained = Some(got);
        }
    }
    let mut passed = Vec::new();
    let mut trace = |check| passed.push(check);
    let by = authn::Presenter { peer, proof: &Presented::Absent, request: None };
    let verified =
        authn::verify_tokens_traced(tokens, by, trust, &material, &NoCache, now, &mut trace);
    let mut report = VerifyReport::new(verified.as_deref(), &passed, now);
    report.describe(token, now);
    report.issuer = issuer.map(|issuer| issuer.name.to_owned());
    if issuer.is_none() {
        report.known_issuers =
            trust.issuers().iter().map(|known| known.iss.as_str().to_owned()).collect();
    }
    report.source = obtained.as_ref().map(source);
    report.key = token.zip(issuer).zip(obtained).and_then(|((t, i), o)| key(t, i, &o));
    report
}

/// The issuer, and the further sources of its keys.
fn with_other_sources<'a>(issuer: &'a Issuer, trust: &'a TrustStore) -> Vec<&'a Issuer> {
    let is_source = |other: &&Issuer| {
        let same = other.name == issuer.name && other.iss == issuer.iss;
        same && other.id != issuer.id && !is_introspected(other)
    };
    let others = trust.issuers().iter().filter(is_source).filter(|_| !is_introspected(issuer));
    std::iter::once(issuer).chain(others).collect()
}

fn source(obtained: &Obtained) -> String {
    match &obtained.origin {
        KeyPlace::Documents => String::from("keys from the documents"),
        KeyPlace::Introspected { address } => {
            format!("{address}, which is asked about every token")
        }
        KeyPlace::Fetched { address, .. } => format!("keys from {address}, fetched now"),
        KeyPlace::NotFetched { address, why } if obtained.keys.is_some() => {
            format!("keys from {address}, not fetched: {why}; with the keys that were saved")
        }
        KeyPlace::NotFetched { address, why } => format!("keys from {address}, not fetched: {why}"),
    }
}

/// The key that verifies the token, else the first that its header leads to.
fn key(token: &PresentedToken, issuer: &Issuer, obtained: &Obtained) -> Option<KeyReport> {
    let jws = token.jws().ok()?;
    let header = &jws.header;
    let algorithm = Algorithm::named(&header.algorithm)?;
    let fitting = obtained.keys.as_deref()?.fitting(header.key_id.as_deref(), algorithm).ok()?;
    let verifies =
        |key: &&&VerificationKey| key.verifies(algorithm, jws.signing_input(), &jws.signature);
    let key = fitting.iter().take(MAX_FITTING_KEYS).find(verifies).or(fitting.first())?;
    issuer.allows_algorithm(algorithm).then(|| KeyReport {
        kid: key.id().map(str::to_owned),
        thumbprint: key.thumbprint().to_owned(),
    })
}
