//! The same token in several places of one request.

use super::*;

/// P412, P449: the very same token in two places is one token, which is in both; another one of its issuer is a second one.
#[test]
fn the_very_same_token_counts_once() {
    let mint = Mint::ed();
    let keys = json!([mint.jwk(&json!({ "kid": "k" }))]);
    let more = "  algorithms: [EdDSA]\n  tokens: [{ authorization: {} }, { cookie: session }, { header: x-token }]";
    let trust = trust(&[("corp", ISS, more, keys.clone())]);
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
    // P449: where the second place is another issuer's with the same `iss`, too.
    let more = |place: &str| format!("  algorithms: [EdDSA]\n  tokens: [{place}]");
    let twins = super::trust(&[
        ("one", ISS, &more("{ authorization: {} }"), keys.clone()),
        ("two", ISS, &more("{ header: x-token }"), keys),
    ]);
    let tokens = [(TokenPlace::Authorization, token.as_str()), (header.clone(), &token)];
    let verified = verify_at(&twins, &tokens, &NoCache, now()).unwrap();
    let places: Vec<Vec<_>> = verified.iter().map(|own| own.places().cloned().collect()).collect();
    let (own, other) = (TokenPlace::Authorization, header);
    assert_eq!(places, [[own.clone(), other.clone()], [other, own]]);
    let elsewhere = TokenPlace::Header("x-other".into());
    assert_eq!(shown(&token, &elsewhere).map(|_| ()), Err(Reason::IssuerUnknown));
}
