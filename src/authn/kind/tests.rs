//! Tokens of real providers, as their documentation shows them: which are access tokens and which are not.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::authn::token::verify_all;
use crate::authn::{NoCache, Presenter};
use crate::clock::UnixTime;
use crate::document::{self, Attachments, Diagnostic, SourceFile};
use crate::evidence::{PresentedToken, TokenScheme};
use crate::request::TokenPlace;
use crate::secret::Fingerprint;
use crate::trust::{IntrospectionAnswer, Material, TrustStore};

const NOW: i64 = 1_800_000_000;
const KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn compiled(more: &str) -> (TrustStore, Vec<Diagnostic>) {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: https://a.example\n  audiences: [orders]\n  algorithms: [EdDSA]\n  keys: {{ inline: '{{\"keys\":[{KEY}]}}' }}\n{more}"
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("a.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    (store, problems)
}

fn judged(more: &str, header: Option<&str>, claims: &Value) -> Result<(), Reason> {
    let (trust, problems) = compiled(more);
    assert_eq!(problems, []);
    check(claims.as_object().unwrap(), header, &trust.issuers()[0]).map_err(|why| why.reason())
}

/// P140: an ID, refresh, offline or logout token, or another thing that the issuer signs, is refused whatever its header says.
#[test]
fn only_access_tokens_are_access_tokens() {
    let other = Err(Reason::TokenType);
    for (what, claims, expected) in [
        ("Keycloak, access", json!({ "typ": "Bearer", "azp": "web", "scope": "openid" }), Ok(())),
        ("Keycloak before 25, access", json!({ "typ": "Bearer", "nonce": "n" }), Ok(())),
        ("Keycloak, ID", json!({ "typ": "ID", "azp": "web", "at_hash": "x" }), other),
        ("Keycloak, refresh", json!({ "typ": "Refresh", "scope": "openid" }), other),
        ("Keycloak, offline", json!({ "typ": "Offline", "scope": "openid" }), other),
        ("Keycloak, logout", json!({ "typ": "Logout" }), other),
        ("Keycloak, a link in a mail", json!({ "typ": "execute-actions" }), other),
        ("Keycloak, to register", json!({ "typ": "InitialAccessToken" }), other),
        ("any other case", json!({ "typ": "iD" }), other),
        ("a media type", json!({ "typ": "application/at+jwt" }), Ok(())),
        ("how it is written", json!({ "typ": "JWT" }), Ok(())),
        ("Cognito, access", json!({ "token_use": "access", "client_id": "x" }), Ok(())),
        ("Cognito, ID", json!({ "token_use": "id" }), other),
        ("Hydra, refresh", json!({ "token_use": "refresh_token" }), other),
        ("Django, access", json!({ "token_type": "access" }), Ok(())),
        ("Django, refresh", json!({ "token_type": "refresh" }), other),
        ("Flask, refresh", json!({ "type": "refresh", "fresh": false }), other),
        ("Flask, access", json!({ "type": "access" }), Ok(())),
        ("something else of that name", json!({ "type": "employee", "use": "sig" }), Ok(())),
        ("no text", json!({ "typ": 1 }), Err(Reason::TokenMalformed)),
        ("several", json!({ "token_use": ["access"] }), Err(Reason::TokenMalformed)),
        ("empty", json!({ "typ": "" }), other),
        ("nothing said", json!({ "typ": null, "sub": "alice" }), Ok(())),
        ("Entra, access", json!({ "scp": "orders.read", "azp": "x", "ver": "2.0" }), Ok(())),
        ("Entra, ID", json!({ "nonce": "n", "ver": "2.0" }), other),
        ("Okta, ID", json!({ "nonce": "n", "at_hash": "x", "amr": ["pwd"] }), other),
        ("Google, ID", json!({ "at_hash": "x", "azp": "x" }), other),
        ("hybrid, ID", json!({ "c_hash": "x", "scope": "openid" }), other),
        ("a nonce beside a scope", json!({ "nonce": "n", "scope": "orders:read" }), Ok(())),
        ("two words", json!({ "typ": "Bearer", "token_use": "id" }), other),
        (
            "logout",
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
            other,
        ),
        ("a claim of that name", json!({ "events": ["a"] }), Ok(())),
        ("introspection", json!({ "token_introspection": { "active": true } }), other),
        ("a proof", json!({ "htm": "GET", "htu": "https://a.example/" }), other),
        ("half a proof", json!({ "htm": "GET" }), Ok(())),
        ("half an answer", json!({ "code": "x" }), Ok(())),
        ("a word of another claim", json!({ "department": "id" }), Ok(())),
        ("a request", json!({ "response_type": "code", "client_id": "web" }), other),
        ("an answer", json!({ "code": "x", "state": "y" }), other),
        ("DPoP without a key", json!({ "typ": "DPoP" }), other),
        ("DPoP", json!({ "typ": "DPoP", "cnf": { "jkt": "x" } }), Ok(())),
    ] {
        assert_eq!(judged("", None, &claims), expected, "{what}");
        assert_eq!(judged("", Some("JWT"), &claims), expected, "{what}");
    }
    assert_eq!(judged("", Some("at+jwt"), &json!({ "nonce": "n" })), Ok(()));
    assert_eq!(judged("", Some("at+jwt"), &json!({ "at_hash": "n" })), other);
}

/// P172: kinds that other claims name, in any spelling of theirs, and an ID token that names a client.
#[test]
fn kinds_are_told_by_the_claims_that_other_providers_have_for_it() {
    let other = Err(Reason::TokenType);
    for (what, claims, expected) in [
        ("Curity, ID", json!({ "purpose": "id" }), other),
        ("Curity, access", json!({ "purpose": "access_token", "scope": "orders" }), Ok(())),
        ("Curity, refresh", json!({ "purpose": "refresh_token" }), other),
        ("a purpose of use", json!({ "purpose": "treatment" }), Ok(())),
        ("ForgeRock, ID", json!({ "tokenName": "id_token", "tokenType": "JWTToken" }), other),
        ("ForgeRock, refresh", json!({ "tokenName": "refresh_token", "scope": "a" }), other),
        ("ForgeRock, access", json!({ "tokenName": "access_token", "scope": "a" }), Ok(())),
        ("FusionAuth, ID", json!({ "tty": "id_token" }), other),
        ("FusionAuth, access", json!({ "tty": "at" }), Ok(())),
        ("Zitadel, ID", json!({ "client_id": "web", "azp": "web", "nonce": "n" }), other),
        ("Zitadel, access", json!({ "client_id": "web", "jti": "j" }), Ok(())),
        ("PingOne, access", json!({ "client_id": "x", "env": "e", "scope": "a" }), Ok(())),
        ("Auth0, ID", json!({ "nonce": "n", "sid": "s" }), other),
        ("camel case", json!({ "tokenUse": "id" }), other),
        ("capitals", json!({ "Token-Type": "Refresh" }), other),
        ("another case of a known claim", json!({ "Typ": "ID" }), other),
        ("a type of media", json!({ "token_kind": "logout+jwt" }), other),
        ("no text", json!({ "tokenUse": ["id"], "purpose": 1 }), Ok(())),
    ] {
        assert_eq!(judged("", None, &claims), expected, "{what}");
        assert_eq!(judged("", Some("JWT"), &claims), expected, "{what}");
    }
    let both = "  kinds: [access, id]\n";
    assert_eq!(judged(both, None, &json!({ "purpose": "id" })), Ok(()));
}

/// P140: what an issuer really does can be said, and nothing makes a refresh token an access token.
#[test]
fn a_document_can_take_id_tokens_on_purpose() {
    let id = json!({ "at_hash": "x", "nonce": "n" });
    let both = "  kinds: [access, id]\n";
    assert_eq!(judged(both, None, &id), Ok(()), "Dex makes access tokens like this");
    assert_eq!(judged(both, None, &json!({ "typ": "Bearer" })), Ok(()));
    assert_eq!(judged(both, None, &json!({ "typ": "ID" })), Ok(()), "Keycloak names it");
    assert_eq!(judged(both, None, &json!({ "typ": "Refresh" })), Err(Reason::TokenType));
    let alone = "  kinds: [id]\n";
    assert_eq!(judged(alone, None, &id), Ok(()));
    assert_eq!(judged(alone, None, &json!({ "token_use": "access" })), Err(Reason::TokenType));
    let marked = json!({ "typ": "Employee" });
    assert_eq!(judged("", None, &marked), Err(Reason::TokenType));
    assert_eq!(judged("  accessMarks: [employee]\n", None, &marked), Ok(()));
    for slip in [
        "  accessMarks: [Refresh]\n",
        "  accessMarks: [id]\n",
        "  kinds: []\n",
        "  types: [JWT, logout+jwt]\n",
        "  types: [application/dpop+jwt]\n",
    ] {
        assert!(document::any_error(&compiled(slip).1), "{slip}");
    }
}

/// P140: signed or asked about, the same words are judged by the same function.
#[test]
fn both_ways_of_knowing_a_token_judge_its_kind() {
    let text = "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: opaque }\nspec:\n  issuer: https://a.example\n  audiences: [orders]\n  introspection: { url: 'https://a.example/introspect', client: { id: us, basic: { file: secret } } }\n";
    let mut files = Attachments::default();
    files.insert("secret".into(), Ok(b"canary\n".to_vec()));
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("a.yaml", text.to_owned()), &mut problems);
    let trust = TrustStore::compile(&documents, &files, &mut problems);
    problems.retain(|problem| problem.code != document::Code::SlowIntrospection);
    assert_eq!(problems, []);
    for (more, expected) in [
        (json!({}), Ok(())),
        (json!({ "typ": "Offline" }), Err(Reason::TokenType)),
        (json!({ "at_hash": "x" }), Err(Reason::TokenType)),
        (json!({ "events": {} }), Err(Reason::TokenType)),
        (json!({ "token_type": "DPoP" }), Err(Reason::TokenType)),
    ] {
        let mut answer = json!({ "active": true, "aud": "orders", "exp": NOW + 600 });
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let until = UnixTime::from_secs(NOW + 30);
        let answer = IntrospectionAnswer::parse(answer.to_string().as_bytes(), until).unwrap();
        let mut material = Material::default();
        material.insert_answer("opaque", Fingerprint::of(b"opaque-token"), Ok(Arc::new(answer)));
        let token = PresentedToken::for_test(
            &TokenPlace::Authorization,
            TokenScheme::Bearer,
            "opaque-token",
        );
        let now = UnixTime::from_secs(NOW);
        let found =
            verify_all(&[token], Presenter::NO_PEER, &trust, &material, &NoCache, now, &mut |_| {});
        assert_eq!(found.map(|_| ()).map_err(|why| why.reason()), expected, "{more}");
    }
}
