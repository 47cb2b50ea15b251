//! Decisions are about what happens: the host that is routed, the port and the handshake of the connection, the address
//! of the client; through the real Envoy, which the caller tells other things.

use std::sync::Arc;

use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use crate::testbed::{Folder, Props};

use crate::envoy;
use crate::listeners::settings;

/// The shipped virtual host.
const EVERY_HOST: &str = "                      domains: [\"*\"]\n";

/// It is for one host; every other host belongs to another team, whose answer is 418.
const ONE_HOST: &str = "                      domains: [orders.example.com]\n";

/// The last route of the shipped virtual host, and the catch-all of another team.
const ROUTE: &str = "                          route: { cluster: service }\n";
const ROUTE_AND_OTHERS: &str = "                          route: { cluster: service }
                    - name: other-team
                      domains: [\"*\"]
                      routes:
                        - match: { prefix: \"/\" }
                          direct_response: { status: 418, body: { inline_string: other } }
";

/// The settings that make a host's port and dot mean nothing.
const STRIPPED: &str =
    "                strip_any_host_port: true\n                strip_trailing_host_dot: true\n";

const PEER: &str = "peer: { spiffe: [\"spiffe://prod.example/ns/web/sa/*\"] }, token: { issuer: corp, scopes: [orders:read] }";

/// The demo with one policy, whose `target` and `rules` these are.
fn with_policy(target: &str, rules: &str) -> Option<Props> {
    let mut props = envoy::props()?;
    let policy = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: orders }}\nspec:\n  target: {{ {target} }}\n  rules:\n{rules}"
    );
    props.files.push(("policies/orders.yaml", policy));
    Some(props)
}

/// An allow rule for `/v1/orders` with these further keys.
fn allow(more: &str) -> String {
    format!("    - {{ name: r, effect: allow, on: {{ paths: [/v1/orders] }}, {PEER}{more} }}\n")
}

/// Ways of writing one host, and other hosts.
fn hosts() -> Vec<String> {
    let mut hosts: Vec<String> = [
        "orders.example.com",
        "ORDERS.example.COM",
        "orders.example.com.",
        "orders.example.com..",
        "orders.example.com...",
        ".orders.example.com",
        "orders.example.com:443",
        "orders.example.com:80",
        "orders.example.com:9999",
        "orders.example.com:0443",
        "orders.example.com:",
        "orders.example.com:0",
        "orders.example.com:65536",
        "orders.example.com:+443",
        "orders.example.com.:443",
        "orders.example.com..:443",
        "orders.example.com:443.",
        "orders.example.com:443:443",
        "orders.example.com::443",
        "orders%2eexample.com",
        "orders.example%2ecom",
        "orders.example.com%00",
        "orders.example.com%2e",
        "root@orders.example.com",
        "orders.example.com@other",
        "orders.example.com,other",
        "other,orders.example.com",
        "orders.example.com/",
        "orders.example.com#x",
        "orders.example.com?x",
        "orders_example.com",
        "_orders.example.com",
        "orders.example.com\u{3002}",
        "orders\u{ff0e}example.com",
        "xn--orders.example.com",
        "b\u{fc}cher.example",
        "*.example.com",
        "*",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::1]:443",
        "[fe80::1%25eth0]",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "",
        "orders.example.com evil",
        "a.orders.example.com",
        "xorders.example.com",
        "orders.example.comx",
        "com",
        "evil.example",
    ]
    .map(str::to_owned)
    .into();
    let written: Vec<String> = hosts.iter().map(|host| host.to_ascii_uppercase()).collect();
    hosts.extend(written);
    hosts
}

/// P120: an Envoy with two virtual hosts. Whatever countersign allows by the policy of one of them reached that one.
#[tokio::test]
async fn what_is_allowed_reaches_the_virtual_host_decided_about() {
    for (target, stripped, same) in [
        (
            "hosts: [orders.example.com]",
            true,
            &["orders.example.com:443", "orders.example.com."][..],
        ),
        ("hosts: [orders.example.com]", false, &["ORDERS.example.com"]),
    ] {
        let Some(mut props) = with_policy(target, &allow("")) else { return };
        props.envoy_changes.extend([(EVERY_HOST, ONE_HOST), (ROUTE, ROUTE_AND_OTHERS)]);
        if !stripped {
            props.envoy_changes.push((STRIPPED, ""));
        }
        let folder = Folder::temporary().unwrap();
        let stage = envoy::raise(&props, &folder).await;
        let client = stage.client(Some(&stage.pki.frontend)).unwrap();
        let bearer = &stage.tokens.bearer;
        for host in hosts() {
            let direct = Request::get(&host, "/v1/orders").bearer(bearer);
            let absolute = Request::get(HOST, format!("http://{host}/v1/orders")).bearer(bearer);
            let confused = Request::get("evil.example", format!("https://{host}/v1/orders"));
            for request in [direct, absolute, confused.bearer(bearer)] {
                let before = stage.upstream.requests();
                // Envoy refuses some of these itself, and drops the connection of others.
                let status = client.send(&request).await.map_or(0, |answer| answer.status);
                assert!(
                    matches!(status, 0 | 200 | 400 | 403 | 404),
                    "{stripped} {request:?} got {status}"
                );
                assert_eq!(stage.upstream.requests() - before, u64::from(status == 200));
            }
        }
        for host in same {
            let request = Request::get(host, "/v1/orders").bearer(bearer);
            assert_eq!(client.send(&request).await.unwrap().status, 200, "{stripped} {host}");
        }
        stage.strike().await.unwrap();
    }
}

/// P120: a policy that asks for a port gets that port. An Envoy that ignores ports routes it to the same place.
#[tokio::test]
async fn a_port_that_a_target_asks_for_is_routed_where_the_host_is() {
    let target = "hosts: [orders.example.com, \"orders.example.com:8443\"]";
    let Some(mut props) = with_policy(target, &allow("")) else { return };
    let ignoring =
        "                  name: service\n                  ignore_port_in_host_matching: true\n";
    props.envoy_changes.extend([
        (EVERY_HOST, ONE_HOST),
        (ROUTE, ROUTE_AND_OTHERS),
        (STRIPPED, ""),
        (
            "                  name: service\n                  virtual_hosts",
            leak(format!("{ignoring}                  virtual_hosts")),
        ),
    ]);
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    for (host, expected) in [
        ("orders.example.com", 200),
        ("orders.example.com:8443", 200),
        ("orders.example.com:443", 403),
        ("orders.example.com.:8443", 403),
    ] {
        let request = Request::get(host, "/v1/orders").bearer(&stage.tokens.bearer);
        assert_eq!(client.send(&request).await.unwrap().status, expected, "{host}");
    }
    stage.strike().await.unwrap();
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// P121: neither the port behind the host nor the scheme of an absolute URL is the connection's.
#[tokio::test]
async fn ports_and_tls_are_those_of_the_connection() {
    let rules = [
        "    - { name: low, effect: deny, on: { paths: [/v1/low] }, when: 'connection.port < 1024' }\n",
        "    - { name: plain, effect: deny, on: { paths: [/v1/orders] }, when: '!connection.tls' }\n",
        &format!("    - {{ name: low-too, effect: allow, on: {{ paths: [/v1/low] }}, {PEER} }}\n"),
        &allow(""),
    ];
    let Some(mut props) =
        with_policy("hosts: [orders.example.com], anyAuthorityPort: true", &rules.concat())
    else {
        return;
    };
    let ports = "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: { name: by-port }\nspec:\n  target: { hosts: [orders.example.com], anyAuthorityPort: true, ports: [443] }\n  rules:\n";
    let own = format!(
        "    - {{ name: p443, effect: allow, on: {{ paths: [/v1/port] }}, {PEER} }}\n    - {{ name: no443, effect: deny, on: {{ paths: [/v1/orders] }} }}\n"
    );
    props.files.push(("policies/ports.yaml", format!("{ports}{own}")));
    props.envoy_changes.push((STRIPPED, ""));
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let bearer = stage.tokens.bearer.clone();
    for host in [HOST, "orders.example.com:443", "orders.example.com:80", "orders.example.com:9999"]
    {
        for (path, status) in [("/v1/orders", 200), ("/v1/low", 200), ("/v1/port", 403)] {
            for request in [
                Request::get(host, path),
                Request::get(host, format!("http://{host}{path}")),
                Request::get(host, format!("https://{host}{path}")),
            ] {
                let (answer, record) =
                    envoy::ask(&mut stage, Some(&pki.frontend), &request.bearer(&bearer)).await;
                assert_eq!(answer.status, status, "{host} {path}: {}", record.as_json());
                assert_eq!(record.text("/request/sni"), Some(HOST));
            }
        }
    }
    stage.strike().await.unwrap();
}

/// P121: where Envoy does not tell of the handshake, what is to be denied without one is denied.
#[tokio::test]
async fn a_handshake_that_envoy_does_not_tell_of_is_not_made_up() {
    let rules =
        format!("    - {{ name: plain, effect: deny, when: '!connection.tls' }}\n{}", allow(""));
    let Some(mut props) = with_policy("hosts: [orders.example.com]", &rules) else { return };
    props.envoy_changes.push(("include_tls_session: true", "include_tls_session: false"));
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!(
        (answer.status, record.reason_text()),
        (403, Some("eval_error")),
        "{}",
        record.as_json()
    );
    stage.strike().await.unwrap();
}

/// P123: one name in the handshake and another in the request.
#[tokio::test]
async fn a_host_behind_the_front_of_another_is_refused() {
    let target = "hosts: [orders.example.com, billing.example.com], hostIsSni: true";
    let rules = format!(
        "{}    - {{ name: none, effect: deny, sni: [\"*.example.org\"] }}\n",
        allow(", sni: [orders.example.com]")
    );
    let Some(props) = with_policy(target, &rules) else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let bearer = stage.tokens.bearer.clone();
    for (host, status, reason) in [
        (HOST, 200, None),
        ("Orders.Example.Com", 200, None),
        ("billing.example.com", 403, Some("host_invalid")),
    ] {
        let request = Request::get(host, "/v1/orders").bearer(&bearer);
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!(
            (answer.status, record.reason_text()),
            (status, reason),
            "{host}: {}",
            record.as_json()
        );
    }
    stage.strike().await.unwrap();
}

/// P122: the client behind one trusted proxy, in front of an Envoy that adds the connection's address and of one that does
/// not. What the caller wrote further left changes nothing.
#[tokio::test]
async fn the_client_is_who_the_trusted_proxy_names() {
    let deny = "    - { name: blocked, effect: deny, source: [198.51.100.0/24] }\n";
    let rules = format!("{deny}{}", allow(", source: [203.0.113.0/24]"));
    for (appended, listener) in [
        (true, "xForwardedFor: { trustedHops: 1, proxies: [127.0.0.0/8] }"),
        (
            false,
            "xForwardedFor: { trustedHops: 1, proxies: [127.0.0.0/8], appendedByEnvoy: false }",
        ),
    ] {
        let Some(mut props) = with_policy("hosts: [orders.example.com]", &rules) else { return };
        let (name, text) =
            settings("documents: [", &format!("  clientAddress: {{ {listener} }}\ndocuments: ["));
        props.files = vec![(name, text), props.files.pop().unwrap()];
        if !appended {
            props.envoy_changes.push(("use_remote_address: true", "use_remote_address: false"));
        }
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let pki = Arc::clone(&stage.pki);
        let plain = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
        for (lines, client, outcome) in [
            (&["203.0.113.7"][..], "203.0.113.7", (200, None)),
            (&["198.51.100.9, 203.0.113.7"], "203.0.113.7", (200, None)),
            (&["198.51.100.9", "203.0.113.7"], "203.0.113.7", (200, None)),
            (&["203.0.113.7, 198.51.100.9"], "198.51.100.9", (403, Some("rule_denied"))),
            (&["203.0.113.7", "192.0.2.1"], "192.0.2.1", (403, Some("no_rule"))),
            (&["203.0.113.7, unknown"], "unknown", (403, Some("eval_error"))),
            (&["203.0.113.7,"], "unknown", (403, Some("eval_error"))),
            (&[], "unknown", (403, Some("eval_error"))),
        ] {
            let request = lines.iter().fold(plain.clone(), |request, line| {
                request.header("x-forwarded-for", line.as_bytes())
            });
            let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
            assert_eq!(
                (answer.status, record.reason_text()),
                outcome,
                "{appended} {lines:?}: {}",
                record.as_json()
            );
            assert_eq!(record.text("/request/client"), Some(client), "{appended} {lines:?}");
            assert!(record.text("/request/source").unwrap_or_default().starts_with("127.0.0.1:"));
        }
        stage.strike().await.unwrap();
    }
}

/// P122: without the setting, and from a connection of no trusted proxy, the client is the other end of the connection.
#[tokio::test]
async fn what_a_caller_writes_about_its_address_is_not_trusted() {
    let rules = allow(", source: [127.0.0.0/8]");
    for listener in [
        "connection",
        "{ xForwardedFor: { trustedHops: 1, proxies: [10.0.0.0/8] } }",
        "{ xEnvoyExternalAddress: { proxies: [10.0.0.0/8] } }",
    ] {
        let Some(mut props) = with_policy("hosts: [orders.example.com]", &rules) else { return };
        let (name, text) =
            settings("documents: [", &format!("  clientAddress: {listener}\ndocuments: ["));
        props.files = vec![(name, text), props.files.pop().unwrap()];
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let pki = Arc::clone(&stage.pki);
        let request = Request::get(HOST, "/v1/orders")
            .bearer(&stage.tokens.bearer)
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-envoy-external-address", "203.0.113.7");
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!(answer.status, 200, "{listener}: {}", record.as_json());
        assert_eq!(record.text("/request/client"), None);
        stage.strike().await.unwrap();
    }
}

/// P122: an Envoy at the edge writes `x-envoy-external-address` itself, whatever the caller sent.
#[tokio::test]
async fn the_external_address_is_the_one_that_the_edge_writes() {
    let Some(mut props) =
        with_policy("hosts: [orders.example.com]", &allow(", source: [203.0.113.0/24]"))
    else {
        return;
    };
    let (name, text) = settings(
        "documents: [",
        "  clientAddress: { xEnvoyExternalAddress: { proxies: [127.0.0.0/8] } }\ndocuments: [",
    );
    props.files = vec![(name, text), props.files.pop().unwrap()];
    // A load balancer in front, so that the client is an address of the Internet.
    props.envoy_changes.push((
        "                use_remote_address: true\n",
        "                use_remote_address: true\n                xff_num_trusted_hops: 1\n",
    ));
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let plain = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    for (forwarded, status, client) in
        [("203.0.113.7", 200, "203.0.113.7"), ("203.0.113.7, 192.0.2.1", 403, "192.0.2.1")]
    {
        let request = plain.clone().header("x-envoy-external-address", "203.0.113.66");
        let request = request.header("x-forwarded-for", forwarded);
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!(answer.status, status, "{forwarded}: {}", record.as_json());
        assert_eq!(record.text("/request/client"), Some(client));
    }
    stage.strike().await.unwrap();
}
