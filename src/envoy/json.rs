//! Envoy's `CheckRequest` in protobuf's JSON form, by either spelling of the names.
//!
//! Unknown names are refused, as the protobuf specification asks: one that is misspelt would leave out what it was meant to
//! say.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, Metadata, SocketAddress,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value as WireValue};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckJson {
    attributes: AttributesJson,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct AttributesJson {
    source: PeerJson,
    destination: PeerJson,
    request: RequestJson,
    #[serde(alias = "context_extensions")]
    context_extensions: HashMap<String, String>,
    #[serde(alias = "metadata_context")]
    metadata_context: MetadataJson,
    #[serde(alias = "route_metadata_context")]
    route_metadata_context: MetadataJson,
    #[serde(alias = "tls_session")]
    tls_session: Option<TlsJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PeerJson {
    address: Option<AddressJson>,
    service: String,
    labels: HashMap<String, String>,
    principal: String,
    certificate: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct AddressJson {
    #[serde(alias = "socket_address")]
    socket_address: Option<SocketJson>,
    pipe: Option<Value>,
    #[serde(alias = "envoy_internal_address")]
    envoy_internal_address: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SocketJson {
    protocol: Option<Value>,
    address: String,
    #[serde(alias = "port_value")]
    port_value: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RequestJson {
    time: Option<Value>,
    http: HttpJson,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct HttpJson {
    id: String,
    method: String,
    headers: HashMap<String, String>,
    #[serde(alias = "header_map")]
    header_map: Option<HeaderMapJson>,
    path: String,
    host: String,
    scheme: String,
    query: String,
    fragment: String,
    /// A 64-bit number, which protobuf writes as a text.
    size: Option<Value>,
    protocol: String,
    body: String,
    #[serde(alias = "raw_body")]
    raw_body: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HeaderMapJson {
    headers: Vec<HeaderJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct HeaderJson {
    key: String,
    value: String,
    #[serde(alias = "raw_value")]
    raw_value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MetadataJson {
    #[serde(alias = "filter_metadata")]
    filter_metadata: HashMap<String, Value>,
    #[serde(alias = "typed_filter_metadata")]
    typed_filter_metadata: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TlsJson {
    sni: String,
}

/// The check in `bytes`; nothing where they are no JSON object with `attributes`.
pub(super) fn check(bytes: &[u8]) -> Option<Result<CheckRequest, String>> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    value.get("attributes")?;
    let json = serde_json::from_value::<CheckJson>(value);
    Some(json.map_err(|error| error.to_string()).and_then(CheckJson::into_check))
}

impl CheckJson {
    fn into_check(self) -> Result<CheckRequest, String> {
        let AttributesJson {
            source,
            destination,
            request: RequestJson { time: _, http },
            context_extensions,
            metadata_context,
            route_metadata_context: _,
            tls_session,
        } = self.attributes;
        let attributes = AttributeContext {
            source: Some(source.into()),
            destination: Some(destination.into()),
            request: Some(Request { time: None, http: Some(http.into_http()?) }),
            context_extensions,
            metadata_context: Some(metadata_context.into()),
            route_metadata_context: None,
            tls_session: tls_session.map(|TlsJson { sni }| TlsSession { sni }),
        };
        Ok(CheckRequest { attributes: Some(attributes) })
    }
}

impl From<PeerJson> for Peer {
    fn from(json: PeerJson) -> Self {
        let PeerJson { address, service, labels, principal, certificate } = json;
        Self { address: address.map(Address::from), service, labels, principal, certificate }
    }
}

impl From<AddressJson> for Address {
    fn from(json: AddressJson) -> Self {
        // Of the others there is nothing that could be used.
        let AddressJson { socket_address, pipe: _, envoy_internal_address: _ } = json;
        let socket = socket_address.map(|socket| {
            let SocketJson { protocol: _, address, port_value } = socket;
            AddressKind::SocketAddress(SocketAddress {
                address,
                port_specifier: Some(PortSpecifier::PortValue(port_value)),
                ..SocketAddress::default()
            })
        });
        Self { address: socket }
    }
}

impl HttpJson {
    fn into_http(self) -> Result<HttpRequest, String> {
        let header_map = match self.header_map {
            None => None,
            Some(map) => {
                let headers: Result<_, String> =
                    map.headers.into_iter().map(HeaderJson::into_header).collect();
                Some(HeaderMap { headers: headers? })
            }
        };
        let size = match &self.size {
            None => Some(0),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_i64(),
        };
        Ok(HttpRequest {
            id: self.id,
            method: self.method,
            headers: self.headers,
            header_map,
            path: self.path,
            host: self.host,
            scheme: self.scheme,
            query: self.query,
            fragment: self.fragment,
            size: size.ok_or_else(|| String::from("`size` is not a whole number"))?,
            protocol: self.protocol,
            body: self.body,
            raw_body: bytes(&self.raw_body, "rawBody")?,
        })
    }
}

impl HeaderJson {
    fn into_header(self) -> Result<HeaderValue, String> {
        let raw_value = bytes(&self.raw_value, "rawValue")?;
        Ok(HeaderValue { key: self.key, value: self.value, raw_value })
    }
}

fn bytes(text: &str, name: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| format!("`{name}` is not base64"))
}

impl From<MetadataJson> for Metadata {
    fn from(json: MetadataJson) -> Self {
        let fields = json.filter_metadata.into_iter().map(|(name, value)| (name, fields(value)));
        Self { filter_metadata: fields.collect(), ..Self::default() }
    }
}

fn fields(value: Value) -> Struct {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            serde_json::Map::new()
        }
    };
    Struct { fields: fields.into_iter().map(|(name, value)| (name, wire(value))).collect() }
}

fn wire(value: Value) -> WireValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(bool) => Kind::BoolValue(bool),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.into_iter().map(wire).collect() })
        }
        Value::Object(_) => Kind::StructValue(fields(value)),
    };
    WireValue { kind: Some(kind) }
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
        assert_eq!(view.metadata["f"]["list"][3]["y"], true);
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
                r#"{"attributes": {"request": {"http": {"rawBody": "!"}}}}"#,
                "`rawBody` is not base64",
            ),
            (
                r#"{"attributes": {"request": {"http": {"size": "many"}}}}"#,
                "`size` is not a whole number",
            ),
        ] {
            let error = check(json.as_bytes()).unwrap().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(check(br#"{"request": {}}"#).is_none());
        assert!(check(b"x").is_none());
    }
}
