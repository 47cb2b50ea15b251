//! Credentials that a document says are ignored, through the real Envoy.

use std::sync::Arc;

use crate::testbed::http1::{Request, Response};
use crate::testbed::pki::HOST;
use crate::testbed::upstream::Received;
use crate::testbed::{Folder, Props};

use crate::envoy;

/// Browsers carry the token in a cookie; services in the header. `/public` and `/peers` ask for no token.
const POLICY: &str = r#"
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: site }
spec:
  target: { hosts: [orders.example.com]TOKENS }
  deny: { redirect: { to: /login, status: 303 }, clearCookie: { name: session } }
  rules:
    - { name: login, effect: allow, public: true, on: { methods: [GET], paths: [/login] }, rejectedCookies: ignored }
    - { name: assets, effect: allow, public: true, on: { methods: [GET], paths: [/public] } }
    - { name: peers, effect: allow, peer: { any: true }, on: { methods: [GET], paths: [/peers] } }
    - name: app
      effect: allow
      on: { methods: [GET], paths: [/app] }
      token: { issuer: corp }
      inject: { headers: { x-subject: "{token.sub}" } }
"#;

fn props(tokens: &str) -> Option<Props> {
    let mut props = envoy::props()?;
    let issuer = include_str!("../../src/demo/documents/token-issuer.yaml");
    let places = "spec:\n  tokens: [{ authorization: {} }, { cookie: session }]\n";
    props.files.extend([
        ("policies/orders.yaml", POLICY.replace("TOKENS", tokens)),
        ("policies/token-issuer.yaml", issuer.replacen("spec:\n", places, 1)),
    ]);
    Some(props)
}

fn page(path: &str) -> Request {
    Request::get(HOST, path).header("accept", "text/html")
}

fn received(response: &Response) -> Received {
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

/// P141, P145: a browser with an expired session is sent to log in, loses the cookie, and gets there; nothing else of its is
/// ignored.
#[tokio::test]
async fn an_expired_session_leads_to_the_login_page_and_no_further() {
    let Some(props) = props("") else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
    let frontend = Some(&pki.frontend);
    let expired = format!("session={}; theme=dark", tokens.expired);
    let (answer, record) =
        envoy::ask(&mut stage, frontend, &page("/app").header("cookie", expired.as_str())).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
    let cleared = answer.header("set-cookie").unwrap();
    assert_eq!(cleared, "session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(record.reason_text(), Some("token_expired"));
    // A browser that keeps it gets the page all the same, as a caller without it.
    let login = page("/login").header("cookie", expired.as_str());
    let (answer, record) = envoy::ask(&mut stage, frontend, &login).await;
    assert_eq!(received(&answer).values("x-subject").count(), 0);
    assert_eq!((record.text("/rule"), record.text("/tokens/0/issuer")), (Some("login"), None));
    assert_eq!(record.text("/ignored_tokens/0/name"), Some("session"));
    assert_eq!(record.text("/ignored_tokens/0/reason"), Some("token_expired"));
    // A good one is no reason to pass anything over, and one in a header is refused everywhere.
    let good = page("/app").header("cookie", format!("session={}", tokens.bearer).as_str());
    let (answer, record) = envoy::ask(&mut stage, frontend, &good).await;
    assert_eq!(received(&answer).values("x-subject").count(), 1);
    assert_eq!(record.text("/ignored_tokens/0/name"), None);
    let reached = stage.upstream.requests();
    for (request, reason) in [
        (page("/login").bearer(&tokens.expired), "token_expired"),
        (
            page("/login").bearer(&tokens.expired).header("cookie", expired.as_str()),
            "token_expired",
        ),
        (page("/login").bearer("eyJ.x").header("cookie", expired.as_str()), "token_malformed"),
        (page("/public").header("cookie", expired.as_str()), "token_expired"),
        (page("/app").header("cookie", "session=x"), "token_malformed"),
        (
            Request::new("POST", HOST, "/login")
                .header("content-length", "0")
                .header("cookie", expired.as_str()),
            "token_expired",
        ),
    ] {
        let (answer, record) = envoy::ask(&mut stage, frontend, &request).await;
        assert!([401, 303].contains(&answer.status), "{request:?} got {}", answer.status);
        assert_eq!(record.reason_text(), Some(reason), "{request:?}");
    }
    assert_eq!(stage.upstream.requests(), reached);
    stage.strike().await.unwrap();
}

/// P142: where a target says so, a token of another party is no token there, and goes upstream as it came; a token of an issuer that
/// counts is refused as ever.
#[tokio::test]
async fn a_token_of_an_issuer_that_does_not_count_is_no_token() {
    for ignored in [false, true] {
        let word = ", tokens: { issuers: [corp], others: ignored }";
        let Some(props) = props(if ignored { word } else { "" }) else { return };
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
        let frontend = Some(&pki.frontend);
        // {"alg":"none"}.{"iss":"https://other.example"}. and what a platform gives its users.
        let other = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUifQ.eA";
        let opaque = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
        for (token, reason) in [(other, "issuer_unknown"), (opaque, "token_malformed")] {
            for path in ["/public", "/peers"] {
                let request = Request::get(HOST, path).bearer(token);
                let (answer, record) = envoy::ask(&mut stage, frontend, &request).await;
                if ignored {
                    let got = received(&answer);
                    let sent = format!("Bearer {token}");
                    assert_eq!(got.values("authorization").collect::<Vec<_>>(), [sent]);
                    assert_eq!(record.text("/ignored_tokens/0/reason"), Some("issuer_unknown"));
                } else {
                    assert_eq!((answer.status, record.reason_text()), (401, Some(reason)));
                }
            }
            let request = Request::get(HOST, "/app").bearer(token);
            let (answer, record) = envoy::ask(&mut stage, frontend, &request).await;
            let reason = if ignored { "token_missing" } else { reason };
            assert_eq!((answer.status, record.reason_text()), (401, Some(reason)));
        }
        let reached = stage.upstream.requests();
        let cut = tokens.bearer.rsplit_once('.').unwrap().0.to_owned();
        for (token, reason) in [
            (tokens.expired.as_str(), "token_expired"),
            (&tokens.other_audience, "audience"),
            (&cut, "token_malformed"),
            (&format!("{}=", tokens.bearer), "token_malformed"),
        ] {
            let request = Request::get(HOST, "/public").bearer(token);
            let (answer, record) = envoy::ask(&mut stage, frontend, &request).await;
            assert_eq!((answer.status, record.reason_text()), (401, Some(reason)), "{reason}");
        }
        assert_eq!(stage.upstream.requests(), reached);
        let good = Request::get(HOST, "/app").bearer(&tokens.bearer);
        let (answer, _) = envoy::ask(&mut stage, frontend, &good).await;
        assert_eq!(received(&answer).values("x-subject").count(), 1);
        stage.strike().await.unwrap();
    }
}
