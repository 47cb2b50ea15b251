//! Headers and parameters that a decision is got around with, each through the real Envoy.

use crate::testbed::http1::{Request, Response};
use crate::testbed::mint::Key;
use crate::testbed::pki::HOST;
use crate::testbed::upstream::Received;
use crate::testbed::{Folder, Props};
use serde_json::json;

use crate::envoy;

const POLICY: &str = r#"
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: headers }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - { name: no-debug, effect: deny, on: { paths: [/rules] }, headers: [{ name: x-debug, any: { equals: "1" } }] }
    - { name: no-parameter, effect: deny, on: { paths: [/rules] }, query: [{ name: debug, any: { equals: "1" } }] }
    - { name: none-at-all, effect: deny, on: { paths: [/rules] }, query: [{ name: trace, exists: true }] }
    - name: no-stage
      effect: deny
      on: { paths: [/rules] }
      when: '"x-stage" in request.headers && request.headers["x-stage"] == "1"'
    - { name: rules, effect: allow, on: { paths: [/rules] }, public: true }
    - { name: open, effect: allow, on: { paths: [/open] }, public: true }
    - name: told
      effect: allow
      on: { paths: [/told] }
      token: { issuer: corp }
      inject: { headers: { x-subject: "{token.sub}", x-user-id: "{token.sub}" } }
    - name: encoded
      effect: allow
      on: { paths: [/encoded] }
      token: { issuer: corp }
      inject: { query: { odd: "{token.claims./odd|base64url}" } }
    - name: plain
      effect: allow
      on: { paths: [/plain] }
      token: { issuer: corp }
      inject: { query: { odd: "{token.claims./odd}" } }
---
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: kept }
spec:
  target: { hosts: [kept.example.com], keep: { headers: [x-forwarded-host], query: [_method] } }
  rules:
    - { name: open, effect: allow, on: { paths: [/open] }, public: true }
"#;

const UNDERSCORES: (&str, &str) =
    ("headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW");
const JOINED: (&str, &str) = ("encode_raw_headers: true", "encode_raw_headers: false");
const VALIDATED: &str = "validate_mutations: true";
const FEW: (&str, &str) = (
    VALIDATED,
    "validate_mutations: true\n                      allowed_headers: { patterns: [{ exact: authorization }] }",
);
const FEWER: (&str, &str) = (
    VALIDATED,
    "validate_mutations: true\n                      disallowed_headers: { patterns: [{ prefix: x }] }",
);

fn props(changes: &[(&'static str, &'static str)]) -> Option<Props> {
    let mut props = envoy::props()?;
    props.envoy_changes.extend(changes);
    props.files.push(("policies/orders.yaml", POLICY.to_owned()));
    Some(props)
}

/// The demo's settings, but for what they say of the headers that Envoy shows.
fn unstated() -> (&'static str, String) {
    let (name, text) = envoy::patient();
    (name, text.replace("  shownHeaders: every\n", ""))
}

fn received(response: &Response) -> Received {
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

/// P130: one reading for both encodings. What was sent twice, or may have been, passes no deny rule that looks for one value.
#[tokio::test]
async fn a_header_that_was_sent_twice_passes_no_deny_rule() {
    for changes in [&[UNDERSCORES][..], &[UNDERSCORES, JOINED]] {
        let Some(props) = props(changes) else { return };
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        for (lines, status, reason) in [
            (&["0"][..], 200, None),
            (&["1"], 403, Some("rule_denied")),
            (&["1", "1"], 403, Some("eval_error")),
            (&["1,1"], 403, Some("eval_error")),
            (&["0", "1"], 403, Some("eval_error")),
            (&["", "1"], 403, Some("eval_error")),
        ] {
            let request = lines.iter().fold(Request::get(HOST, "/rules"), |request, value| {
                request.header("x-stage", *value)
            });
            let (answer, record) = envoy::ask(&mut stage, None, &request).await;
            assert_eq!(
                (answer.status, record.reason_text()),
                (status, reason),
                "{lines:?} {changes:?}"
            );
        }
        stage.strike().await.unwrap();
    }
}

/// P131, P132: a deny rule counts every spelling that an upstream may read as the name that it looks for.
#[tokio::test]
async fn deny_rules_count_every_spelling() {
    for changes in [&[UNDERSCORES][..], &[UNDERSCORES, JOINED]] {
        let Some(props) = props(changes) else { return };
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let sent = ["x-debug", "X-Debug", "x_debug", "X_DEBUG", "x.debug", "x_stage", "x!stage"];
        for name in sent {
            let request = Request::get(HOST, "/rules").header(name, "1");
            let (answer, _) = envoy::ask(&mut stage, None, &request).await;
            assert_eq!(answer.status, 403, "{name}");
        }
        for query in [
            "debug=1",
            "Debug=1",
            "debug[]=1",
            "debug[x]=1",
            "[debug]=1",
            "+debug=1",
            "debug+=1",
            "%64ebug=1",
            "%2564ebug=1",
            "%20debug=1",
            ";debug=1",
            "a=1;debug=1",
            "debug%00=1",
            "debug=0&DEBUG=1",
            "debug%5B%5D=1",
            "Trace",
            "trace[]",
            "%74race=0",
            "u=1;trace",
        ] {
            let request = Request::get(HOST, format!("/rules?{query}"));
            let (answer, _) = envoy::ask(&mut stage, None, &request).await;
            assert_eq!(answer.status, 403, "{query}");
        }
        assert_eq!(stage.upstream.requests(), 0);
        for (query, header) in [("a=1", "x-debug"), ("debug=0", "x_debug"), ("tracer=1", "x-other")]
        {
            let request = Request::get(HOST, format!("/rules?{query}")).header(header, "0");
            let (answer, record) = envoy::ask(&mut stage, None, &request).await;
            assert_eq!(answer.status, 200, "{query} {header} {}", record.as_json());
        }
        stage.strike().await.unwrap();
    }
}

/// P13, P131: a copy of an identity header goes upstream on no route, in no spelling, whatever Envoy shows of the request and
/// whatever our settings say of that.
#[tokio::test]
async fn no_copy_of_an_identity_header_goes_upstream() {
    for (changes, stated) in [
        (&[UNDERSCORES][..], true),
        (&[UNDERSCORES, JOINED], true),
        (&[UNDERSCORES, FEW], true),
        (&[UNDERSCORES, FEW], false),
        (&[UNDERSCORES, JOINED, FEWER], false),
    ] {
        let Some(mut props) = props(changes) else { return };
        props.files.extend((!stated).then(unstated));
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let names = [
            "x-subject",
            "x_subject",
            "X_Subject",
            "x-user-id",
            "x_user-id",
            "x-user_id",
            "x_user_id",
            "X_USER_ID",
            "x_forwarded_client_cert",
            "x-forwarded_client-cert",
            "x_forwarded_for",
            "x-forwarded_proto",
            "client_cert",
        ];
        for path in ["/open", "/told"] {
            let request = Request::get(HOST, path).bearer(&stage.tokens.bearer);
            // Spellings of what rules read, which no rule can be about where they are not shown.
            let unseen: &[&str] =
                if stated && !changes.contains(&FEW) { &[] } else { &["x_debug", "x_stage"] };
            let names = names.iter().chain(unseen);
            let request = names.fold(request, |request, name| request.header(*name, "root"));
            let (answer, _) = envoy::ask(&mut stage, None, &request).await;
            let got = received(&answer);
            let root = got.headers.iter().find(|(_, value)| value.contains("root"));
            assert_eq!(root, None, "{path} {changes:?}");
            assert_eq!(got.values("x-subject").count(), usize::from(path == "/told"));
        }
        stage.strike().await.unwrap();
    }
}

/// P26, P29, P133: what names another method, path or host does not go upstream, unless the target keeps it, and then as it is
/// spelled there.
#[tokio::test]
async fn overrides_do_not_go_upstream() {
    for (changes, stated) in [(&[UNDERSCORES][..], true), (&[UNDERSCORES, JOINED, FEW], false)] {
        let Some(mut props) = props(changes) else { return };
        props.files.extend((!stated).then(unstated));
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let names = [
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "x-forwarded-prefix",
            "x-forwarded-uri",
            "x-original-uri",
            "x-forwarded-path",
            "x-original-host",
            "x-forwarded-host",
            "x-host",
            "x-forwarded-server",
            "x-forwarded-method",
            "x-envoy-original-path",
            "forwarded",
            "x-script-name",
            "x-forwarded-port",
            "x-envoy-original-dst-host",
            "front-end-https",
        ];
        for host in [HOST, "kept.example.com"] {
            let request = Request::get(host, "/open?a=1&_method=DELETE");
            let request = names.iter().fold(request, |request, name| {
                request.header(*name, "/other").header(name.replace('-', "_"), "/other")
            });
            let (answer, _) = envoy::ask(&mut stage, None, &request).await;
            let got = received(&answer);
            let left = got.headers.iter().filter(|(_, value)| value.contains("/other"));
            let left: Vec<_> = left.map(|(name, _)| name.as_str()).collect();
            let (kept, path) = match host {
                HOST => (&[][..], "/open?a=1"),
                _ => (&["x-forwarded-host"][..], "/open?a=1&_method=DELETE"),
            };
            assert_eq!((left.as_slice(), got.path.as_str()), (kept, path), "{host} {changes:?}");
        }
        let hidden = Request::get(HOST, "/open?a=1;_method=DELETE");
        let (answer, record) = envoy::ask(&mut stage, None, &hidden).await;
        assert_eq!((answer.status, record.reason_text()), (403, Some("eval_error")));
        stage.strike().await.unwrap();
    }
}

const ODD: [&str; 28] = [
    "acme", "a b", " a", "a+b", "a%20b", "100%", "a&b=c", "a=b", "a;b", "a#b", "a/b", "a?b", "a:b",
    "a@b", "a,b", "a~b", "a!b", "a'b", "a\"b", "a(b)", "a[b]", "a{b}", "a|b", "a\\b", "a^b`",
    "a$b", "<a>", "*-._",
];

/// P12, P135: Envoy takes few characters in the value of a query parameter. Encoded they all arrive; as they are, what Envoy would
/// answer 500 to is a denial of ours.
#[tokio::test]
async fn odd_values_of_a_parameter_are_encoded_or_denied() {
    use base64::Engine as _;
    let Some(props) = props(&[]) else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    for odd in ODD {
        let token = stage.issuer.mint(Key::Ec, &json!({ "odd": odd })).unwrap();
        let ask = |path: &str| Request::get(HOST, path).bearer(&token);
        let (answer, record) = envoy::ask(&mut stage, None, &ask("/encoded?a=1")).await;
        let trimmed = odd.trim() == odd;
        let value = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(odd);
        assert_eq!(answer.status, 200, "`{odd}` {}", record.as_json());
        assert_eq!(received(&answer).path, format!("/encoded?a=1&odd={value}"), "{trimmed}");
        let settable = |b: u8| b.is_ascii_alphanumeric() || b"*-._".contains(&b);
        let expected = match odd.bytes().all(settable) {
            true => (200, None),
            false => (403, Some("eval_error")),
        };
        let (answer, record) = envoy::ask(&mut stage, None, &ask("/plain?odd=root")).await;
        assert_eq!((answer.status, record.reason_text()), expected, "`{odd}`");
    }
    stage.strike().await.unwrap();
}

/// P136: Envoy counts headers when it changes one, its own included, and answers 500 above its limit. Where nothing has to be
/// removed nothing is said, and every request that Envoy reads passes.
#[tokio::test]
async fn many_headers_are_no_reason_to_fail() {
    let Some(props) = props(&[]) else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(None).unwrap();
    let mut statuses = Vec::new();
    for count in 80..=101 {
        let request = (1..count).fold(Request::get(HOST, "/open"), |request, n| {
            request.header(format!("x-client-{n}"), "1")
        });
        let status = client.send(&request).await.unwrap().status;
        let more = request.header("x-host", "other");
        statuses.push((count, status, client.send(&more).await.unwrap().status));
    }
    for (count, status, changed) in &statuses {
        // Envoy counts `host`, and refuses by itself what it does not read.
        assert_eq!(*status, if *count <= 100 { 200 } else { 431 }, "{count} headers: {statuses:?}");
        // The rest must be 100 at most, with the four pseudo-headers and four headers of Envoy's own.
        let expected = [200, 500, 431];
        let which = usize::from(*count > 93) + usize::from(*count > 99);
        assert_eq!(*changed, expected[which], "{count} headers and one to remove: {statuses:?}");
    }
    stage.strike().await.unwrap();
}

/// P136: where the limit is raised, as the documentation shows it, as many more may be changed.
#[tokio::test]
async fn the_limit_of_headers_can_be_raised() {
    const RAISED: (&str, &str) = (
        "headers_with_underscores_action: REJECT_REQUEST",
        r"headers_with_underscores_action: REJECT_REQUEST
                  max_headers_count: 120",
    );
    let Some(props) = props(&[RAISED]) else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(None).unwrap();
    let request = (1..100).fold(Request::get(HOST, "/open"), |request, n| {
        request.header(format!("x-client-{n}"), "1")
    });
    let answer = client.send(&request.header("x-host", "other")).await.unwrap();
    assert_eq!(received(&answer).values("x-host").count(), 0);
    stage.strike().await.unwrap();
}
