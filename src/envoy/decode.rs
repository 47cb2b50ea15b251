//! Envoy's `CheckRequest` as a [`RequestView`] and the credentials sealed away from it.
//!
//! `proto/countersign/wire/v1/check.proto` lists the fields that are read. Every message is destructured without `..`, so
//! that no field is read and then ignored.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::google::protobuf::Timestamp;
use prost::Message as _;

use self::wire::address::Address as AddressKind;
use self::wire::socket_address::PortSpecifier;
use self::wire::{
    Address, AttributeContext, CheckRequest, Entry, HeaderLines, HeaderValue as WireHeader,
    HttpRequest, Peer, Request, SocketAddress, TlsSession,
};
use crate::clock::UnixTime;
use crate::limits::MAX_HEADERS;
use crate::reason::{Reason, Rejection};
use crate::request::{
    Client, CredentialHeaders, Endpoint, HeaderForm, HeaderValue, Headers, RequestView,
    SealedNames, SealedParameters, ServerName, Shown, Target, Text,
};

mod wire;

/// The pseudo-headers that every request has (RFC 9113 section 8.3.1), but for `CONNECT`.
const PSEUDO_HEADERS: [&str; 4] = [":authority", ":method", ":path", ":scheme"];

/// One end of the connection: what may be seen of it, and what is evidence.
struct DecodedPeer {
    address: Option<SocketAddr>,
    principal: Option<Text>,
    certificate: Option<Text>,
}

/// Splits a check into what policies may see and the credentials. Texts are shared with `message`.
///
/// A request that cannot be described faithfully is still described as far as it can be, with the reason in
/// [`RequestView::target`], so that its denial can be audited.
///
/// # Errors
/// `encoding_invalid` where the message is no `CheckRequest`.
pub fn decode(
    message: Bytes,
    sealed: &SealedNames,
) -> Result<(RequestView, CredentialHeaders), Rejection> {
    let CheckRequest { attributes } = CheckRequest::decode(message).map_err(|_| unreadable())?;
    let AttributeContext { source, destination, request, context_extensions, tls_session } =
        attributes.unwrap_or_default();
    let Request { time, http } = request.unwrap_or_default();
    let is_request = http.is_some();
    let (source, destination) = (peer(source)?, peer(destination)?);
    let (mut view, headers, parameters) = http_request(http.unwrap_or_default(), sealed)?;

    let (open, credentials) =
        CredentialHeaders::split(headers, sealed, source.certificate, source.principal);
    let credentials = credentials.with_parameters(parameters);
    view.target = match is_request {
        true => view.target.and_then(|target| check_encoding(&open).map(|()| target)),
        false => Err(connection()),
    };
    view.headers = open;
    view.source.address = source.address;
    view.destination = Endpoint { address: destination.address, principal: destination.principal };
    view.sni = server_name(tls_session)?;
    view.sent_at = time.map(moment);
    view.context_extensions = extensions(context_extensions)?;
    Ok((view, credentials))
}

fn unreadable() -> Rejection {
    Reason::EncodingInvalid.because("the message is not a CheckRequest")
}

/// P520: Envoy's network filter asks about each new connection, and sends no request.
fn connection() -> Rejection {
    Reason::TcpConnection.because(
        "the check has no request: an ext_authz filter of a TCP port asks; name the port in `notPorts` of the CUSTOM policy",
    )
}

/// A field that is text in Envoy's protocol.
fn text(bytes: Bytes) -> Result<Text, Rejection> {
    Text::new(bytes).ok_or_else(unreadable)
}

fn non_empty(bytes: Bytes) -> Result<Option<Text>, Rejection> {
    Ok(Some(text(bytes)?).filter(|text| !text.is_empty()))
}

/// Envoy tells of a TLS session only where there is one, and where it is set up to (`include_tls_session`).
fn server_name(session: Option<TlsSession>) -> Result<ServerName, Rejection> {
    let Some(TlsSession { sni }) = session else { return Ok(ServerName::Unknown) };
    Ok(non_empty(sni)?.map_or(ServerName::Absent, ServerName::Name))
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
) -> Result<(RequestView, Headers, SealedParameters), Rejection> {
    let HttpRequest { id, method, headers, header_map, path, host, scheme, query, fragment } = http;
    let (host, (path, parameters)) = (text(host)?, sealed.split_target(text(path)?));
    let (query, fragment) = (text(query)?, text(fragment)?);
    let (headers, too_many) = collect_headers(headers, header_map)?;
    let target = check_headers(&headers, &host, too_many)
        .and_then(|()| check_separate_parts(&query, &fragment))
        .and_then(|()| Target::parse(host.clone(), path.clone()));
    let view = RequestView {
        id: text(id)?,
        method: text(method)?,
        scheme: text(scheme)?,
        raw_host: host,
        raw_path: path,
        target,
        headers: Headers::default(),
        source: Endpoint::default(),
        destination: Endpoint::default(),
        client: Client::Connection,
        sni: ServerName::Unknown,
        sent_at: None,
        context_extensions: BTreeMap::new(),
    };
    Ok((view, headers, parameters))
}

/// The header lines, and whether some are missing. With `encode_raw_headers` Envoy fills only `header_map` (P85); without
/// it only the map, in which it has joined repeated lines.
fn collect_headers(
    map: Vec<Entry>,
    raw: Option<HeaderLines>,
) -> Result<(Headers, bool), Rejection> {
    let (mut lines, form) = match raw {
        Some(HeaderLines { headers }) if !headers.is_empty() => {
            (raw_lines(headers)?, HeaderForm::Lines)
        }
        Some(_) | None => (map_lines(map)?, HeaderForm::Joined),
    };
    let shown = shown(&lines);
    // Pseudo-headers repeat what the attributes say, and the attributes are authoritative (P26).
    lines.retain(|(key, _)| !key.as_bytes().starts_with(b":"));
    let too_many = lines.len() > MAX_HEADERS;
    lines.truncate(MAX_HEADERS);
    let headers: Headers = lines.into_iter().collect();
    Ok((headers.in_form(form).with_shown(shown), too_many))
}

/// A proxy that shows every header shows the pseudo-headers among them, and one with a list of those that it shows does not,
/// unless that list names them.
fn shown(lines: &[(Text, HeaderValue)]) -> Shown {
    let has = |name: &str| lines.iter().any(|(own, _)| *own == *name);
    if PSEUDO_HEADERS.into_iter().all(has) { Shown::Every } else { Shown::Some }
}

fn raw_lines(headers: Vec<WireHeader>) -> Result<Vec<(Text, HeaderValue)>, Rejection> {
    let line = |WireHeader { key, value, raw_value }| {
        let value = text(value)?.into_bytes();
        Ok((text(key)?, HeaderValue::new(if raw_value.is_empty() { value } else { raw_value })))
    };
    headers.into_iter().map(line).collect()
}

/// Each key once, in the order of the keys: a map has no other order, and of a key that is there twice the last one counts.
fn map_lines(map: Vec<Entry>) -> Result<Vec<(Text, HeaderValue)>, Rejection> {
    let line = |Entry { key, value }| Ok((text(key)?, HeaderValue::new(text(value)?.into_bytes())));
    let mut lines = map.into_iter().map(line).collect::<Result<Vec<_>, _>>()?;
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    lines.dedup_by(|later, kept| {
        let repeated = later.0 == kept.0;
        if repeated {
            std::mem::swap(later, kept);
        }
        repeated
    });
    Ok(lines)
}

fn extensions(map: Vec<Entry>) -> Result<BTreeMap<String, String>, Rejection> {
    let pair = |Entry { key, value }| Ok((text(key)?.to_string(), text(value)?.to_string()));
    map.into_iter().map(pair).collect()
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

fn peer(peer: Option<Peer>) -> Result<DecodedPeer, Rejection> {
    let Peer { address, principal, certificate } = peer.unwrap_or_default();
    Ok(DecodedPeer {
        address: address.map(socket_address).transpose()?.flatten(),
        principal: non_empty(principal)?,
        certificate: non_empty(certificate)?,
    })
}

fn socket_address(Address { address }: Address) -> Result<Option<SocketAddr>, Rejection> {
    let Some(AddressKind::SocketAddress(socket)) = address else { return Ok(None) };
    let SocketAddress { address, port_specifier } = socket;
    let ip: Option<IpAddr> = text(address)?.parse().ok();
    let port = match port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(port).ok(),
        Some(PortSpecifier::NamedPort(name)) => text(name).map(|_| None)?,
        None => None,
    };
    Ok(ip.zip(port).map(SocketAddr::from))
}

#[cfg(test)]
mod tests;
