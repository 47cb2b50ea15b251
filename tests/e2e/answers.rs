//! The answers that callers and upstreams see, through the real Envoy.

use std::sync::Arc;
use std::time::Duration;

use crate::testbed::http1::{Connection, Request, Response};
use crate::testbed::mint::{Key, SUBJECT};
use crate::testbed::pki::{FRONTEND, HOST};
use crate::testbed::upstream::Received;
use crate::testbed::{Folder, Props, Stage};
use countersign::clock::Stopwatch;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::envoy;

const POLICY: &str = r#"
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: answers, annotations: { owner: team-orders, ticket: SEC-1 } }
spec:
  target: { hosts: [orders.example.com] }
  deny: { redirect: { to: "https://login.example.com/", status: 303 } }
  rules:
    - name: told
      effect: allow
      annotations: { ticket: SEC-2 }
      on: { methods: [GET], paths: ["/told"] }
      peer: { any: true }
      token: { issuer: corp }
      inject:
        headers: { x-subject: "{token.sub}", x-decision: "{decision.id}" }
        responseHeaders: { x-tenant: "{token.claims./tenant}" }
        query: { tenant: "{token.claims./tenant}" }
        metadata: { who: "{token.sub}", scopes: "{token.claims./scope}" }
        assertion: { header: x-countersign-assertion, audience: orders, claims: { tenant: "{token.claims./tenant}" } }
      remove: { token: true, headers: [x-debug], query: [debug] }
    - name: plain
      effect: allow
      on: { methods: [GET], paths: ["/plain"] }
      peer: { any: true }
    - name: hidden
      effect: deny
      on: { paths: ["/hidden"] }
      deny: { status: 404, body: { text: "Nothing here, see {decision.id}.", json: { code: NOWHERE } }, headers: { x-team: orders } }
    - name: step-up
      effect: allow
      on: { methods: [GET], paths: ["/admin"] }
      peer: { any: true }
      token: { issuer: corp, acr: [phr], maxAge: 5m }
    - name: grpc
      effect: allow
      on: { grpc: [{ service: grpc.health.v1.Health }] }
      peer: { spiffe: ["spiffe://prod.example/ns/web/sa/*"] }
      token: { issuer: corp, scopes: ["health:read"] }
"#;

/// The shipped access log, in a file and with a member of the policy's own.
const ACCESS_LOG: [(&str, &str); 3] = [
    ("envoy.access_loggers.stdout", "envoy.access_loggers.file"),
    (
        r#""@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"#,
        r#"path: access.jsonl
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"#,
    ),
    (
        r#"rule: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:rule)%""#,
        r#"rule: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:rule)%"
                          who: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:who)%"
                          noted: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:annotations)%"
                          ticket: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:annotations:ticket)%""#,
    ),
];

fn props() -> Option<Props> {
    let mut props = envoy::props()?;
    props.envoy_changes.extend(ACCESS_LOG);
    let settings = include_str!("../../src/demo/documents/countersign.yaml");
    let assertion = "assertion: { issuer: https://countersign.example.com }\n";
    props.files = vec![
        ("policies/orders.yaml", POLICY.to_owned()),
        ("countersign.yaml", format!("{settings}{assertion}")),
    ];
    Some(props)
}

fn received(response: &Response) -> Received {
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

/// The first `count` lines of Envoy's access log, which it writes now and then.
async fn access_log(stage: &Stage<'_>, count: usize) -> Vec<Value> {
    let (path, waiting) = (stage.folder().join("access.jsonl"), Stopwatch::start());
    loop {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.lines().count() >= count {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        assert!(waiting.elapsed() < Duration::from_secs(30), "{count} lines, got {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn key_set(stage: &Stage<'_>) -> JwkSet {
    let stream = TcpStream::connect(stage.addresses().admin).await.unwrap();
    let request = Request::get("admin", "/.well-known/jwks.json");
    let response = Connection::new(stream).send(&request).await.unwrap();
    assert_eq!(response.header("content-type"), Some("application/jwk-set+json"));
    serde_json::from_slice(&response.body).unwrap()
}

/// An upstream's view: one library, the published keys, our name and its own.
fn verify(assertion: &str, keys: &JwkSet) -> Value {
    let header = jsonwebtoken::decode_header(assertion).unwrap();
    let jwk = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["orders"]);
    validation.set_issuer(&["https://countersign.example.com"]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    jsonwebtoken::decode::<Value>(assertion, &key, &validation).unwrap().claims
}

/// P12, P13, P153: the upstream sees what was injected and none of the caller's copies, in whatever spelling; the token stays
/// behind; the caller and the access log are told what the rule says.
#[tokio::test]
async fn an_allow_tells_the_upstream_the_caller_and_the_log() {
    let Some(props) = props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
    let target = "/told?a=1&tenant=root&%74enant=root&TENANT=root&tenant[]=root&debug=1&z=%26x";
    let request = Request::get(HOST, target)
        .bearer(&tokens.bearer)
        .header("x-subject", "root")
        .header("x-debug", "1")
        .header("x-countersign-assertion", "forged");
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    let got = received(&answer);
    assert_eq!(got.values("x-subject").collect::<Vec<_>>(), [SUBJECT]);
    assert_eq!((got.values("authorization").count(), got.values("x-debug").count()), (0, 0));
    assert_eq!(got.path, "/told?a=1&tenant=acme&z=%26x");
    assert_eq!(got.values("x-decision").next(), record.text("/decision_id"));
    assert_eq!(answer.header("x-tenant"), Some("acme"));

    let keys = key_set(&stage).await;
    let assertions: Vec<_> = got.values("x-countersign-assertion").collect();
    let [assertion] = assertions.as_slice() else { panic!("{assertions:?}") };
    let claims = verify(assertion, &keys);
    assert_eq!((&claims["sub"], &claims["tenant"]), (&json!(SUBJECT), &json!("acme")));
    assert_eq!(claims["act"], json!({ "sub": FRONTEND }));
    assert_eq!(claims["rule"], "told");
    assert!(!record.as_json().to_string().contains(assertion), "an assertion is a credential");

    // The same caller gets the same assertion: nothing was signed for the second request.
    let (again, _) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!(received(&again).values("x-countersign-assertion").next(), Some(*assertion));

    // Another rule sets none of it, and the caller's copies go all the same. Names with `_` are refused by Envoy itself.
    let odd = Request::get(HOST, "/plain").header("x_countersign-assertion", "forged");
    let answer = stage.client(Some(&pki.frontend)).unwrap().send(&odd).await.unwrap();
    assert_eq!(answer.status, 400);
    let request =
        Request::get(HOST, "/plain?%74enant=root&b=2").header("X-Countersign-Assertion", "forged");
    let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    let got = received(&answer);
    assert_eq!(
        (got.path.as_str(), got.values("x-countersign-assertion").count()),
        ("/plain?b=2", 0)
    );
    let hidden = Request::get(HOST, "/plain?b=2;tenant=root");
    let hidden = hidden.header("x-request-id", "chosen-by-a-caller");
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &hidden).await;
    assert_eq!((answer.status, record.reason_text()), (403, Some("eval_error")));

    let lines = access_log(&stage, 5).await;
    let about = |line: &Value, name: &str| line[name].clone();
    assert_eq!(about(&lines[0], "who"), json!(SUBJECT));
    assert_eq!(
        (about(&lines[0], "decision"), about(&lines[0], "rule")),
        (json!("allow"), json!("told"))
    );
    let noted = json!({ "owner": "team-orders", "ticket": "SEC-2" });
    assert_eq!((about(&lines[0], "noted"), about(&lines[0], "ticket")), (noted, json!("SEC-2")));
    let denied = lines.iter().find(|line| line["reason"] == "eval_error").unwrap();
    assert_eq!(Some(denied["decision_id"].as_str().unwrap()), record.text("/decision_id"));
    assert_eq!(
        (&denied["ticket"], record.text("/annotations/ticket")),
        (&json!("SEC-1"), Some("SEC-1"))
    );
    // By either id of the shipped access log `explain` finds the decision (P153); Envoy overwrites the
    // caller's own request id at this edge.
    let request_id = denied["request_id"].as_str().unwrap();
    assert_eq!(record.text("/request/x_request_id"), Some(request_id));
    assert_ne!(request_id, "chosen-by-a-caller");
    for id in [request_id, denied["decision_id"].as_str().unwrap()] {
        let (code, json) = crate::explain::explain(stage.folder().path(), id, "json").await;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(code, 1, "{json:#}");
        assert_eq!(json["recorded"]["decision_id"], denied["decision_id"], "{json:#}");
    }
    assert_eq!(record.text("/annotations/owner"), Some("team-orders"));
    assert_eq!(record.text("/request/scheme"), Some("https"));
    assert!(record.text("/request/destination").is_some());
    stage.strike().await.unwrap();
}

/// A token that is removed stays behind wherever it was, and what stood beside it goes on.
#[tokio::test]
async fn a_removed_token_goes_no_further_from_any_of_its_places() {
    let Some(mut props) = props() else { return };
    let issuer = include_str!("../../src/demo/documents/token-issuer.yaml");
    let places = "  tokens: [{ authorization: {} }, { header: x-token }, { cookie: session }, { query: access_token }]\n";
    props.files.push(("policies/token-issuer.yaml", format!("{issuer}{places}")));
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let (pki, token) = (Arc::clone(&stage.pki), stage.tokens.bearer.clone());
    let told = || Request::get(HOST, "/told?keep=1").header("cookie", "keep=1");
    let in_query = format!("/told?access_token={token}&keep=1");
    for request in [
        told().bearer(&token),
        told().header("x-token", token.as_str()),
        Request::get(HOST, "/told?keep=1").header("cookie", format!("session={token}; keep=1")),
        Request::get(HOST, in_query).header("cookie", "keep=1"),
    ] {
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!(record.text("/decision"), Some("allow"), "{}", record.as_json());
        let got = received(&answer);
        assert_eq!(got.path, "/told?keep=1&tenant=acme");
        assert_eq!(got.values("cookie").collect::<Vec<_>>(), ["keep=1"]);
        let kept = got.headers.iter().find(|(_, value)| value.contains(&token));
        assert_eq!(kept, None, "no header has it");
    }
    stage.strike().await.unwrap();
}

#[tokio::test]
async fn a_denied_caller_gets_the_form_that_it_asks_for() {
    let Some(props) = props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
    let accepting = |path: &str, accept: &str| Request::get(HOST, path).header("accept", accept);

    let problem = accepting("/hidden", "application/problem+json");
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &problem).await;
    assert_eq!((answer.status, answer.header("x-team")), (404, Some("orders")));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let id = record.text("/decision_id").unwrap();
    let expected = json!({
        "type": "about:blank", "title": "Not Found", "status": 404, "error": "not_found",
        "detail": format!("Nothing here, see {id}."), "code": "NOWHERE", "decision_id": id,
    });
    assert_eq!(body, expected);
    assert_eq!(answer.header("x-decision-id"), Some(id));
    assert!(!answer.text().contains("hidden"), "no rule is named");

    // A browser is sent to the login page, a script is challenged.
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    let (answer, _) =
        envoy::ask(&mut stage, Some(&pki.frontend), &accepting("/told", browser)).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("https://login.example.com/"))
    );
    let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &accepting("/told", "*/*")).await;
    assert_eq!((answer.status, answer.header("location")), (401, None));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"countersign\""));

    // RFC 9470: the challenge says how to step up, and a token of a fresh authentication passes.
    let request = Request::get(HOST, "/admin").bearer(&tokens.bearer);
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!((answer.status, record.reason_text()), (401, Some("acr_insufficient")));
    let challenge = "Bearer realm=\"countersign\", error=\"insufficient_user_authentication\", \
                     acr_values=\"phr\", max_age=\"300\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    let now = stage.issuer.mint(Key::Ec, &json!({})).unwrap();
    let issued = payload(&now)["iat"].clone();
    let fresh = stage.issuer.mint(Key::Ec, &json!({ "acr": "phr", "auth_time": issued })).unwrap();
    let request = Request::get(HOST, "/admin").bearer(&fresh);
    let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!(answer.status, 200);
    stage.strike().await.unwrap();
}

fn payload(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// A gRPC client of a stock library, through Envoy, with or without the certificate of the front end.
async fn grpc(stage: &Stage<'_>, certificate: bool) -> HealthClient<Channel> {
    let read = |name: &str| std::fs::read(stage.folder().join(name)).unwrap();
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("ca/prod.pem")))
        .domain_name(HOST);
    if certificate {
        tls = tls.identity(Identity::from_pem(
            read("clients/frontend.pem"),
            read("clients/frontend.key"),
        ));
    }
    let origin = format!("https://{HOST}").parse().unwrap();
    let endpoint = Channel::from_shared(format!("https://{}", stage.envoy().listener())).unwrap();
    let channel = endpoint.origin(origin).tls_config(tls).unwrap().connect().await.unwrap();
    HealthClient::new(channel)
}

/// A caller of gRPC gets the code that says what went wrong, not a broken stream.
#[tokio::test]
async fn a_caller_of_grpc_gets_a_status_of_grpc() {
    let Some(props) = props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let with_scope = json!({ "scope": "health:read" });
    let with_scope = stage.issuer.mint(Key::Ec, &with_scope).unwrap();
    let tokens = stage.tokens.clone();
    for (certificate, token, code, word) in [
        (true, None, tonic::Code::Unauthenticated, "unauthenticated"),
        (true, Some(&tokens.expired), tonic::Code::Unauthenticated, "invalid_token"),
        (true, Some(&tokens.bearer), tonic::Code::PermissionDenied, "insufficient_scope"),
        (false, Some(&with_scope), tonic::Code::PermissionDenied, "forbidden"),
    ] {
        let mut client = grpc(&stage, certificate).await;
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let status = client.check(request).await.unwrap_err();
        let record = stage.audit.next().await.unwrap();
        assert_eq!(status.code(), code, "{status:?} {}", record.as_json());
        let id = record.text("/decision_id").unwrap();
        assert_eq!(status.message(), format!("{word} (decision {id})"));
        let metadata = |name| status.metadata().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(metadata("x-decision-id"), Some(id));
        assert_eq!(metadata("www-authenticate").is_some(), word != "forbidden", "{status:?}");
    }
    // Without countersign Envoy answers in our place, with a refusal of its own.
    stage.stop_server().await.unwrap();
    let mut client = grpc(&stage, true).await;
    let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status:?}");
    assert_eq!(stage.upstream.requests(), 0);
    stage.strike().await.unwrap();
}
