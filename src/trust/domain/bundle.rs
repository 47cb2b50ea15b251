//! A SPIFFE bundle: the authorities of one trust domain for certificates and for tokens in one document
//! (SPIFFE Trust Domain and Bundle, section 4).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use serde_json::{Map, Value, json};

use crate::json;
use crate::limits::{MAX_JSON_DEPTH, MAX_KEY_SET_BYTES, MAX_KEYS};
use crate::trust::{KeyPurpose, KeySet};

/// Why a text is not a bundle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BundleProblem(pub(super) String);

/// The certificates of its X.509 authorities, which are not checked here, and the keys that sign JWT-SVIDs.
pub(super) fn read(text: &[u8]) -> Result<(Vec<CertificateDer<'static>>, KeySet), BundleProblem> {
    if text.len() > MAX_KEY_SET_BYTES {
        return Err(problem(format!("is over {MAX_KEY_SET_BYTES} bytes")));
    }
    let members = json::parse_object(json::unmarked(text), MAX_JSON_DEPTH).map_err(|why| {
        problem(why.map_or_else(|| "is no JSON object".to_owned(), |why| why.to_string()))
    })?;
    let Some(Value::Array(keys)) = members.get("keys") else {
        return Err(problem("has no array `keys`"));
    };
    if keys.len() > MAX_KEYS {
        return Err(problem(format!("has more than {MAX_KEYS} keys")));
    }
    let (mut certificates, mut tokens) = (Vec::new(), Vec::new());
    for (at, key) in (1usize..).zip(keys) {
        let Value::Object(key) = key else {
            return Err(problem(format!("key {at} is no object")));
        };
        match key.get("use").and_then(Value::as_str) {
            Some("x509-svid") => certificates.push(x509_authority(key, at)?),
            Some("jwt-svid") => tokens.push(Value::Object(key.clone())),
            // Section 4.2.2: a key whose use is unknown is ignored.
            Some(_) | None => {}
        }
    }
    for name in ["spiffe_sequence", "spiffe_refresh_hint"] {
        if members.get(name).is_some_and(|value| value.as_u64().is_none()) {
            return Err(problem(format!("`{name}` is not a whole number")));
        }
    }
    Ok((certificates, key_set(&tokens)?))
}

/// The X.509 authorities of a bundle, to verify its own endpoint with; none for another text.
pub fn bundle_authorities(text: &[u8]) -> Vec<CertificateDer<'static>> {
    read(text).map(|(certificates, _)| certificates).unwrap_or_default()
}

/// How often the publisher of a bundle has it fetched (section 4.1.2); nothing for another text.
pub fn refresh_hint(text: &[u8]) -> Option<Duration> {
    let members = json::parse_object(json::unmarked(text), MAX_JSON_DEPTH).ok()?;
    members.get("spiffe_refresh_hint")?.as_u64().map(Duration::from_secs)
}

/// Section 4.2.2 of X509-SVID: `x5c` has exactly one certificate, that of the authority.
fn x509_authority(
    key: &Map<String, Value>,
    at: usize,
) -> Result<CertificateDer<'static>, BundleProblem> {
    let wrong = |why: &str| problem(format!("X.509 authority in key {at} {why}"));
    let Some(Value::Array(chain)) = key.get("x5c") else {
        return Err(wrong("has no array `x5c`"));
    };
    let [Value::String(certificate)] = chain.as_slice() else {
        return Err(wrong("must have exactly one certificate in `x5c`"));
    };
    // RFC 7517 section 4.7: base64 of the standard alphabet, not base64url.
    let der = STANDARD.decode(certificate).map_err(|_| wrong("is not base64"))?;
    Ok(CertificateDer::from(der))
}

fn key_set(keys: &[Value]) -> Result<KeySet, BundleProblem> {
    let text = json!({ "keys": keys }).to_string();
    KeySet::parse(text.as_bytes(), KeyPurpose::JwtSvid).map_err(|why| problem(why.to_string()))
}

fn problem(why: impl Into<String>) -> BundleProblem {
    BundleProblem(why.into())
}
