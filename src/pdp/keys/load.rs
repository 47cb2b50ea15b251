//! From a source to keys: one fetch, or two where the issuer's metadata names the address.

use std::time::Duration;

use bytes::Bytes;

use crate::json;
use crate::limits::MAX_JSON_DEPTH;
use crate::pdp::fetch::{FetchError, Fetcher};
use crate::trust::{KeySet, KeySetError, KeyUrl, KeyUrlError, RemoteKeys};

/// The result of a load.
#[derive(Debug)]
pub struct Loaded {
    /// The keys.
    pub keys: KeySet,
    /// The text they were read from, for the store.
    pub text: Bytes,
    /// For how long the server says that they may be kept.
    pub max_age: Option<Duration>,
}

/// Why a load gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing was got.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Something else than a key set.
    #[error("the answer {0}")]
    Keys(#[from] KeySetError),
    /// Something else than metadata.
    #[error("the metadata is not a JSON object")]
    Metadata,
    /// Another issuer's metadata.
    #[error("the metadata is of another issuer")]
    OtherIssuer,
    /// Metadata without an address of keys.
    #[error("the metadata has no `jwks_uri`")]
    NoKeyUrl,
    /// An address that keys are not fetched from.
    #[error("the `jwks_uri` of the metadata {0}")]
    KeyUrl(#[from] KeyUrlError),
}

/// Loads the keys of `source`.
///
/// # Errors
/// Why there are none.
pub async fn load(source: &RemoteKeys, fetcher: &dyn Fetcher) -> Result<Loaded, LoadError> {
    let authorities = source.authorities.as_deref();
    let fetched = match &source.discovery {
        None => fetcher.fetch(&source.url, authorities).await?,
        Some(issuer) => {
            let metadata = fetcher.fetch(&source.url, authorities).await?;
            let url = key_url(&metadata.body, issuer, source.url.is_plaintext())?;
            fetcher.fetch(&url, authorities).await?
        }
    };
    Ok(Loaded {
        keys: KeySet::parse(&fetched.body, source.purpose)?,
        text: fetched.body,
        max_age: fetched.max_age,
    })
}

/// The address of the keys in the metadata of `issuer`. The metadata must name the issuer exactly, or one tenant of a
/// server could speak for another (OpenID Connect Discovery 1.0 section 4.3), and cannot lead from `https` to `http`.
fn key_url(metadata: &[u8], issuer: &str, allow_plaintext: bool) -> Result<KeyUrl, LoadError> {
    let members = json::parse_object(metadata, MAX_JSON_DEPTH).map_err(|_| LoadError::Metadata)?;
    let text = |name: &str| members.get(name).and_then(serde_json::Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err(LoadError::OtherIssuer);
    }
    Ok(KeyUrl::parse(text("jwks_uri").ok_or(LoadError::NoKeyUrl)?, allow_plaintext)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P58, P53: metadata of another issuer, or that leads to an address that is not permitted.
    #[test]
    fn metadata_must_be_the_issuers_own_and_lead_to_a_permitted_address() {
        let judged = |text: &str| {
            key_url(text.as_bytes(), "https://a.example", false)
                .map(|url| url.uri().to_string())
                .map_err(|error| error.to_string())
        };
        let good = r#"{"issuer":"https://a.example","jwks_uri":"https://keys.example/jwks"}"#;
        assert_eq!(judged(good), Ok(String::from("https://keys.example/jwks")));
        for (text, error) in [
            ("<html>", "the metadata is not a JSON object"),
            ("[]", "the metadata is not a JSON object"),
            ("{}", "the metadata is of another issuer"),
            (&good.replace("a.example", "a.example/"), "the metadata is of another issuer"),
            (&good.replace("a.example", "b.example"), "the metadata is of another issuer"),
            (&good.replace("jwks_uri", "jwks"), "the metadata has no `jwks_uri`"),
            (
                &good.replace("https://keys", "http://keys"),
                "the `jwks_uri` of the metadata is not encrypted",
            ),
            (
                &good.replace("https://keys.example", "file://keys.example"),
                "the `jwks_uri` of the metadata has a scheme other than `https`",
            ),
            (
                &good.replace("\"jwks_uri\"", "\"issuer\":\"x\",\"jwks_uri\""),
                "the metadata is not a JSON object",
            ),
        ] {
            assert_eq!(judged(text), Err(String::from(error)), "{text}");
        }
    }
}
