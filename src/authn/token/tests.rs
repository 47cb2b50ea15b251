//! Tokens of known keys, good and bad, against the rules of their issuers.

mod copies;
mod many_keys;
pub(super) mod mint;
mod sources;
mod tenants;

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use self::mint::{Mint, encode};
use super::*;
use crate::authn::{Binding, NoCache, SignedToken, TokenCache};
use crate::clock::UnixTime;
use crate::document::{self, Attachments, SourceFile};
use crate::evidence::{PresentedToken, TokenScheme};
use crate::reason::Reason;
use crate::request::TokenPlace;
use crate::secret::Fingerprint;
use crate::trust::{Material, TrustStore};
use std::sync::Arc;

const NOW: i64 = 1_800_000_000;

fn now() -> UnixTime {
    UnixTime::from_secs(NOW)
}

/// The trusted issuers: name, `iss`, further settings and keys.
fn trust(issuers: &[(&str, &str, &str, Value)]) -> TrustStore {
    let documents: Vec<_> = issuers
        .iter()
        .map(|(name, iss, more, keys)| {
            format!(
                "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: {name} }}\nspec:\n  issuer: {iss}\n  audiences: [orders, billing]\n  keys: {{ inline: '{}' }}\n{more}",
                json!({ "keys": keys })
            )
        })
        .collect();
    let mut problems = Vec::new();
    let file = SourceFile::new("trust.yaml", documents.join("\n---\n"));
    let documents = document::parse(&file, &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    assert_eq!(problems, []);
    store
}

fn verify_at(
    trust: &TrustStore,
    tokens: &[(TokenPlace, &str)],
    memory: &dyn TokenCache,
    now: UnixTime,
) -> Result<Vec<TokenIdentity>, Reason> {
    let presented: Vec<_> = tokens
        .iter()
        .map(|(place, text)| PresentedToken::for_test(place, TokenScheme::Bearer, text))
        .collect();
    verify_all(
        &presented,
        Presenter::NO_PEER,
        trust,
        &Material::default(),
        memory,
        now,
        &mut |_| {},
    )
    .map_err(|rejection| rejection.reason())
}

pub(super) fn verify_bearer(trust: &TrustStore, token: &str) -> Result<TokenIdentity, Reason> {
    let tokens = [(TokenPlace::Authorization, token)];
    verify_at(trust, &tokens, &NoCache, now()).map(|mut tokens| tokens.remove(0))
}

pub(super) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "alice", "aud": "orders", "client_id": "web", "jti": "1",
        "iat": NOW - 60, "exp": NOW + 600, "scope": "orders:read orders:write",
        "realm_access": { "roles": ["admin"] }, "https://example.com/tenant": "acme",
    })
}

const ISS: &str = "https://a.example";

/// One issuer with an Ed25519 key `k`, and the key.
fn simple() -> (TrustStore, Mint) {
    let mint = Mint::ed();
    let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
    (trust(&[("corp", ISS, "  algorithms: [EdDSA]", keys)]), mint)
}

#[test]
fn a_good_token_is_verified_and_its_claims_can_be_read() {
    let (trust, mint) = simple();
    let token = mint.token(&json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "k" }), &claims(ISS));
    let verified = verify_bearer(&trust, &token).unwrap();
    assert_eq!((verified.issuer_name(), verified.issuer()), ("corp", ISS));
    assert_eq!((verified.subject(), verified.client()), (Some("alice"), Some("web")));
    assert_eq!((verified.key_id(), verified.token_id()), (Some("k"), Some("1")));
    assert_eq!(verified.audiences(), ["orders"]);
    assert_eq!(verified.scopes(), ["orders:read", "orders:write"]);
    assert_eq!(verified.expires_at(), UnixTime::from_secs(NOW + 600));
    assert_eq!(verified.binding(), Binding::None);
    assert_eq!(verified.claim("/realm_access/roles/0"), Some(&json!("admin")));
    assert_eq!(verified.claim("/https:~1~1example.com~1tenant"), Some(&json!("acme")));
    assert_eq!(verified.claim("sub"), None);
    assert!(!format!("{verified:?}").contains("alice"), "P80");
}

#[test]
fn every_supported_algorithm_verifies() {
    let algorithms = "  algorithms: [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519]";
    let (rsa, ed) = (Mint::rsa(), Mint::ed());
    let (p256, p384, p521) = (Mint::ec("P-256"), Mint::ec("P-384"), Mint::ec("P-521"));
    for (mint, names) in [
        (&rsa, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (&p256, &["ES256"]),
        (&p384, &["ES384"]),
        (&p521, &["ES512"]),
        (&ed, &["EdDSA", "Ed25519"]),
    ] {
        let trust = trust(&[("corp", ISS, algorithms, json!([mint.jwk(&json!({ "kid": "k" }))]))]);
        for name in names {
            let token = mint.token(&json!({ "alg": name, "kid": "k" }), &claims(ISS));
            assert!(verify_bearer(&trust, &token).is_ok(), "{name}");
            let (input, signature) = token.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { "B" } else { "A" };
            let broken = format!("{input}.{first}{}", signature.get(1..).unwrap());
            assert_eq!(verify_bearer(&trust, &broken).unwrap_err(), Reason::SignatureInvalid);
        }
    }
}

/// P48: the header cannot choose another algorithm than issuer and key have.
#[test]
fn the_algorithm_is_the_issuers_and_the_keys_choice() {
    let (rsa, ec) = (Mint::rsa(), Mint::ec("P-256"));
    let keys =
        json!([rsa.jwk(&json!({ "kid": "r", "alg": "RS256" })), ec.jwk(&json!({ "kid": "e" }))]);
    let trust = trust(&[("corp", ISS, "  algorithms: [RS256, PS256, ES256]", keys)]);
    let good = rsa.token(&json!({ "alg": "RS256", "kid": "r" }), &claims(ISS));
    assert!(verify_bearer(&trust, &good).is_ok());
    for (alg, kid, reason) in [
        ("none", "r", Reason::TokenAlg),
        ("None", "r", Reason::TokenAlg),
        ("HS256", "r", Reason::TokenAlg),
        ("HS256", "e", Reason::TokenAlg),
        ("rs256", "r", Reason::TokenAlg),
        ("RS512", "r", Reason::TokenAlg),
        ("PS256", "r", Reason::TokenAlg),
        ("ES256", "r", Reason::TokenAlg),
        ("RS256", "e", Reason::TokenAlg),
        ("ES256K", "e", Reason::TokenAlg),
        ("RS256", "x", Reason::KeyUnknown),
    ] {
        let token = rsa.token(&json!({ "alg": alg, "kid": kid }), &claims(ISS));
        assert_eq!(verify_bearer(&trust, &token).unwrap_err(), reason, "{alg} {kid}");
    }
}

/// Invariant 8, P49: keys and addresses in the header are never used; without a known key the token is refused.
#[test]
fn keys_in_the_header_are_never_honoured() {
    let (trust, _) = simple();
    let attacker = Mint::ed();
    let own = attacker.jwk(&json!({ "kid": "k" }));
    for header in [
        json!({ "alg": "EdDSA", "kid": "k", "jwk": own }),
        json!({ "alg": "EdDSA", "kid": "k", "jku": "https://attacker.example/jwks" }),
        json!({ "alg": "EdDSA", "kid": "k", "x5u": "https://attacker.example/x5u" }),
        json!({ "alg": "EdDSA", "kid": "k", "x5c": ["AAAA"] }),
    ] {
        let token = attacker.token(&header, &claims(ISS));
        assert_eq!(verify_bearer(&trust, &token).unwrap_err(), Reason::SignatureInvalid);
    }
    let token = attacker.token(&json!({ "alg": "EdDSA", "kid": "x", "jwk": own }), &claims(ISS));
    assert_eq!(verify_bearer(&trust, &token).unwrap_err(), Reason::KeyUnknown);
}

/// P51: `kid` is compared and nothing else; an unknown one never falls back to another key.
#[test]
fn an_unknown_key_id_is_refused() {
    let (trust, mint) = simple();
    for kid in ["", "K", "k ", "../k", "k' OR 1=1 --", "http://attacker.example/k", "\u{0}"] {
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": kid }), &claims(ISS));
        assert_eq!(verify_bearer(&trust, &token).unwrap_err(), Reason::KeyUnknown, "{kid}");
    }
    let token = mint.token(&json!({ "alg": "EdDSA" }), &claims(ISS));
    assert!(verify_bearer(&trust, &token).is_ok(), "one key fits a token without `kid`");
}

/// P52, P53: two issuers with the same `kid`: each token verifies with its own issuer's key only.
#[test]
fn a_key_is_its_issuers_alone() {
    let (a, b) = (Mint::ed(), Mint::ed());
    let keys = |mint: &Mint| json!([mint.jwk(&json!({ "kid": "k" }))]);
    let other = "https://b.example";
    let trust = trust(&[
        ("a", ISS, "  algorithms: [EdDSA]", keys(&a)),
        ("b", other, "  algorithms: [EdDSA]", keys(&b)),
    ]);
    let header = json!({ "alg": "EdDSA", "kid": "k" });
    for (mint, iss, expected) in [
        (&a, ISS, Ok("a".to_owned())),
        (&b, other, Ok("b".to_owned())),
        (&a, other, Err(Reason::SignatureInvalid)),
        (&b, ISS, Err(Reason::SignatureInvalid)),
        (&a, "https://a.example/", Err(Reason::IssuerUnknown)),
        (&a, "https://A.example", Err(Reason::IssuerUnknown)),
        (&a, "", Err(Reason::IssuerUnknown)),
    ] {
        let verified = verify_bearer(&trust, &mint.token(&header, &claims(iss)));
        assert_eq!(verified.map(|token| token.issuer_name().to_owned()), expected, "{iss}");
    }
    for iss in [json!(null), json!([ISS]), json!({ "a": ISS }), json!(1)] {
        let mut claims = claims(ISS);
        claims["iss"] = iss;
        let refused = verify_bearer(&trust, &a.token(&header, &claims)).unwrap_err();
        assert_eq!(refused, Reason::IssuerUnknown);
    }
}

/// P70: a token of another type is not an access token.
#[test]
fn a_token_of_another_type_is_refused() {
    let (trust, mint) = simple();
    for typ in ["wit+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", ""] {
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k", "typ": typ }), &claims(ISS));
        assert_eq!(verify_bearer(&trust, &token).unwrap_err(), Reason::TokenType, "{typ}");
    }
}

/// P140: the payload names the kind as well, and the header of an ID token may well be `JWT`.
#[test]
fn a_token_whose_claims_name_another_kind_is_refused() {
    let (trust, mint) = simple();
    let memory = Recorder::default();
    for (more, expected) in [
        (json!({ "typ": "Bearer" }), Ok(())),
        (json!({ "typ": "ID" }), Err(Reason::TokenType)),
        (json!({ "token_use": "id" }), Err(Reason::TokenType)),
        (json!({ "typ": "DPoP" }), Err(Reason::TokenType)),
    ] {
        let mut claims = claims(ISS);
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k", "typ": "JWT" }), &claims);
        for _ in 0..2 {
            let tokens = [(TokenPlace::Authorization, token.as_str())];
            let found = verify_at(&trust, &tokens, &memory, now()).map(|_| ());
            assert_eq!(found, expected, "{more}");
        }
    }
}

/// P71: one token of each issuer, and each in its own place.
#[test]
fn tokens_of_several_issuers_are_verified_each_in_its_place() {
    let (a, b) = (Mint::ed(), Mint::ed());
    let keys = |mint: &Mint| json!([mint.jwk(&json!({ "kid": "k" }))]);
    let trust = trust(&[
        (
            "a",
            ISS,
            "  algorithms: [EdDSA]\n  tokens: [{ authorization: {} }, { cookie: session }]",
            keys(&a),
        ),
        ("b", "b", "  algorithms: [EdDSA]\n  tokens: [{ header: x-partner }]", keys(&b)),
    ]);
    let header = json!({ "alg": "EdDSA", "kid": "k" });
    let of_a = a.token(&header, &claims(ISS));
    let of_b = b.token(&header, &claims("b"));
    let names = |tokens: &[(TokenPlace, &str)]| {
        verify_at(&trust, tokens, &NoCache, now())
            .map(|t| t.iter().map(|t| t.issuer_name().to_owned()).collect::<Vec<_>>())
    };
    let bearer = (TokenPlace::Authorization, of_a.as_str());
    let cookie = |token| (TokenPlace::Cookie("session".into()), token);
    let partner = |token| (TokenPlace::Header("x-partner".into()), token);
    assert_eq!(names(&[bearer.clone(), partner(of_b.as_str())]), Ok(vec!["a".into(), "b".into()]));
    assert_eq!(names(&[cookie(of_a.as_str())]), Ok(vec!["a".into()]));
    let again = a.token(&header, &json!({ "iss": ISS }));
    assert_eq!(names(&[bearer, cookie(again.as_str())]), Err(Reason::TokenMultiple));
    assert_eq!(names(&[partner(of_a.as_str())]), Err(Reason::IssuerUnknown));
    assert_eq!(names(&[cookie(of_b.as_str())]), Err(Reason::IssuerUnknown));
}

/// P70, P45: a JWT-SVID is known by the trust domain of its subject, and speaks for no other.
#[test]
fn a_jwt_svid_is_about_a_workload_of_its_trust_domain() {
    let mint = Mint::ec("P-256");
    let keys = json!([mint.jwk(&json!({ "kid": "k", "use": "jwt-svid" }))]);
    let settings = "  algorithms: [ES256]\n  profile: jwtSvid";
    let trust = trust(&[("svid", "spiffe://prod.example", settings, keys)]);
    let judged = |typ: &str, changes: Value| {
        let mut claims = json!({ "aud": "orders", "iat": NOW, "exp": NOW + 300 });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let header = json!({ "alg": "ES256", "kid": "k", "typ": typ });
        verify_bearer(&trust, &mint.token(&header, &claims)).map(|t| t.issuer_name().to_owned())
    };
    let good = json!({ "sub": "spiffe://prod.example/ns/web/sa/front" });
    assert_eq!(judged("JWT", good.clone()), Ok("svid".into()));
    assert_eq!(judged("JOSE", good.clone()), Ok("svid".into()));
    assert_eq!(judged("wit+jwt", good), Err(Reason::TokenType));
    for (sub, reason) in [
        ("spiffe://prod.example", Reason::IssuerUnknown),
        ("spiffe://other.example/ns/web/sa/front", Reason::IssuerUnknown),
        ("spiffe://prod.example.evil/a", Reason::IssuerUnknown),
        ("spiffe://prod.example/", Reason::ClaimMismatch),
        ("spiffe://prod.example/../a", Reason::ClaimMismatch),
        ("spiffe://prod.example//a", Reason::ClaimMismatch),
        ("spiffe://prod.example/a%2fb", Reason::ClaimMismatch),
        ("alice", Reason::IssuerUnknown),
    ] {
        assert_eq!(judged("JWT", json!({ "sub": sub })), Err(reason), "{sub}");
    }
    let named = json!({ "sub": "alice", "iss": "spiffe://prod.example" });
    assert_eq!(judged("JWT", named), Err(Reason::IssuerUnknown), "`iss` does not make a JWT-SVID");
}

#[test]
fn a_service_account_token_speaks_of_one_account() {
    let mint = Mint::ed();
    let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
    let settings = "  algorithms: [EdDSA]\n  profile: kubernetes";
    let trust = trust(&[("cluster", ISS, settings, keys)]);
    let judged = |changes: Value| {
        let mut claims = claims(ISS);
        claims["sub"] = json!("system:serviceaccount:web:front");
        claims["kubernetes.io"] =
            json!({ "namespace": "web", "serviceaccount": { "name": "front" } });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims);
        verify_bearer(&trust, &token).map(|_| ())
    };
    assert_eq!(judged(json!({})), Ok(()));
    for changes in [
        json!({ "sub": "system:serviceaccount:web:other" }),
        json!({ "sub": "system:serviceaccount:other:front" }),
        json!({ "sub": "system:serviceaccount:web:front:x" }),
        json!({ "sub": "system:serviceaccount::front" }),
        json!({ "sub": "system:node:a" }),
        json!({ "kubernetes.io": null }),
        json!({ "kubernetes.io": { "namespace": "web" } }),
        json!({ "kubernetes.io": { "namespace": ["web"], "serviceaccount": { "name": "front" } } }),
    ] {
        assert_eq!(judged(changes.clone()), Err(Reason::ClaimMismatch), "{changes}");
    }
}

/// An emergency: a key that the issuer still publishes, and that is not to be used.
#[test]
fn a_denied_key_is_not_used() {
    let mint = Mint::ed();
    let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
    let trust = trust(&[("corp", ISS, "  algorithms: [EdDSA]\n  denyKids: [k]", keys)]);
    for header in [json!({ "alg": "EdDSA", "kid": "k" }), json!({ "alg": "EdDSA" })] {
        let refused = verify_bearer(&trust, &mint.token(&header, &claims(ISS))).unwrap_err();
        assert_eq!(refused, Reason::KeyUnknown);
    }
}

/// P69 in the small: `binding.rs` has the table. Without a peer a bound token is refused, also where no rule asks.
#[test]
fn a_bound_token_without_a_peer_is_refused() {
    let (trust, mint) = simple();
    let mut bound = claims(ISS);
    bound["cnf"] = json!({ "x5t#S256": encode([0; 32]) });
    let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &bound);
    assert_eq!(verify_bearer(&trust, &token).unwrap_err(), Reason::BindingUnavailable);
}

/// Keeps every token.
#[derive(Debug, Default)]
struct Recorder(Mutex<BTreeMap<Fingerprint, Arc<SignedToken>>>);

impl Recorder {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl TokenCache for Recorder {
    fn lookup(&self, token: &Fingerprint) -> Option<Arc<SignedToken>> {
        self.0.lock().unwrap().get(token).cloned()
    }

    fn keep(&self, token: &Arc<SignedToken>) {
        self.0.lock().unwrap().insert(*token.fingerprint(), Arc::clone(token));
    }
}

/// P63, invariant 7: a remembered signature saves reading and verifying the token again, and no other check.
#[test]
fn what_is_cached_is_what_the_signature_vouches_for() {
    let (trust, mint) = simple();
    let memory = Recorder::default();
    let header = json!({ "alg": "EdDSA", "kid": "k" });
    let verify = |trust: &TrustStore, token: &str, now: UnixTime| {
        verify_at(trust, &[(TokenPlace::Authorization, token)], &memory, now).map(|_| ())
    };
    let good = mint.token(&header, &claims(ISS));
    assert_eq!(verify(&trust, &good, now()), Ok(()));
    assert_eq!(memory.count(), 1);
    assert_eq!(verify(&trust, &good, now()), Ok(()));
    for (at, expected) in [
        (NOW + 629, Ok(())),
        (NOW + 630, Err(Reason::TokenExpired)),
        (NOW - 91, Err(Reason::TokenNotYetValid)),
    ] {
        assert_eq!(verify(&trust, &good, UnixTime::from_secs(at)), expected, "{at}");
    }
    let again = verify_at(&trust, &[(TokenPlace::Authorization, &good)], &memory, now()).unwrap();
    assert_eq!((again[0].key_id(), again[0].subject()), (Some("k"), Some("alice")));
}

/// P62, invariant 7: what was verified with keys that are no longer the issuer's is verified again.
#[test]
fn a_key_takes_its_remembered_tokens_with_it() {
    let (trust, mint) = simple();
    let memory = Recorder::default();
    let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims(ISS));
    let verify = |trust: &TrustStore| {
        verify_at(trust, &[(TokenPlace::Authorization, &token)], &memory, now()).map(|_| ())
    };
    assert_eq!(verify(&trust), Ok(()));
    let (rotated, _) = simple();
    assert_eq!(verify(&rotated), Err(Reason::SignatureInvalid));
    assert_eq!(verify(&trust), Ok(()));
}

/// Invariant 9: tokens that are refused for any reason do not take room.
#[test]
fn refused_tokens_are_not_remembered() {
    let (trust, mint) = simple();
    let memory = Recorder::default();
    for (claim, value) in
        [("aud", json!("other")), ("exp", json!(NOW - 600)), ("nbf", json!(NOW + 600))]
    {
        let mut wrong = claims(ISS);
        wrong[claim] = value;
        let wrong = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &wrong);
        assert!(verify_at(&trust, &[(TokenPlace::Authorization, &wrong)], &memory, now()).is_err());
    }
    let forged = Mint::ed().token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims(ISS));
    assert!(verify_at(&trust, &[(TokenPlace::Authorization, &forged)], &memory, now()).is_err());
    assert_eq!(memory.count(), 0);
}

/// P53, P63: one token in two places can be of two issuers; what is remembered of one place says nothing of the other.
#[test]
fn what_is_cached_is_of_one_place() {
    let mint = Mint::ed();
    let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
    let strict = "  algorithms: [EdDSA]\n  tokens: [{ header: x-strict }]\n  maxLifetime: 1m";
    let lax = "  algorithms: [EdDSA]";
    let trust = trust(&[("lax", ISS, lax, keys.clone()), ("strict", ISS, strict, keys)]);
    let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims(ISS));
    let memory = Recorder::default();
    let verify = |place| {
        verify_at(&trust, &[(place, &token)], &memory, now())
            .map(|tokens| tokens[0].issuer_name().to_owned())
    };
    for _ in 0..2 {
        assert_eq!(verify(TokenPlace::Authorization), Ok(String::from("lax")));
        let refused = verify(TokenPlace::Header("x-strict".into()));
        assert_eq!(refused, Err(Reason::TokenLifetime));
    }
}

/// P72: what a token takes is counted with what it claims.
#[test]
fn a_larger_token_is_counted_as_larger() {
    let (trust, mint) = simple();
    let size = |claims: &Value| {
        let memory = Recorder::default();
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), claims);
        verify_at(&trust, &[(TokenPlace::Authorization, &token)], &memory, now()).unwrap();
        memory.0.lock().unwrap().values().map(|kept| kept.size()).sum::<usize>()
    };
    let small = size(&claims(ISS));
    let mut large = claims(ISS);
    large["groups"] = json!(vec!["a-group-of-people"; 100]);
    assert!(size(&large) > small + 100 * 17);
}

#[test]
fn an_assertion_reads_claims_as_strictly_as_a_token() {
    let of = |claims: Value| {
        TokenIdentity::assertion("corp", claims.as_object().unwrap().clone(), Binding::Certificate)
    };
    let token = of(json!({ "sub": "alice", "scope": ["a", "b c"] })).unwrap();
    assert_eq!((token.issuer_name(), token.subject()), ("corp", Some("alice")));
    assert_eq!(token.scopes(), ["a", "b", "c"]);
    assert_eq!(token.binding(), Binding::Certificate);
    assert_eq!(of(json!({ "sub": 1 })).unwrap_err().reason(), Reason::TokenMalformed);
}
