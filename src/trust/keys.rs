//! Key sets (RFC 7517 section 5): an issuer's public keys, each with its algorithms fixed when it was read.

use serde_json::Value;

use crate::json::{self, JsonError};
use crate::limits::{
    MAX_JSON_DEPTH, MAX_KEY_ID_BYTES, MAX_KEY_SET_BYTES, MAX_KEYS, MAX_LISTED_KEYS,
};
use crate::secret::{Fingerprint, Secret};
use crate::trust::Algorithm;
use crate::trust::jwk::{KeyFault, KeyPurpose, VerificationKey};

/// The usable keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    faults: Vec<SkippedKey>,
    revision: Fingerprint,
}

/// A key of a set that is not used. One bad key does not spoil the others (P60).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, from 1.
    pub position: usize,
    /// Its `kid`, where it has one that can be shown.
    pub key_id: Option<String>,
    /// Why it is not used.
    pub fault: KeyFault,
    /// The thumbprint of the key that it is, where that can be read: another entry may be the same key under another name.
    pub thumbprint: Option<String>,
}

/// Why a text is not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Larger than the bound.
    #[error("is larger than 524288 bytes, too large for a JWK Set")]
    TooLarge,
    /// A text in PEM.
    #[error("is PEM, expected a JWK Set (JSON)")]
    Pem,
    /// Not strict JSON.
    #[error("{0}, expected a JWK Set")]
    Json(#[from] JsonError),
    /// One key instead of a set.
    #[error("is a single JWK, expected a JWK Set: `{{\"keys\": [..]}}`")]
    SingleKey,
    /// JSON of another shape.
    #[error("is {0}, expected a JWK Set: an object with an array `keys`")]
    OtherJson(&'static str),
    /// An object without `keys`, or whose `keys` is no array.
    #[error("is an object without an array `keys`, expected a JWK Set")]
    NoKeys,
}

/// Why no key of a set fits a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMiss {
    /// No key has the token's `kid`, or, for a token without one, none is good for its algorithm.
    Unknown,
    /// The key with the token's `kid` is not good for its algorithm.
    OtherAlgorithm,
    /// Nothing names the key, and several are good for the algorithm.
    Ambiguous,
}

impl KeySet {
    /// Reads a JWK Set. Keys that cannot be used are skipped and listed in [`KeySet::skipped`].
    ///
    /// # Errors
    /// Something was found instead of a key set.
    pub fn parse(text: &[u8], purpose: KeyPurpose) -> Result<Self, KeySetError> {
        if text.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        if json::unmarked(text).trim_ascii_start().starts_with(b"-----BEGIN") {
            return Err(KeySetError::Pem);
        }
        let document = json::parse(json::unmarked(text), MAX_JSON_DEPTH)?;
        let members = document
            .as_object()
            .ok_or_else(|| KeySetError::OtherJson(json::type_name(&document)))?;
        match members.get("keys") {
            Some(Value::Array(keys)) => Ok(Self::of(keys, purpose)),
            None if members.contains_key("kty") => Err(KeySetError::SingleKey),
            Some(_) | None => Err(KeySetError::NoKeys),
        }
    }

    fn of(values: &[Value], purpose: KeyPurpose) -> Self {
        let (mut keys, mut faults) = (Vec::new(), Vec::new());
        for (position, value) in (1..).zip(values) {
            let key = if keys.len() >= MAX_KEYS || position > MAX_LISTED_KEYS {
                Err(KeyFault::TooMany)
            } else {
                VerificationKey::parse(value, purpose)
            };
            match key {
                Ok(key) => keys.push((position, key)),
                Err(fault) => faults.push(SkippedKey {
                    position,
                    key_id: shown_id(value),
                    fault,
                    thumbprint: VerificationKey::thumbprint_of(value),
                }),
            }
        }
        let (ambiguous, keys) = keys.iter().cloned().partition::<Vec<_>, _>(|(_, key)| {
            keys.iter().any(|(_, other)| key.is_ambiguous_beside(other))
        });
        faults.extend(ambiguous.into_iter().map(|(position, key)| SkippedKey {
            position,
            key_id: key.id().map(str::to_owned),
            fault: KeyFault::Ambiguous,
            thumbprint: Some(key.thumbprint().to_owned()),
        }));
        let keys: Vec<_> = keys.into_iter().map(|(_, key)| key).collect();
        Self { revision: revision(&keys), keys, faults }
    }

    /// The secrets that an issuer shares with us, each with the `kid` by which its tokens name it.
    ///
    /// The revision is another one each time: what was verified with a secret must not outlive it, and no name of it may
    /// help to guess it.
    pub(super) fn shared(
        secrets: &[(Option<String>, Secret<Vec<u8>>)],
        algorithms: &[Algorithm],
    ) -> Self {
        let keys = (1..)
            .zip(secrets)
            .map(|(place, (id, secret))| {
                VerificationKey::shared(place, id.clone(), secret, algorithms)
            })
            .collect();
        Self { keys, faults: Vec::new(), revision: Fingerprint::random() }
    }

    /// The usable keys.
    pub fn keys(&self) -> &[VerificationKey] {
        &self.keys
    }

    /// Every name in the set with the thumbprint of its key, also of keys that are not used.
    pub fn named(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let used = self.keys.iter().filter_map(|key| Some((key.id()?, key.thumbprint())));
        let skipped = self.faults.iter();
        used.chain(skipped.filter_map(|own| own.key_id.as_deref().zip(own.thumbprint.as_deref())))
    }

    /// The keys that are not used, with the reason for each.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.faults
    }

    /// Names the usable keys: two sets with the same keys have the same revision, in whatever order they are written.
    pub const fn revision(&self) -> &Fingerprint {
        &self.revision
    }

    /// True if a key has the id `kid`.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.id() == Some(kid))
    }

    /// The only key for a signature with this `kid` and algorithm.
    ///
    /// # Errors
    /// As [`KeySet::fitting`]; or several keys fit.
    pub fn select(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&VerificationKey, KeyMiss> {
        let fitting = self.fitting(kid, algorithm)?;
        let first = *fitting.first().ok_or(KeyMiss::Unknown)?;
        let same = fitting.iter().all(|key| key.thumbprint() == first.thumbprint());
        same.then_some(first).ok_or(KeyMiss::Ambiguous)
    }

    /// The keys for a token with this `kid` and algorithm, at least one: for a token that names none, all that are good for its
    /// algorithm. `kid` is compared and never interpreted (P51). A secret with an id is for tokens that name it (P330).
    ///
    /// # Errors
    /// Why there is none. There is never a last resort such as "the only key" for a token that names another one.
    pub fn fitting(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<&VerificationKey>, KeyMiss> {
        if kid.is_some_and(|kid| !self.has(kid)) {
            return Err(KeyMiss::Unknown);
        }
        let named = |key: &&VerificationKey| match kid {
            Some(_) => key.id() == kid,
            None => key.id().is_none() || !algorithm.is_symmetric(),
        };
        let fits = |key: &&VerificationKey| named(key) && key.is_for(algorithm);
        let fitting: Vec<_> = self.keys.iter().filter(fits).collect();
        match (fitting.is_empty(), kid) {
            (false, _) => Ok(fitting),
            (true, Some(_)) => Err(KeyMiss::OtherAlgorithm),
            (true, None) => Err(KeyMiss::Unknown),
        }
    }
}

fn shown_id(value: &Value) -> Option<String> {
    value.get("kid")?.as_str().map(|id| id.chars().take(MAX_KEY_ID_BYTES).collect())
}

fn revision(keys: &[VerificationKey]) -> Fingerprint {
    let mut lines: Vec<_> = keys
        .iter()
        .map(|key| {
            let algorithms: Vec<_> = key.algorithms().map(Algorithm::as_str).collect();
            // As JSON, so that no `kid` can spell another line.
            Value::from(vec![
                Value::from(key.id()),
                Value::from(key.thumbprint()),
                Value::from(algorithms),
                Value::from(key.issuer()),
            ])
            .to_string()
        })
        .collect();
    lines.sort();
    Fingerprint::of(lines.join("\n").as_bytes())
}

impl std::fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "key {}", self.position)?;
        if let Some(id) = &self.key_id {
            write!(f, " (`{id}`)")?;
        }
        write!(f, " {}", self.fault)
    }
}

impl VerificationKey {
    pub(in crate::trust) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms().any(|own| own == algorithm)
    }

    /// True if a token could mean this key and also `other`, which is not the same.
    fn is_ambiguous_beside(&self, other: &Self) -> bool {
        self.id().is_some()
            && self.id() == other.id()
            && self.thumbprint() != other.thumbprint()
            && self.algorithms().any(|algorithm| other.is_for(algorithm))
    }
}

#[cfg(test)]
mod tests;
