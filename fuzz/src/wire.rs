//! The target for checks as they come over the wire: what our own messages leave out or read in another way than Envoy's
//! would be another caller's request.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use countersign::clock::UnixTime;
use countersign::envoy;
use countersign::request::{CredentialHeaders, RequestView, SealedNames, Text};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, TlsSession};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use envoy_types::pb::google::protobuf::Timestamp;
use prost::Message as _;

/// More lines than this are not looked at, and the request is denied.
const MAX_HEADERS: usize = 256;

/// Any bytes as a check, read by our decoder and as `envoy-types` reads them; whether both accept it. Ours may accept more:
/// what is not looked at may be broken. It may also refuse what no proxy writes, a map that says that it is a number: prost
/// takes that for a map. Written properly, it is the same to both again.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(theirs) = CheckRequest::decode(bytes) else { return false };
    let sealed = SealedNames::default();
    let ours = envoy::decode(Bytes::copy_from_slice(bytes), &sealed);
    let accepted = ours.is_ok();
    let (view, credentials) = ours
        .or_else(|_| envoy::decode(theirs.encode_to_vec().into(), &sealed))
        .expect("only envoy-types reads the check");
    Comparison { sealed: &sealed, view: &view, credentials: &credentials }
        .context(theirs.attributes.unwrap_or_default());
    accepted
}

/// The result of our decoder for a check. Every field that it reads is compared with the one that `envoy-types` reads, by its name.
struct Comparison<'a> {
    sealed: &'a SealedNames,
    view: &'a RequestView,
    credentials: &'a CredentialHeaders,
}

#[expect(clippy::needless_pass_by_value, reason = "each is made for one comparison")]
fn same<T: PartialEq + std::fmt::Debug>(field: &str, ours: T, theirs: T) {
    assert!(ours == theirs, "`{field}` is {ours:?} to us, and {theirs:?} to envoy-types");
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn owned(text: Option<&Text>) -> Option<String> {
    text.map(ToString::to_string)
}

// === impl Comparison ===

impl Comparison<'_> {
    fn context(&self, theirs: AttributeContext) {
        let Self { view, credentials, .. } = self;
        let source = theirs.source.unwrap_or_default();
        let address_of = |ip: SocketAddr| ip.to_string();
        same("source.address", view.source.address.map(address_of), address(&source));
        let principal = owned(credentials.source_principal());
        same("source.principal", principal, filled(source.principal));
        let certificate = owned(credentials.source_certificate());
        same("source.certificate", certificate, filled(source.certificate));
        let destination = theirs.destination.unwrap_or_default();
        let own = view.destination.address.map(address_of);
        same("destination.address", own, address(&destination));
        let principal = owned(view.destination.principal.as_ref());
        same("destination.principal", principal, filled(destination.principal));
        same("tls_session", view.sni.is_known(), theirs.tls_session.is_some());
        let sni = theirs.tls_session.and_then(|TlsSession { sni }| filled(sni));
        same("tls_session.sni", view.sni.name().map(str::to_owned), sni);
        let extensions = theirs.context_extensions.into_iter().collect();
        same("context_extensions", &view.context_extensions, &extensions);
        let request = theirs.request.unwrap_or_default();
        let millis = |Timestamp { seconds, nanos }: Timestamp| {
            seconds.saturating_mul(1000).saturating_add((nanos.max(0) / 1_000_000).into())
        };
        same("request.time", view.sent_at.map(UnixTime::as_millis), request.time.map(millis));
        self.http(request.http.unwrap_or_default());
    }

    fn http(&self, theirs: HttpRequest) {
        let Self { sealed, view, .. } = self;
        same("http.id", &*view.id, &*theirs.id);
        same("http.method", &*view.method, &*theirs.method);
        same("http.scheme", &*view.scheme, &*theirs.scheme);
        same("http.host", &*view.raw_host, &*theirs.host);
        // Tokens in the query are taken out.
        let (path, _) = sealed.split_target(theirs.path.as_str().into());
        same("http.path", &*view.raw_path, &*path);
        if view.target.is_ok() {
            same("http.query, which is refused", "", &theirs.query);
            same("http.fragment, which is refused", "", &theirs.fragment);
        }
        self.headers(lines(theirs).into_iter().take(MAX_HEADERS).collect());
    }

    fn headers(&self, theirs: Vec<(String, Vec<u8>)>) {
        let (shut, open): (Vec<_>, Vec<_>) =
            theirs.into_iter().partition(|(name, _)| self.sealed.contains(name));
        let names: Vec<_> = self.view.headers.iter().map(|(name, _)| name).collect();
        same("http.headers", names, open.iter().map(|(name, _)| name.as_str()).collect());
        for ((name, ours), (_, theirs)) in self.view.headers.iter().zip(&open) {
            // Tokens in what repeats the target are taken out, too.
            let cut = |text| self.sealed.split_target(Text::from(text)).0.to_string().into_bytes();
            let cut = std::str::from_utf8(theirs).ok().map(cut);
            let theirs = cut.filter(|cut| cut == ours.as_bytes()).unwrap_or_else(|| theirs.clone());
            same(&format!("http.headers[{name}]"), ours.as_bytes(), &theirs);
        }
        for (name, _) in &shut {
            let ours = self.credentials.all(name).map(|value| value.as_bytes().to_vec());
            let theirs = shut.iter().filter(|(other, _)| other == name).map(|(_, v)| v.clone());
            same(&format!("http.headers[{name}]"), ours.collect(), theirs.collect::<Vec<_>>());
        }
    }
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
    let ip: IpAddr = socket.address.parse().ok()?;
    Some(SocketAddr::new(ip, port.try_into().ok()?).to_string())
}
