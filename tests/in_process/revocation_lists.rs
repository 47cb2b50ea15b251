//! Revocation lists in documents against real tokens and certificates: what is revoked, for which reason, and what is not.

use std::sync::{Arc, Mutex};

use crate::allocations::support::testbed::mint::{ISSUER, Issuer, Key};
use crate::allocations::support::testbed::pki::{FRONTEND, Pki, REPORTS};
use countersign::authn::{self, Caches, NoCache, SignedToken, Subject, TokenCache};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, SourceFile};
use countersign::evidence::{self, PeerSources};
use countersign::evidence_level::EvidenceLevel;
use countersign::reason::Reason;
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::secret::Fingerprint;
use countersign::trust::{IntrospectionAnswer, Material, RevocationView, TrustStore};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

/// Whose tokens say nothing themselves.
const OPAQUE: &str = "https://opaque.example.com";

fn now() -> UnixTime {
    UnixTime::from_secs(NOW)
}

struct Props {
    pki: Pki,
    issuer: Issuer,
}

/// The credential that a caller shows.
#[derive(Clone, Copy)]
enum Shown {
    Certificate,
    Hash,
    Name,
}

impl Props {
    fn new() -> Self {
        countersign::cli::install_crypto();
        Self { pki: Pki::new(now()).unwrap(), issuer: Issuer::new(now()).unwrap() }
    }

    fn trust(&self, entries: &str) -> TrustStore {
        let inline = |text: &str| serde_json::to_string(text).unwrap();
        let text = format!(
            "apiVersion: countersign.dev/v1alpha1
kind: TrustDomain
metadata: {{ name: prod }}
spec: {{ spiffe: prod.example, authorities: [{{ inline: {} }}], forwarders: ['{REPORTS}'] }}
---
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: {{ name: corp }}
spec: {{ issuer: {ISSUER}, audiences: [orders], keys: {{ inline: {} }}, algorithms: [RS256, ES256], types: [at+jwt] }}
---
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: {{ name: opaque }}
spec: {{ issuer: {OPAQUE}, audiences: [orders], introspection: {{ url: '{OPAQUE}/introspect', client: {{ id: us, basic: {{ file: secret }} }} }} }}
---
apiVersion: countersign.dev/v1alpha1
kind: RevocationList
metadata: {{ name: emergency }}
spec: {{ entries: [{entries}] }}
",
            inline(&self.pki.ca().pem()),
            inline(&with_alias(&self.issuer.key_set().unwrap())),
        );
        let mut problems = Vec::new();
        let documents = document::parse(&SourceFile::new("all.yaml", text), &mut problems);
        let mut files = Attachments::default();
        files.insert("secret".into(), Ok(b"s".to_vec()));
        let trust = TrustStore::compile(&documents, &files, &mut problems);
        assert!(!document::any_error(&problems), "{problems:?}");
        trust
    }

    fn xfcc(&self, shown: Shown) -> String {
        let frontend = &self.pki.frontend;
        let certificate = utf8_percent_encode(&frontend.pem(), NON_ALPHANUMERIC).to_string();
        let hash = frontend.fingerprint().to_hex();
        match shown {
            Shown::Certificate => format!("Cert=\"{certificate}\";URI={FRONTEND}"),
            Shown::Hash => format!("Hash={hash};URI={FRONTEND}"),
            Shown::Name => format!("URI={FRONTEND}"),
        }
    }

    fn judge(
        &self,
        trust: &TrustStore,
        (xfcc, principal): (Option<&str>, &str),
        token: Option<&str>,
        material: &Material,
        tokens: &dyn TokenCache,
    ) -> Subject {
        let mut headers = Headers::default();
        if let Some(xfcc) = xfcc {
            headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc.as_bytes().to_vec()));
        }
        if let Some(token) = token {
            headers.push("authorization", HeaderValue::new(format!("Bearer {token}").into_bytes()));
        }
        let principal = Some(principal.into());
        let (_, credentials) =
            CredentialHeaders::split(headers, &SealedNames::default(), None, principal);
        let sources = PeerSources {
            xfcc: true,
            least_evidence: EvidenceLevel::Asserted,
            ..PeerSources::default()
        };
        let evidence = evidence::collect(&credentials, None, &sources, &trust.token_places());
        let memory = Caches { certificates: &NoCache, tokens };
        authn::authenticate(&evidence, trust, material, memory, now())
    }

    fn peer(&self, entries: &str, shown: Shown) -> Option<Reason> {
        let (trust, xfcc) = (self.trust(entries), self.xfcc(shown));
        let subject =
            self.judge(&trust, (Some(&xfcc), FRONTEND), None, &Material::default(), &NoCache);
        let reason = subject.peer().rejection().map(|rejection| rejection.reason());
        assert!(reason.is_some() || subject.peer().verified().is_some());
        reason
    }

    fn token(&self, entries: &str, changes: &Value) -> Option<Reason> {
        let (trust, token) = (self.trust(entries), self.issuer.mint(Key::Ec, changes).unwrap());
        let subject = self.judge(&trust, (None, ""), Some(&token), &Material::default(), &NoCache);
        let reason = subject.tokens().rejection().map(|rejection| rejection.reason());
        assert!(reason.is_some() || subject.token("corp").is_some());
        reason
    }
}

/// P64: each thing that can be revoked of a token revokes it, and no other.
/// `set` with its key `demo-ec` under the id `alias`, too.
fn with_alias(set: &str) -> String {
    let mut set: Value = serde_json::from_str(set).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    let mut alias = keys.iter().find(|key| key["kid"] == "demo-ec").unwrap().clone();
    alias["kid"] = "alias".into();
    keys.push(alias);
    set.to_string()
}

/// P433: also by another name of its key.
#[test]
fn a_token_is_revoked_by_everything_that_it_is_about() {
    let props = Props::new();
    let changes =
        json!({ "jti": "t-1", "sub": "alice", "sid": "s-1", "client_id": "web", "azp": "web-old" });
    let of = |field: &str, value: &str| format!("{{ {field}: {value}, issuer: '{ISSUER}' }}");
    for entry in [
        of("jti", "t-1"),
        of("sub", "alice"),
        of("sid", "s-1"),
        of("client", "web"),
        of("client", "web-old"),
        of("kid", "demo-ec"),
        of("kid", "alias"),
        format!("{{ issuer: '{ISSUER}' }}"),
        format!("{{ sub: alice, issuer: '{ISSUER}', issuedBefore: '2027-01-15T08:00:01Z' }}"),
        format!("{{ sub: alice, issuer: '{ISSUER}', expires: '2027-01-15T08:00:01Z' }}"),
    ] {
        assert_eq!(props.token(&entry, &changes), Some(Reason::TokenRevoked), "{entry}");
    }
    for entry in [
        String::new(),
        of("jti", "t-2"),
        of("sub", "t-1"),
        of("client", "alice"),
        of("kid", "demo-rsa"),
        "{ jti: t-1, issuer: 'https://other.example' }".to_owned(),
        "{ issuer: 'https://other.example' }".to_owned(),
        format!("{{ sub: alice, issuer: '{ISSUER}', issuedBefore: '2027-01-15T08:00:00Z' }}"),
        format!("{{ sub: alice, issuer: '{ISSUER}', expires: '2027-01-15T08:00:00Z' }}"),
    ] {
        assert_eq!(props.token(&entry, &changes), None, "{entry}");
    }
    let before =
        format!("{{ sub: alice, issuer: '{ISSUER}', issuedBefore: '2000-01-01T00:00:00Z' }}");
    let no_iat = json!({ "sub": "alice", "iat": null });
    let reason = props.token(&before, &no_iat);
    assert!(reason.is_some(), "a token that does not say when it was issued was issued long ago");
}

/// P64: a token that says nothing itself is revoked by what its issuer says of it, whatever the issuer still answers.
#[test]
fn an_opaque_token_is_revoked_by_what_its_issuer_says_of_it() {
    let props = Props::new();
    let token = "2YotnFZFEjr1zCsicMWpAA";
    let answer = json!({
        "active": true, "iss": OPAQUE, "aud": "orders", "jti": "o-1", "sub": "alice", "sid": "s-1",
        "client_id": "web", "iat": NOW - 10, "exp": NOW + 600,
    });
    let until = UnixTime::from_secs(NOW + 30);
    let answer = IntrospectionAnswer::parse(answer.to_string().as_bytes(), until).unwrap();
    let mut material = Material::default();
    let print = Fingerprint::of(token.as_bytes());
    material.insert_answer("opaque", print, Ok(Arc::new(answer)));
    let of = |field: &str, value: &str, issuer: &str| {
        let entry = format!("{{ {field}: {value}, issuer: '{issuer}' }}");
        let subject =
            props.judge(&props.trust(&entry), (None, ""), Some(token), &material, &NoCache);
        let reason = subject.tokens().rejection().map(|rejection| rejection.reason());
        assert!(reason.is_some() || subject.token("opaque").is_some(), "{entry}");
        reason
    };
    for (field, value) in [("jti", "o-1"), ("sub", "alice"), ("sid", "s-1"), ("client", "web")] {
        assert_eq!(of(field, value, OPAQUE), Some(Reason::TokenRevoked), "{field}");
        assert_eq!(of(field, "other", OPAQUE), None, "{field}");
        assert_eq!(of(field, value, ISSUER), None, "{field}");
    }
}

/// Entries match what was shown: less evidence matches less, and the SPIFFE ID always.
#[test]
fn a_certificate_is_revoked_by_what_was_shown_of_it() {
    let props = Props::new();
    let trust = props.trust("");
    let xfcc = props.xfcc(Shown::Certificate);
    let subject =
        props.judge(&trust, (Some(&xfcc), FRONTEND), None, &Material::default(), &NoCache);
    let peer = subject.peer().verified().unwrap();
    let (serial, issuer) = (peer.serial.as_deref().unwrap(), peer.issuer.as_deref().unwrap());
    let spki = peer.spki.as_ref().unwrap().to_hex();
    let print = props.pki.frontend.fingerprint().to_hex();
    let spiffe = format!("{{ spiffe: '{FRONTEND}' }}");
    for (entry, hash, name) in [
        (format!("{{ serial: '{serial}', certificateIssuer: '{issuer}' }}"), false, false),
        (format!("{{ spki: '{spki}' }}"), false, false),
        (format!("{{ certificate: '{print}' }}"), true, false),
        (spiffe, true, true),
    ] {
        let revoked = Some(Reason::CertRevoked);
        assert_eq!(props.peer(&entry, Shown::Certificate), revoked, "{entry}");
        assert_eq!(props.peer(&entry, Shown::Hash), revoked.filter(|_| hash), "{entry}");
        assert_eq!(props.peer(&entry, Shown::Name), revoked.filter(|_| name), "{entry}");
    }
    let other = Fingerprint::of(b"other").to_hex();
    for entry in [
        format!("{{ serial: '{serial}', certificateIssuer: 'CN=another' }}"),
        format!("{{ spki: '{print}' }}"),
        format!("{{ certificate: '{other}' }}"),
        format!("{{ spiffe: '{FRONTEND}-2' }}"),
    ] {
        assert_eq!(props.peer(&entry, Shown::Certificate), None, "{entry}");
    }
}

/// A workload that is issued a new certificate gets in again; where the issue time of the certificate is unknown it is
/// not.
#[test]
fn a_workload_can_be_revoked_up_to_a_moment() {
    let props = Props::new();
    let until = |at: &str| format!("{{ spiffe: '{FRONTEND}', issuedBefore: '{at}' }}");
    let (past, future) = (until("2001-01-01T00:00:00Z"), until("2033-01-01T00:00:00Z"));
    assert_eq!(props.peer(&past, Shown::Certificate), None);
    assert_eq!(props.peer(&future, Shown::Certificate), Some(Reason::CertRevoked));
    assert_eq!(props.peer(&past, Shown::Hash), Some(Reason::CertRevoked));
}

/// A forwarder that is revoked vouches for no caller.
#[test]
fn a_revoked_forwarder_is_not_walked_past() {
    let props = Props::new();
    let xfcc = format!("{},URI={REPORTS}", props.xfcc(Shown::Certificate));
    for (entry, expected) in
        [(String::new(), None), (format!("{{ spiffe: '{REPORTS}' }}"), Some(Reason::CertRevoked))]
    {
        let trust = props.trust(&entry);
        let subject =
            props.judge(&trust, (Some(&xfcc), REPORTS), None, &Material::default(), &NoCache);
        assert_eq!(subject.peer().rejection().map(|r| r.reason()), expected, "{entry}");
    }
}

/// Never forgets.
#[derive(Debug, Default)]
struct Elephant(Mutex<Option<Arc<SignedToken>>>);

impl TokenCache for Elephant {
    fn lookup(&self, _token: &Fingerprint) -> Option<Arc<SignedToken>> {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, token: &Arc<SignedToken>) {
        *self.0.lock().unwrap() = Some(Arc::clone(token));
    }
}

/// P63, P64: what was remembered of a token does not outlive its revocation; and without a list that has to be there no caller
/// gets in.
#[test]
fn a_revocation_counts_before_any_memory_and_a_missing_list_refuses_everybody() {
    let props = Props::new();
    let (none, revoked) = (
        props.trust(""),
        props.trust(&format!("{{ spiffe: '{FRONTEND}' }}, {{ sub: alice, issuer: '{ISSUER}' }}")),
    );
    let token = props.issuer.mint(Key::Ec, &json!({ "sub": "alice" })).unwrap();
    let xfcc = props.xfcc(Shown::Hash);
    let shown = (Some(xfcc.as_str()), FRONTEND);
    let (mut material, memory) = (Material::default(), Elephant::default());
    let subject = props.judge(&none, shown, Some(&token), &material, &memory);
    assert!(memory.0.lock().unwrap().is_some(), "the token is remembered");
    assert!(subject.peer().verified().is_some() && subject.token("corp").is_some());

    material.revoke_by(revoked.revocations().clone());
    let subject = props.judge(&none, shown, Some(&token), &material, &memory);
    let reasons = (subject.peer().rejection(), subject.tokens().rejection());
    assert_eq!(reasons.0.map(|r| r.reason()), Some(Reason::CertRevoked));
    assert_eq!(reasons.1.map(|r| r.reason()), Some(Reason::TokenRevoked));

    material.revoke_by(RevocationView::default().stale_by(Some("needed".into())).into());
    let subject = props.judge(&none, shown, Some(&token), &material, &memory);
    let reasons = (subject.peer().rejection(), subject.tokens().rejection());
    assert_eq!(reasons.0.map(|r| r.reason()), Some(Reason::RevocationsStale));
    assert_eq!(reasons.1.map(|r| r.reason()), Some(Reason::RevocationsStale));
}
