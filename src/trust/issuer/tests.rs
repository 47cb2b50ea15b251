//! `TokenIssuer` documents, right and wrong.

mod parts;

use crate::document::{self, Attachments, Diagnostic, SourceFile, any_error};
use crate::request::{ProtocolElement, TokenPlace};
use crate::trust::{Algorithm, Issuer, KeySource, TrustStore};

const KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// A whole document with `spec`, one setting per line.
fn document(name: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {}\n", line.trim())).collect();
    format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: {name} }}\nspec:\n{spec}"
    )
}

fn compile(text: &str, files: &Attachments) -> (TrustStore, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let file = SourceFile::new("issuer.yaml", text);
    let documents = document::parse(&file, &mut problems);
    let store = TrustStore::compile(&documents, files, &mut problems);
    (store, problems)
}

/// The settings that an issuer must have, with `changed` instead of the line of the same setting.
fn spec_with(changed: &str) -> String {
    let keys = format!("keys: {{ inline: '{{\"keys\":[{KEY}]}}' }}");
    let base = ["issuer: https://a.example", "audiences: [orders]", "algorithms: [EdDSA]", &keys];
    let field = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let mut lines: Vec<_> =
        base.iter().filter(|line| field(line) != field(changed)).map(ToString::to_string).collect();
    lines.push(changed.to_owned());
    document("a", &lines.join("\n"))
}

fn issuer_with(changed: &str) -> Issuer {
    let (store, problems) = compile(&spec_with(changed), &Attachments::default());
    assert_eq!(problems, [], "{changed}");
    store.issuers.into_iter().next().unwrap()
}

fn problems_of(text: &str) -> Vec<(&'static str, String)> {
    let (_, problems) = compile(text, &Attachments::default());
    problems.into_iter().map(|p| (p.code.as_str(), p.to_string())).collect()
}

#[test]
fn unset_keys_have_safe_defaults() {
    let issuer = issuer_with("binding: none");
    assert_eq!(issuer.places, [TokenPlace::Authorization]);
    assert_eq!(issuer.clock_skew.as_secs(), 30);
    assert_eq!(issuer.max_lifetime.as_secs(), 24 * 60 * 60);
    assert_eq!(issuer.max_age, None);
    assert!(issuer.allows_algorithm(Algorithm::EdDsa));
    assert!(!issuer.allows_algorithm(Algorithm::Es256));
    assert!(matches!(&issuer.keys, KeySource::Local(set) if set.keys().len() == 1));
}

/// RFC 8725 section 3.11: tokens of another type are not taken for access tokens (P70).
#[test]
fn types_are_compared_as_media_types() {
    let issuer = issuer_with("binding: none");
    for accepted in [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("application/jwt"),
        Some("at+JWT"),
        Some("application/at+jwt"),
    ] {
        assert!(issuer.allows_type(accepted), "{accepted:?}");
    }
    for refused in ["", "wit+jwt", "dpop+jwt", "logout+jwt", "JOSE", "application/a/jwt", "JWT "] {
        assert!(!issuer.allows_type(Some(refused)), "{refused}");
    }
    assert!(!issuer_with("types: [at+jwt]").allows_type(None));
}

/// P71, RFC 9700 section 4.3.2: tokens in the query are for who asks for them, and the asking is remarked upon.
#[test]
fn a_place_in_the_query_is_off_until_asked_for_and_then_a_warning() {
    assert_eq!(issuer_with("binding: none").places, [TokenPlace::Authorization]);
    let (store, problems) =
        compile(&spec_with("tokens: [{ query: access_token }]"), &Attachments::default());
    assert_eq!(problems.iter().map(|p| p.code.as_str()).collect::<Vec<_>>(), ["query-token"]);
    assert!(!any_error(&problems));
    let place = TokenPlace::Query(String::from("access_token"));
    assert_eq!(store.issuers[0].places, [place]);
}

/// P48: symmetric algorithms are for issuers with a secret, of the right length, and then the only ones.
#[test]
fn secrets_are_an_explicit_choice_that_excludes_others() {
    let mut files = Attachments::default();
    for (name, bytes) in [("s31", 31), ("s32", 32), ("s48", 48), ("s64", 64)] {
        files.insert(name.into(), Ok(vec![b'x'; bytes]));
    }
    files.insert("gone".into(), Err(String::from("no such file")));
    let codes = |spec: &str| {
        let base = "issuer: https://a.example\naudiences: [orders]\n";
        let (_, problems) = compile(&document("a", &format!("{base}{spec}")), &files);
        assert_eq!(any_error(&problems), !problems.is_empty(), "{spec}");
        problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>()
    };
    let inline = format!("inline: '{{\"keys\":[{KEY}]}}'");
    for (algorithms, keys, expected) in [
        ("[HS256]", "secrets: [{ file: s32 }]", &[][..]),
        ("[HS384]", "secrets: [{ file: s48 }]", &[]),
        ("[HS512, HS256]", "secrets: [{ file: s64 }]", &[]),
        ("[HS256]", "secrets: [{ file: s32, keyId: a }, { file: s48, keyId: b }]", &[]),
        ("[HS256]", "secrets: [{ file: s31 }]", &["weak-secret"]),
        ("[HS256, HS384]", "secrets: [{ file: s32 }]", &["weak-secret"]),
        ("[HS512]", "secrets: [{ file: s48 }]", &["weak-secret"]),
        ("[HS256]", "secrets: []", &["key-source"]),
        ("[HS256]", "secrets: [{ file: gone }]", &["unreadable-file"]),
        ("[HS256]", "secrets: [{ inline: x }]", &["unknown-field"]),
        ("[HS256]", "secrets: [{ file: s32 }, { file: s48 }]", &["key-source"]),
        ("[HS256]", "secrets: [{ file: s32, keyId: a }, { file: s48, keyId: a }]", &["key-source"]),
        ("[HS256]", "secrets: [{ file: s32, keyId: '' }]", &["key-source"]),
        ("[HS256]", &inline, &["symmetric-algorithm"]),
        ("[HS256]", "url: https://a.example/jwks", &["symmetric-algorithm"]),
        ("[EdDSA, HS256]", "url: https://a.example/jwks", &["symmetric-algorithm"]),
        ("[EdDSA, HS256]", "secrets: [{ file: s32 }]", &["mixed-algorithms"]),
        ("[EdDSA]", "secrets: [{ file: s32 }]", &["mixed-algorithms"]),
        ("[HS256]", &format!("secrets: [{{ file: s32 }}], {inline}"), &["key-source"]),
        ("[HS256]", "secrets: [{ file: s32 }], discovery: {}", &["key-source"]),
        ("[HS256]", "secrets: [{ file: s32 }], refresh: 1m", &["key-source"]),
    ] {
        let spec = format!("algorithms: {algorithms}\nkeys: {{ {keys} }}");
        assert_eq!(codes(&spec), expected, "{spec}");
    }
    let svid = "profile: jwtSvid\nissuer: spiffe://a.example\naudiences: [orders]\nalgorithms: [HS256]\nkeys: { secrets: [{ file: s32 }] }";
    let (_, problems) = compile(&document("a", svid), &files);
    assert_eq!(problems.iter().map(|p| p.code.as_str()).collect::<Vec<_>>(), ["key-source"]);
}

#[test]
fn places_can_be_named() {
    let issuer = issuer_with(
        "tokens: [{ authorization: {} }, { header: X-Partner-Token }, { cookie: session }, { prefixed: { header: X-Auth, prefix: JWT } }, { webSocketProtocol: { after: access_token } }]",
    );
    let element = ProtocolElement { marker: "access_token".into(), follows: true, encoded: false };
    assert_eq!(
        issuer.places,
        [
            TokenPlace::Authorization,
            TokenPlace::Header("x-partner-token".into()),
            TokenPlace::Prefixed("x-auth".into(), "jwt".into()),
            TokenPlace::Protocol(element),
            TokenPlace::Cookie("session".into())
        ]
    );
}

/// Invariant 12: what would be insecure or could never work is an error with a place and advice.
#[test]
fn what_is_wrong_is_reported_with_its_code() {
    for (changed, code) in [
        ("audiences: []", "missing-audiences"),
        ("audiences: ['']", "invalid-audience"),
        ("audiences: ['*']", "invalid-audience"),
        ("issuer: ''", "invalid-issuer"),
        ("profile: jwtSvid", "invalid-issuer"),
        ("profile: svid", "unknown-value"),
        ("algorithms: []", "missing-algorithms"),
        ("algorithms: [HS256]", "symmetric-algorithm"),
        ("algorithms: [none]", "unsigned-algorithm"),
        ("algorithms: [es256]", "unknown-algorithm"),
        ("types: []", "missing-types"),
        ("clockSkew: 61s", "clock-skew"),
        ("maxLifetime: 0s", "zero-duration"),
        ("maxAge: 0s", "zero-duration"),
        ("tokens: []", "missing-places"),
        ("tokens: [{ header: Authorization }]", "invalid-place"),
        ("tokens: [{ header: cookie }]", "invalid-place"),
        ("tokens: [{ prefixed: { header: authorization, prefix: Bearer } }]", "invalid-place"),
        ("tokens: [{ prefixed: { header: authorization, prefix: 'J W T' } }]", "invalid-place"),
        ("tokens: [{ prefixed: { header: x-auth, prefix: '' } }]", "invalid-place"),
        ("tokens: [{ prefixed: { header: x-auth, prefix: _jwt } }]", "invalid-place"),
        ("tokens: [{ prefixed: { header: authorization, prefix: '!x' } }]", "invalid-place"),
        ("tokens: [{ prefixed: { header: cookie, prefix: JWT } }]", "invalid-place"),
        ("tokens: [{ webSocketProtocol: {} }]", "invalid-place"),
        ("tokens: [{ webSocketProtocol: { prefix: a, after: b } }]", "invalid-place"),
        ("tokens: [{ webSocketProtocol: { after: 'a, b' } }]", "invalid-place"),
        ("tokens: [{ header: 'a b' }]", "invalid-place"),
        ("tokens: [{ cookie: 'a=b' }]", "invalid-place"),
        ("tokens: [{ query: 'a=' }]", "invalid-place"),
        ("tokens: [{ body: a }]", "unknown-value"),
        ("requiredClaims: [sub]", "invalid-pointer"),
        ("binding: strong", "unknown-value"),
        ("keys: {}", "key-source"),
        ("keys: { inline: '{}', url: https://a.example/ }", "key-source"),
        ("keys: { inline: 'x', file: y }", "key-source"),
        ("keys: { inline: '<html>' }", "invalid-key-set"),
        ("keys: { inline: '{}' }", "invalid-key-set"),
        ("keys: { inline: '{\"keys\":[]}' }", "no-usable-key"),
        ("keys: { inline: '{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}' }", "secret-key"),
        ("keys: { file: nowhere.json }", "unreadable-file"),
        ("keys: { url: 'http://a.example/' }", "invalid-key-url"),
        ("keys: { discovery: {}, url: 'https://a.example/' }", "key-source"),
        ("keys: { discovery: { url: x } }", "unknown-field"),
        ("keys: { url: '/jwks' }", "invalid-key-url"),
        ("keys: { url: 'https://me:pw@a.example/' }", "invalid-key-url"),
        ("keys: { url: 'https://a.example/', refresh: 1s }", "key-refresh"),
        ("keys: { url: 'https://a.example/', maxStale: 1m }", "key-refresh"),
        ("keys: { url: 'https://a.example/', ca: { inline: x } }", "invalid-ca"),
        ("keys: { inline: x, refresh: 1m }", "key-source"),
        ("key: {}", "unknown-field"),
    ] {
        let problems = problems_of(&spec_with(changed));
        assert!(problems.iter().any(|(found, _)| *found == code), "{changed}: {problems:?}");
    }
}

#[test]
fn every_problem_is_reported_at_once_and_no_issuer_results() {
    let spec = "issuer: https://a.example\nalgorithms: [HS256]\nkeys: { url: http://a.example }";
    let (store, problems) = compile(&document("a", spec), &Attachments::default());
    let codes: Vec<_> = problems.iter().map(|p| p.code.as_str()).collect();
    assert_eq!(codes, ["missing-audiences", "symmetric-algorithm", "invalid-key-url"]);
    assert!(problems.iter().all(|p| p.help.is_some()));
    assert!(any_error(&problems) && store.issuers().is_empty());
}

/// P59: a private key in a set is reported as a leak; its content is not shown.
#[test]
fn a_private_key_is_refused_loudly() {
    let keys = format!(r#"{{"keys":[{KEY},{}]}}"#, KEY.replace("\"x\"", "\"d\":\"canary\",\"x\""));
    let problems = problems_of(&spec_with(&format!("keys: {{ inline: '{keys}' }}")));
    let [(code, text)] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(*code, "secret-key");
    assert!(text.contains("key 2 (`k`) holds a private key"), "{text}");
    assert!(!text.contains("canary"));
}

#[test]
fn one_unusable_key_is_a_warning() {
    let with = |other: &str| {
        let keys = format!(r#"{{"keys":[{other},{KEY}]}}"#);
        let text = spec_with(&format!("keys: {{ inline: '{keys}' }}"));
        compile(&text, &Attachments::default())
    };
    // Providers publish keys for encryption beside the others.
    assert_eq!(with(r#"{"kty":"RSA","use":"enc"}"#).1, []);
    let (store, problems) = with(r#"{"kty":"RSA"}"#);
    assert_eq!(problems.iter().map(|p| p.code.as_str()).collect::<Vec<_>>(), ["unusable-key"]);
    assert!(!any_error(&problems) && store.issuers().len() == 1);
}

/// P70: a SPIFFE bundle is a key set for JWT-SVIDs; its other keys are neither used nor a problem.
#[test]
fn the_keys_of_a_jwt_svid_issuer_may_be_a_spiffe_bundle() {
    let of = |usage: &str| KEY.replace("\"kid\"", &format!("\"use\":\"{usage}\",\"kid\""));
    let bundle = format!(
        r#"{{"spiffe_sequence":1,"spiffe_refresh_hint":300,"keys":[{},{},{}]}}"#,
        of("x509-svid"),
        of("wit-svid"),
        of("jwt-svid")
    );
    let text = spec_with(&format!("keys: {{ inline: '{bundle}' }}"))
        .replace("issuer: https://a.example", "issuer: spiffe://prod.example\n  profile: jwtSvid");
    let (store, problems) = compile(&text, &Attachments::default());
    assert_eq!(problems, []);
    let KeySource::Local(keys) = &store.issuers()[0].keys else { panic!() };
    assert_eq!((keys.keys().len(), keys.skipped().len()), (1, 2));
    assert_eq!(problems_of(&text.replace("profile: jwtSvid", "profile: jwt"))[0].0, "unusable-key");
}

#[test]
fn keys_are_read_from_a_file_beside_the_document() {
    let mut files = Attachments::default();
    files.insert("keys/a.json".into(), Ok(format!(r#"{{"keys":[{KEY}]}}"#).into_bytes()));
    files.insert("keys/b.json".into(), Ok(b"-----BEGIN PUBLIC KEY-----".to_vec()));
    let (store, problems) = compile(&spec_with("keys: { file: keys/a.json }"), &files);
    assert_eq!((store.issuers().len(), problems.len()), (1, 0));
    let (_, problems) = compile(&spec_with("keys: { file: keys/b.json }"), &files);
    assert_eq!(problems[0].message, "`keys/b.json` is PEM, expected a JWK Set (JSON)");
}

/// P53: tokens of two issuers must be distinguished by `iss` and place.
#[test]
fn two_issuers_with_the_same_iss_need_different_places() {
    let first = spec_with("binding: none");
    let second = |changed: &str| spec_with(changed).replace("name: a", "name: b");
    let same = format!("{first}---\n{}", second("binding: certificate"));
    let problems = problems_of(&same);
    assert_eq!(problems.iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["duplicate-issuer"]);
    let apart = format!("{first}---\n{}", second("tokens: [{ cookie: session }]"));
    assert_eq!(compile(&apart, &with_secret()).1, []);
}

#[test]
fn metadata_is_looked_for_where_the_specification_says() {
    for (iss, url) in [
        ("https://a.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/t/1", "https://a.example/t/1/.well-known/openid-configuration"),
    ] {
        let text = spec_with("keys: { discovery: {} }").replace("https://a.example", iss);
        let (store, problems) = compile(&text, &Attachments::default());
        assert_eq!(problems, []);
        let KeySource::Remote(remote) = &store.issuers()[0].keys else { panic!("{iss}") };
        assert_eq!(remote.url.uri().to_string(), url);
        assert_eq!(remote.discovery.as_deref(), Some(iss));
    }
    let text = spec_with("keys: { discovery: {} }").replace("https://a.example", "corp");
    assert_eq!(problems_of(&text)[0].0, "invalid-key-url");
}

#[test]
fn an_address_is_kept_with_its_rules() {
    let issuer = issuer_with("keys: { url: 'https://a.example/jwks', refresh: 1m, maxStale: 2h }");
    let KeySource::Remote(remote) = &issuer.keys else { panic!("{:?}", &issuer.keys) };
    assert_eq!(remote.url.uri().path(), "/jwks");
    assert_eq!((remote.refresh.as_secs(), remote.max_stale.as_secs()), (60, 7200));
    let issuer = issuer_with("keys: { url: 'http://127.0.0.1/jwks', allowPlaintext: true }");
    assert!(matches!(&issuer.keys, KeySource::Remote(remote) if remote.url.is_plaintext()));
}

/// An issuer of opaque tokens, with `changed` instead of the line of the same setting.
fn opaque_with(changed: &str) -> String {
    let base = [
        "url: https://a.example/introspect",
        "client: { id: us, basic: { file: secret } }",
        "cacheTtl: 30s",
    ];
    let field = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let kept = base.iter().filter(|line| field(line) != field(changed)).map(ToString::to_string);
    let lines: Vec<_> = kept.chain((!changed.is_empty()).then(|| changed.to_owned())).collect();
    let spec = format!(
        "issuer: https://a.example\naudiences: [orders]\nintrospection: {{ {} }}",
        lines.join(", ")
    );
    document("a", &spec)
}

fn with_secret() -> Attachments {
    let mut files = Attachments::default();
    files.insert("secret".into(), Ok(b"secret".to_vec()));
    files
}

#[test]
fn an_issuer_of_opaque_tokens_needs_an_endpoint_instead_of_keys() {
    let (store, problems) = compile(&opaque_with(""), &with_secret());
    let found: Vec<_> = problems.iter().map(|own| own.code.as_str()).collect();
    assert_eq!(found, ["slow-introspection"], "its default is longer than that of `deadline`");
    assert_eq!(compile(&opaque_with("timeout: 150ms"), &with_secret()).1, []);
    let KeySource::Introspected(endpoint) = &store.issuers()[0].keys else { panic!() };
    assert_eq!((endpoint.client_id.as_deref().unwrap(), endpoint.cache_ttl.as_secs()), ("us", 30));
    assert!(store.introspecting_at(&TokenPlace::Authorization).is_some());
    assert!(store.introspecting_at(&TokenPlace::Cookie("a".into())).is_none());
    for (changed, code) in [
        ("url: /introspect", "invalid-introspection-url"),
        ("client: { id: '', basic: { file: secret } }", "introspection-client"),
        ("cacheTtl: 6m", "introspection"),
        ("cacheTtl: 0s", "zero-duration"),
        ("timeout: 11s", "introspection"),
        ("maxConcurrent: 0", "introspection"),
        ("ca: { inline: x }", "invalid-ca"),
    ] {
        let (_, problems) = compile(&opaque_with(changed), &with_secret());
        assert!(problems.iter().any(|found| found.code == code), "{changed}: {problems:?}");
    }
    for more in ["algorithms: [RS256]", "types: [JWT]", "denyKids: [a]"] {
        let (_, problems) = compile(&format!("{}  {more}\n", opaque_with("")), &with_secret());
        assert!(problems.iter().any(|own| own.code.as_str() == "introspection"), "{more}");
    }
    let both = format!("{}  keys: {{ discovery: {{}} }}\n", opaque_with(""));
    assert_eq!(problems_of(&both)[0].0, "missing-algorithms", "its JWTs need them");
    let neither = document("a", "issuer: a\naudiences: [b]\nalgorithms: [RS256]");
    assert_eq!(problems_of(&neither)[0].0, "key-source");
}

/// Opaque tokens say nothing, so only their place tells whose they are.
#[test]
fn two_issuers_of_opaque_tokens_need_different_places() {
    let short = "timeout: 100ms";
    let other = opaque_with(short)
        .replace("name: a ", "name: b ")
        .replace("issuer: https://a", "issuer: https://b");
    let (_, problems) = compile(&format!("{}---\n{other}", opaque_with(short)), &with_secret());
    assert_eq!(problems.iter().map(|p| p.code.as_str()).collect::<Vec<_>>(), ["duplicate-issuer"]);
    let apart = format!("{}---\n{other}  tokens: [{{ header: x-token }}]\n", opaque_with(short));
    assert_eq!(compile(&apart, &with_secret()).1, []);
}

/// P159: an `iss` that no token has, and keys that verify nothing, are errors and not an issuer that is quietly never met.
#[test]
fn an_issuer_that_no_token_can_be_of_is_refused() {
    for issuer in [
        "https://login.example/{tenantid}/v2.0",
        "https://login.example/<tenant>/v2.0",
        "https://login.example/:tenant/v2.0",
        "https://login.example/$(tenant)/v2.0",
        "https://*.login.example",
        "https://login.example ",
        " https://login.example",
        "https://login.example\\u200B",
        "https://login.example\u{a0}/v2.0",
        "https://login.example/.well-known/openid-configuration",
        "https://login.example/v2.0?tenant=a",
        "https://login.example/#a",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/organizations/v2.0",
    ] {
        let found = problems_of(&spec_with(&format!("issuer: \"{issuer}\"")));
        assert!(found.iter().any(|(code, _)| *code == "invalid-issuer"), "{issuer:?}: {found:?}");
    }
    for issuer in [
        "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
        "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
        "https://login.example/realms/a:b",
        "corp",
        "spiffe://prod.example",
    ] {
        assert_eq!(problems_of(&spec_with(&format!("issuer: {issuer:?}"))), [], "{issuer}");
    }
    for changed in
        ["audiences: ['orders ']", "audiences: ['orders-*']", "denyKids: ['k ']", "denyKids: ['*']"]
    {
        assert_eq!(problems_of(&spec_with(changed)).len(), 1, "{changed}");
    }
    for (algorithms, expected) in [
        ("algorithms: [RS256, ES256]", Some("no-fitting-key")),
        ("algorithms: [EdDSA]", None),
        ("algorithms: [RS256, EdDSA]", None),
    ] {
        let found = problems_of(&spec_with(algorithms));
        assert_eq!(found.first().map(|(code, _)| *code), expected, "{algorithms}: {found:?}");
    }
}

/// P514: the error is at the issuer, and the advice is about what is missing.
#[test]
fn advice_is_about_the_setting_that_is_wrong() {
    let without_scheme = document(
        "a",
        "issuer: login.example.com\naudiences: [orders]\nalgorithms: [EdDSA]\nkeys: { discovery: {} }",
    );
    let opaque = "issuer: https://a.example\naudiences: [a]\nprofile: keycloak\nintrospection: { url: 'https://a.example/i', client: { none: {} } }";
    let twice = format!(
        "{}---\n{}",
        spec_with("maxAge: 1h"),
        spec_with("maxAge: 1h").replace("name: a", "name: b")
    );
    for (text, code, advice) in [
        (&without_scheme, "invalid-key-url", "did you mean `https://login.example.com`?"),
        (&document("a", opaque), "introspection", "`keys: { discovery: {} }`"),
        (&twice, "duplicate-issuer", "`moreKeys`"),
    ] {
        let problems = problems_of(text);
        let is_it = |(own, message): &(&str, String)| *own == code && message.contains(advice);
        assert!(problems.iter().any(is_it), "{code}: {problems:?}");
    }
}
