//! Which tokens are ignored at a target that ignores those of issuers that do not count.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::ignore_uncounted;
use crate::authn::{Caches, NoCache, authenticate};
use crate::clock::UnixTime;
use crate::document::{self, Attachments, SourceFile};
use crate::evidence::{self, PeerSources};
use crate::reason::Reason;
use crate::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use crate::trust::{Material, TrustStore};

const KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// `corp` signs, in `Authorization` and a cookie; `partner` does in `Authorization`; `opaque` is asked, in a header.
fn trust() -> TrustStore {
    let signed = |name: &str, places: &str| {
        format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: {name} }}\nspec:\n  issuer: https://{name}.example\n  audiences: [orders]\n  algorithms: [EdDSA]\n  tokens: {places}\n  keys: {{ inline: '{{\"keys\":[{KEY}]}}' }}\n---\n"
        )
    };
    let text = format!(
        "{}{}apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: opaque }}\nspec:\n  issuer: https://opaque.example\n  audiences: [orders]\n  tokens: [{{ header: x-token }}]\n  introspection: {{ url: 'https://a.example/introspect', client: {{ id: us, basic: {{ file: secret }} }} }}\n",
        signed("corp", "[{ authorization: {} }, { cookie: session }]"),
        signed("partner", "[{ authorization: {} }]"),
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

/// Why the caller's tokens are refused, if they are, and how many were ignored.
fn seen(counts: &[&str], headers: &[(&str, &str)]) -> (Option<Reason>, usize) {
    let trust = trust();
    let places = trust.token_places();
    let sealed = SealedNames::for_places(&places);
    let mut all = Headers::default();
    for (name, value) in headers {
        all.push(*name, HeaderValue::new(value.as_bytes().to_vec()));
    }
    let (_, credentials) = CredentialHeaders::split(all, &sealed, None, None);
    let evidence = evidence::collect(&credentials, None, &PeerSources::default(), &places);
    let evidence = ignore_uncounted(evidence, &trust, &NoCache, |name| counts.contains(&name));
    let memory = Caches { certificates: &NoCache, tokens: &NoCache };
    let now = UnixTime::from_secs(1_800_000_000);
    let subject = authenticate(&evidence, &trust, &Material::default(), memory, now);
    (subject.tokens().rejection().map(|why| why.reason()), subject.ignored().len())
}

fn jws(claims: &Value) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = json!({ "alg": "EdDSA", "kid": "k" }).to_string();
    format!("{}.{}.{}", part(header), part(claims.to_string()), part("forged".into()))
}

fn bearer(counts: &[&str], token: &str) -> (Option<Reason>, usize) {
    seen(counts, &[("authorization", &format!("Bearer {token}"))])
}

/// P142: what is certainly of no issuer that counts is nothing; what may be of one stays refused, however broken it is.
#[test]
fn only_tokens_that_certainly_do_not_count_are_ignored() {
    let of = |iss: &str| jws(&json!({ "iss": iss }));
    let corp = of("https://corp.example");
    let (head, _) = corp.rsplit_once('.').unwrap();
    let ignored = (None, 1);
    let refused = |reason| (Some(reason), 0);
    let malformed = refused(Reason::TokenMalformed);
    for (token, expected) in [
        (of("https://other.example"), ignored),
        (of("https://partner.example"), ignored),
        (jws(&json!({ "sub": "alice" })), ignored),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a".into(), ignored),
        ("v2.local.AAAA".into(), ignored),
        ("not a token".into(), ignored),
        (corp.clone(), refused(Reason::SignatureInvalid)),
        // Broken on the way: another reader may still see whose it is.
        (format!("{corp}="), malformed),
        (format!("{corp}.x"), malformed),
        (head.to_owned(), malformed),
        (format!("{head}.!"), malformed),
        (corp.replacen("eyJ", "e-yJ", 1), malformed),
        (corp.replacen('.', " .", 1), malformed),
        (corp.split('.').next().unwrap().to_owned(), malformed),
        (format!("IHs.{}", corp.split_once('.').unwrap().1), malformed),
        ("{}".into(), malformed),
        // Nearly: some reader compares like this.
        (of("https://corp.example/"), refused(Reason::IssuerUnknown)),
        (of("HTTPS://Corp.Example"), refused(Reason::IssuerUnknown)),
        (jws(&json!({ "iss": ["https://corp.example"] })), refused(Reason::IssuerUnknown)),
    ] {
        assert_eq!(bearer(&["corp"], &token), expected, "{token}");
        assert_eq!(bearer(&[], &token), ignored, "no issuer counts: {token}");
        assert!(bearer(&["corp", "partner", "opaque"], &token).1 <= expected.1, "{token}");
    }
    let two = format!("{corp}, Bearer x");
    assert_eq!(bearer(&["corp"], &two), refused(Reason::TokenMultiple));
    assert_eq!(bearer(&["opaque"], &two), ignored, "none who counts has tokens there");
}

/// P331: in a place where no issuer that counts has its tokens, everything is ignored, whatever issuer it names.
#[test]
fn a_place_without_an_issuer_that_counts_is_not_looked_at() {
    let corp = jws(&json!({ "iss": "https://corp.example" }));
    let cookie = format!("session={corp}");
    assert_eq!(seen(&["partner"], &[("cookie", &cookie)]), (None, 1));
    assert_eq!(seen(&["corp"], &[("x-token", &corp)]), (None, 1));
    assert_eq!(seen(&["corp"], &[("cookie", &cookie)]), (Some(Reason::SignatureInvalid), 0));
}

/// P142: an issuer that is asked may have made any text in its place, and no issuer is asked about a token that is ignored.
#[test]
fn an_opaque_token_may_be_of_the_issuer_that_is_asked() {
    let opaque = |counts: &[&str]| seen(counts, &[("x-token", "2YotnFZFEjr1zCsicMWpAA")]);
    assert_eq!(opaque(&["opaque"]), (Some(Reason::IntrospectionUnavailable), 0));
    assert_eq!(opaque(&["corp"]), (None, 1));
}

/// P141: a refused cookie is kept apart from other credentials, and never hides the fault of another one.
#[test]
fn what_was_refused_beside_a_cookie_stays_refused() {
    let all = ["corp", "partner", "opaque"];
    let corp = jws(&json!({ "iss": "https://corp.example" }));
    let cookie = format!("session={corp}");
    let cookies_of = |headers: &[(&str, &str)]| {
        let trust = trust();
        let places = trust.token_places();
        let sealed = SealedNames::for_places(&places);
        let mut own = Headers::default();
        headers
            .iter()
            .for_each(|(name, value)| own.push(*name, HeaderValue::new(value.as_bytes().to_vec())));
        let (_, credentials) = CredentialHeaders::split(own, &sealed, None, None);
        let evidence = evidence::collect(&credentials, None, &PeerSources::default(), &places);
        let memory = Caches { certificates: &NoCache, tokens: &NoCache };
        let now = UnixTime::from_secs(1_800_000_000);
        let subject = authenticate(&evidence, &trust, &Material::default(), memory, now);
        subject.rejected_cookies().len()
    };
    assert_eq!(seen(&all, &[("cookie", &cookie)]).0, Some(Reason::SignatureInvalid));
    assert_eq!(cookies_of(&[("cookie", &cookie)]), 1);
    // P285: two of one name are no cookie's fault.
    assert_eq!(cookies_of(&[("cookie", &format!("{cookie}; {cookie}x"))]), 0);
    for other in [format!("Bearer {corp}"), "Bearer eyJ".into(), "Bearer a, Bearer b".into()] {
        assert_eq!(cookies_of(&[("cookie", &cookie), ("authorization", &other)]), 0, "{other}");
    }
}
