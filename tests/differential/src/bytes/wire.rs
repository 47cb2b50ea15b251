//! Envoy's messages: a case as one `CheckRequest`, and as the request of which the oracle speaks.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_oracle::Request;
use countersign_oracle::path::header_key;
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request as Sent, TlsSession};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message as _;
use serde_json::{Value, json};

use super::{pool, tokens};

/// Envoy escapes what is not of RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The request of a case.
pub fn request(ask: &Value) -> Request {
    let text = |value: &Value, or: &str| value.as_str().unwrap_or(or).to_owned();
    let mut request = Request {
        method: text(&ask["method"], "GET"),
        host: text(&ask["host"], "a.example.com"),
        path: text(&ask["path"], "/"),
        scheme: text(&ask["scheme"], "https"),
        map: ask["map"] == true,
        source: ask["source"]["address"].as_str().map(str::to_owned),
        destination: match ask["to"].as_array() {
            None => Some(("10.0.0.7".to_owned(), Some(8443))),
            Some(to) => to.first().map(|address| (text(address, ""), to.get(1).and_then(port))),
        },
        context: members(&ask["contextExtensions"]),
        source_principal: text(&ask["source"]["principal"], ""),
        destination_principal: text(&ask["destination"], ""),
        source_certificate: source_certificate(&ask["source"]["certificate"]),
        sni: ask["sni"].as_str().map(str::to_owned),
        ..Request::default()
    };
    for line in ask["headers"].as_array().into_iter().flatten() {
        request.headers.push((text(&line[0], ""), text(&line[1], "").into_bytes()));
    }
    for line in ask["xfcc"].as_array().into_iter().flatten() {
        request.headers.push(("x-forwarded-client-cert".to_owned(), xfcc(line).into_bytes()));
    }
    client_cert(&ask["clientCert"], &mut request);
    let token = credentials(&ask["tokens"], &mut request);
    for proof in ask["proofs"].as_array().into_iter().flatten() {
        request.headers.push(("dpop".to_owned(), tokens::token(proof, &token).into_bytes()));
    }
    if request.map {
        joined(&mut request.headers);
    }
    request
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| port.try_into().ok())
}

fn members(value: &Value) -> BTreeMap<String, String> {
    let own = value.as_object().into_iter().flatten();
    own.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Envoy joins lines of one name where it sends a map.
fn joined(headers: &mut Vec<(String, Vec<u8>)>) {
    let mut map: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, line) in headers.drain(..) {
        let name = name.to_ascii_lowercase();
        match map.iter_mut().find(|(own, _)| *own == name) {
            Some((_, whole)) => whole.extend([b",", &line[..]].concat()),
            None => map.push((name, line)),
        }
    }
    *headers = map;
}

fn source_certificate(value: &Value) -> String {
    if let Some(text) = value["text"].as_str() {
        return text.to_owned();
    }
    // Behind something else than a certificate there may be one.
    let (before, name) = (value["before"].as_str().unwrap_or_default(), value["of"].as_str().or(value.as_str()));
    name.and_then(pool::certificate).map(|own| escaped(&format!("{before}{}", own.pem()))).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// One line of XFCC: `{ json, elements, edit }`, or `{ text }`.
fn xfcc(line: &Value) -> String {
    if let Some(text) = line["text"].as_str() {
        return text.to_owned();
    }
    let elements = line["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = match line["json"] == true {
        true => Value::from(elements.iter().map(object).collect::<Vec<_>>()).to_string(),
        false => elements.iter().map(element).collect::<Vec<_>>().join(line["between"].as_str().unwrap_or(",")),
    };
    for edit in line["edit"].as_array().into_iter().flatten() {
        let part = |at: usize| edit[at].as_str().unwrap_or_default();
        text = text.replacen(part(0), part(1), 1);
    }
    text
}

/// The values of an element under a key: the certificate's own words, or others that the case puts in their place.
fn says(element: &Value, key: &str) -> Vec<String> {
    if !element["details"].as_array().is_some_and(|all| all.iter().any(|own| *own == *key)) {
        return Vec::new();
    }
    if let Some(names) = element["names"][key].as_array() {
        return names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    }
    let of = element["say"][key].as_str().or(element["of"].as_str()).unwrap_or_default();
    let Some(own) = pool::certificate(of) else { return vec![of.to_owned()] };
    match key {
        "Hash" => vec![own.sha256().iter().map(|byte| format!("{byte:02x}")).collect()],
        "Cert" => vec![own.pem()],
        "Chain" => chain(&element["chain"], of),
        "Subject" => vec![own.subject.clone()],
        "URI" => own.uris.clone(),
        "DNS" => own.dns.clone(),
        _ => Vec::new(),
    }
}

fn chain(chain: &Value, leaf: &str) -> Vec<String> {
    let names = chain.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = [leaf].into_iter().chain(names.iter().filter_map(Value::as_str));
    names.filter_map(pool::certificate).map(|own| own.pem()).collect()
}

fn by(element: &Value) -> impl Iterator<Item = &str> {
    element["by"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// An element as Envoy writes it as text (`ConnectionManagerUtility::mutateXfccRequestHeader`).
fn element(element: &Value) -> String {
    let mut pairs: Vec<String> = by(element).map(|name| format!("By={name}")).collect();
    for key in ["Hash", "Cert", "Chain", "Subject", "URI", "DNS"] {
        let values = says(element, key);
        match key {
            "Chain" if !values.is_empty() => pairs.push(format!("Chain=\"{}\"", escaped(&values.concat()))),
            "Cert" => pairs.extend(values.iter().map(|value| format!("Cert=\"{}\"", escaped(value)))),
            "Subject" => pairs.extend(values.iter().map(|value| format!("Subject=\"{value}\""))),
            "URI" if values.is_empty() && element["details"].as_array().is_some_and(|all| all.iter().any(|own| *own == *"URI")) => {
                pairs.push("URI=".to_owned());
            }
            _ => pairs.extend(values.iter().map(|value| format!("{key}={value}"))),
        }
    }
    pairs.join(";")
}

/// An element as Envoy 1.40 writes it as JSON.
fn object(element: &Value) -> Value {
    let mut object = serde_json::Map::new();
    let names: Vec<&str> = by(element).collect();
    if !names.is_empty() {
        object.insert("by".to_owned(), json!(names));
    }
    for (key, member, list) in [
        ("Hash", "hash", false),
        ("Cert", "cert", false),
        ("Chain", "chain", true),
        ("Subject", "subject", false),
        ("URI", "uri", true),
        ("DNS", "dns", true),
    ] {
        let values = says(element, key);
        match (list, values.first()) {
            (_, None) => {}
            (true, _) => drop(object.insert(member.to_owned(), json!(values))),
            (false, Some(one)) => drop(object.insert(member.to_owned(), json!(one))),
        }
    }
    object.into()
}

/// `client-cert` and `client-cert-chain` (RFC 9440): byte sequences of RFC 8941.
fn client_cert(value: &Value, request: &mut Request) {
    let sequence = |name: &str| {
        pool::certificate(name).map(|own| format!(":{}:", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &own.der)))
    };
    let mut leaf: Vec<String> = value["leaf"].as_str().and_then(sequence).into_iter().collect();
    leaf.extend(value["text"].as_str().map(str::to_owned));
    let chain: Vec<String> = value["chain"].as_array().into_iter().flatten().filter_map(|name| sequence(name.as_str()?)).collect();
    request.headers.extend(leaf.into_iter().map(|line| ("client-cert".to_owned(), line.into_bytes())));
    if !chain.is_empty() {
        request.headers.push(("client-cert-chain".to_owned(), chain.join(", ").into_bytes()));
    }
}

/// Puts tokens into their places; the first of them.
fn credentials(list: &Value, request: &mut Request) -> String {
    let (mut first, mut cookies) = (None, vec!["theme=dark".to_owned()]);
    for own in list.as_array().into_iter().flatten() {
        let token = tokens::token(&own["token"], "");
        let place = &own["place"];
        if let Some(scheme) = place["authorization"].as_str() {
            request.headers.push(("authorization".to_owned(), format!("{scheme} {token}").into_bytes()));
        } else if let Some(name) = place["header"].as_str() {
            request.headers.push((name.to_owned(), token.clone().into_bytes()));
        } else if let Some(name) = place["name"].as_str() {
            let word = place["word"].as_str().unwrap_or_default();
            request.headers.push((name.to_owned(), format!("{word}{token}").into_bytes()));
        } else if let Some(list) = place["protocols"].as_str() {
            let list = list.replace("@64", &tokens::encode(&token)).replace('@', &token);
            request.headers.push(("sec-websocket-protocol".to_owned(), list.into_bytes()));
        } else if let Some(name) = place["cookie"].as_str() {
            cookies.push(format!("{name}={token}"));
        } else if let Some(name) = place["query"].as_str() {
            let mark = if request.path.contains('?') { '&' } else { '?' };
            request.path.push_str(&format!("{mark}{name}={token}"));
        }
        first.get_or_insert(token);
    }
    if cookies.len() > 1 {
        request.headers.push(("cookie".to_owned(), cookies.join("; ").into_bytes()));
    }
    first.unwrap_or_default()
}

/// The call that Envoy makes about a request, with the frame of gRPC.
pub fn call(request: &Request) -> Bytes {
    let message = message(request).encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}

/// The message of that call.
pub fn message(request: &Request) -> CheckRequest {
    let mut http = HttpRequest {
        id: "1".into(),
        method: request.method.clone(),
        scheme: request.scheme.clone(),
        host: request.host.clone(),
        path: request.path.clone(),
        protocol: "HTTP/2".into(),
        size: -1,
        ..Default::default()
    };
    // A proxy that shows every header shows these, too. Another one may hide spellings of what rules read, of which the oracle says nothing.
    let partial = request.source.as_deref() != Some("10.0.0.8") && !request.headers.iter().any(|(name, _)| is_other_spelling(name));
    let pseudo = [(":authority", &request.host), (":method", &request.method), (":path", &request.path), (":scheme", &request.scheme)];
    let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.clone()));
    let pseudo = if partial { Vec::new() } else { pseudo.to_vec() };
    if request.map {
        let lines = request.headers.iter().map(|(name, line)| (name.clone(), String::from_utf8_lossy(line).into_owned()));
        http.headers = lines.chain(pseudo).collect();
    } else {
        let line = |(key, value): &(String, Vec<u8>)| HeaderValue { key: key.clone(), raw_value: value.clone(), ..Default::default() };
        let pseudo = pseudo.into_iter().map(|(name, value)| (name, value.into_bytes()));
        http.header_map = Some(HeaderMap { headers: pseudo.chain(request.headers.iter().cloned()).map(|own| line(&own)).collect() });
    }
    let source = Peer {
        address: request.source.as_deref().map(|ip| address(ip, 4711)),
        principal: request.source_principal.clone(),
        certificate: request.source_certificate.clone(),
        ..Default::default()
    };
    let destination = Peer {
        address: request.destination.as_ref().map(|(ip, port)| address(ip, (*port).unwrap_or(0))),
        principal: request.destination_principal.clone(),
        ..Default::default()
    };
    let context = AttributeContext {
        source: Some(source),
        destination: Some(destination),
        request: Some(Sent { time: None, http: Some(http) }),
        context_extensions: request.context.clone().into_iter().collect(),
        tls_session: request.sni.clone().map(|sni| TlsSession { sni }),
        ..Default::default()
    };
    CheckRequest { attributes: Some(context) }
}

/// True for another spelling of a header that generated rules read.
fn is_other_spelling(name: &str) -> bool {
    let plain = |name: &str| header_key(name).replace('-', "");
    ["x-a", "x-debug"].iter().any(|read| plain(name) == plain(read) && !name.eq_ignore_ascii_case(read))
}

fn address(ip: &str, port: u16) -> Address {
    let port_specifier = Some(PortSpecifier::PortValue(port.into()));
    let socket = SocketAddress { address: ip.into(), port_specifier, ..Default::default() };
    Address { address: Some(AddressKind::SocketAddress(socket)) }
}
