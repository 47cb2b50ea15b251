//! Documents that become several parts, and what a profile sets.

use super::*;

/// P468: JWTs and opaque tokens of one issuer are one document, and a JWT is never shown to the endpoint.
#[test]
fn one_document_has_keys_and_introspection() {
    let both = "introspection: { url: 'https://a.example/introspect', timeout: 100ms, client: { id: us, basic: { file: secret } } }";
    let (store, problems) = compile(&spec_with(both), &with_secret());
    assert_eq!(problems, []);
    let ids: Vec<_> = store.issuers().iter().map(|own| (&*own.name, &*own.id)).collect();
    assert_eq!(ids, [("a", "a"), ("a", "a/introspection")]);
    let named: Vec<_> = store.issuers_named(Some("https://a.example"), None).collect();
    assert!(matches!(&named[0].keys, KeySource::Local(_)));
    let asked = store.introspecting_at(&TokenPlace::Authorization).unwrap();
    assert!(matches!(&asked.keys, KeySource::Introspected(_)));
    assert_eq!((asked.name.as_str(), &asked.audiences), ("a", &vec![String::from("orders")]));
    // Two documents with opaque tokens in one place stay refused.
    let second = opaque_with("").replace("name: a", "name: b").replace("a.example", "b.example");
    let (_, problems) = compile(&format!("{}---\n{second}", spec_with(both)), &with_secret());
    // `opaque_with` has the default `timeout`, which `check` warns of.
    let codes = problems.iter().map(|problem| problem.code.as_str());
    assert_eq!(codes.collect::<Vec<_>>(), ["slow-introspection", "duplicate-issuer"]);
}

/// A multi-tenant issuer, with these tenants, keys and further settings.
fn tenants(tenants: &str, keys: &str, more: &str) -> String {
    document(
        "a",
        &format!(
            "issuer: 'https://a.example/{{tenant}}/v2.0'\ntenants: {tenants}\naudiences: [orders]\nalgorithms: [EdDSA]\nkeys: {keys}\n{more}"
        ),
    )
}

/// P467, invariant 8: tenants that are named may have keys of their own; with a pattern there is one set for all.
#[test]
fn tenants_have_keys_of_their_own_or_one_set() {
    let of = |text: &str| {
        let (store, problems) = compile(text, &Attachments::default());
        assert_eq!(problems, [], "{text}");
        let part = |own: &Issuer| {
            let KeySource::Remote(keys) = &own.keys else { panic!("{own:?}") };
            let discovery = keys.discovery.clone().unwrap_or_default();
            (own.id.clone(), own.iss.as_str().to_owned(), keys.url.uri().to_string(), discovery)
        };
        store.issuers().iter().map(part).collect::<Vec<_>>()
    };
    let row = |texts: [&str; 4]| {
        let [id, iss, url, discovery] = texts.map(str::to_owned);
        (id, iss, url, discovery)
    };
    let (acme, globex) = ("https://a.example/acme/v2.0", "https://a.example/globex/v2.0");
    assert_eq!(
        of(&tenants("[acme, globex]", "{ discovery: {} }", "")),
        [
            row([
                "a/acme",
                acme,
                "https://a.example/acme/v2.0/.well-known/openid-configuration",
                acme
            ]),
            row([
                "a/globex",
                globex,
                "https://a.example/globex/v2.0/.well-known/openid-configuration",
                globex
            ]),
        ]
    );
    let own = of(&tenants("[acme, globex]", "{ url: 'https://a.example/{tenant}/keys' }", ""));
    assert_eq!(own[1], row(["a/globex", globex, "https://a.example/globex/keys", ""]));
    let one = of(&tenants("[acme, 'eu-*']", "{ url: 'https://a.example/keys' }", ""));
    let template = "https://a.example/{tenant}/v2.0";
    assert_eq!(one, [row(["a", template, "https://a.example/keys", ""])]);
}

/// P467: what would accept more than is meant is refused when documents are loaded.
#[test]
fn tenants_that_do_not_fit_are_refused() {
    let codes = |text: &str| problems_of(text).iter().map(|(code, _)| *code).collect::<Vec<_>>();
    let errors = |text: &str| {
        let mut codes = codes(text);
        codes.retain(|code| *code != "every-tenant");
        codes
    };
    let url = "{ url: 'https://a.example/keys' }";
    for (list, keys) in [
        ("['*']", "{ discovery: {} }"),
        ("[acme, 'eu-*']", "{ url: 'https://a.example/{tenant}/keys' }"),
        ("[]", url),
        ("[acme, acme]", url),
        ("['a/b']", url),
        ("['..']", url),
        ("['a*b*']", url),
        ("['a%2fb']", url),
        ("['{tenant}']", url),
        ("['']", url),
        ("[\"Zo\\xeb\"]", url),
    ] {
        assert_eq!(errors(&tenants(list, keys, "")), ["tenants"], "{list} {keys}");
    }
    assert_eq!(codes(&tenants("['*']", url, "")), ["every-tenant"]);
    let good = tenants("[acme]", url, "");
    for issuer in [
        "https://a.example/v2.0",
        "https://{tenant}.example/",
        "https://a.example/x{tenant}",
        "https://a.example/{tenant}/{tenant}",
    ] {
        let text = good.replace("https://a.example/{tenant}/v2.0", issuer);
        assert_eq!(codes(&text), ["tenants"], "{issuer}");
    }
    let without = good.replace("tenants: [acme]", "binding: none");
    assert_eq!(codes(&without), ["invalid-issuer"]);
    assert!(problems_of(&without)[0].1.contains("`tenants`"));
    let opaque =
        "introspection: { url: 'https://a.example/i', timeout: 100ms, client: { none: {} } }";
    assert_eq!(codes(&tenants("[acme]", url, opaque)), ["tenants"]);
    // P53: one token is of one document.
    let exact = document(
        "b",
        "issuer: https://a.example/acme/v2.0\naudiences: [orders]\nalgorithms: [EdDSA]\nkeys: { url: 'https://b.example/keys' }",
    );
    assert_eq!(codes(&format!("{good}---\n{exact}")), ["duplicate-issuer"]);
    assert!(codes(&format!("{good}---\n{}", exact.replace("acme", "globex"))).is_empty());
}

/// P470: sources of keys are bounded, and are not for secrets and tenants.
#[test]
fn an_issuer_has_a_few_sources_of_keys() {
    let codes = |text: &str| problems_of(text).iter().map(|(code, _)| *code).collect::<Vec<_>>();
    let more = |count: usize| {
        let entry = |at| format!("{{ url: 'https://{at}.example/jwks' }}");
        spec_with(&format!("moreKeys: [{}]", (0..count).map(entry).collect::<Vec<_>>().join(", ")))
    };
    assert!(codes(&more(3)).is_empty());
    assert_eq!(codes(&more(4)), ["key-source"]);
    assert_eq!(codes(&spec_with("moreKeys: [{ secrets: [{ file: s }] }]"))[0], "key-source");
    let of_tenants = tenants(
        "[acme]",
        "{ url: 'https://a.example/k' }",
        "moreKeys: [{ url: 'https://b.example/k' }]",
    );
    assert_eq!(codes(&of_tenants), ["key-source"]);
}

/// P469, P502: a profile sets what the document does not say, and nothing that the document must say.
#[test]
fn a_profile_sets_defaults_and_widens_nothing() {
    let of = |spec: &str| {
        let text =
            document("a", &format!("issuer: https://a.example\naudiences: [orders]\n{spec}"));
        let (store, problems) = compile(&text, &Attachments::default());
        assert_eq!(problems, [], "{spec}");
        store.issuers.into_iter().next().unwrap()
    };
    for (word, claims) in [
        ("keycloak", &["/typ"][..]),
        ("entra", &["/tid"]),
        ("okta", &["/cid"]),
        ("auth0", &[]),
        ("cognito", &["/token_use", "/client_id"]),
        ("google", &[]),
        ("githubActions", &["/repository", "/job_workflow_ref"]),
        ("github-actions", &["/repository", "/job_workflow_ref"]),
    ] {
        let issuer = of(&format!("profile: {word}"));
        assert!(matches!(&issuer.keys, KeySource::Remote(keys) if keys.discovery.is_some()));
        assert!(issuer.allows_algorithm(Algorithm::Rs256), "{word}");
        assert!(!issuer.allows_algorithm(Algorithm::Es256), "{word}");
        assert_eq!(issuer.required_claims, claims, "{word}");
        let own = of(&format!(
            "profile: {word}\nalgorithms: [ES256]\nrequiredClaims: [/own]\nmaxLifetime: 5m\nkeys: {{ url: 'https://a.example/k' }}"
        ));
        assert!(own.allows_algorithm(Algorithm::Es256) && !own.allows_algorithm(Algorithm::Rs256));
        assert_eq!(own.max_lifetime.as_secs(), 300);
        // P502: beside its own, and not in their place.
        assert_eq!(
            (&own.required_claims[..1], &own.required_claims[1..]),
            (&["/own".into()][..], &issuer.required_claims[..])
        );
        let open = document("a", &format!("issuer: https://a.example\nprofile: {word}"));
        assert_eq!(problems_of(&open)[0].0, "missing-audiences", "{word}");
    }
}
