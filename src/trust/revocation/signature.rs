//! The signature of a list: a detached compact JWS (RFC 7515 appendix F), also with the list as it is instead of in base64url
//! (RFC 7797).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json;
use crate::limits::{MAX_JOSE_HEADER_BYTES, MAX_JSON_DEPTH, MAX_LIST_SIGNATURE_BYTES};
use crate::trust::{Algorithm, KeySet};

/// Why a signature does not vouch for a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListSignatureError {
    /// Not `HEADER..SIGNATURE`.
    #[error("is not a detached compact JWS, expected `HEADER..SIGNATURE`")]
    Shape,
    /// The header is not an object of strict JSON, or has a member of the wrong type.
    #[error("has a header that is not a JOSE header")]
    Header,
    /// RFC 7515 section 4.1.11: an extension that must be understood and is not.
    #[error("needs an extension (`crit`) other than `b64`")]
    Critical,
    /// An algorithm that is not supported.
    #[error("has an algorithm that is not supported")]
    Algorithm,
    /// None of the pinned keys.
    #[error("names none of the keys that are pinned in the document")]
    Key,
    /// Another key made it, or it is over another text.
    #[error("is not that of a pinned key over this text")]
    Wrong,
}

/// Verifies that one of `keys` made `signature` over `text`. The header only names the key and the algorithm; `jwk`, `jku`
/// and their like are never looked at (invariant 8).
///
/// # Errors
/// It is wrong, and how.
pub(super) fn verify(
    keys: &KeySet,
    signature: &[u8],
    text: &[u8],
) -> Result<(), ListSignatureError> {
    if signature.len() > MAX_LIST_SIGNATURE_BYTES {
        return Err(ListSignatureError::Shape);
    }
    let compact = std::str::from_utf8(signature).map_err(|_| ListSignatureError::Shape)?.trim();
    let (protected, signature) = compact.split_once("..").ok_or(ListSignatureError::Shape)?;
    let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| ListSignatureError::Shape)?;
    let header = header(protected)?;
    let encoded = is_encoded(&header)?;
    let word = |name: &str| match header.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(ListSignatureError::Header),
    };
    let algorithm = word("alg")?.ok_or(ListSignatureError::Header)?;
    // A verifier of a symmetric signature can make one.
    let algorithm = Algorithm::named(algorithm).filter(|algorithm| !algorithm.is_symmetric());
    let algorithm = algorithm.ok_or(ListSignatureError::Algorithm)?;
    let key = keys.select(word("kid")?, algorithm).map_err(|_| ListSignatureError::Key)?;
    let mut message =
        Vec::with_capacity(protected.len().saturating_add(text.len()).saturating_add(1));
    message.extend_from_slice(protected.as_bytes());
    message.push(b'.');
    if encoded {
        message.extend_from_slice(URL_SAFE_NO_PAD.encode(text).as_bytes());
    } else {
        message.extend_from_slice(text);
    }
    if key.verifies(algorithm, &message, &bytes) { Ok(()) } else { Err(ListSignatureError::Wrong) }
}

fn header(protected: &str) -> Result<Map<String, Value>, ListSignatureError> {
    if protected.len() > MAX_JOSE_HEADER_BYTES {
        return Err(ListSignatureError::Header);
    }
    let bytes = URL_SAFE_NO_PAD.decode(protected).map_err(|_| ListSignatureError::Shape)?;
    json::parse_object(&bytes, MAX_JSON_DEPTH).map_err(|_| ListSignatureError::Header)
}

/// RFC 7797 sections 3 and 6: `b64` is a boolean, and counts only where `crit` names it.
fn is_encoded(header: &Map<String, Value>) -> Result<bool, ListSignatureError> {
    let critical: Vec<&str> = match header.get("crit") {
        None => Vec::new(),
        Some(Value::Array(names)) if !names.is_empty() => names
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .ok_or(ListSignatureError::Header)?,
        Some(_) => return Err(ListSignatureError::Header),
    };
    if critical.iter().any(|name| *name != "b64") {
        return Err(ListSignatureError::Critical);
    }
    match (header.get("b64"), critical.is_empty()) {
        (None, true) => Ok(true),
        (Some(Value::Bool(encoded)), false) => Ok(*encoded),
        (Some(Value::Bool(true)), true) => Ok(true),
        (Some(_), _) | (None, false) => Err(ListSignatureError::Header),
    }
}
