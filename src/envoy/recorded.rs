//! A check that somebody has recorded, as bytes of a file instead of a call.

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use prost::Message as _;

use super::decode;
use crate::request::{CredentialHeaders, RequestView, SealedNames};

/// Reads the `CheckRequest` in `bytes`, as a gRPC message has it; nothing where there is none.
#[must_use]
pub fn decode_recorded(
    bytes: &[u8],
    sealed: &SealedNames,
) -> Option<(RequestView, CredentialHeaders)> {
    let check = CheckRequest::decode(bytes).ok()?;
    // An empty message is made of no bytes, so that anything could be one.
    check.attributes.is_some().then(|| decode(check, sealed))
}
