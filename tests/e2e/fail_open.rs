//! An Envoy that allows what it gets no answer to: nothing that a caller does may leave it without one.

use std::sync::Arc;

use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use crate::testbed::{Folder, Props};

use crate::envoy;

/// The worst setting there is.
const OPEN: (&str, &str) = ("failure_mode_allow: false", "failure_mode_allow: true");

/// Traces go on in calls to countersign, and so does what the caller wrote about them.
const TRACED: (&str, &str) = (
    "stat_prefix: mtls",
    r#"stat_prefix: mtls
                tracing:
                  provider:
                    name: envoy.tracers.opentelemetry
                    typed_config:
                      "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                      grpc_service: { envoy_grpc: { cluster_name: countersign }, timeout: 0.25s }
                      service_name: gateway"#,
);

/// The name of a cluster, as Envoy sends it where its configuration has no authority.
const NO_AUTHORITY: (&str, &str) = (
    "envoy_grpc: { cluster_name: countersign, authority: countersign }",
    "envoy_grpc: { cluster_name: countersign, authority: \"securitypolicy/shop|countersign/extauth/0\" }
                        initial_metadata: [{ key: x-copied, value: \"%REQ(x-copied)%\" }]",
);

/// Bodies that are larger than a check may be.
const BODIES: (&str, &str) = (
    "encode_raw_headers: true",
    "encode_raw_headers: true
                      with_request_body: { max_request_bytes: 4000000 }",
);

fn props() -> Option<Props> {
    let mut props = envoy::props()?;
    props.envoy_changes.extend([OPEN, TRACED, NO_AUTHORITY, BODIES]);
    Some(props)
}

/// A caller's request that may not pass, with its name.
fn refused() -> Vec<(&'static str, Request)> {
    let get = || Request::get(HOST, "/v1/orders");
    let traced = |state: String| {
        get()
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            .header("tracestate", state)
    };
    let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    let mut requests = vec![
        ("nothing", get()),
        ("a long state of a trace", traced(format!("a={}", "x".repeat(17 << 10)))),
        ("a longer one", traced(format!("a={}", "x".repeat(55 << 10)))),
        ("a state of many entries", traced(many(5000))),
        ("an odd state", traced("=,;\u{7f}\t\"".into())),
        ("copied metadata", get().header("x-copied", "x".repeat(50 << 10))),
        ("odd metadata", get().header("x-copied", b"caf\xc3\xa9 \xff\t".to_vec())),
        ("baggage", get().header("baggage", many(2000))),
        ("b3", get().header("b3", "1-1-1").header("x-b3-traceid", "z".repeat(10_000))),
        (
            "a timeout",
            get().header("grpc-timeout", "0n").header("x-envoy-upstream-rq-timeout-ms", "1"),
        ),
        ("an encoding", get().header("grpc-encoding", "gzip").header("te", "trailers")),
        ("bytes", get().header("x-note", b"caf\xff".to_vec())),
        ("a broken token", get().header("authorization", "Bearer ....")),
        ("a long token", get().header("authorization", format!("Bearer {}", "a".repeat(50 << 10)))),
        ("a host", Request::get("orders.example:99999", "/")),
        ("a path", Request::get(HOST, "/v1/%00/../orders")),
        ("a method", Request::new("BREW", HOST, "/v1/orders")),
        ("a forged header", get().header("x-envoy-auth-partial-body", "true")),
    ];
    let body = "x".repeat(3_000_000);
    requests.push((
        "a large body",
        Request::new("POST", HOST, "/v1/orders")
            .header("content-length", body.len().to_string())
            .body(body),
    ));
    let headers =
        (0..90).fold(get(), |request, n| request.header(format!("x-{n}"), "x".repeat(500)));
    requests.push(("many headers", headers));
    requests
}

/// P160, P161, P169: whatever a caller sends, and whatever Envoy makes of it, is answered by us.
#[tokio::test]
async fn no_refusal_becomes_an_allow() {
    let Some(props) = props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let good = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &good).await;
    assert_eq!(
        (answer.status, record.decision_text()),
        (200, Some("allow")),
        "{}",
        record.as_json()
    );
    let served = stage.upstream.requests();
    for (name, request) in refused() {
        let client = stage.client(None).unwrap();
        // Envoy refuses some of them by itself, and then they get no further either.
        let status = client.send(&request).await.map_or(0, |answer| answer.status);
        assert!(status == 0 || status >= 400, "{name}: {status}");
        assert_eq!(stage.upstream.requests(), served, "{name}");
    }
    let log = std::fs::read_to_string(folder.path().join("countersign.log")).unwrap();
    assert!(!log.contains("without a decision"), "{log}");
    let client = stage.client(Some(&pki.frontend)).unwrap();
    assert_eq!(client.send(&good).await.unwrap().status, 200, "a good one still passes");
    stage.strike().await.unwrap();
}

/// P162, P169: callers that hang up take no other caller's answer away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_hang_up_open_no_door() {
    let Some(props) = props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = Arc::new(stage.client(None).unwrap());
    let hanging = (0..4).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            for _ in 0..50 {
                let request = Request::get(HOST, "/v1/orders");
                let send = client.send(&request);
                let _ = tokio::time::timeout(std::time::Duration::from_micros(2500), send).await;
            }
        })
    });
    let hanging: Vec<_> = hanging.collect();
    for _ in 0..50 {
        let status = client.send(&Request::get(HOST, "/v1/orders")).await.unwrap().status;
        assert!(status >= 400, "{status}");
    }
    for caller in hanging {
        caller.await.unwrap();
    }
    assert_eq!(stage.upstream.requests(), 0);
    stage.strike().await.unwrap();
}
