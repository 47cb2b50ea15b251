//! Tokens in every place, alone and in company.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::reason::Reason;
use crate::request::{HeaderValue, Headers, ProtocolElement, SealedNames};

impl PresentedToken {
    /// `text` as it would be found at `place`, for unit tests of the rooms above.
    pub(crate) fn for_test(place: &TokenPlace, scheme: TokenScheme, text: &str) -> Self {
        Self::new(place, scheme, SealedText::from(text))
    }
}

fn collect(
    credentials: &CredentialHeaders,
    places: &[TokenPlace],
) -> Result<Vec<PresentedToken>, Rejection> {
    let (tokens, mut unreadable) = collect_each(credentials, places);
    if unreadable.is_empty() { Ok(tokens) } else { Err(unreadable.remove(0).rejection) }
}

fn token(issuer: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"ES256"}"#);
    format!("{header}.{}.{}", encode(&format!(r#"{{"iss":"{issuer}"}}"#)), encode("signature"))
}

fn places() -> Vec<TokenPlace> {
    vec![
        TokenPlace::Authorization,
        TokenPlace::Header("x-token".into()),
        TokenPlace::Cookie("session".into()),
    ]
}

fn collect_from(lines: &[(&str, &[u8])]) -> Result<Vec<PresentedToken>, Rejection> {
    let mut headers = Headers::default();
    for (name, value) in lines {
        headers.push(*name, HeaderValue::new(value.to_vec()));
    }
    let sealed = SealedNames::for_places(&places());
    let (_, credentials) = CredentialHeaders::split(headers, &sealed, None, None);
    collect(&credentials, &places())
}

fn issuers_in(lines: &[(&str, String)]) -> Result<Vec<String>, Reason> {
    let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let found = collect_from(&lines).map_err(|rejection| rejection.reason())?;
    let issuer = |token: &PresentedToken| match token.jws() {
        Ok(_) => Ok(token.claimed_issuer().unwrap().to_owned()),
        Err(rejection) => Err(rejection.reason()),
    };
    found.iter().map(issuer).collect()
}

#[test]
fn a_token_is_found_in_each_place() {
    for line in [
        ("authorization", format!("Bearer {}", token("a"))),
        ("Authorization", format!("bEARER   {}", token("a"))),
        ("authorization", format!("DPoP {}", token("a"))),
        ("x-token", token("a")),
        ("cookie", format!("session={}", token("a"))),
        ("cookie", format!("a=b; session={}; xsession=c", token("a"))),
    ] {
        let shown = line.1.clone();
        assert_eq!(issuers_in(&[line]), Ok(vec![String::from("a")]), "{shown}");
    }
    let lines = [
        ("authorization", format!("Bearer {}", token("a"))),
        ("x-token", token("b")),
        ("cookie", String::from("x=y")),
        ("cookie", format!("session={}", token("c"))),
    ];
    assert_eq!(issuers_in(&lines), Ok(vec!["a".into(), "b".into(), "c".into()]));
}

fn found_at(place: TokenPlace, lines: &[(&str, &str)]) -> Result<Vec<String>, Reason> {
    let mut headers = Headers::default();
    for (name, value) in lines {
        headers.push(*name, HeaderValue::new(value.as_bytes().to_vec()));
    }
    let places = [place];
    let (open, credentials) =
        CredentialHeaders::split(headers, &SealedNames::for_places(&places), None, None);
    assert_eq!(open.len(), 0, "P80: no rule sees a header with tokens");
    let found = collect(&credentials, &places).map_err(|rejection| rejection.reason())?;
    let shown = |own: &PresentedToken| format!("{:?} {}", own.scheme, own.text.expose());
    Ok(found.iter().map(shown).collect())
}

/// P413, P430: a word before the token is compared whole, and another one is none of ours.
#[test]
fn a_token_is_found_behind_a_word_of_its_own() {
    let several = Err(Reason::TokenMultiple);
    for (word, lines, expected) in [
        ("jwt", &[("authorization", "JWT x.y.z")][..], Ok("Bearer x.y.z")),
        ("jwt", &[("authorization", "jwt   x.y.z ")], Ok("Bearer x.y.z")),
        ("jwt", &[("authorization", "Bearer x.y.z")], Ok("")),
        ("jwt", &[("authorization", "JWTx.y.z")], Ok("")),
        // A tab is a space to some readers.
        ("jwt", &[("authorization", "JWT\tx.y.z")], Err(Reason::TokenMalformed)),
        ("jwt", &[("authorization", "JWT\u{a0}x.y.z")], Err(Reason::TokenMalformed)),
        ("jwt", &[("authorization", "JWT=x.y.z")], Err(Reason::TokenMalformed)),
        ("jwt", &[("authorization", "\u{b}JWT x.y.z")], Err(Reason::TokenMalformed)),
        ("jwt", &[("authorization", "JWT")], Ok("Bearer ")),
        ("jwt", &[("authorization", "JWT a, JWT b")], several),
        ("jwt", &[("authorization", "JWT a"), ("authorization", "Basic b")], several),
        ("dpop", &[("authorization", "DPoP x.y.z")], Ok("Dpop x.y.z")),
        ("", &[("authorization", " x.y.z")], Ok("Bearer x.y.z")),
        ("", &[("authorization", "Bearer x.y.z")], Ok("")),
        ("", &[("authorization", "x,y")], several),
    ] {
        let place = TokenPlace::Prefixed("authorization".into(), word.into());
        let expected = expected.map(|text| {
            Some(text).filter(|text| !text.is_empty()).map(str::to_owned).into_iter().collect()
        });
        assert_eq!(found_at(place, lines), expected, "{word} {lines:?}");
    }
}

/// Invariant 9: the longest token is found, and one byte more is refused before anything reads it.
#[test]
fn the_bound_of_a_token_is_exact() {
    for (bytes, fits) in [(MAX_TOKEN_BYTES, true), (MAX_TOKEN_BYTES + 1, false)] {
        let found = collect_from(&[("x-token", "x".repeat(bytes).as_bytes())]);
        assert_eq!(found.is_ok(), fits, "{bytes}");
    }
}

/// P447: the very same token twice in one place is one token.
#[test]
fn the_very_same_token_in_one_place_counts_once() {
    let (own, bearer) = (token("a"), format!("Bearer {}", token("a")));
    for lines in [
        vec![("authorization", bearer.clone()), ("authorization", bearer.clone())],
        vec![("authorization", format!("{bearer},{bearer}"))],
        vec![("authorization", format!("{bearer} , {bearer}, {bearer}"))],
        vec![("x-token", own.clone()), ("x-token", own.clone())],
        vec![("x-token", format!("{own},{own}"))],
    ] {
        assert_eq!(issuers_in(&lines), Ok(vec![String::from("a")]), "{lines:?}");
    }
}

/// P446: what a header without a word holds for other schemes is not looked at, unless it is a token for some reader; and a scheme
/// that is glued to a JWT is not another scheme.
#[test]
fn another_scheme_is_not_a_token_in_disguise() {
    let (several, malformed) = (Err(Reason::TokenMultiple), Err(Reason::TokenMalformed));
    let other = Ok(Vec::new());
    let bare = TokenPlace::Prefixed("authorization".into(), String::new());
    let jwt = TokenPlace::Prefixed("authorization".into(), "jwt".into());
    for (place, line, expected) in [
        (&bare, r#"Digest username="a", realm="b, c, d", qop=auth, uri="/a,b""#, &other),
        (
            &bare,
            "AWS4-HMAC-SHA256 Credential=A/2026/s3, SignedHeaders=host;date, Signature=0f",
            &other,
        ),
        (&bare, "Basic YQ==, Digest a=b", &other),
        (&bare, "Basic YQ==, opaque", &several),
        (&bare, "Basic YQ==, opaque==", &several),
        (&bare, "Basic YQ==,eyJ.x.y", &several),
        (&bare, "opaque, Digest a=b", &several),
        (&bare, r#"Digest a="b, eyJ.x.y"#, &several),
        (&bare, r#"Digest a="b, opaque"#, &several),
        (&bare, r#"Digest a="b, eyJ.x.y""#, &several),
        (&bare, "eyJ.x.y more", &malformed),
        (&TokenPlace::Authorization, "Bearer.eyJ.x.y", &malformed),
        (&TokenPlace::Authorization, "beareReyJ.x.y", &malformed),
        (&TokenPlace::Authorization, "DPoP-eyJ.x.y", &malformed),
        (&TokenPlace::Authorization, "Basic a, Bearer_eyJ.x.y", &several),
        (&TokenPlace::Authorization, "BearerToken a", &other),
        (&TokenPlace::Authorization, "Bear", &other),
        (&jwt, "JWT!eyJ.x.y", &malformed),
        (&jwt, "JWTeyJ.x.y", &malformed),
        (&jwt, "Bearer.eyJ.x.y", &other),
    ] {
        let found = found_at(place.clone(), &[("authorization", line)]);
        assert_eq!(found, *expected, "{place}: {line}");
    }
    assert_ne!(bare.to_string(), TokenPlace::Authorization.to_string());
    assert_ne!(bare.to_string(), jwt.to_string());
}

/// P413: a browser has to put the token of a WebSocket among its protocols.
#[test]
fn a_token_is_found_among_protocols() {
    let element = |marker: &str, follows, encoded| {
        TokenPlace::Protocol(ProtocolElement { marker: marker.into(), follows, encoded })
    };
    let kubernetes = || element("base64url.bearer.authorization.k8s.io.", false, true);
    let pair = || element("access_token", true, false);
    let name = "sec-websocket-protocol";
    for (place, lines, expected) in [
        (pair(), &["chat, access_token, x.y.z"][..], Ok("Bearer x.y.z")),
        (pair(), &["access_token", "x.y.z"], Ok("Bearer x.y.z")),
        (pair(), &["chat"], Ok("")),
        (pair(), &["chat, access_token"], Ok("Bearer ")),
        (pair(), &["access_token, access_token"], Ok("Bearer access_token")),
        (pair(), &["access_token, x.y.z, access_token, x.y.z"], Ok("Bearer x.y.z")),
        (pair(), &["access_token, a, access_token, b"], Err(Reason::TokenMultiple)),
        (element("bearer.", false, false), &["bearer.x.y.z,v2"], Ok("Bearer x.y.z")),
        (element("bearer.", false, false), &["Bearer.x.y.z"], Ok("")),
        (element("b.", false, false), &["b.x, b.y"], Err(Reason::TokenMultiple)),
        (
            kubernetes(),
            &["base64url.bearer.authorization.k8s.io.eC55Lno, v4.channel.k8s.io"],
            Ok("Bearer x.y.z"),
        ),
        (kubernetes(), &["base64url.bearer.authorization.k8s.io.!"], Err(Reason::TokenMalformed)),
        (kubernetes(), &["base64url.bearer.authorization.k8s.io._w"], Err(Reason::TokenMalformed)),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        let expected = expected.map(|text: &str| {
            Some(text).filter(|text| !text.is_empty()).map(str::to_owned).into_iter().collect()
        });
        assert_eq!(found_at(place, &lines), expected, "{lines:?}");
    }
}

#[test]
fn what_is_no_token_of_ours_is_not_looked_at() {
    for (name, value) in [
        ("authorization", "Basic dXNlcjpwYXNz"),
        ("authorization", r#"Digest username="a", realm="b""#),
        ("authorization", "Bearers abc"),
        ("cookie", "Session=abc; sessio=n"),
        ("x-other", "abc"),
        ("proxy-authorization", "Bearer abc"),
    ] {
        assert_eq!(issuers_in(&[(name, value.to_owned())]), Ok(vec![]), "{value}");
    }
}

/// P71, P86: more than one token in a place is refused, joined by a proxy or not; never is the first one used.
#[test]
fn several_tokens_in_one_place_are_refused() {
    let bearer = format!("Bearer {}", token("a"));
    let basic = String::from("Basic dXNlcjpwYXNz");
    let other = format!("Bearer {}", token("b"));
    for lines in [
        vec![("authorization", bearer.clone()), ("authorization", other.clone())],
        vec![("authorization", bearer.clone()), ("authorization", basic.clone())],
        vec![("authorization", format!("{bearer},{other}"))],
        vec![("authorization", format!("{bearer}, {bearer}, {other}"))],
        vec![("authorization", format!("{bearer},"))],
        vec![("authorization", format!("{basic},{bearer}"))],
        vec![("authorization", format!("{bearer}, {basic}"))],
        vec![("x-token", token("a")), ("x-token", token("b"))],
        vec![("x-token", format!("{},{}", token("a"), token("b")))],
        vec![("cookie", format!("session={0}; session={0}", token("a")))],
        vec![
            ("cookie", format!("session={}", token("a"))),
            ("cookie", format!("session={}", token("b"))),
        ],
    ] {
        assert_eq!(issuers_in(&lines), Err(Reason::TokenMultiple), "{lines:?}");
    }
}

#[test]
fn a_token_that_cannot_be_read_is_not_an_absent_one() {
    for (name, value) in [
        ("authorization", "Bearer"),
        ("authorization", "Bearer "),
        ("authorization", "DPoP"),
        ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
        ("authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA.AA.AA"),
        ("authorization", "Bearer ="),
        ("authorization", "Bearer a=b"),
        ("x-token", ""),
        ("x-token", "Bearer x"),
        ("cookie", "session="),
        ("cookie", "session=\"x\""),
    ] {
        let found = issuers_in(&[(name, value.to_owned())]);
        assert_eq!(found, Err(Reason::TokenMalformed), "{value:?}");
    }
    let refused = collect_from(&[("authorization", b"Bearer \xff")]).unwrap_err();
    assert_eq!(refused.reason(), Reason::TokenMalformed);
}

/// RFC 6750 section 2.1: what is no JWS and could be a token is kept for an issuer that can be asked.
#[test]
fn an_opaque_token_is_kept_with_the_reason_why_it_is_no_jws() {
    for text in ["2YotnFZFEjr1zCsicMWpAA", "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", "a+/b=="]
    {
        let line = format!("Bearer {text}");
        let found = collect_from(&[("authorization", line.as_bytes())]).unwrap();
        assert_eq!(found[0].jws().unwrap_err().reason(), Reason::TokenMalformed);
        assert!(found[0].is_opaque());
        assert_eq!(found[0].text.expose(), text);
        assert!(!format!("{found:?}").contains(text), "P80");
    }
}

/// P492: a JWT that was broken on the way is malformed, however its header begins, and is shown to no endpoint.
#[test]
fn a_broken_jwt_is_not_opaque() {
    let encode = |header: &str| URL_SAFE_NO_PAD.encode(header);
    for header in [
        "{\"alg\":\"ES256\"}",
        "{ \"alg\":\"ES256\"}",
        "{\n\"kid\":\"a\"}",
        " {\"alg\":\"x\"}",
        "\t{\r\n \"typ\":1}",
    ] {
        let head = encode(header);
        for text in [
            format!("{head}.e30.AA="),
            format!("~{head}.e30"),
            format!(".{head}.e30.AA"),
            format!("{head}.x.x.x.x"),
            head.clone(),
        ] {
            let line = format!("Bearer {text}");
            // Refused where it is read, or a token that is no opaque one.
            let found = collect_from(&[("authorization", line.as_bytes())]);
            assert!(
                found.is_err() || !found.unwrap().iter().any(PresentedToken::is_opaque),
                "{text}"
            );
        }
    }
}

/// RFC 6750 section 2.3, P71: a parameter is a token where it was asked for, and nowhere else; two are one too many.
#[test]
fn a_token_in_the_query_is_found_where_it_is_asked_for() {
    let place = TokenPlace::Query(String::from("access_token"));
    let collected = |target: &str, places: &[TokenPlace]| {
        let sealed = SealedNames::for_places(places);
        let (_, parameters) = sealed.split_target(target.into());
        let (_, credentials) = CredentialHeaders::split(Headers::default(), &sealed, None, None);
        let found = collect(&credentials.with_parameters(parameters), places);
        found
            .and_then(|found| {
                found
                    .iter()
                    .map(|token| token.jws().map(|_| token.claimed_issuer().map(str::to_owned)))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(Clone::clone)
            })
            .map_err(|rejection| rejection.reason())
    };
    let (a, b) = (token("a"), token("b"));
    let found = Ok(vec![Some(String::from("a"))]);
    let asked = [place];
    for (target, places, expected) in [
        (format!("/x?access_token={a}"), &asked[..], found.clone()),
        (format!("/x?y=z&access%5Ftoken={}", a.replace('.', "%2E")), &asked[..], found),
        (format!("/x?access_token={a}&access_token={b}"), &asked[..], Err(Reason::TokenMultiple)),
        (format!("/x?access_token={a},{b}"), &asked[..], Err(Reason::TokenMultiple)),
        (String::from("/x?access_token="), &asked[..], Err(Reason::TokenMalformed)),
        (String::from("/x?access_token"), &asked[..], Err(Reason::TokenMalformed)),
        (String::from("/x?access_token=%ff"), &asked[..], Err(Reason::TokenMalformed)),
        (format!("/x?Access_token={a}"), &asked[..], Ok(vec![])),
        (format!("/x;access_token={a}"), &asked[..], Ok(vec![])),
        (format!("/x?access_token={a}"), &[TokenPlace::Authorization][..], Ok(vec![])),
    ] {
        assert_eq!(collected(&target, places), expected, "{target}");
    }
}

proptest! {
    /// P72: no bytes make the reader panic, and nothing that it refuses is echoed.
    #[test]
    fn nothing_that_is_sent_makes_the_reader_fail(
        name in prop::sample::select(vec!["authorization", "x-token", "cookie"]),
        prefix in prop::sample::select(vec!["", "Bearer ", "DPoP ", "session=", "a=b; session="]),
        value in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let line = [prefix.as_bytes(), &value].concat();
        if let Ok(found) = collect_from(&[(name, &line)]) {
            for token in found {
                let _ = token.jws();
            }
        }
    }

    #[test]
    fn no_token_shaped_text_makes_the_reader_fail(
        header in "\\PC{0,80}", claims in "\\PC{0,80}", signature in any::<Vec<u8>>(),
    ) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let text = format!(
            "{}.{}.{}",
            encode(header.as_bytes()), encode(claims.as_bytes()), encode(&signature),
        );
        let _ = CompactJws::parse(&text);
    }
}
