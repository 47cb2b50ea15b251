//! Answers about opaque tokens, good and bad.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::authn::token::verify_all;
use crate::authn::{Binding, NoCache, Presenter, TokenIdentity};
use crate::clock::UnixTime;
use crate::document::{self, Attachments, SourceFile};
use crate::evidence::{PresentedToken, TokenScheme};
use crate::reason::Reason;
use crate::request::TokenPlace;
use crate::secret::Fingerprint;
use crate::trust::{IntrospectionAnswer, Material, TrustStore};

const NOW: i64 = 1_800_000_000;
const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA";

/// An issuer that is asked, and one beside it in another place, or in the same, that signs.
fn trust(more: &str) -> TrustStore {
    let key = r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: opaque }}\nspec:\n  issuer: https://a.example\n  audiences: [orders]\n  tokens: [{{ authorization: {{}} }}, {{ header: x-shared }}]\n  introspection: {{ url: 'https://a.example/introspect', client: {{ id: us, basic: {{ file: secret }} }} }}\n{more}---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: signed }}\nspec:\n  issuer: https://signed.example\n  audiences: [orders]\n  algorithms: [EdDSA]\n  tokens: [{{ header: x-shared }}, {{ header: x-signed }}]\n  keys: {{ inline: '{{\"keys\":[{key}]}}' }}\n"
    );
    let mut files = Attachments::default();
    files.insert("secret".into(), Ok(b"canary\n".to_vec()));
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("a.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &files, &mut problems);
    problems.retain(|problem| problem.code != document::Code::SlowIntrospection);
    assert_eq!(problems, []);
    store
}

fn good() -> Value {
    json!({
        "active": true, "iss": "https://a.example", "aud": "orders", "sub": "alice", "client_id": "web",
        "scope": "orders:read", "token_type": "Bearer", "iat": NOW - 60, "exp": NOW + 600,
    })
}

fn with(changes: &Value) -> Value {
    let mut all = good();
    let members = all.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    all
}

fn judge(
    trust: &TrustStore,
    place: &TokenPlace,
    text: &str,
    answer: Option<&Value>,
) -> Result<TokenIdentity, Reason> {
    let token = PresentedToken::for_test(place, TokenScheme::Bearer, text);
    let mut material = Material::default();
    if let Some(answer) = answer {
        let until = UnixTime::from_secs(NOW + 30);
        let answer = IntrospectionAnswer::parse(answer.to_string().as_bytes(), until);
        let print = Fingerprint::of(text.as_bytes());
        material.insert_answer("opaque", print, Ok(std::sync::Arc::new(answer.unwrap())));
    }
    let now = UnixTime::from_secs(NOW);
    verify_all(&[token], Presenter::NO_PEER, trust, &material, &NoCache, now, &mut |_| {})
        .map(|mut tokens| tokens.remove(0))
        .map_err(|rejection| rejection.reason())
}

fn judged(changes: &Value) -> Result<TokenIdentity, Reason> {
    judge(&trust(""), &TokenPlace::Authorization, TOKEN, Some(&with(changes)))
}

#[test]
fn an_active_token_is_an_identity_like_any_other() {
    let token = judged(&json!({})).unwrap();
    assert_eq!((token.issuer_name(), token.issuer()), ("opaque", "https://a.example"));
    assert_eq!((token.subject(), token.client()), (Some("alice"), Some("web")));
    assert_eq!(
        (token.scopes(), token.audiences()),
        (&["orders:read".into()][..], &["orders".into()][..])
    );
    assert_eq!(token.expires_at(), UnixTime::from_secs(NOW + 600));
    assert_eq!((token.binding(), token.key_id()), (Binding::None, None));
}

/// P774: for signals about its use an opaque token is its text: answers about one change, and those about two can be the same.
#[test]
fn an_opaque_token_is_known_by_its_text() {
    let trust = trust("");
    let mark = |text: &str, answer: &Value| {
        let token = judge(&trust, &TokenPlace::Authorization, text, Some(answer)).unwrap();
        token.mark()
    };
    let first = mark(TOKEN, &good());
    assert_eq!(mark(TOKEN, &with(&json!({ "iat": NOW - 1, "exp": NOW + 900 }))), first);
    assert_ne!(mark("another-opaque-token-22", &good()), first);
}

/// P65: what the issuer says is checked as what a signed token says.
#[test]
fn an_active_token_must_be_one_for_us() {
    for (changes, reason) in [
        (json!({ "active": false }), Reason::IntrospectionInactive),
        (json!({ "iss": "https://b.example" }), Reason::IssuerUnknown),
        (json!({ "iss": "https://a.example/" }), Reason::IssuerUnknown),
        (json!({ "iss": 1 }), Reason::IntrospectionUnavailable),
        (json!({ "aud": null }), Reason::Audience),
        (json!({ "aud": "billing" }), Reason::Audience),
        (json!({ "aud": ["Orders", "orders/"] }), Reason::Audience),
        (json!({ "exp": NOW - 60 }), Reason::TokenExpired),
        (json!({ "exp": "soon" }), Reason::IntrospectionUnavailable),
        (json!({ "nbf": NOW + 60 }), Reason::TokenNotYetValid),
        (json!({ "iat": NOW + 60 }), Reason::TokenNotYetValid),
        (json!({ "exp": NOW + 100_000 }), Reason::TokenLifetime),
        (json!({ "exp": null, "iat": NOW - 100_000 }), Reason::TokenLifetime),
        (json!({ "token_type": "DPoP" }), Reason::TokenType),
        (json!({ "token_type": "refresh_token" }), Reason::TokenType),
        (json!({ "token_type": "" }), Reason::TokenType),
        (json!({ "token_type": ["Bearer"] }), Reason::IntrospectionUnavailable),
        (json!({ "token_use": "refresh_token" }), Reason::TokenType),
        (json!({ "typ": "Refresh" }), Reason::TokenType),
        (json!({ "typ": "ID" }), Reason::TokenType),
        (json!({ "cnf": { "jkt": "A".repeat(43) } }), Reason::DpopInvalid),
        (json!({ "cnf": { "jkt": "x" } }), Reason::IntrospectionUnavailable),
        (json!({ "cnf": { "x5t#S256": "A".repeat(43) } }), Reason::BindingUnavailable),
        (json!({ "cnf": { "x5t#S256": "x" } }), Reason::IntrospectionUnavailable),
        (json!({ "cnf": [] }), Reason::IntrospectionUnavailable),
    ] {
        assert_eq!(judged(&changes).map(|_| ()), Err(reason), "{changes}");
    }
    for changes in [
        json!({ "iss": null }),
        json!({ "iat": null }),
        json!({ "token_type": null }),
        json!({ "token_type": "bearer" }),
        json!({ "typ": "Bearer", "token_use": "access_token" }),
        json!({ "aud": ["billing", "orders"] }),
        // P447: digits in quotes have one meaning.
        json!({ "exp": (NOW + 600).to_string(), "iat": NOW.to_string() }),
    ] {
        assert_eq!(judged(&changes).map(|_| ()), Ok(()), "{changes}");
    }
    let bound = trust("  binding: certificate\n");
    let refused = judge(&bound, &TokenPlace::Authorization, TOKEN, Some(&good())).map(|_| ());
    assert_eq!(refused, Err(Reason::BindingUnavailable));
}

/// P410: answers have `null` for what is not there, and Keycloak says that a token is bound to a key, with a member of its own.
#[test]
fn an_answer_in_the_habits_of_a_provider_is_read() {
    let mut answer = good();
    for name in ["exp", "nbf", "azp", "scp", "jti", "iss", "typ"] {
        answer[name] = Value::Null;
    }
    let read = |answer: &Value| judge(&trust(""), &TokenPlace::Authorization, TOKEN, Some(answer));
    assert_eq!(read(&answer).unwrap().expires_at(), UnixTime::from_secs(NOW + 30));
    answer["cnf"] = Value::Null;
    assert_eq!(read(&answer).map(|_| ()), Err(Reason::IntrospectionUnavailable));
    for word in [json!({ "typ": "DPoP" }), json!({ "token_type": "DPoP" })] {
        let mut bound = with(&word);
        bound["cnf"] = json!({ "jkt": "A".repeat(43), "kc-jkt-type": "x" });
        assert_eq!(read(&bound).map(|_| ()), Err(Reason::DpopInvalid), "it wants a proof");
        bound["cnf"] = json!({ "kc-jkt-type": "x" });
        assert_eq!(read(&bound).map(|_| ()), Err(Reason::TokenType), "it names no key");
    }
}

/// P64: a token that does not say when it ends is good for as long as its answer.
#[test]
fn a_token_without_an_end_ends_with_its_answer() {
    let token = judged(&json!({ "exp": null })).unwrap();
    assert_eq!(token.expires_at(), UnixTime::from_secs(NOW + 30));
    assert_eq!(judged(&json!({ "iss": null })).unwrap().issuer(), "https://a.example");
}

#[test]
fn a_token_without_an_introspection_answer_is_refused() {
    let trust = trust("");
    let refused = judge(&trust, &TokenPlace::Authorization, TOKEN, None).map(|_| ());
    assert_eq!(refused, Err(Reason::IntrospectionUnavailable));
    let elsewhere = TokenPlace::Header("x-signed".into());
    let refused = judge(&trust, &elsewhere, TOKEN, Some(&good())).map(|_| ());
    assert_eq!(refused, Err(Reason::TokenMalformed), "only signed tokens belong there");
}

/// A JWT goes by the issuer that it names, wherever it is; it is never shown to another issuer's endpoint, nor is a broken one.
#[test]
fn a_jwt_is_an_opaque_token_of_the_issuer_that_it_names_only() {
    let trust = trust("");
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"EdDSA","kid":"k"}"#);
    let jws = |iss: &str| {
        let claims = encode(&format!(r#"{{"iss":"{iss}"}}"#));
        format!("{header}.{claims}.{}", encode("forged"))
    };
    let shared = TokenPlace::Header("x-shared".into());
    for (place, text, expected) in [
        (&shared, jws("https://signed.example"), Err(Reason::SignatureInvalid)),
        (&shared, jws("https://a.example"), Ok(())),
        (&shared, jws("https://b.example"), Err(Reason::IssuerUnknown)),
        (&shared, TOKEN.to_owned(), Ok(())),
        (&TokenPlace::Authorization, jws("https://a.example"), Ok(())),
        (&TokenPlace::Authorization, jws("https://signed.example"), Err(Reason::IssuerUnknown)),
    ] {
        let judged = judge(&trust, place, &text, Some(&good())).map(|_| ());
        assert_eq!(judged, expected, "{place:?} {text}");
    }
    let broken = format!("{header}.e30.");
    let judged = judge(&trust, &shared, &broken, Some(&good())).map(|_| ());
    assert_eq!(judged, Err(Reason::TokenMalformed));
}
