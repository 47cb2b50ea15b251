//! Every part of a real check arrives, and what cannot be described faithfully is refused.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue as WireHeader};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "each is made for one call")]
fn decode(check: CheckRequest, sealed: &SealedNames) -> (RequestView, CredentialHeaders) {
    super::decode(check.encode_to_vec().into(), sealed).unwrap()
}

fn check(http: HttpRequest) -> CheckRequest {
    let request = Some(Request { time: None, http: Some(http) });
    CheckRequest { attributes: Some(AttributeContext { request, ..Default::default() }) }
}

fn http() -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        host: "orders.example:8443".into(),
        path: "/v1/orders/17?full=1".into(),
        scheme: "https".into(),
        protocol: "HTTP/2".into(),
        size: -1,
        ..Default::default()
    }
}

fn decoded(http: HttpRequest) -> (RequestView, CredentialHeaders) {
    decode(check(http), &SealedNames::default())
}

fn raw_line(key: &str, value: &[u8]) -> WireHeader {
    WireHeader { key: key.into(), value: String::new(), raw_value: value.to_vec() }
}

/// P82: Envoy's time is there to be compared with ours, however wrong it is.
#[test]
fn the_time_of_the_proxy_is_kept() {
    for (seconds, nanos, millis) in [(1, 2_999_999, 1002), (-1, 0, -1000), (5, -7, 5000)] {
        let mut check = check(http());
        let request = check.attributes.as_mut().unwrap().request.as_mut().unwrap();
        request.time = Some(Timestamp { seconds, nanos });
        let (view, _) = decode(check, &SealedNames::default());
        assert_eq!(view.sent_at, Some(UnixTime::from_millis(millis)));
    }
    assert_eq!(decoded(http()).0.sent_at, None);
}

#[test]
fn the_target_is_canonical() {
    let (view, _) = decoded(http());
    let target = view.target.unwrap();
    assert_eq!((target.host.as_str(), target.form.port), ("orders.example", Some(8443)));
    assert_eq!((target.path.as_str(), target.query.as_deref()), ("/v1/orders/17", Some("full=1")));
}

/// P6, P85: both encodings of the same headers are the same view.
#[test]
fn both_header_encodings_give_the_same_view() {
    let map = HttpRequest {
        headers: [("accept", "*/*"), (":path", "/"), ("authorization", "Bearer x")]
            .map(|(k, v)| (k.into(), v.into()))
            .into(),
        ..http()
    };
    let raw = HttpRequest {
        header_map: Some(HeaderMap {
            headers: vec![
                raw_line(":path", b"/"),
                raw_line("Accept", b"*/*"),
                raw_line("authorization", b"Bearer x"),
            ],
        }),
        ..http()
    };
    let (from_map, sealed_in_map) = decoded(map);
    let (from_raw, sealed_in_raw) = decoded(raw);
    assert!(from_map.headers.iter().eq(from_raw.headers.iter()));
    assert_eq!(from_map.headers.len(), 1);
    // Both forms tell if the lines were joined.
    assert_eq!(
        (from_map.headers.only("accept"), from_raw.headers.only("accept")),
        (Some("*/*"), Some("*/*"))
    );
    for credentials in [sealed_in_map, sealed_in_raw] {
        let lines: Vec<_> = credentials.all("authorization").map(HeaderValue::as_bytes).collect();
        assert_eq!(lines, [b"Bearer x"]);
    }
}

/// P130: of the two forms only the map may hold several lines in one, and bytes that were replaced.
#[test]
fn the_form_of_the_headers_is_known() {
    let map = [("date", "a, b"), ("x-a", "1!")].map(|(k, v)| (k.into(), v.into())).into();
    let (view, _) = decoded(HttpRequest { headers: map, ..http() });
    assert_eq!((view.headers.only("date"), view.headers.only("x-a")), (None, None));
    let headers = vec![raw_line("date", b"a, b"), raw_line("x-a", b"1!")];
    let (view, _) = decoded(HttpRequest { header_map: Some(HeaderMap { headers }), ..http() });
    assert_eq!((view.headers.only("date"), view.headers.only("x-a")), (Some("a, b"), Some("1!")));
}

/// P131: a proxy that shows some headers only does not show the pseudo-headers.
#[test]
fn a_list_of_shown_headers_is_noticed() {
    let pseudo = [":authority", ":method", ":path", ":scheme"];
    for (names, shown) in
        [(&pseudo[..], Shown::Every), (&pseudo[1..], Shown::Some), (&[], Shown::Some)]
    {
        let headers = names.iter().map(|name| raw_line(name, b"/")).chain([raw_line("a", b"b")]);
        let header_map = Some(HeaderMap { headers: headers.collect() });
        assert_eq!(decoded(HttpRequest { header_map, ..http() }).0.headers.shown(), shown);
        let headers = names.iter().map(|name| ((*name).into(), "/".into())).collect();
        assert_eq!(decoded(HttpRequest { headers, ..http() }).0.headers.shown(), shown);
    }
}

/// P4: repeated lines stay separate lines.
#[test]
fn repeated_raw_lines_are_kept() {
    let headers =
        vec![raw_line("authorization", b"Bearer a"), raw_line("authorization", b"Bearer b")];
    let (_, credentials) =
        decoded(HttpRequest { header_map: Some(HeaderMap { headers }), ..http() });
    assert_eq!(credentials.all("authorization").count(), 2);
}

/// P2: bytes that are not UTF-8 are refused, whichever reader sees the header.
#[test]
fn a_header_that_is_not_utf8_is_refused() {
    let headers = vec![raw_line("x-comment", b"caf\xe9")];
    let (view, _) = decoded(HttpRequest { header_map: Some(HeaderMap { headers }), ..http() });
    assert_eq!(view.target.unwrap_err().reason(), Reason::EncodingInvalid);
}

/// P24: a `host` header beside another authority.
#[test]
fn a_second_host_is_refused() {
    let headers = [("host".to_owned(), "admin.example".to_owned())].into();
    let (view, _) = decoded(HttpRequest { headers, ..http() });
    assert_eq!(view.target.unwrap_err().reason(), Reason::HostInvalid);
}

/// P26: what clients and other proxies say about the path is not the path.
#[test]
fn original_path_headers_do_not_change_the_target() {
    let headers = [
        ("x-envoy-original-path", "/public"),
        ("x-forwarded-uri", "/public"),
        (":path", "/public"),
    ]
    .map(|(k, v)| (k.into(), v.into()))
    .into();
    let (view, _) = decoded(HttpRequest { headers, ..http() });
    assert_eq!(view.target.unwrap().path.as_str(), "/v1/orders/17");
}

/// P8: requests without a path or host are described, and refused.
#[test]
fn a_request_without_target_is_refused() {
    let (view, _) = decoded(HttpRequest::default());
    assert_eq!(view.target.unwrap_err().reason(), Reason::HostInvalid);
    let (view, _) =
        decoded(HttpRequest { method: "CONNECT".into(), path: String::new(), ..http() });
    assert_eq!(view.target.unwrap_err().reason(), Reason::PathNotCanonical);
    let (view, _) = decoded(HttpRequest { fragment: "x".into(), ..http() });
    assert_eq!(view.target.unwrap_err().reason(), Reason::PathNotCanonical);
}

/// P520: a check about a connection has no request, whatever else it has.
#[test]
fn a_check_without_a_request_is_about_a_connection() {
    let source = Some(Peer { principal: "spiffe://a/b".into(), ..Default::default() });
    let attributes = [
        None,
        Some(AttributeContext { source, ..Default::default() }),
        Some(AttributeContext { request: Some(Request::default()), ..Default::default() }),
    ];
    for attributes in attributes {
        let (view, _) = decode(CheckRequest { attributes }, &SealedNames::default());
        let refused = view.target.unwrap_err();
        assert_eq!(refused.reason(), Reason::TcpConnection);
        assert!(refused.detail().contains("`notPorts`"), "{}", refused.detail());
    }
}

/// Invariant 9: what is looked at is bounded.
#[test]
fn too_many_headers_are_refused() {
    let headers = (0..=MAX_HEADERS).map(|n| (format!("x-{n}"), String::new())).collect();
    let (view, _) = decoded(HttpRequest { headers, ..http() });
    assert_eq!(view.target.unwrap_err().reason(), Reason::RequestTooLarge);
}

#[test]
fn peers_extensions_and_server_name_arrive() {
    let address = |ip: &str| {
        use envoy_types::pb::envoy::config::core::v3::SocketAddress;
        let port_specifier = Some(PortSpecifier::PortValue(4711));
        let socket = SocketAddress { address: ip.into(), port_specifier, ..Default::default() };
        Some(Address { address: Some(AddressKind::SocketAddress(socket)) })
    };
    let peer = |ip, principal: &str| Peer {
        address: address(ip),
        principal: principal.into(),
        ..Default::default()
    };
    let context = AttributeContext {
        source: Some(Peer { certificate: "pem".into(), ..peer("10.0.0.7", "spiffe://a/b") }),
        destination: Some(peer("::1", "spiffe://a/me")),
        context_extensions: [("route".to_owned(), "orders".to_owned())].into(),
        tls_session: Some(TlsSession { sni: "orders.example".into() }),
        request: Some(Request { time: None, http: Some(http()) }),
        ..Default::default()
    };
    let check = CheckRequest { attributes: Some(context) };
    let (view, credentials) = decode(check, &SealedNames::default());
    assert_eq!(view.source.address, Some("10.0.0.7:4711".parse().unwrap()));
    assert_eq!(view.source.principal, None, "P46: the caller's principal is evidence");
    assert_eq!(credentials.source_principal().map(Text::as_str), Some("spiffe://a/b"));
    assert_eq!(credentials.source_certificate().map(Text::as_str), Some("pem"));
    assert_eq!(view.destination.address, Some("[::1]:4711".parse().unwrap()));
    assert_eq!(view.destination.principal.as_deref(), Some("spiffe://a/me"));
    assert_eq!(view.context_extensions.get("route").map(String::as_str), Some("orders"));
    assert_eq!(view.sni.name(), Some("orders.example"));
}

/// Invariant 3, P71: a token in the query is in no part of what policies, logs and audit see, asked for or not.
#[test]
fn a_token_in_the_query_is_sealed() {
    use crate::request::TokenPlace;
    let place = TokenPlace::Query("t".into());
    for (sealed, path) in [
        (SealedNames::default(), "/v1/orders?full=1&access_token=canary"),
        (SealedNames::for_places([&place]), "/v1/orders?full=1&t=canary"),
    ] {
        let http = HttpRequest {
            method: "GET".into(),
            host: "a.example".into(),
            path: path.into(),
            headers: HashMap::from([
                (String::from("referer"), format!("https://a.example{path}")),
                (String::from("x-envoy-original-path"), path.into()),
            ]),
            ..Default::default()
        };
        let request = Request { time: None, http: Some(http) };
        let attributes = AttributeContext { request: Some(request), ..Default::default() };
        let check = CheckRequest { attributes: Some(attributes) };
        let (view, credentials) = decode(check, &sealed);
        assert!(!format!("{view:?} {credentials:?}").contains("canary"), "{view:?}");
        assert!(view.raw_path.starts_with("/v1/orders?full=1&"));
        assert_eq!(view.headers.len(), 2);
    }
}
