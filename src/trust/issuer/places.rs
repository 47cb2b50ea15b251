//! The places of an issuer's tokens: `tokens` of a `TokenIssuer` document, as places of a request.

use crate::document::{ProtocolEncoding, ProtocolPlaceSpec, TokenIssuerSpec, TokenPlaceSpec};
use crate::request::{ProtocolElement, TokenPlace};

/// The places where a document says that its issuer's tokens are.
pub(super) fn places_of(spec: &TokenIssuerSpec) -> Vec<TokenPlace> {
    let Some(places) = &spec.tokens else { return vec![TokenPlace::Authorization] };
    places
        .value
        .iter()
        .map(|place| match place {
            TokenPlaceSpec::Authorization {} => TokenPlace::Authorization,
            TokenPlaceSpec::Header(name) => TokenPlace::Header(name.value.to_ascii_lowercase()),
            TokenPlaceSpec::Prefixed(spec) => TokenPlace::Prefixed(
                spec.header.value.to_ascii_lowercase(),
                spec.prefix.value.to_ascii_lowercase(),
            ),
            TokenPlaceSpec::WebSocketProtocol(spec) => TokenPlace::Protocol(element(spec)),
            TokenPlaceSpec::Cookie(name) => TokenPlace::Cookie(name.value.clone()),
            TokenPlaceSpec::Query(name) => TokenPlace::Query(name.value.clone()),
        })
        .collect()
}

fn element(spec: &ProtocolPlaceSpec) -> ProtocolElement {
    let marker = spec.prefix.as_ref().or(spec.after.as_ref());
    ProtocolElement {
        marker: marker.map(|text| text.value.clone()).unwrap_or_default(),
        follows: spec.after.is_some(),
        encoded: spec.encoding == ProtocolEncoding::Base64url,
    }
}
