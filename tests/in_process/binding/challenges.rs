//! The answers to callers whose token or proof was refused (RFC 9449 section 7.1).

use super::*;

/// P143: by the scheme that was used, and the proof is at fault where the proof is: the token that came with it is still good.
#[tokio::test]
async fn a_challenge_has_the_scheme_that_was_used_and_says_what_is_wrong() {
    let house = House::new("", "");
    let challenge = async |scheme: &str, token: &str, proof: Option<&str>| {
        let authorization = format!("{scheme} {token}");
        let mut lines = vec![("authorization", &*authorization)];
        lines.extend(proof.map(|proof| ("dpop", proof)));
        let (reason, headers) = house.decide("GET", &lines).await.unwrap_err();
        let challenge = headers.iter().find(|(name, _)| name == "www-authenticate");
        (reason, challenge.map(|(_, value)| value.clone()).unwrap_or_default())
    };
    let good = house.token(&json!({}));
    let proof = house.proof(&good, &json!({}), &json!({}));
    assert_eq!(house.with_proof(&good, &proof).await, Ok(()));
    let (reason, told) = challenge("DPoP", &good, Some(&proof)).await;
    assert_eq!(reason, Reason::TokenReplayed);
    assert!(
        told.starts_with(r#"DPoP realm="countersign", error="invalid_dpop_proof", algs=""#),
        "{told}"
    );
    let expired = house.token(&json!({ "exp": NOW - 60 }));
    let proof = house.proof(&expired, &json!({}), &json!({ "jti": "2" }));
    let free = house.token(&json!({ "exp": NOW - 60, "cnf": null }));
    let elsewhere = house.token(&json!({ "iss": "https://other.example" }));
    for (scheme, token, proof, reason, start) in [
        (
            "DPoP",
            &expired,
            Some(&*proof),
            Reason::TokenExpired,
            r#"DPoP realm="countersign", error="invalid_token", algs=""#,
        ),
        (
            "DPoP",
            &elsewhere,
            Some(&*proof),
            Reason::IssuerUnknown,
            r#"DPoP realm="countersign", error="invalid_token", algs=""#,
        ),
        (
            "DPoP",
            &good,
            None,
            Reason::DpopInvalid,
            r#"DPoP realm="countersign", error="invalid_dpop_proof", algs=""#,
        ),
        (
            "Bearer",
            &good,
            None,
            Reason::DpopInvalid,
            r#"DPoP realm="countersign", error="invalid_dpop_proof", algs=""#,
        ),
        (
            "Bearer",
            &free,
            None,
            Reason::TokenExpired,
            r#"Bearer realm="countersign", error="invalid_token""#,
        ),
    ] {
        let (found, told) = challenge(scheme, token, proof).await;
        assert_eq!(found, reason, "{scheme} {told}");
        assert!(told.starts_with(start), "{told}");
    }
    // An issuer whose tokens have to be bound to keys: the scheme `Bearer` would never do.
    let strict = House::new("  binding: dpop", "");
    let lines = [("authorization", &*format!("Bearer {}", strict.token(&json!({ "cnf": null }))))];
    let (reason, headers) = strict.decide("GET", &lines).await.unwrap_err();
    assert_eq!(reason, Reason::BindingUnavailable);
    let told = headers.iter().find(|(name, _)| name == "www-authenticate").unwrap();
    assert!(told.1.starts_with("DPoP "), "{}", told.1);
}

/// P280: a credential that was used before gets the `deny` of the rule that would have allowed, and a cookie is cleared only where
/// its token is what was used up.
#[tokio::test]
async fn a_replay_gets_the_answer_of_the_rule() {
    let deny =
        " }\n      deny: { status: 404, redirect: { to: /login }, clearCookie: { name: session }";
    let second = async |house: &House, lines: &[(&str, &str)]| {
        assert!(house.outcome("GET", lines).await.0.decision.is_allow());
        let (outcome, view) = house.outcome("GET", lines).await;
        let Decision::Deny(denial) = outcome.decision else { panic!("used twice") };
        assert_eq!(denial.rejection.reason(), Reason::TokenReplayed);
        assert_eq!(denial.rule.as_ref().map(|rule| &*rule.rule), Some("read"));
        let answer = denial.answer(&view, "id");
        let has =
            |name| answer.headers.iter().find(|(own, _)| *own == name).map(|(_, v)| v.clone());
        (answer.status, has("location"), has("set-cookie"), has("www-authenticate"))
    };
    let places = "  tokens: [authorization: {}, { cookie: session }]";
    let house = House::new(places, deny);
    let token = house.token(&json!({}));
    let (proof, dpop) = (house.proof(&token, &json!({}), &json!({})), format!("DPoP {token}"));
    let proved = [("authorization", &*dpop), ("dpop", &*proof)];
    assert_eq!(second(&house, &proved).await, (404, None, None, None));

    let once = format!("  use: once\n{places}");
    let (house, login) = (House::new(&once, deny), Some("/login".to_owned()));
    let token = |jti: &str| house.token(&json!({ "cnf": null, "jti": jti }));
    let cookie = format!("session={}", token("a"));
    let browser = [("cookie", &*cookie), ("accept", "text/html")];
    let (status, location, cleared, challenge) = second(&house, &browser).await;
    assert_eq!((status, location, challenge), (302, login.clone(), None));
    assert!(cleared.unwrap().starts_with("session=; Max-Age=0"));
    let bearer = format!("Bearer {}", token("b"));
    let browser = [("authorization", &*bearer), ("accept", "text/html")];
    assert_eq!(second(&house, &browser).await, (302, login, None, None));
}

/// P285: two cookies of one name are two tokens of one issuer, which no rule ignores, also where both are bad.
#[tokio::test]
async fn a_second_cookie_of_the_name_denies_at_every_rule() {
    let login = " }\n    - { name: login, effect: allow, public: true, rejectedCookies: ignored";
    let house = House::new("  tokens: [{ cookie: session }]", login);
    for (cookie, judged) in [
        ("session=BAD", Ok(())),
        ("session=BAD; session=BAD", Err(Reason::TokenMultiple)),
        ("session=BAD, session=BAD", Err(Reason::TokenMultiple)),
        ("session=; session=", Err(Reason::TokenMultiple)),
    ] {
        let found = house.decide("GET", &[("cookie", cookie)]).await;
        assert_eq!(found.map_err(|(reason, _)| reason), judged, "{cookie}");
    }
}
