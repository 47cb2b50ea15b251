//! Tokens that are worth nothing to a thief: bound to a key (RFC 9449), bound to an identity, used once. Each is judged by the
//! decision point as it serves requests, with a real store.

#![expect(
    clippy::disallowed_methods,
    reason = "a test that cannot read its vectors must fail, and says so"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::authn::{self, Caches, NoCache};
use countersign::clock::{FixedClock, UnixTime};
use countersign::document::{self, Attachments, SourceFile};
use countersign::evidence::{self, PeerSources};
use countersign::evidence_level::EvidenceLevel;
use countersign::pdp::{
    HttpsFetcher, KeyCache, Load, Outcome, Pdp, PdpOptions, VerificationCacheOptions,
};
use countersign::policy::Decision;
use countersign::reason::Reason;
use countersign::request::{
    Client, CredentialHeaders, Endpoint, HeaderValue, Headers, RequestLine, RequestView,
    SealedNames, ServerName, Target,
};
use countersign::store::{Store, StoreMemoryOptions, StoreOptions};
use countersign::trust::{IntrospectionAnswer, Material, TrustStore};
use serde_json::{Value, json};

mod challenges;
mod cookies;

use crate::caller::{Key, encode, with};

const NOW: i64 = 1_800_000_000;
const SELF: &str = "spiffe://prod.example/ns/orders/sa/orders";

fn view(method: &str, scheme: &str, host: &str, path: &str, headers: Headers) -> RequestView {
    RequestView {
        id: "".into(),
        method: method.into(),
        scheme: scheme.into(),
        raw_host: host.into(),
        raw_path: path.into(),
        target: Target::parse(host, path),
        headers,
        source: Endpoint::default(),
        destination: Endpoint { principal: Some(SELF.into()), ..Endpoint::default() },
        client: Client::Connection,
        sni: ServerName::Unknown,
        sent_at: None,
        context_extensions: BTreeMap::new(),
    }
}

/// A decision point with the issuer document's extra lines `spec` and the rule's token requirement `rule`.
struct House {
    pdp: Pdp,
    clock: FixedClock,
    issuer: Key,
    caller: Key,
}

/// The decision about a request: `Ok`, or the reason and the headers of the answer.
type Judged = Result<(), (Reason, Vec<(String, String)>)>;

impl House {
    fn new(spec: &str, rule: &str) -> Self {
        Self::with_store(spec, rule, &StoreOptions::default())
    }

    fn with_store(spec: &str, rule: &str, store: &StoreOptions) -> Self {
        let (issuer, caller) = (Key::new(), Key::new());
        let folder = tempfile::tempdir().unwrap();
        let keys = json!({ "keys": [issuer.jwk()] });
        let ca = rcgen_authority();
        let documents = format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: https://login.example.com\n  audiences: [orders]\n  algorithms: [ES256]\n  keys: {{ inline: '{keys}' }}\n{spec}\n---\n\
             apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: prod }}\nspec:\n  spiffe: prod.example\n  authorities: [{{ file: ca.pem }}]\n---\n\
             apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: orders }}\nspec:\n  target: {{ hosts: [orders.example] }}\n  rules:\n    - name: read\n      effect: allow\n      on: {{ methods: [GET] }}\n      token: {{ issuer: corp{rule} }}\n"
        );
        std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
        std::fs::write(folder.path().join("nonce"), "a".repeat(32)).unwrap();
        std::fs::write(folder.path().join("documents.yaml"), documents).unwrap();
        let load = Load::from_paths(&[folder.path().to_owned()]);
        let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
        let clock = FixedClock::at(UnixTime::from_secs(NOW));
        let keys =
            Arc::new(KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher::default())));
        let options = PdpOptions {
            peer_sources: PeerSources {
                xfcc: true,
                least_evidence: EvidenceLevel::Asserted,
                ..PeerSources::default()
            },
            deadline: Duration::from_secs(10),
            memory: VerificationCacheOptions::default(),
        };
        let store = Store::start(store, Arc::new(clock.clone())).unwrap();
        let pdp = Pdp::new(snapshot, keys, Arc::new(clock.clone()), options);
        Self { pdp: pdp.sharing(Arc::new(store)), clock, issuer, caller }
    }

    fn token(&self, changes: &Value) -> String {
        let claims = json!({
            "iss": "https://login.example.com", "aud": "orders", "sub": "alice", "jti": "token-1",
            "client_id": "front", "iat": NOW, "exp": NOW + 600,
            "cnf": { "jkt": self.caller.thumbprint() },
        });
        self.issuer.sign(&json!({ "alg": "ES256" }), &with(&claims, changes))
    }

    /// A proof for `token` as it should be, but for `header` and `claims`.
    fn proof(&self, token: &str, header: &Value, claims: &Value) -> String {
        let url = "https://orders.example/v1/orders";
        self.caller.proof(token, (url, NOW), (header, claims))
    }

    async fn outcome(&self, method: &str, lines: &[(&str, &str)]) -> (Outcome, RequestView) {
        let pinned = self.pdp.pin();
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.push(*name, HeaderValue::new(value.as_bytes().to_vec()));
        }
        // The proxy in front of us names its caller twice.
        let uri = lines.iter().find_map(|(_, value)| value.split_once("URI="));
        let principal = uri.map(|(_, uri)| uri.into());
        let (headers, credentials) =
            CredentialHeaders::split(headers, pinned.sealed(), None, principal);
        let view = view(method, "https", "orders.example", "/v1/orders?page=2", headers);
        (pinned.decide(&view, credentials).await, view)
    }

    async fn decide(&self, method: &str, lines: &[(&str, &str)]) -> Judged {
        let (outcome, view) = self.outcome(method, lines).await;
        match &outcome.decision {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => {
                let answer = denial.answer(&view, "id");
                let headers = answer.headers.into_iter().map(|(name, value)| (name.into(), value));
                Err((denial.rejection.reason(), headers.collect()))
            }
        }
    }

    async fn with_proof(&self, token: &str, proof: &str) -> Result<(), Reason> {
        let lines = [("authorization", &*format!("DPoP {token}")), ("dpop", proof)];
        self.decide("GET", &lines).await.map_err(|(reason, _)| reason)
    }

    async fn bearer(&self, token: &str, xfcc: Option<&str>) -> Result<(), Reason> {
        let bearer = format!("Bearer {token}");
        let mut lines = vec![("authorization", bearer.as_str())];
        lines.extend(xfcc.map(|xfcc| ("x-forwarded-client-cert", xfcc)));
        self.decide("GET", &lines).await.map_err(|(reason, _)| reason)
    }
}

fn rcgen_authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

/// RFC 9449 section 4.3: the good proof, and each way to be wrong.
#[tokio::test]
async fn a_proof_is_for_this_key_this_token_this_request_and_now() {
    let house = House::new("  dpop: { maxAge: 60s }", ", binding: dpop");
    let token = house.token(&json!({}));
    let thief = Key::new();
    let none = json!({});
    let mut private = house.caller.jwk();
    private.as_object_mut().unwrap().insert("d".into(), json!("AAAA"));
    for (header, claims) in [
        (json!({ "typ": "JWT" }), none.clone()),
        (json!({ "typ": null }), none.clone()),
        (json!({ "alg": "none" }), none.clone()),
        (json!({ "alg": "HS256" }), none.clone()),
        (json!({ "alg": "ES384" }), none.clone()),
        (json!({ "jwk": null }), none.clone()),
        (json!({ "jwk": private }), none.clone()),
        (json!({ "jwk": { "kty": "oct", "k": "AAAA" } }), none.clone()),
        (json!({ "jwk": thief.jwk() }), none.clone()),
        (json!({ "crit": ["x"] }), none.clone()),
        (none.clone(), json!({ "htm": "POST" })),
        (none.clone(), json!({ "htm": "get" })),
        (none.clone(), json!({ "htm": null })),
        (none.clone(), json!({ "htu": "https://orders.example/v1/other" })),
        (none.clone(), json!({ "htu": "http://orders.example/v1/orders" })),
        (none.clone(), json!({ "htu": "https://evil.example/v1/orders" })),
        (none.clone(), json!({ "htu": null })),
        (none.clone(), json!({ "htu": ["https://orders.example/v1/orders"] })),
        (none.clone(), json!({ "ath": null })),
        (none.clone(), json!({ "ath": encode([0; 32]) })),
        (none.clone(), json!({ "iat": NOW - 91 })),
        (none.clone(), json!({ "iat": NOW + 31 })),
        (none.clone(), json!({ "iat": null })),
        (none.clone(), json!({ "iat": NOW.to_string() })),
        (none.clone(), json!({ "jti": null })),
        (none.clone(), json!({ "jti": "" })),
        (none.clone(), json!({ "jti": "x".repeat(257) })),
    ] {
        let proof = house.proof(&token, &header, &claims);
        assert_eq!(
            house.with_proof(&token, &proof).await,
            Err(Reason::DpopInvalid),
            "{header} {claims}"
        );
    }
    let good = house.proof(&token, &none, &none);
    let own = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": house.caller.jwk() });
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(good.split('.').nth(1).unwrap()).unwrap())
            .unwrap();
    assert_eq!(
        house.with_proof(&token, &thief.sign(&own, &claims)).await,
        Err(Reason::DpopInvalid)
    );
    assert_eq!(house.with_proof(&token, &good).await, Ok(()));
    let other = house.proof(
        &token,
        &none,
        &json!({ "jti": "proof-2", "htu": "HTTPS://ORDERS.example:443/v1/orders?x#y" }),
    );
    assert_eq!(house.with_proof(&token, &other).await, Ok(()));
}

/// RFC 9449 sections 7.1 and 7.2: scheme and binding belong together, and there is one proof.
#[tokio::test]
async fn scheme_proof_and_binding_belong_together() {
    let house = House::new("", "");
    let bound = house.token(&json!({}));
    let free = house.token(&json!({ "cnf": null }));
    let proof = house.proof(&bound, &json!({}), &json!({}));
    let for_free = house.proof(&free, &json!({}), &json!({}));
    let (bearer, dpop) = (format!("Bearer {bound}"), format!("DPoP {bound}"));
    let (free_bearer, free_dpop) = (format!("Bearer {free}"), format!("DPoP {free}"));
    for (lines, expected) in [
        (&[("authorization", &*bearer)][..], Err(Reason::DpopInvalid)),
        (&[("authorization", &*bearer), ("dpop", &*proof)], Err(Reason::DpopInvalid)),
        (&[("authorization", &*dpop)], Err(Reason::DpopInvalid)),
        (
            &[("authorization", &*dpop), ("dpop", &*proof), ("dpop", &*proof)],
            Err(Reason::DpopInvalid),
        ),
        (&[("authorization", &*free_dpop), ("dpop", &*for_free)], Err(Reason::DpopInvalid)),
        (&[("authorization", &*free_bearer)], Ok(())),
        (&[("authorization", &*dpop), ("dpop", &*proof)], Ok(())),
    ] {
        let judged = house.decide("GET", lines).await.map_err(|(reason, _)| reason);
        assert_eq!(judged, expected, "{} lines", lines.len());
    }
}

/// RFC 9449 sections 7.1, 8 and 9: the challenge says what is missing, and the nonce that it brings works.
#[tokio::test]
async fn a_nonce_is_given_with_the_challenge_and_works_for_a_while() {
    let spec = "  binding: dpop\n  dpop: { algorithms: [ES256], nonce: { secrets: [{ file: nonce }], lifetime: 2m } }";
    let house = House::new(spec, "");
    let header = |headers: &[(String, String)], name: &str| {
        headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    };
    let (reason, headers) = house.decide("GET", &[]).await.unwrap_err();
    assert_eq!(reason, Reason::TokenMissing);
    let challenge = header(&headers, "www-authenticate").unwrap();
    assert_eq!(challenge, r#"DPoP realm="countersign", algs="ES256""#);

    let token = house.token(&json!({}));
    let authorization = format!("DPoP {token}");
    let proof = house.proof(&token, &json!({}), &json!({}));
    let lines = [("authorization", &*authorization), ("dpop", &*proof)];
    let (reason, headers) = house.decide("GET", &lines).await.unwrap_err();
    assert_eq!(reason, Reason::DpopNonce);
    let challenge = header(&headers, "www-authenticate").unwrap();
    assert!(challenge.contains(r#"error="use_dpop_nonce""#), "{challenge}");
    let nonce = header(&headers, "dpop-nonce").unwrap();

    let good = |iat: i64, jti: &str, nonce: &str| {
        house.proof(&token, &json!({}), &json!({ "nonce": nonce, "jti": jti, "iat": iat }))
    };
    assert_eq!(house.with_proof(&token, &good(NOW, "a", &nonce)).await, Ok(()));
    for wrong in ["", "x", &nonce.to_lowercase(), &format!("B{}", nonce.get(1..).unwrap())] {
        let judged = house.with_proof(&token, &good(NOW, "b", wrong)).await;
        assert_eq!(judged, Err(Reason::DpopNonce), "{wrong}");
    }
    house.clock.set(UnixTime::from_secs(NOW + 119));
    assert_eq!(house.with_proof(&token, &good(NOW + 119, "c", &nonce)).await, Ok(()));
    house.clock.set(UnixTime::from_secs(NOW + 120));
    let judged = house.with_proof(&token, &good(NOW + 120, "d", &nonce)).await;
    assert_eq!(judged, Err(Reason::DpopNonce));

    let bad = house.proof(&token, &json!({}), &json!({ "htm": "POST" }));
    let lines = [("authorization", &*authorization), ("dpop", &*bad)];
    let (_, headers) = house.decide("GET", &lines).await.unwrap_err();
    let challenge = header(&headers, "www-authenticate").unwrap();
    assert!(challenge.contains(r#"error="invalid_dpop_proof""#), "{challenge}");
}

/// RFC 9449 section 8.2: an allowed caller gets the next nonce before the last one is refused, and not sooner.
#[tokio::test]
async fn the_next_nonce_comes_with_an_answer_that_is_good() {
    let house = House::new("  dpop: { nonce: { secrets: [{ file: nonce }], lifetime: 120s } }", "");
    let token = house.token(&json!({}));
    let given = async |iat: i64, jti: &str, nonce: &str| {
        house.clock.set(UnixTime::from_secs(iat));
        let changes = json!({ "nonce": nonce, "jti": jti, "iat": iat });
        let proof = house.proof(&token, &json!({}), &changes);
        let authorization = format!("DPoP {token}");
        let outcome =
            house.outcome("GET", &[("authorization", &*authorization), ("dpop", &*proof)]).await.0;
        match outcome.decision {
            Decision::Allow(_) => Ok(outcome.response_headers),
            Decision::Deny(denial) => Err(denial.needs.proof.clone().unwrap().nonce.unwrap()),
        }
    };
    let first = given(NOW, "a", "").await.unwrap_err();
    assert_eq!(given(NOW + 59, "b", &first).await.unwrap(), []);
    let told = given(NOW + 60, "c", &first).await.unwrap();
    let names: Vec<_> = told.iter().map(|header| &*header.name).collect();
    assert_eq!(names, ["dpop-nonce", "cache-control"]);
    let next = &told[0].value;
    assert_eq!(given(NOW + 119, "d", next).await.unwrap(), [], "it is young");
    assert!(given(NOW + 130, "e", &first).await.is_err());
    assert!(given(NOW + 130, "f", next).await.is_ok());
}

/// P67: a proof works once, and one that is denied for something else is not used up.
#[tokio::test]
async fn a_proof_works_once_and_a_denied_request_uses_nothing_up() {
    let house = House::new("", ", scopes: [read]");
    let poor = house.token(&json!({}));
    let rich = house.token(&json!({ "scope": "read" }));
    let proof = |token: &str| house.proof(token, &json!({}), &json!({}));
    assert_eq!(house.with_proof(&poor, &proof(&poor)).await, Err(Reason::ScopeMissing));
    assert_eq!(house.with_proof(&poor, &proof(&poor)).await, Err(Reason::ScopeMissing));
    let proof = proof(&rich);
    assert_eq!(house.with_proof(&rich, &proof).await, Ok(()));
    assert_eq!(house.with_proof(&rich, &proof).await, Err(Reason::TokenReplayed));
    // The age at which it is refused for itself is the age at which it is forgotten.
    house.clock.set(UnixTime::from_secs(NOW + 89));
    assert_eq!(house.with_proof(&rich, &proof).await, Err(Reason::TokenReplayed));
    house.clock.set(UnixTime::from_secs(NOW + 90));
    assert_eq!(house.with_proof(&rich, &proof).await, Err(Reason::DpopInvalid));
}

/// P67: of many uses at a time one is allowed; without room to remember, none is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_of_an_issuer_that_is_marked_works_once() {
    let house = Arc::new(House::new("  use: once", ""));
    let token = house.token(&json!({ "cnf": null }));
    let uses = (0..100).map(|_| {
        let (house, token) = (Arc::clone(&house), token.clone());
        tokio::spawn(async move { house.bearer(&token, None).await })
    });
    let judged = futures_util::future::join_all(uses).await;
    let allowed = judged.iter().filter(|judged| matches!(judged, Ok(Ok(())))).count();
    let replayed = judged.iter().filter(|judged| matches!(judged, Ok(Err(Reason::TokenReplayed))));
    assert_eq!((allowed, replayed.count()), (1, 99));
    let nameless = house.token(&json!({ "cnf": null, "jti": null }));
    assert_eq!(house.bearer(&nameless, None).await, Err(Reason::TokenMalformed));

    let small = StoreOptions::Memory(StoreMemoryOptions { first_uses: 1 });
    let house = House::with_store("  use: once", "", &small);
    let token = |jti: &str| house.token(&json!({ "cnf": null, "jti": jti }));
    assert_eq!(house.bearer(&token("a"), None).await, Ok(()));
    assert_eq!(house.bearer(&token("b"), None).await, Err(Reason::StoreUnavailable));
    assert_eq!(house.bearer(&token("a"), None).await, Err(Reason::TokenReplayed));
}

/// P68: tokens of any other issuer are used again and again, with the same `jti`.
#[tokio::test]
async fn tokens_are_reusable_unless_their_issuer_is_marked() {
    let house = House::new("", "");
    let token = house.token(&json!({ "cnf": null }));
    for _ in 0..3 {
        assert_eq!(house.bearer(&token, None).await, Ok(()));
    }
}

fn xfcc(hash: Option<&str>, uri: &str) -> String {
    let hash = hash.map(|hash| format!("Hash={hash};")).unwrap_or_default();
    format!("By={SELF};{hash}URI={uri}")
}

/// P69: the claim names the presenter, whichever certificate it has; another workload, or one of which too little is
/// known, may not use the token.
#[tokio::test]
async fn a_token_that_names_its_presenter_is_of_no_use_to_another() {
    let bind = r#"bind: { claim: client_id, to: peer.spiffe, map: "spiffe://prod.example/ns/web/sa/{client}" }"#;
    let (hash, rotated) = ("ab".repeat(32), "cd".repeat(32));
    let front = "spiffe://prod.example/ns/web/sa/front";
    let back = "spiffe://prod.example/ns/web/sa/back";
    let elsewhere = "spiffe://prod.example/ns/dev/sa/front";
    for house in [House::new(&format!("  {bind}"), ""), House::new("", &format!(", {bind}"))] {
        let token = house.token(&json!({ "cnf": null }));
        for (shown, expected) in [
            (Some(xfcc(Some(&hash), front)), Ok(())),
            (Some(xfcc(Some(&rotated), front)), Ok(())),
            (Some(xfcc(Some(&hash), back)), Err(Reason::IdentityTokenMismatch)),
            (Some(xfcc(Some(&hash), elsewhere)), Err(Reason::IdentityTokenMismatch)),
            (Some(xfcc(None, front)), Err(Reason::BindingUnavailable)),
            (None, Err(Reason::BindingUnavailable)),
        ] {
            assert_eq!(house.bearer(&token, shown.as_deref()).await, expected, "{shown:?}");
        }
        for client in [json!("ns/web/sa/front"), json!(["front"]), Value::Null] {
            let token = house.token(&json!({ "cnf": null, "client_id": client, "azp": "front" }));
            let judged = house.bearer(&token, Some(&xfcc(Some(&hash), front))).await;
            let expected = if client.is_array() {
                Reason::TokenMalformed
            } else {
                Reason::IdentityTokenMismatch
            };
            assert_eq!(judged, Err(expected), "{client}");
        }
    }
}

/// The proofs of RFC 9449, with the opaque token that they are for and what its issuer says about it.
#[test]
fn proofs_are_judged_as_rfc_9449_says() {
    let Ok(folder) = std::env::var("COUNTERSIGN_VECTORS") else {
        assert!(std::env::var("CI").is_err(), "COUNTERSIGN_VECTORS is not set, and CI needs it");
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIPPED: COUNTERSIGN_VECTORS does not name a folder");
        return;
    };
    let text = std::fs::read(PathBuf::from(folder).join("rfc-tokens/rfc9449.json")).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let (trust, mut counted) = (opaque_issuer(), (0, 0));
    for case in document["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let judged = judge(&trust, case);
        assert_eq!(judged.is_ok(), case["expected"] == "allow", "{id}: {judged:?}");
        // That thumbprint's last character has bits that stand for nothing: it is no base64url.
        let malformed = id == "rfc9449/other-jkt";
        let due = if malformed { Reason::IntrospectionUnavailable } else { Reason::DpopInvalid };
        assert!(judged.is_ok() || judged == Err(due), "{id}: {judged:?}");
        if judged.is_ok() { counted.0 += 1 } else { counted.1 += 1 }
    }
    assert_eq!(counted, (2, 9));
}

fn opaque_issuer() -> TrustStore {
    let text = "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: corp }\nspec:\n  issuer: https://server.example.com\n  audiences: [us]\n  introspection: { url: 'https://server.example.com/introspect', client: { id: us, basic: { file: secret } } }\n";
    let mut problems = Vec::new();
    let mut files = Attachments::default();
    files.insert("secret".into(), Ok(b"s".to_vec()));
    let path = std::path::Path::new("issuer.yaml");
    let documents = document::parse(&SourceFile::new(path, text.to_owned()), &mut problems);
    let trust = TrustStore::compile(&documents, &files, &mut problems);
    assert!(!document::any_error(&problems), "{problems:?}");
    trust
}

fn judge(trust: &TrustStore, case: &Value) -> Result<(), Reason> {
    let text = |name: &str| case[name].as_str();
    let mut headers = Headers::default();
    for (name, value) in [("authorization", text("authorization")), ("dpop", text("dpop"))] {
        if let Some(value) = value {
            headers.push(name, HeaderValue::new(value.as_bytes().to_vec()));
        }
    }
    let (open, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let places = trust.token_places();
    let mut evidence = evidence::collect(&sealed, None, &PeerSources::default(), &places);
    let (scheme, rest) = text("url").unwrap().split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let view = view(text("method").unwrap(), scheme, host, &format!("/{path}"), open);
    evidence.request = RequestLine::of(&view);
    // The audience is ours: the vectors are about proofs.
    let answer = with(&case["introspection_response"], &json!({ "aud": "us" }));
    let now = UnixTime::from_secs(case["now"].as_i64().unwrap());
    let mut material = Material::default();
    for token in evidence.tokens.as_deref().unwrap_or_default() {
        let answer = IntrospectionAnswer::parse(answer.to_string().as_bytes(), now).unwrap();
        material.insert_answer("corp", token.fingerprint, Ok(Arc::new(answer)));
    }
    let memory = Caches { certificates: &NoCache, tokens: &NoCache };
    let subject = authn::authenticate(&evidence, trust, &material, memory, now);
    match subject.tokens().rejection() {
        Some(rejection) => Err(rejection.reason()),
        None => subject.token("corp").map(drop).ok_or(Reason::TokenMissing),
    }
}
