//! Envoy's `CheckRequest` as a [`RequestView`] and the credentials sealed away from it.
//!
//! Every message is destructured without `..`: a new field of Envoy's breaks the build until somebody decides what
//! it means.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue as WireHeader, Metadata,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Timestamp, Value as WireValue};
use serde_json::Value;

use crate::clock::UnixTime;
use crate::limits::{MAX_HEADERS, MAX_JSON_DEPTH};
use crate::reason::{Reason, Rejection};
use crate::request::{
    Body, CredentialHeaders, Endpoint, HeaderValue, Headers, RequestView, SealedNames,
    SealedParameters, Target,
};

/// Envoy sets this header to `true` where it sends only the beginning of a body (P11).
const PARTIAL_BODY_HEADER: &str = "x-envoy-auth-partial-body";

/// One end of the connection: what may be seen of it, and what is evidence.
struct DecodedPeer {
    address: Option<SocketAddr>,
    principal: Option<String>,
    certificate: Option<String>,
}

/// Splits a check into what policies may see and the credentials.
///
/// A request that cannot be described faithfully is still described as far as it can be, with the reason in
/// [`RequestView::target`], so that its denial can be audited.
#[must_use]
pub fn decode(check: CheckRequest, sealed: &SealedNames) -> (RequestView, CredentialHeaders) {
    let CheckRequest { attributes } = check;
    let AttributeContext {
        source,
        destination,
        request,
        context_extensions,
        metadata_context,
        // What the proxy's configuration says of the route; parameters for us come as context extensions.
        route_metadata_context: _,
        tls_session,
    } = attributes.unwrap_or_default();
    let Request { time, http } = request.unwrap_or_default();
    let (source, destination) = (peer(source), peer(destination));
    let (mut view, headers, parameters) = http_request(http.unwrap_or_default(), sealed);

    let (open, credentials) =
        CredentialHeaders::split(headers, sealed, source.certificate, source.principal);
    let credentials = credentials.with_parameters(parameters);
    view.target = view.target.and_then(|target| check_encoding(&open).map(|()| target));
    view.headers = open;
    view.source.address = source.address;
    view.destination = Endpoint { address: destination.address, principal: destination.principal };
    view.sni = tls_session.and_then(|TlsSession { sni }| non_empty(sni));
    view.sent_at = time.map(moment);
    view.context_extensions = context_extensions.into_iter().collect();
    view.metadata = metadata(metadata_context);
    (view, credentials)
}

/// The proxy's clock is not ours to decide by, but to be compared with.
fn moment(time: Timestamp) -> UnixTime {
    let Timestamp { seconds, nanos } = time;
    let millis = u64::try_from(nanos / 1_000_000).unwrap_or(0);
    UnixTime::from_secs(seconds).plus(Duration::from_millis(millis))
}

/// The request itself, its headers not yet split, and the credentials in its query.
fn http_request(
    http: HttpRequest,
    sealed: &SealedNames,
) -> (RequestView, Headers, SealedParameters) {
    let HttpRequest {
        id,
        method,
        headers,
        header_map,
        path,
        host,
        scheme,
        query,
        fragment,
        size,
        protocol,
        body,
        raw_body,
    } = http;
    let (path, parameters) = sealed.split_target(path);
    let (headers, too_many) = collect_headers(headers, header_map);
    let target = check_headers(&headers, &host, too_many)
        .and_then(|()| check_separate_parts(&query, &fragment))
        .and_then(|()| Target::parse(&host, &path));
    let partial = headers.all(PARTIAL_BODY_HEADER).any(|value| value.as_bytes() != b"false");
    let view = RequestView {
        id,
        method,
        scheme,
        protocol,
        raw_host: host,
        raw_path: path,
        target,
        headers: Headers::default(),
        source: Endpoint::default(),
        destination: Endpoint::default(),
        sni: None,
        body: collect_body(body, raw_body, size, partial),
        sent_at: None,
        context_extensions: BTreeMap::new(),
        metadata: BTreeMap::new(),
    };
    (view, headers, parameters)
}

/// The header lines, and whether some were left out. With `encode_raw_headers` only `header_map` is filled (P85); without it
/// only the map, in which Envoy has joined repeated lines.
fn collect_headers(map: HashMap<String, String>, raw: Option<HeaderMap>) -> (Headers, bool) {
    let mut lines: Vec<(String, Vec<u8>)> = match raw {
        Some(HeaderMap { headers }) if !headers.is_empty() => headers
            .into_iter()
            .map(|WireHeader { key, value, raw_value }| {
                (key, if raw_value.is_empty() { value.into_bytes() } else { raw_value })
            })
            .collect(),
        Some(_) | None => {
            let mut lines: Vec<_> =
                map.into_iter().map(|(key, value)| (key, value.into_bytes())).collect();
            lines.sort();
            lines
        }
    };
    // Pseudo-headers repeat what the attributes say, and the attributes are authoritative (P26).
    lines.retain(|(key, _)| !key.starts_with(':'));
    let too_many = lines.len() > MAX_HEADERS;
    lines.truncate(MAX_HEADERS);
    let mut headers = Headers::default();
    for (key, value) in lines {
        headers.push(&key, HeaderValue::new(value));
    }
    (headers, too_many)
}

fn check_headers(headers: &Headers, host: &str, too_many: bool) -> Result<(), Rejection> {
    if too_many {
        return Err(Reason::RequestTooLarge.because(format!("more than {MAX_HEADERS} headers")));
    }
    // P24: a second host that another component might prefer.
    match headers.all("host").all(|value| value.as_bytes() == host.as_bytes()) {
        true => Ok(()),
        false => Err(Reason::HostInvalid.because("a `host` header differs from the authority")),
    }
}

/// P2: bytes that other components drop, repair or stop at. Without `encode_raw_headers` Envoy has replaced them already.
fn check_encoding(headers: &Headers) -> Result<(), Rejection> {
    match headers.iter().find(|(_, value)| value.as_str().is_err()) {
        None => Ok(()),
        Some((name, _)) => {
            Err(Reason::EncodingInvalid.because(format!("the header `{name}` is not UTF-8")))
        }
    }
}

/// Envoy sends query and fragment as parts of the path and leaves these fields empty.
fn check_separate_parts(query: &str, fragment: &str) -> Result<(), Rejection> {
    match (query, fragment) {
        ("", "") => Ok(()),
        _ => Err(Reason::PathNotCanonical.because("query or fragment outside the path")),
    }
}

fn collect_body(text: String, raw: Vec<u8>, size: i64, partial: bool) -> Body {
    let bytes = if raw.is_empty() { text.into_bytes() } else { raw };
    let declared_size = u64::try_from(size).ok();
    let held = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let truncated = partial || (held > 0 && declared_size.is_some_and(|declared| declared > held));
    Body { bytes, truncated, declared_size }
}

fn peer(peer: Option<Peer>) -> DecodedPeer {
    // Service and labels are Envoy's own settings about itself and say nothing about the caller.
    let Peer { address, service: _, labels: _, principal, certificate } = peer.unwrap_or_default();
    DecodedPeer {
        address: address.and_then(socket_address),
        principal: non_empty(principal),
        certificate: non_empty(certificate),
    }
}

fn socket_address(address: Address) -> Option<SocketAddr> {
    let AddressKind::SocketAddress(socket) = address.address? else { return None };
    let ip: IpAddr = socket.address.parse().ok()?;
    let port = match socket.port_specifier? {
        PortSpecifier::PortValue(port) => u16::try_from(port).ok()?,
        PortSpecifier::NamedPort(_) => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn metadata(context: Option<Metadata>) -> BTreeMap<String, Value> {
    // Typed metadata needs the types of other filters; they also write the untyped form.
    let Metadata { filter_metadata, typed_filter_metadata: _ } = context.unwrap_or_default();
    filter_metadata
        .into_iter()
        .map(|(name, fields)| (name, object(fields, MAX_JSON_DEPTH)))
        .collect()
}

fn object(fields: Struct, depth: usize) -> Value {
    let fields = fields.fields.into_iter();
    Value::Object(
        fields.map(|(name, value)| (name, json(value, depth.saturating_sub(1)))).collect(),
    )
}

/// A protobuf value as JSON; what is nested too deep is null.
fn json(value: WireValue, depth: usize) -> Value {
    match value.kind {
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => {
            serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
        }
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) if depth > 0 => Value::Array(
            list.values.into_iter().map(|v| json(v, depth.saturating_sub(1))).collect(),
        ),
        Some(Kind::StructValue(fields)) if depth > 0 => object(fields, depth),
        Some(Kind::NullValue(_) | Kind::ListValue(_) | Kind::StructValue(_)) | None => Value::Null,
    }
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
