//! The load: checks as Envoy sends them, encoded beforehand, each with the answer that is due.

use crate::testbed::pki::{ENVOY, FRONTEND};
use bytes::{BufMut as _, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, SocketAddress, address, socket_address,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message as _;

/// `CheckResponse.status`, field 1, with a `google.rpc.Status` whose code is OK: absent, or written as 0.
const STATUS_OK: [&[u8]; 2] = [&[0x0a, 0x00], &[0x0a, 0x02, 0x08, 0x00]];
/// The flag and the length that precede a gRPC message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// Checks that are sent in turn.
pub(crate) struct Workload(Vec<Frame>);

/// One check as a gRPC message.
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    allowed: bool,
}

/// The part of the caller's certificate that is shown.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Its PEM, for `source.certificate`; empty where there is none.
    pub(crate) certificate: &'a str,
    /// The header `x-forwarded-client-cert`; empty where there is none.
    pub(crate) xfcc: &'a str,
}

/// The subject of a check.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) shown: Shown<'a>,
    /// True if the trace that it belongs to is kept.
    pub(crate) sampled: bool,
    pub(crate) allowed: bool,
}

// === impl Workload ===

impl Workload {
    pub(crate) fn new<'a>(asks: impl IntoIterator<Item = Ask<'a>>) -> Self {
        let frames: Vec<Frame> = asks.into_iter().map(|ask| Frame::new(&ask)).collect();
        assert!(!frames.is_empty(), "a workload asks something");
        Self(frames)
    }

    /// How many checks there are.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// How long a check is.
    pub(crate) fn bytes(&self) -> usize {
        self.0.first().map_or(0, |frame| frame.bytes.len() - PREFIX_BYTES)
    }

    /// The check number `number`, round and round.
    pub(crate) fn frame(&self, number: usize) -> &Frame {
        self.0.get(number % self.0.len()).unwrap()
    }
}

// === impl Frame ===

impl Frame {
    fn new(ask: &Ask<'_>) -> Self {
        let message = ask.check().encode_to_vec();
        let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(message.len()).unwrap());
        bytes.put_slice(&message);
        Self { bytes: bytes.freeze(), allowed: ask.allowed }
    }

    /// True if `body` is the answer that is due. A broken answer has no message and is never the right one.
    pub(crate) fn is_answered_by(&self, body: &[u8]) -> bool {
        body.get(PREFIX_BYTES..).is_some_and(|message| {
            let allows = STATUS_OK.into_iter().any(|status| message.starts_with(status));
            !message.is_empty() && allows == self.allowed
        })
    }
}

// === impl Ask ===

impl Ask<'_> {
    /// The message of Envoy with `encode_raw_headers`.
    fn check(&self) -> CheckRequest {
        let sampled = u8::from(self.sampled);
        let mut lines = vec![
            (":authority", self.host.to_owned()),
            (":method", "GET".to_owned()),
            (":path", self.path.to_owned()),
            (":scheme", "https".to_owned()),
            ("accept", "application/json".to_owned()),
            ("user-agent", "frontend/1.8.2 (linux; x86_64)".to_owned()),
            (
                "traceparent",
                format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0{sampled}"),
            ),
            ("x-request-id", "5b2b5b0c-6b0e-4f1a-9f30-3f1f8b0c9c11".to_owned()),
            ("x-forwarded-proto", "https".to_owned()),
        ];
        lines.extend(self.token.map(|token| ("authorization", format!("Bearer {token}"))));
        if !self.shown.xfcc.is_empty() {
            lines.push(("x-forwarded-client-cert", self.shown.xfcc.to_owned()));
        }
        let source = Peer {
            address: Some(at("10.0.3.17", 48_172)),
            certificate: utf8_percent_encode(self.shown.certificate, NON_ALPHANUMERIC).to_string(),
            principal: FRONTEND.into(),
            ..Peer::default()
        };
        let destination = Peer {
            address: Some(at("10.0.3.4", 8443)),
            principal: ENVOY.into(),
            ..Peer::default()
        };
        let header = |(key, value): (&str, String)| HeaderValue {
            key: key.to_owned(),
            raw_value: value.into(),
            ..HeaderValue::default()
        };
        let http = HttpRequest {
            id: "1234567890".into(),
            method: "GET".into(),
            scheme: "https".into(),
            host: self.host.into(),
            path: self.path.into(),
            protocol: "HTTP/2".into(),
            size: -1,
            header_map: Some(HeaderMap { headers: lines.into_iter().map(header).collect() }),
            ..HttpRequest::default()
        };
        let context = AttributeContext {
            source: Some(source),
            destination: Some(destination),
            request: Some(Request { time: None, http: Some(http) }),
            ..AttributeContext::default()
        };
        CheckRequest { attributes: Some(context) }
    }
}

fn at(ip: &str, port: u32) -> Address {
    let port = Some(socket_address::PortSpecifier::PortValue(port));
    let socket = SocketAddress { address: ip.into(), port_specifier: port, ..Default::default() };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}
