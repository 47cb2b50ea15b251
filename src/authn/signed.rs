//! Tokens whose signature was verified, and the memory of them.
//!
//! What a signature vouches for does not change: which issuer, which key, which claims. Everything else about a token, its
//! times, its audience, its binding and whether it was revoked, is checked for every request, remembered or not (P63).

use std::fmt;
use std::mem::size_of;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::NoMemory;
use crate::authn::claims::RegisteredClaims;
use crate::evidence::PresentedToken;
use crate::request::TokenPlace;
use crate::secret::Fingerprint;
use crate::trust::{Issuer, KeySet};

/// What a token says, by the word of its issuer.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) issuer_name: Box<str>,
    pub(super) key_id: Option<Box<str>>,
    pub(super) registered: RegisteredClaims,
    pub(super) claims: Claims,
}

/// A claims set that is printed by nobody (P80).
#[derive(Clone)]
pub(super) struct Claims(pub(super) Arc<Map<String, Value>>);

/// A token whose signature was verified. It is not thereby good: see [`crate::authn::TokenIdentity`].
#[derive(Debug)]
pub struct SignedToken {
    pub(super) content: Arc<Content>,
    fingerprint: Fingerprint,
    place: TokenPlace,
    keys: Fingerprint,
}

/// Remembers tokens whose signature was verified, so that they need be neither parsed nor verified again.
///
/// A memory is good for one [`TrustStore`](crate::trust::TrustStore): the rules of an issuer (its algorithms, types and denied keys) are applied when a token
/// is verified, so whoever changes them starts with another memory (invariant 7).
pub trait TokenMemory: fmt::Debug + Send + Sync {
    /// The token with the fingerprint `token`, if it is remembered.
    fn recall(&self, token: &Fingerprint) -> Option<Arc<SignedToken>>;

    /// Remembers `token`. It may be forgotten at any time.
    fn keep(&self, token: &Arc<SignedToken>);
}

/// Whether `memory` has `token`.
#[must_use]
pub fn is_remembered(token: &PresentedToken, memory: &dyn TokenMemory) -> bool {
    memory.recall(&token.fingerprint()).is_some_and(|known| known.is(token))
}

/// What the allocator takes for an allocation beside what was asked for, on average.
const ALLOCATION_OVERHEAD: usize = 8;

/// What a node of the map takes, for each of the members that it has room for.
const NODE_SLOTS: usize = 11;

// === impl Content ===

impl Content {
    /// The content of a token that no key of ours verified.
    pub(super) fn new(
        issuer_name: &str,
        registered: RegisteredClaims,
        claims: Arc<Map<String, Value>>,
    ) -> Self {
        Self { issuer_name: issuer_name.into(), key_id: None, registered, claims: Claims(claims) }
    }
}

// === impl SignedToken ===

impl SignedToken {
    pub(super) fn new(
        token: &PresentedToken,
        issuer: &Issuer,
        keys: &KeySet,
        (key_id, registered, claims): (Option<&str>, RegisteredClaims, &Arc<Map<String, Value>>),
    ) -> Self {
        let content = Content {
            issuer_name: issuer.name().into(),
            key_id: key_id.map(Into::into),
            registered,
            claims: Claims(Arc::clone(claims)),
        };
        Self {
            content: Arc::new(content),
            fingerprint: token.fingerprint(),
            place: token.place().clone(),
            keys: *keys.revision(),
        }
    }

    /// Whether it is `token`, in the place where it was verified: in another, another issuer's rules may apply (P53).
    #[must_use]
    pub fn is(&self, token: &PresentedToken) -> bool {
        self.fingerprint == token.fingerprint() && self.place == *token.place()
    }

    /// Whether it was verified with exactly the keys of `keys`: one that was withdrawn takes its tokens with it.
    pub(super) fn is_by(&self, keys: &KeySet) -> bool {
        self.keys == *keys.revision()
    }

    /// The fingerprint of the token.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The name of the issuer document.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.content.issuer_name
    }

    /// The id of the key that verified it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.content.key_id.as_deref()
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let Content { issuer_name, key_id, registered, claims } = &*self.content;
        let own = size_of::<Self>().saturating_add(size_of::<Content>());
        let names = issuer_name.len().saturating_add(key_id.as_ref().map_or(0, |id| id.len()));
        [own, names, registered.heap_bytes(), members(&claims.0)]
            .into_iter()
            .fold(4 * ALLOCATION_OVERHEAD, usize::saturating_add)
    }
}

/// The heap of a map: nodes with room for several members each, and what the members hold.
fn members(map: &Map<String, Value>) -> usize {
    let slot = size_of::<(String, Value)>();
    let nodes = map.len().div_ceil(NODE_SLOTS).saturating_mul(slot.saturating_mul(NODE_SLOTS));
    map.iter().fold(nodes, |sum, (name, value)| {
        sum.saturating_add(text(name.len())).saturating_add(heap(value))
    })
}

fn heap(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(string) => text(string.len()),
        Value::Array(items) => {
            let own = items.capacity().saturating_mul(size_of::<Value>());
            items.iter().fold(own, |sum, item| sum.saturating_add(heap(item)))
        }
        Value::Object(map) => members(map),
    }
}

pub(super) const fn text(bytes: usize) -> usize {
    bytes.saturating_add(ALLOCATION_OVERHEAD)
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
impl SignedToken {
    /// A token with this number as its `jti`, for unit tests of the rooms above.
    pub(crate) fn for_test(number: u32) -> Self {
        let claims =
            serde_json::json!({ "iss": "corp", "sub": "alice", "jti": number.to_string() });
        let claims = Arc::new(claims.as_object().unwrap().clone());
        let registered = RegisteredClaims::read(&claims).unwrap();
        Self {
            content: Arc::new(Content::new("corp", registered, claims)),
            fingerprint: Fingerprint::of(&number.to_be_bytes()),
            place: TokenPlace::Authorization,
            keys: Fingerprint::of(b"keys"),
        }
    }
}

// === impl NoMemory ===

impl TokenMemory for NoMemory {
    fn recall(&self, _token: &Fingerprint) -> Option<Arc<SignedToken>> {
        None
    }

    fn keep(&self, _token: &Arc<SignedToken>) {}
}
