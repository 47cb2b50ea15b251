//! The same token in several places of one request.

use super::*;

/// P412: the very same token in two places is one token, which is in both; another one of its issuer is a second one.
#[test]
fn the_very_same_token_counts_once() {
    let mint = Mint::ed();
    let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
    let more = "  algorithms: [EdDSA]\n  tokens: [{ authorization: {} }, { cookie: session }, { header: x-token }]";
    let trust = trust(&[("corp", ISS, more, keys)]);
    let sign = |claims: &Value| mint.token(&json!({ "alg": "EdDSA", "kid": "k" }), claims);
    let (token, mut later) = (sign(&claims(ISS)), claims(ISS));
    later["jti"] = json!("2");
    let other = sign(&later);
    let (cookie, header) =
        (TokenPlace::Cookie("session".into()), TokenPlace::Header("x-token".into()));
    let shown = |second: &str, place: &TokenPlace| {
        let tokens = [(TokenPlace::Authorization, token.as_str()), (place.clone(), second)];
        verify_at(&trust, &tokens, &NoCache, now())
    };
    for place in [&cookie, &header] {
        let verified = shown(&token, place).unwrap();
        assert_eq!(verified.len(), 1);
        let places: Vec<_> = verified[0].places().cloned().collect();
        assert_eq!(places, [TokenPlace::Authorization, place.clone()], "and goes from both");
        assert_eq!(shown(&other, place).map(|_| ()), Err(Reason::TokenMultiple));
    }
    let elsewhere = TokenPlace::Header("x-other".into());
    assert_eq!(shown(&token, &elsewhere).map(|_| ()), Err(Reason::IssuerUnknown));
}
