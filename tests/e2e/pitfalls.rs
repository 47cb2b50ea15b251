//! Traps of the ext_authz protocol, each sprung through the real Envoy.

use std::sync::Arc;

use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use crate::testbed::{Folder, Props};

use crate::envoy;

const POLICY: &str = r#"
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: traps }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - name: no-admins-here
      effect: deny
      headers: [{ name: x-role, any: { equals: admin } }]
    - name: users
      effect: allow
      on: { paths: ["/users/**"] }
      peer: { any: true }
      headers: [{ name: x-role, all: { equals: user } }]
    - name: open
      effect: allow
      on: { methods: [GET], paths: [/open] }
      public: true
"#;

fn props() -> Option<Props> {
    let mut props = envoy::props()?;
    props.files = vec![("policies/orders.yaml", POLICY.to_owned())];
    Some(props)
}

/// P5, P4: every value of a repeated header counts, whichever comes first and however Envoy writes them down.
#[tokio::test]
async fn every_value_of_a_header_counts() {
    for joined in [false, true] {
        let Some(mut props) = props() else { return };
        let joining = ("encode_raw_headers: true", "encode_raw_headers: false");
        props.envoy_changes.extend(joined.then_some(joining));
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let pki = Arc::clone(&stage.pki);
        for (roles, reason) in [
            (&["user"][..], None),
            (&["user", "user"], None),
            (&["user,user"], None),
            (&["user", "admin"], Some("rule_denied")),
            (&["admin", "user"], Some("rule_denied")),
            (&["user, admin"], Some("rule_denied")),
            (&["user", "guest"], Some("no_rule")),
            (&[], Some("no_rule")),
        ] {
            let request = roles.iter().fold(Request::get(HOST, "/users/a"), |request, role| {
                request.header("x-role", *role)
            });
            let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
            assert_eq!(record.reason_text(), reason, "{roles:?}, joined: {joined}");
            assert_eq!(answer.status, if reason.is_none() { 200 } else { 403 }, "{roles:?}");
        }
        stage.strike().await.unwrap();
    }
}

/// P8: requests without a path of their own. Envoy refuses some itself; none reaches the service.
#[tokio::test]
async fn a_request_without_a_path_is_refused() {
    let Some(props) = props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    for (method, target) in [
        ("CONNECT", "orders.example.com:443"),
        ("CONNECT", "/open"),
        ("OPTIONS", "*"),
        ("GET", "*"),
        ("GET", ""),
        ("GET", "orders.example.com"),
        ("GET", "?x=/open"),
        ("GET", "http:///open"),
    ] {
        let answer = client.send(&Request::new(method, HOST, target)).await;
        let status = answer.map_or(0, |answer| answer.status);
        assert!(matches!(status, 0 | 400 | 403 | 404), "`{method} {target}` got {status}");
    }
    assert_eq!(stage.upstream.requests(), 0);
    assert_eq!(client.send(&Request::get(HOST, "/open")).await.unwrap().status, 200);
    stage.strike().await.unwrap();
}

/// P10: a route that is not asked about is open to all. What an operator's probe sees: 401 or 403 without credentials on
/// every route of the shipped configuration, and 200 where a route switches the filter off.
#[tokio::test]
async fn a_probe_without_credentials_finds_a_route_that_is_not_checked() {
    let off = (
        "- match: { prefix: \"/\" }",
        r#"- match: { path: "/forgotten" }
                          route: { cluster: service }
                          typed_per_filter_config:
                            envoy.filters.http.ext_authz:
                              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                              disabled: true
                        - match: { prefix: "/" }"#,
    );
    let Some(mut props) = props() else { return };
    props.envoy_changes.push(off);
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(None).unwrap();
    for (path, status) in [
        ("/", 403),
        ("/users/a", 403),
        ("/forgotten/", 403),
        ("/forgotten%2f", 403),
        ("/forgotten", 200),
    ] {
        assert_eq!(client.send(&Request::get(HOST, path)).await.unwrap().status, status, "{path}");
    }
    stage.strike().await.unwrap();
}

/// P14: headers that proxies write are thrown away or overwritten by Envoy at the edge, are not readable by rules (see
/// `headers_that_prove_nothing_or_too_much_cannot_be_read`), and change no decision.
#[tokio::test]
async fn headers_of_proxies_prove_nothing() {
    let Some(props) = props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    for (name, value) in [
        ("x-envoy-original-path", "/open"),
        ("x-envoy-internal", "true"),
        ("x-envoy-auth-failure-mode-allowed", "true"),
        ("x-envoy-peer-metadata-id", "sidecar"),
        ("x-original-url", "/open"),
        ("x-rewrite-url", "/open"),
        ("x-http-method-override", "GET"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "orders.example.com"),
        ("x-forwarded-proto", "https"),
    ] {
        let request = Request::get(HOST, "/users/a").header("x-role", "user").header(name, value);
        let (answer, record) = envoy::ask(&mut stage, None, &request).await;
        assert_eq!((answer.status, record.reason_text()), (403, Some("peer_missing")), "{name}");
        assert_eq!(record.text("/request/path"), Some("/users/a"), "{name}");
    }
    assert_eq!(stage.upstream.requests(), 0);
    stage.strike().await.unwrap();
}

/// P11: a body of which Envoy sends the beginning only changes no decision: no rule looks at bodies.
#[tokio::test]
async fn a_truncated_body_changes_no_decision() {
    let Some(mut props) = props() else { return };
    let buffered = (
        "validate_mutations: true",
        "validate_mutations: true\n                      with_request_body: { max_request_bytes: 4, allow_partial_message: true }",
    );
    props.envoy_changes.push(buffered);
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    for (target, status, reason) in [("/users/a", 200, None), ("/open", 403, Some("no_rule"))] {
        let request = Request::new("POST", HOST, target).header("x-role", "user");
        let request = request.body("{\"id\": 1234}");
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!((answer.status, record.reason_text()), (status, reason), "{target}");
    }
    stage.strike().await.unwrap();
}
