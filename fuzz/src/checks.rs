//! Checks to begin with: made by hand, and as a real Envoy sent them.

use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use prost::Message as _;

/// Records of `tests/e2e/wire.rs`: one with the headers as they came, one with a map of them and a part of the body, and
/// one with hardly anything.
const RECORDED: [&[u8]; 3] = [
    include_bytes!("../../tests/data/checks/shipped-odd-headers.bin"),
    include_bytes!("../../tests/data/checks/sidecar-large-body.bin"),
    include_bytes!("../../tests/data/checks/bare-http2.bin"),
];

/// Checks as Envoy sends them, with the headers as a map and as they came.
pub fn checks() -> Vec<Vec<u8>> {
    let lines = [
        (":authority", "orders.example"),
        ("Accept", "*/*"),
        ("authorization", "Bearer a.b.c"),
        ("x-forwarded-client-cert", "URI=spiffe://fuzz.example/web"),
        ("x-role", "user"),
        ("x-role", "admin"),
    ];
    let http = HttpRequest {
        id: "7".into(),
        method: "GET".into(),
        path: "/v1/orders/17?full=1&access_token=t".into(),
        host: "orders.example:8443".into(),
        scheme: "https".into(),
        protocol: "HTTP/2".into(),
        size: 3,
        body: "abc".into(),
        ..Default::default()
    };
    let raw_line = |(key, value): (&str, &str)| HeaderValue {
        key: key.into(),
        raw_value: value.into(),
        ..Default::default()
    };
    let header_map = Some(HeaderMap { headers: lines.map(raw_line).into() });
    let map = lines.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    [HttpRequest { headers: map, ..http.clone() }, HttpRequest { header_map, ..http }]
        .map(|http| check_of(http).encode_to_vec())
        .into_iter()
        .chain([twice_in_a_map()])
        .chain(RECORDED.map(<[u8]>::to_vec))
        .collect()
}

/// A key that is twice in a map, which only a hand can write: the last one counts.
fn twice_in_a_map() -> Vec<u8> {
    let one = |value: &str| {
        let headers = [("x-role".to_owned(), value.to_owned())].into();
        check_of(HttpRequest { headers, ..Default::default() }).encode_to_vec()
    };
    // Messages that follow each other are merged.
    [one("user"), one("admin")].concat()
}

fn check_of(http: HttpRequest) -> CheckRequest {
    let end = |ip: &str, principal: &str| {
        let port_specifier = Some(PortSpecifier::PortValue(4711));
        let socket = SocketAddress { address: ip.into(), port_specifier, ..Default::default() };
        Some(Peer {
            address: Some(Address { address: Some(AddressKind::SocketAddress(socket)) }),
            principal: principal.into(),
            certificate: "-----BEGIN%20CERTIFICATE-----".into(),
            service: "web".into(),
            labels: [("a".to_owned(), "b".to_owned())].into(),
        })
    };
    let context = AttributeContext {
        source: end("10.0.0.7", "spiffe://fuzz.example/web"),
        destination: end("::1", "spiffe://fuzz.example/orders"),
        request: Some(Request { time: Some(Default::default()), http: Some(http) }),
        context_extensions: [("route".to_owned(), "orders".to_owned())].into(),
        metadata_context: Some(Default::default()),
        tls_session: Some(TlsSession { sni: "orders.example".into() }),
        ..Default::default()
    };
    CheckRequest { attributes: Some(context) }
}
