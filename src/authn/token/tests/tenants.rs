//! Tokens of issuers with several tenants.

use serde_json::json;

use super::mint::Mint;
use super::sources::list;
use super::*;

/// An issuer with tenants, which are verified by one set of keys.
fn of_tenants(tenants: &str, mint: &Mint, more: &str) -> TrustStore {
    let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
    let more = format!("  algorithms: [EdDSA]\n  tenants: {tenants}\n{more}");
    trust(&[("corp", "'https://a.example/{tenant}/v2.0'", &more, keys)])
}

/// P467: the `iss` of a token is the template with one allowed tenant, byte for byte; the tenant is known to policies.
#[test]
fn the_iss_of_a_token_names_one_allowed_tenant() {
    let mint = Mint::ed();
    let trust = of_tenants("[acme, 'eu-*']", &mint, "");
    for (iss, tenant) in [
        ("https://a.example/acme/v2.0", Ok("acme")),
        ("https://a.example/eu-1/v2.0", Ok("eu-1")),
        ("https://a.example/globex/v2.0", Err(Reason::IssuerUnknown)),
        ("https://a.example/acme/v2.0/", Err(Reason::IssuerUnknown)),
        ("https://a.example/eu-1/x/v2.0", Err(Reason::IssuerUnknown)),
        ("https://a.example/eu-%31/v2.0", Err(Reason::IssuerUnknown)),
        ("https://a.example/{tenant}/v2.0", Err(Reason::IssuerUnknown)),
    ] {
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims(iss));
        let verified = verify_bearer(&trust, &token);
        let found = verified.as_ref().map(|own| own.tenant().unwrap_or_default());
        assert_eq!(found, tenant.as_ref().map(|own| *own), "{iss}");
    }
    let forged = Mint::ed()
        .token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims("https://a.example/acme/v2.0"));
    assert_eq!(verify_bearer(&trust, &forged).err(), Some(Reason::SignatureInvalid));
}

/// P511: the refusal of a token of another tenant names that, and a similar one.
#[test]
fn a_tenant_that_is_not_ours_is_named() {
    let mint = Mint::ed();
    let trust = of_tenants("[acme, 'eu-*']", &mint, "");
    for (iss, expected) in [
        (
            "https://a.example/acmee/v2.0",
            "the tenant `acmee` is not among the `tenants` of `corp`; `acme` is similar",
        ),
        (
            "https://a.example/globex/v2.0",
            "the tenant `globex` is not among the `tenants` of `corp`",
        ),
        (
            "https://a.example/acme/v2.0/",
            "`https://a.example/acme/v2.0` differs by a `/` at its end",
        ),
    ] {
        let detail = verify::unknown(Some(iss), &trust);
        assert!(detail.ends_with(&format!("is not configured; {expected}")), "{detail}");
    }
}

/// P467: keys of one tenant verify no token of another, also where a token was seen before.
#[test]
fn keys_of_a_tenant_are_for_that_tenant() {
    let (acme, globex) = (Mint::ed(), Mint::ed());
    let text = "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: corp }\nspec:\n  issuer: 'https://a.example/{tenant}/v2.0'\n  tenants: [acme, globex]\n  audiences: [orders]\n  algorithms: [EdDSA]\n  keys: { discovery: {} }\n";
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("trust.yaml", text), &mut problems);
    let trust = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    assert_eq!(problems, []);
    let mut material = Material::default();
    for (id, mint) in [("corp/acme", &acme), ("corp/globex", &globex)] {
        let set = json!({ "keys": [mint.jwk(&json!({ "kid": "k" }))] }).to_string();
        let set =
            crate::trust::KeySet::parse(set.as_bytes(), crate::trust::KeyPurpose::Jwt).unwrap();
        material.insert(id, Arc::new(set));
    }
    let memory = Recorder::default();
    let judge = |mint: &Mint, tenant: &str| {
        let iss = format!("https://a.example/{tenant}/v2.0");
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims(&iss));
        let presented =
            PresentedToken::for_test(&TokenPlace::Authorization, TokenScheme::Bearer, &token);
        verify_all(&[presented], Presenter::NO_PEER, &trust, &material, &memory, now(), &mut |_| {})
            .map(|found| (found[0].issuer_name().to_owned(), found[0].tenant().map(str::to_owned)))
            .map_err(|rejection| rejection.reason())
    };
    for _ in 0..2 {
        let good = |tenant: &str| Ok(("corp".to_owned(), Some(tenant.to_owned())));
        assert_eq!(judge(&acme, "acme"), good("acme"));
        assert_eq!(judge(&globex, "globex"), good("globex"));
        assert_eq!(judge(&acme, "globex"), Err(Reason::SignatureInvalid));
        assert_eq!(judge(&globex, "acme"), Err(Reason::SignatureInvalid));
    }
}

/// P497: the `issuer` of the document as it is written is every tenant, and the `iss` of one tenant is that one.
#[test]
fn a_revocation_is_for_one_tenant_or_for_all() {
    let mint = Mint::ed();
    let more = "  algorithms: [EdDSA]\n  tenants: [acme, globex]\n";
    let template = "https://a.example/{tenant}/v2.0";
    let judge = |entry: &str, tenant: &str| {
        let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
        let more = format!("{more}{}", list(entry));
        let trust = trust(&[("corp", &format!("'{template}'"), &more, keys)]);
        let iss = template.replace("{tenant}", tenant);
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), &claims(&iss));
        verify_bearer(&trust, &token).map(drop)
    };
    for field in ["sub: alice, ", "client: web, ", "jti: '1', ", ""] {
        let every = format!("{{ {field}issuer: '{template}' }}");
        let one = format!("{{ {field}issuer: 'https://a.example/acme/v2.0' }}");
        for tenant in ["acme", "globex"] {
            assert_eq!(judge(&every, tenant), Err(Reason::TokenRevoked), "{every} {tenant}");
        }
        assert_eq!(judge(&one, "acme"), Err(Reason::TokenRevoked), "{one}");
        assert_eq!(judge(&one, "globex"), Ok(()), "{one}");
    }
    let key = format!("{{ kid: k, issuer: '{template}' }}");
    assert_eq!(judge(&key, "globex"), Err(Reason::TokenRevoked));
}

/// P500: the tenant in `tid` is that in `iss`, and a key that is published for one tenant verifies its tokens alone.
#[test]
fn entra_tokens_name_one_tenant() {
    let (all, acme) = (Mint::ed(), Mint::ed());
    let keys = json!([
        all.jwk(&json!({ "kid": "all", "issuer": "https://a.example/{tenantid}/v2.0" })),
        acme.jwk(&json!({ "kid": "acme", "issuer": "https://a.example/acme/v2.0" })),
        acme.jwk(&json!({ "kid": "odd", "issuer": 7 })),
    ]);
    let more = "  profile: entra\n  algorithms: [EdDSA]\n  tenants: [acme, globex]\n";
    let trust = trust(&[("corp", "'https://a.example/{tenant}/v2.0'", more, keys)]);
    for (mint, kid, tenant, tid, expected) in [
        (&all, "all", "acme", json!("acme"), Ok(())),
        (&all, "all", "globex", json!("globex"), Ok(())),
        (&acme, "acme", "acme", json!("acme"), Ok(())),
        (&acme, "acme", "globex", json!("globex"), Err(Reason::KeyUnknown)),
        (&acme, "acme", "globex", json!("acme"), Err(Reason::KeyUnknown)),
        (&acme, "odd", "acme", json!("acme"), Err(Reason::KeyUnknown)),
        (&all, "all", "acme", json!("globex"), Err(Reason::ClaimMismatch)),
    ] {
        let mut claims = claims(&format!("https://a.example/{tenant}/v2.0"));
        claims["tid"] = tid;
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": kid }), &claims);
        assert_eq!(verify_bearer(&trust, &token).map(drop), expected, "{kid} {claims}");
    }
}
