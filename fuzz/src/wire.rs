//! The target for checks as they come over the wire: what our own messages leave out or read in another way than Envoy's
//! would be somebody else's request.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign::envoy;
use countersign::request::{CredentialHeaders, RequestView, SealedNames};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use prost::Message as _;

/// More lines than this are not looked at, and the request is denied.
const MAX_HEADERS: usize = 256;

/// Any bytes as a check, read by our decoder and as `envoy-types` reads them. Ours may accept more: what nobody looks at may
/// be broken.
pub fn check(bytes: &[u8]) -> bool {
    let sealed = SealedNames::default();
    let ours = envoy::decode(Bytes::copy_from_slice(bytes), &sealed);
    let Ok(theirs) = CheckRequest::decode(bytes) else { return false };
    let (view, credentials) = ours.expect("only one of two reads the check");
    compare(theirs.attributes.unwrap_or_default(), &sealed, &view, &credentials);
    true
}

fn compare(
    theirs: AttributeContext,
    sealed: &SealedNames,
    view: &RequestView,
    credentials: &CredentialHeaders,
) {
    let (source, destination) =
        (theirs.source.unwrap_or_default(), theirs.destination.unwrap_or_default());
    let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    assert_eq!(view.source.address.map(|ip| ip.to_string()), address(&source));
    assert_eq!(view.destination.address.map(|ip| ip.to_string()), address(&destination));
    assert_eq!(credentials.source_principal().map(ToString::to_string), filled(&source.principal));
    let certificate = credentials.source_certificate().map(ToString::to_string);
    assert_eq!(certificate, filled(&source.certificate));
    let principal = view.destination.principal.as_ref().map(ToString::to_string);
    assert_eq!(principal, filled(&destination.principal));
    let sni = theirs.tls_session.and_then(|TlsSession { sni }| filled(&sni));
    assert_eq!(view.sni.as_ref().map(ToString::to_string), sni);
    let extensions: BTreeMap<_, _> = theirs.context_extensions.into_iter().collect();
    assert_eq!(view.context_extensions, extensions);
    let metadata = theirs.metadata_context.unwrap_or_default().filter_metadata;
    assert!(metadata.len() == view.metadata.len());
    assert!(metadata.keys().all(|name| view.metadata.contains_key(name)));
    compare_http(
        theirs.request.and_then(|r| r.http).unwrap_or_default(),
        sealed,
        view,
        credentials,
    );
}

fn compare_http(
    theirs: HttpRequest,
    sealed: &SealedNames,
    view: &RequestView,
    credentials: &CredentialHeaders,
) {
    let ours = [&view.id, &view.method, &view.scheme, &view.protocol, &view.raw_host];
    let HttpRequest { id, method, scheme, protocol, host, .. } = &theirs;
    assert_eq!(ours.map(|text| &**text), [id, method, scheme, protocol, host]);
    // Tokens in the query are taken out.
    let before_query = |path: &str| path.split('?').next().map(str::to_owned);
    assert_eq!(before_query(&view.raw_path), before_query(&theirs.path));
    let body = if theirs.raw_body.is_empty() { theirs.body.as_bytes() } else { &theirs.raw_body };
    assert_eq!((&*view.body.bytes, view.body.declared_size), (body, theirs.size.try_into().ok()));
    assert!(view.target.is_err() || (theirs.query.is_empty() && theirs.fragment.is_empty()));
    let lines: Vec<_> = lines(theirs).into_iter().take(MAX_HEADERS).collect();
    let (shut, open): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|(name, _)| sealed.contains(name));
    // Tokens in what repeats the target are taken out, too.
    let open = open.iter().map(|(name, value)| (name.as_str(), before_mark(value)));
    let found = view.headers.iter().map(|(name, value)| (name, before_mark(value.as_bytes())));
    assert!(found.eq(open), "{:?}", view.headers);
    for (name, _) in &shut {
        let found = credentials.all(name).map(|value| value.as_bytes().to_vec());
        let all = shut.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone());
        assert!(found.eq(all), "{name}");
    }
}

fn before_mark(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// The header lines in their order, or those of a map in the order of their names.
fn lines(http: HttpRequest) -> Vec<(String, Vec<u8>)> {
    let raw = http.header_map.map(|HeaderMap { headers }| headers).unwrap_or_default();
    let mut lines: Vec<(String, Vec<u8>)> = if raw.is_empty() {
        let map: BTreeMap<String, String> = http.headers.into_iter().collect();
        map.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
    } else {
        let value = |line: HeaderValue| match line.raw_value.is_empty() {
            true => (line.key, line.value.into_bytes()),
            false => (line.key, line.raw_value),
        };
        raw.into_iter().map(value).collect()
    };
    lines.retain(|(name, _)| !name.starts_with(':'));
    lines.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn address(peer: &Peer) -> Option<String> {
    let AddressKind::SocketAddress(socket) = peer.address.as_ref()?.address.as_ref()? else {
        return None;
    };
    let Some(PortSpecifier::PortValue(port)) = socket.port_specifier else { return None };
    let ip: std::net::IpAddr = socket.address.parse().ok()?;
    Some(std::net::SocketAddr::new(ip, port.try_into().ok()?).to_string())
}

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
