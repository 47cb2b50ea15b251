//! A recorded check: the bytes of a gRPC message, or protobuf's JSON form.

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use prost::Message as _;

use super::{decode, json};
use crate::request::{CredentialHeaders, RequestView, SealedNames};

/// Reads the `CheckRequest` in `bytes`; nothing where there is none. A text is one where it is JSON that has `attributes`.
///
/// # Errors
/// A message that says what is wrong with it, where it is JSON.
pub fn decode_recorded(
    bytes: &[u8],
    sealed: &SealedNames,
) -> Option<Result<(RequestView, CredentialHeaders), String>> {
    if let Some(check) = json::check(bytes) {
        return Some(check.and_then(|check| read(check.encode_to_vec().into(), sealed)));
    }
    let check = CheckRequest::decode(bytes).ok()?;
    // An empty message is made of no bytes, so that anything could be one.
    check.attributes.is_some().then(|| read(Bytes::copy_from_slice(bytes), sealed))
}

fn read(message: Bytes, sealed: &SealedNames) -> Result<(RequestView, CredentialHeaders), String> {
    decode(message, sealed).map_err(|why| why.detail().to_owned())
}
