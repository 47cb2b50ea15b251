//! Every form that a registered claim can have, and those it cannot.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::{self, Attachments, Code, SourceFile};
use crate::trust::TrustStore;

const NOW: i64 = 1_800_000_000;

fn issuer(more: &str) -> TrustStore {
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: a }}\nspec:\n  issuer: a\n  audiences: [orders, billing]\n  algorithms: [EdDSA]\n  clockSkew: 30s\n  maxLifetime: 1h\n  keys: {{ inline: '{keys}' }}\n{more}"
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("a.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    let faults: Vec<_> = problems.iter().filter(|own| own.code != Code::WithoutAudience).collect();
    assert_eq!(faults, Vec::<&document::Diagnostic>::new());
    store
}

/// Good claims with `changes` laid over them; `"absent"` removes one.
fn check(trust: &TrustStore, changes: &Value, now: i64) -> Result<(), Reason> {
    let mut claims =
        json!({ "iss": "a", "aud": "orders", "iat": NOW, "nbf": NOW, "exp": NOW + 600, "sub": "s" })
            .as_object()
            .unwrap()
            .clone();
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    RegisteredClaims::read(&claims, trust.issuers()[0].client_claim.as_deref())
        .and_then(|read| {
            read.check(&claims, &trust.issuers()[0], UnixTime::from_secs(now), &mut |_| {})
        })
        .map(|_| ())
        .map_err(|rejection| rejection.reason())
}

/// P55: a time of the wrong type or out of range is refused, never taken for an absent one.
#[test]
fn a_time_that_is_not_one_is_refused() {
    let trust = issuer("");
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!("1800000600"),
            json!(true),
            json!([NOW]),
            json!({}),
            json!(-1),
            json!(-0.5),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
            json!(NOW * 1000),
        ] {
            let changes = json!({ name: value });
            assert_eq!(check(&trust, &changes, NOW), Err(Reason::TokenMalformed), "{changes}");
        }
    }
    assert_eq!(check(&trust, &json!({ "exp": "absent" }), NOW), Err(Reason::TokenLifetime));
    // P410: `null` is an absent claim, and no more is accepted than without it.
    assert_eq!(check(&trust, &json!({ "exp": null }), NOW), Err(Reason::TokenLifetime));
    assert_eq!(check(&trust, &json!({ "nbf": null, "iat": null, "azp": null }), NOW), Ok(()));
    assert_eq!(check(&trust, &json!({ "aud": null }), NOW), Err(Reason::Audience));
    assert_eq!(check(&trust, &json!({ "nbf": "absent", "iat": "absent" }), NOW), Ok(()));
    assert_eq!(check(&trust, &json!({ "exp": 1_800_000_600.5 }), NOW), Ok(()));
}

/// P56: the skew is applied once at each end, to the second.
#[test]
fn the_boundaries_of_time_are_exact() {
    let trust = issuer("");
    for (changes, now, expected) in [
        (json!({}), NOW, Ok(())),
        (json!({}), NOW + 629, Ok(())),
        (json!({}), NOW + 630, Err(Reason::TokenExpired)),
        (json!({}), NOW + 631, Err(Reason::TokenExpired)),
        (json!({}), NOW - 30, Ok(())),
        (json!({}), NOW - 31, Err(Reason::TokenNotYetValid)),
        (json!({ "nbf": NOW + 30 }), NOW, Ok(())),
        (json!({ "nbf": NOW + 31 }), NOW, Err(Reason::TokenNotYetValid)),
        (json!({ "iat": NOW + 30 }), NOW, Ok(())),
        (json!({ "iat": NOW + 31 }), NOW, Err(Reason::TokenNotYetValid)),
        (json!({ "exp": 0 }), NOW, Err(Reason::TokenExpired)),
        (json!({ "exp": NOW + 3600 }), NOW, Ok(())),
        (json!({ "exp": NOW + 3601 }), NOW, Err(Reason::TokenLifetime)),
        (json!({ "exp": NOW + 3601, "iat": "absent" }), NOW, Err(Reason::TokenLifetime)),
        (
            json!({ "exp": NOW + 3601, "iat": "absent", "nbf": "absent" }),
            NOW,
            Err(Reason::TokenLifetime),
        ),
    ] {
        assert_eq!(check(&trust, &changes, now), expected, "{changes} at {now}");
    }
}

#[test]
fn an_old_token_is_refused_where_age_matters() {
    let trust = issuer("  maxAge: 5m");
    assert_eq!(check(&trust, &json!({}), NOW + 330), Ok(()));
    assert_eq!(check(&trust, &json!({}), NOW + 331), Err(Reason::TokenLifetime));
    assert_eq!(check(&trust, &json!({ "iat": "absent" }), NOW), Err(Reason::TokenLifetime));
}

/// P54: the forms an audience can have, and those it cannot.
#[test]
fn an_audience_is_one_of_ours_exactly() {
    let trust = issuer("");
    for (aud, expected) in [
        (json!("orders"), Ok(())),
        (json!("billing"), Ok(())),
        (json!(["x", "orders"]), Ok(())),
        (json!("Orders"), Err(Reason::Audience)),
        (json!("orders "), Err(Reason::Audience)),
        (json!("order"), Err(Reason::Audience)),
        (json!("orders,billing"), Err(Reason::Audience)),
        (json!("*"), Err(Reason::Audience)),
        (json!(""), Err(Reason::Audience)),
        (json!([]), Err(Reason::Audience)),
        (json!([""]), Err(Reason::Audience)),
        (json!("absent"), Err(Reason::Audience)),
        (json!(null), Err(Reason::Audience)),
        (json!([null]), Err(Reason::TokenMalformed)),
        (json!(1), Err(Reason::TokenMalformed)),
        (json!(["orders", 1]), Err(Reason::TokenMalformed)),
        (json!([["orders"]]), Err(Reason::TokenMalformed)),
        (json!({ "0": "orders" }), Err(Reason::TokenMalformed)),
    ] {
        let changes = json!({ "aud": aud });
        assert_eq!(check(&trust, &changes, NOW), expected, "{changes}");
    }
}

/// P415: a token without an audience is tied to its client, where the document says so, and one with another audience is not.
#[test]
fn a_token_without_an_audience_needs_a_client_that_is_named() {
    let trust = issuer("  clientClaim: cid\n  withoutAudience: { clients: [web, cli] }");
    for (changes, expected) in [
        (json!({ "aud": "absent", "client_id": "web" }), Ok(())),
        (json!({ "aud": [], "azp": "cli" }), Ok(())),
        (json!({ "aud": "", "azp": "cli" }), Ok(())),
        (json!({ "aud": [""], "azp": "cli" }), Ok(())),
        (json!({ "aud": null, "cid": "cli" }), Ok(())),
        (json!({ "aud": null, "appid": "cli" }), Err(Reason::Audience)),
        (json!({ "aud": "orders", "client_id": "other" }), Ok(())),
        (json!({ "aud": "account", "client_id": "web" }), Err(Reason::Audience)),
        (json!({ "aud": "absent", "client_id": "web2" }), Err(Reason::Audience)),
        (json!({ "aud": "absent", "client_id": "Web" }), Err(Reason::Audience)),
        (json!({ "aud": "absent", "client_id": "other", "azp": "web" }), Err(Reason::Audience)),
        (json!({ "aud": "absent" }), Err(Reason::Audience)),
        (json!({ "aud": 7, "client_id": "web" }), Err(Reason::TokenMalformed)),
    ] {
        assert_eq!(check(&trust, &changes, NOW), expected, "{changes}");
    }
}

/// With `withoutAudience` alone there is no audience to name.
#[test]
fn a_token_with_an_audience_where_none_counts_is_named() {
    let trust = issuer("");
    let mut own = trust.issuers()[0].clone();
    own.audiences.clear();
    let claims = json!({ "aud": "orders", "iat": NOW, "exp": NOW + 600 });
    let claims = claims.as_object().unwrap();
    let read = RegisteredClaims::read(claims, None).unwrap();
    let refused = read.check(claims, &own, UnixTime::from_secs(NOW), &mut |_| {}).unwrap_err();
    assert!(
        refused.detail().ends_with("its issuer has no `audiences`: only tokens without one count"),
        "{refused:?}"
    );
}

/// Messages name what the token says, what was expected, and the setting.
#[test]
fn a_refusal_says_what_the_token_says() {
    let trust = issuer("  maxAge: 5m");
    let detail = |changes: Value, now: i64| {
        let claims = json!({ "aud": "orders", "iat": NOW, "exp": NOW + 600 });
        let mut claims = claims.as_object().unwrap().clone();
        claims.extend(changes.as_object().unwrap().clone());
        let now = UnixTime::from_secs(now);
        let read = RegisteredClaims::read(&claims, None).unwrap();
        let refused = read.check(&claims, &trust.issuers()[0], now, &mut |_| {}).unwrap_err();
        refused.detail().to_owned()
    };
    for (changes, now, expected) in [
        (
            json!({ "aud": ["Orders", "zoe@example.com"] }),
            NOW,
            "the audience of the token is (6 bytes), (15 bytes), expected `orders`, `billing`; `orders` differs by case",
        ),
        (
            json!({ "aud": "x" }),
            NOW,
            "the audience of the token is (1 bytes), expected `orders`, `billing`",
        ),
        (
            json!({ "exp": NOW + 7200 }),
            NOW,
            "token lives 2h, and `maxLifetime` of its issuer is 1h",
        ),
        (json!({}), NOW + 400, "token is 6m40s old, and `maxAge` of its issuer is 5m"),
    ] {
        assert_eq!(detail(changes, now), expected);
    }
}

/// P57: scopes are whole words, however they are written.
#[test]
fn scopes_are_whole_words() {
    let scopes = |claims: Value| {
        RegisteredClaims::read(claims.as_object().unwrap(), None)
            .map(|read| read.scopes)
            .map_err(|rejection| rejection.reason())
    };
    for (claims, expected) in [
        (json!({}), Ok(vec![])),
        (json!({ "scope": "" }), Ok(vec![])),
        (json!({ "scope": "a ".repeat(MAX_SCOPES) }), Ok(vec!["a"; MAX_SCOPES])),
        (json!({ "scope": "a ".repeat(MAX_SCOPES + 1) }), Err(Reason::TokenMalformed)),
        (json!({ "scope": "administrator" }), Ok(vec!["administrator"])),
        (json!({ "scope": " a  b " }), Ok(vec!["a", "b"])),
        (json!({ "scope": ["a", "b c"] }), Ok(vec!["a", "b", "c"])),
        (json!({ "scp": "a b" }), Ok(vec!["a", "b"])),
        (json!({ "scp": ["a", "b"] }), Ok(vec!["a", "b"])),
        (json!({ "scope": "a", "scp": ["b"] }), Ok(vec!["a"])),
        (json!({ "scope": "a\tb c" }), Ok(vec!["c"])),
        (json!({ "scope": "a\nb" }), Ok(vec![])),
        (json!({ "scope": "a\"b" }), Ok(vec![])),
        (json!({ "scope": "é" }), Ok(vec![])),
        (json!({ "scope": 1 }), Err(Reason::TokenMalformed)),
        (json!({ "scope": [1] }), Err(Reason::TokenMalformed)),
        (json!({ "scope": null, "scp": ["b"] }), Ok(vec!["b"])),
        (json!({ "scope": [null] }), Err(Reason::TokenMalformed)),
        (json!({ "scope": vec!["a"; 257] }), Err(Reason::TokenMalformed)),
    ] {
        let shown = claims.to_string();
        let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect());
        assert_eq!(scopes(claims), expected, "{shown}");
    }
}

#[test]
fn registered_claims_of_the_wrong_type_are_refused() {
    let trust = issuer("");
    for name in ["sub", "jti", "client_id", "azp"] {
        for value in [json!(1), json!(["a"]), json!({})] {
            let changes = json!({ name: value });
            assert_eq!(check(&trust, &changes, NOW), Err(Reason::TokenMalformed), "{changes}");
        }
        assert_eq!(check(&trust, &json!({ name: null }), NOW), Ok(()), "P410: {name}");
    }
}

/// P499: each issuer has its own name for the client, which is a claim like any other elsewhere.
#[test]
fn the_client_has_several_names() {
    for (own, claims, expected) in [
        (Some("cid"), json!({ "client_id": "a", "azp": "b", "cid": "c" }), Some("a")),
        (Some("appid"), json!({ "client_id": null, "azp": "b", "appid": "c" }), Some("b")),
        (Some("cid"), json!({ "cid": "c", "appid": "d" }), Some("c")),
        (Some("appid"), json!({ "cid": "c", "appid": "d" }), Some("d")),
        (Some("cid"), json!({ "appid": "d" }), None),
        (Some("cid"), json!({ "cid": 7 }), None),
        (Some("appid"), json!({ "appid": ["d"] }), None),
        (None, json!({ "azp": "b", "cid": "c" }), Some("b")),
        (None, json!({ "cid": "c", "appid": "d" }), None),
        (None, json!({}), None),
    ] {
        let read = RegisteredClaims::read(claims.as_object().unwrap(), own).unwrap();
        assert_eq!(read.client.as_deref(), expected, "{own:?} {claims}");
    }
}

#[test]
fn required_claims_must_be_there() {
    let trust = issuer("  requiredClaims: [/sub, /realm/roles/0]");
    let roles = json!({ "realm": { "roles": ["a"] } });
    assert_eq!(check(&trust, &roles, NOW), Ok(()));
    assert_eq!(check(&trust, &json!({}), NOW), Err(Reason::ClaimMismatch));
    let null = json!({ "realm": { "roles": [null] } });
    assert_eq!(check(&trust, &null, NOW), Err(Reason::ClaimMismatch));
}

/// P80: the detail of a refusal never has the value of a claim.
#[test]
fn a_refusal_does_not_echo_claims() {
    for claims in [
        json!({ "sub": ["canary"] }),
        json!({ "scope": { "canary": 1 } }),
        json!({ "aud": { "canary": 1 } }),
        json!({ "exp": "canary" }),
    ] {
        let refused = RegisteredClaims::read(claims.as_object().unwrap(), None).unwrap_err();
        assert!(!refused.detail().contains("canary"), "{refused}");
    }
}

/// Any JSON value of a few levels.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(Value::from(NOW + 60)),
        Just(Value::from("orders")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~]{0,4}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    /// P55, P60: no claims make the checks panic, and what passes has an audience of ours and expires within the lifetime.
    #[test]
    fn whatever_is_claimed_what_passes_keeps_the_rules(
        values in prop::collection::vec(any_value(), 7), pointer in "\\PC{0,12}",
    ) {
        let trust = issuer("");
        let names = ["aud", "exp", "nbf", "iat", "scope", "sub", "cnf"];
        let claims: Map<_, _> = names.map(str::to_owned).into_iter().zip(values).collect();
        let _ = claim_at(&claims, &pointer);
        let now = UnixTime::from_secs(NOW);
        if let Ok(read) = RegisteredClaims::read(&claims, None)
            && let Ok(until) = read.check(&claims, &trust.issuers()[0], now, &mut |_| {})
        {
            prop_assert!(read.audiences.iter().any(|audience| audience == "orders"));
            prop_assert!(now < until && until <= now.plus(Duration::from_secs(3600 + 60)));
        }
    }
}
