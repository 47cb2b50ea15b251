//! From a source to keys: one fetch, or two where the issuer's metadata names the address.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::UnixTime;
use crate::json;
use crate::limits::MAX_JSON_DEPTH;
use crate::pdp::fetch::{FetchError, FetchRequest, Fetched, Fetcher, Validators};
use crate::pdp::follow::{FetchFailure, Saved};
use crate::trust::{
    KeyPurpose, KeySet, KeySetError, KeyUrl, KeyUrlError, RemoteKeys, SkippedKey, refresh_hint,
};

/// How many keys that cannot be used are named.
const MAX_REASONS: usize = 3;

/// When each key of a set was fetched for the first time since it was absent, by its thumbprint.
pub type FirstSeen = BTreeMap<String, UnixTime>;

/// The last good keys of one source.
#[derive(Clone, Debug)]
pub struct LastGood {
    /// The keys.
    pub keys: Arc<KeySet>,
    /// The text that they were read from.
    pub text: Bytes,
    /// When they were fetched, or the issuer's server said that they are the same.
    pub fetched_at: UnixTime,
    /// When the server that fetched them meant to fetch them again.
    pub next_fetch: Option<UnixTime>,
    /// When each of them was first fetched.
    pub first_seen: FirstSeen,
    /// The number of their fetch among all that this process began; zero where another process did.
    pub fetch: u64,
}

/// The result of a load.
#[derive(Debug)]
pub struct Loaded {
    /// The keys with the text that they were read from, or `None` where they are those that were loaded before.
    pub keys: Option<(KeySet, Bytes)>,
    /// For how long the server says that they may be kept.
    pub max_age: Option<Duration>,
    /// The server's time.
    pub date: Option<UnixTime>,
}

/// The versions that were loaded last: what did not change need not be sent again.
#[derive(Debug, Default)]
pub struct KnownVersions {
    metadata: Validators,
    /// The address of the keys, with their version.
    keys: Option<(KeyUrl, Validators)>,
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
    /// No key that can be used: the last good ones stay in force, as they do for a file.
    #[error("the answer has no key that can be used: {0}")]
    NoKeys(String),
    /// Something else than metadata.
    #[error("the metadata is not a JSON object")]
    Metadata,
    /// Another issuer's metadata.
    #[error("the metadata is of the issuer {said}, expected `{expected}`")]
    OtherIssuer {
        /// The issuer that it names, as far as it can be shown.
        said: String,
        /// The issuer of the document.
        expected: String,
    },
    /// Metadata without an address of keys.
    #[error("the metadata has no `jwks_uri`")]
    NoKeyUrl,
    /// An address that keys are not fetched from.
    #[error("the `jwks_uri` of the metadata {0}")]
    KeyUrl(#[from] KeyUrlError),
}

/// Loads the keys of `source`, unless they are as `known`.
///
/// # Errors
/// Why there are none.
pub async fn load(
    source: &RemoteKeys,
    fetcher: &dyn Fetcher,
    known: &mut KnownVersions,
    wanted: Option<&Arc<AtomicU32>>,
) -> Result<Loaded, LoadError> {
    let ask =
        |url, access, known| FetchRequest { known, wanted, ..FetchRequest::keys(url, access) };
    let (url, metadata) = match &source.discovery {
        None => (source.url.clone(), Validators::default()),
        Some(issuer) => {
            let before = known.keys.as_ref().and_then(|_| known.metadata.if_any());
            let fetched = fetcher.fetch(ask(&source.url, &source.access, before)).await?;
            let url = match (&fetched.body, &known.keys) {
                // Metadata that did not change leads where it led before.
                (None, Some((url, _))) => url.clone(),
                (None, None) => return Err(LoadError::Metadata),
                (Some(body), _) => key_url(body, issuer, source.url.is_plaintext())?,
            };
            (url, fetched.validators)
        }
    };
    let before = known.keys.as_ref().filter(|(before, _)| *before == url);
    let before = before.and_then(|(_, known)| known.if_any());
    // If the metadata leads to another host, that one does not see the credentials of this one.
    let access = source.access.led_from(&source.url, &url);
    let fetched = fetcher.fetch(ask(&url, &access, before)).await?;
    let Fetched { body, max_age, validators, date } = fetched;
    let keys = body.map(|text| read(text, source)).transpose()?;
    let hint = keys.as_ref().and_then(|(_, text)| refresh_hint(text));
    *known = KnownVersions { metadata, keys: Some((url, validators)) };
    Ok(Loaded { keys, max_age: hint.or(max_age), date })
}

fn read(text: Bytes, source: &RemoteKeys) -> Result<(KeySet, Bytes), LoadError> {
    let keys = KeySet::parse(&text, source.purpose)?;
    if keys.keys().is_empty() {
        return Err(LoadError::NoKeys(why_unused(keys.skipped())));
    }
    Ok((keys, text))
}

/// The first keys that cannot be used, with the reason for each (P510).
fn why_unused(skipped: &[SkippedKey]) -> String {
    let mut reasons: Vec<_> = skipped.iter().take(MAX_REASONS).map(ToString::to_string).collect();
    match skipped.len().saturating_sub(MAX_REASONS) {
        0 if reasons.is_empty() => return String::from("the set is empty"),
        0 => {}
        more => reasons.push(format!("and {more} more")),
    }
    reasons.join("; ")
}

/// The last good keys of `source` in the folder of a server: none where there is no file, or one that is not ours.
pub fn last_good(folder: &Path, source: &RemoteKeys) -> Option<LastGood> {
    LastGood::of(Saved::peek(folder, &address(source))?, source)
}

/// The name of the keys among those that are saved: what they are: address, discovery and purpose. Two issuers may have one address
/// of metadata.
pub(super) fn address(source: &RemoteKeys) -> String {
    let mut address = source.url.uri().to_string();
    if let Some(issuer) = &source.discovery {
        address.push(' ');
        address.push_str(issuer);
    }
    if source.purpose == KeyPurpose::JwtSvid {
        address.push_str(" jwt-svid");
    }
    address
}

impl LastGood {
    /// Reads what was saved of `source`.
    pub(super) fn of(saved: Saved, source: &RemoteKeys) -> Option<Self> {
        let Saved { text, fetched_at, next_fetch, first_seen } = saved;
        let keys = Arc::new(KeySet::parse(&text, source.purpose).ok()?);
        Some(Self { keys, text, fetched_at, next_fetch, first_seen, fetch: 0 })
    }

    pub(super) fn saved(self) -> Saved {
        let Self { text, fetched_at, next_fetch, first_seen, .. } = self;
        Saved { text, fetched_at, next_fetch, first_seen }
    }
}

impl From<LoadError> for FetchFailure {
    fn from(error: LoadError) -> Self {
        let fetch = if let LoadError::Fetch(error) = &error { Some(error) } else { None };
        Self { why: error.to_string(), retry_after: fetch.and_then(FetchError::retry_after) }
    }
}

/// The address of the keys in the metadata of `issuer`. The metadata must name the issuer exactly, or one tenant of a
/// server could speak for another (OpenID Connect Discovery 1.0 section 4.3), and cannot lead from `https` to `http`.
fn key_url(metadata: &[u8], issuer: &str, allow_plaintext: bool) -> Result<KeyUrl, LoadError> {
    let members = json::parse_object(json::unmarked(metadata), MAX_JSON_DEPTH)
        .map_err(|_| LoadError::Metadata)?;
    let text = |name: &str| members.get(name).and_then(serde_json::Value::as_str);
    if text("issuer") != Some(issuer) {
        let said = text("issuer").map(|said| json::visible(said).chars().take(128).collect());
        let said = said.map_or_else(|| String::from("(none)"), |said: String| format!("`{said}`"));
        return Err(LoadError::OtherIssuer { said, expected: issuer.to_owned() });
    }
    Ok(KeyUrl::parse(text("jwks_uri").ok_or(LoadError::NoKeyUrl)?, allow_plaintext)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Access;

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
            ("{}", "the metadata is of the issuer (none), expected `https://a.example`"),
            (
                &good.replace("a.example", "a.example/"),
                "the metadata is of the issuer `https://a.example/`, expected `https://a.example`",
            ),
            (
                &good.replace("a.example", "b.example"),
                "the metadata is of the issuer `https://b.example`, expected `https://a.example`",
            ),
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

    /// P510: keys of which none can be used are reported with the reason.
    #[test]
    fn keys_that_cannot_be_used_are_named() {
        let key = r#"{"kty":"EC","crv":"P-999","kid":"a"}"#;
        let reasons = |keys: &str| {
            let text = format!("{{\"keys\":[{keys}]}}");
            why_unused(KeySet::parse(text.as_bytes(), KeyPurpose::Jwt).unwrap().skipped())
        };
        assert_eq!(reasons(""), "the set is empty");
        let two = reasons(&[key, r#"{"kty":"oct","kid":"b","k":"aHVudGVyMg"}"#].join(","));
        assert!(two.contains("`a`") && two.contains("; ") && two.contains("`b`"), "{two}");
        assert!(!two.contains("aHVudGVyMg"), "{two}");
        assert!(reasons(&[key; 5].join(",")).ends_with("; and 2 more"));
    }

    /// P272: keys with one address and another issuer, or another purpose, are saved apart.
    #[test]
    fn keys_are_saved_by_what_they_are() {
        let of = |discovery: Option<&str>, purpose| {
            let url = KeyUrl::parse("https://a.example/.well-known/openid-configuration", false);
            address(&RemoteKeys {
                url: url.unwrap(),
                discovery: discovery.map(str::to_owned),
                purpose,
                access: Access::plain(Duration::from_secs(1)),
                refresh: Duration::from_secs(600),
                max_stale: Duration::from_secs(600),
            })
        };
        let own = of(Some("https://a.example"), KeyPurpose::Jwt);
        assert_eq!(own, of(Some("https://a.example"), KeyPurpose::Jwt));
        assert_ne!(own, of(Some("https://a.example/"), KeyPurpose::Jwt));
        assert_ne!(own, of(None, KeyPurpose::Jwt));
        assert_ne!(own, of(Some("https://a.example"), KeyPurpose::JwtSvid));
    }
}
