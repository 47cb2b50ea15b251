//! Envoy's `CheckRequest` in protobuf's JSON form, by either spelling of the names.
//!
//! Unknown names are refused, as the protobuf specification asks: one that is misspelt would leave out what it was meant to
//! say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::json::type_name;

/// A message that is being read: the members that are left, and the names that it knows.
struct Message {
    members: Map<String, Value>,
    known: Vec<&'static str>,
}

/// The check in `bytes`; nothing where they are no JSON object with `attributes`.
pub(super) fn check(bytes: &[u8]) -> Option<Result<CheckRequest, String>> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    value.get("attributes")?;
    Some(Message::read(value, |check| {
        Ok(CheckRequest { attributes: check.message("attributes", attributes)? })
    }))
}

fn attributes(own: &mut Message) -> Result<AttributeContext, String> {
    // Nothing is decided by these.
    own.skip(&["metadata_context", "route_metadata_context"]);
    Ok(AttributeContext {
        source: own.message("source", peer)?,
        destination: own.message("destination", peer)?,
        request: own.message("request", request)?,
        context_extensions: own.get("context_extensions")?,
        tls_session: own.message("tls_session", |tls| Ok(TlsSession { sni: tls.get("sni")? }))?,
        ..AttributeContext::default()
    })
}

fn peer(own: &mut Message) -> Result<Peer, String> {
    Ok(Peer {
        address: own.message("address", address)?,
        service: own.get("service")?,
        labels: own.get("labels")?,
        principal: own.get("principal")?,
        certificate: own.get("certificate")?,
    })
}

fn address(own: &mut Message) -> Result<Address, String> {
    // Of the others there is nothing that could be used.
    own.skip(&["pipe", "envoy_internal_address"]);
    let socket = own.message("socket_address", |socket| {
        socket.skip(&["protocol"]);
        Ok(SocketAddress {
            address: socket.get("address")?,
            port_specifier: Some(PortSpecifier::PortValue(socket.get("port_value")?)),
            ..SocketAddress::default()
        })
    })?;
    Ok(Address { address: socket.map(AddressKind::SocketAddress) })
}

fn request(own: &mut Message) -> Result<Request, String> {
    own.skip(&["time"]);
    Ok(Request { time: None, http: own.message("http", http)? })
}

fn http(own: &mut Message) -> Result<HttpRequest, String> {
    // Nothing is decided by these.
    own.skip(&["size", "protocol", "body", "raw_body"]);
    Ok(HttpRequest {
        id: own.get("id")?,
        method: own.get("method")?,
        headers: own.get("headers")?,
        header_map: own.message("header_map", header_map)?,
        path: own.get("path")?,
        host: own.get("host")?,
        scheme: own.get("scheme")?,
        query: own.get("query")?,
        fragment: own.get("fragment")?,
        ..HttpRequest::default()
    })
}

fn header_map(own: &mut Message) -> Result<HeaderMap, String> {
    let headers: Vec<Value> = own.get("headers")?;
    let header = |line: &mut Message| {
        let (key, value) = (line.get("key")?, line.get("value")?);
        Ok(HeaderValue { key, value, raw_value: line.bytes("raw_value")? })
    };
    let headers = headers.into_iter().map(|line| Message::read(line, header));
    Ok(HeaderMap { headers: headers.collect::<Result<_, String>>()? })
}

impl Message {
    /// The message that `value` is, by `read`, which takes every member.
    fn read<T>(
        value: Value,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        let Value::Object(members) = value else {
            return Err(format!("got {}, expected an object", type_name(&value)));
        };
        let mut message = Self { members, known: Vec::new() };
        let read = read(&mut message)?;
        match message.members.keys().next() {
            None => Ok(read),
            Some(other) => {
                let known = message.known.join("`, `");
                Err(format!("unknown field `{other}`, expected one of `{known}`"))
            }
        }
    }

    /// The member called `name`, or the same in camel case.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.members.remove(name).or_else(|| self.members.remove(&camel_case(name)))
    }

    fn skip(&mut self, names: &[&'static str]) {
        names.iter().for_each(|name| drop(self.take(name)));
    }

    fn get<T: DeserializeOwned + Default>(&mut self, name: &'static str) -> Result<T, String> {
        let Some(value) = self.take(name) else { return Ok(T::default()) };
        serde_json::from_value(value).map_err(|error| format!("`{name}`: {error}"))
    }

    fn message<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.take(name).map(|value| Self::read(value, read)).transpose()
    }

    fn bytes(&mut self, name: &'static str) -> Result<Vec<u8>, String> {
        let text: String = self.get(name)?;
        STANDARD.decode(text).map_err(|_| format!("`{name}` is not base64"))
    }
}

/// `portValue` for `port_value`.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let letters = name.chars().filter_map(|c| {
        let upper = std::mem::replace(&mut upper, c == '_');
        (c != '_').then(|| if upper { c.to_ascii_uppercase() } else { c })
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::decode_recorded;
    use crate::request::SealedNames;

    /// A recorded check means the same in every form.
    #[test]
    fn a_check_in_json_is_the_check_in_protobuf() {
        use prost::Message as _;
        let json = br#"{ "attributes": {
            "source": { "address": { "socketAddress": { "address": "10.0.0.1", "portValue": 4711 } }, "principal": "spiffe://a/b" },
            "destination": { "principal": "spiffe://a/c" },
            "request": { "time": "2026-11-22T10:00:00Z", "http": { "id": "7", "method": "POST", "host": "h.example", "path": "/a?b=c",
                "scheme": "https", "size": "-1", "header_map": { "headers": [ { "key": "x-h", "rawValue": "AP8=" }, { "key": "a", "value": "b" } ] } } },
            "contextExtensions": { "k": "v" },
            "metadata_context": { "filterMetadata": { "f": { "list": [1, "x", null, { "y": true }] } } },
            "tlsSession": { "sni": "h.example" } } }"#;
        let sealed = SealedNames::default();
        let (view, _) = decode_recorded(json, &sealed).unwrap().unwrap();
        let bytes = check(json).unwrap().unwrap().encode_to_vec();
        let (other, _) = decode_recorded(&bytes, &sealed).unwrap().unwrap();
        assert_eq!(format!("{view:?}"), format!("{other:?}"));
        assert_eq!(view.source.address.unwrap().to_string(), "10.0.0.1:4711");
        assert_eq!(view.headers.all("x-h").next().unwrap().as_bytes(), b"\x00\xff");
        assert_eq!(
            (view.context_extensions["k"].as_str(), view.sni.name()),
            ("v", Some("h.example"))
        );
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for (json, part) in [
            (r#"{"attributes": {"request": {"http": {"pth": "/"}}}}"#, "unknown field `pth`"),
            (
                r#"{"attributes": {"request": {"http": {"headerMap": {"headers": [{"rawValue": "!"}]}}}}}"#,
                "`raw_value` is not base64",
            ),
        ] {
            let error = check(json.as_bytes()).unwrap().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(check(br#"{"request": {}}"#).is_none());
        assert!(check(b"x").is_none());
    }
}
