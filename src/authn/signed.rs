//! Tokens whose signature was verified, and the memory of them.
//!
//! The facts that a signature proves do not change: which issuer, which key, which claims. Everything else about a token, its times,
//! its audience, its binding and whether it was revoked, is checked for every request, remembered or not (P63).

use std::fmt;
use std::mem::size_of;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::claims::RegisteredClaims;
use super::heap_size::{ALLOCATION_OVERHEAD, members};
use crate::evidence::PresentedToken;
use crate::request::TokenPlace;
use crate::secret::Fingerprint;
use crate::trust::{Issuer, KeySet, VerificationKey};

/// The content of a token, as its issuer asserts it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) issuer_name: Box<str>,
    /// The tenant that its `iss` names, of an issuer with tenants.
    pub(super) tenant: Option<Box<str>>,
    pub(super) key_id: Option<Box<str>>,
    /// The thumbprint of the key that verified it, by which its names are found.
    pub(super) key: Option<Box<str>>,
    pub(super) registered: RegisteredClaims,
    pub(super) claims: Claims,
    /// The fingerprint of the text of an opaque token: the answers about one differ, and those about two may be the same.
    pub(super) opaque: Option<Fingerprint>,
}

/// A claims set that is never printed (P80).
#[derive(Clone)]
pub(super) struct Claims(pub(super) Arc<Map<String, Value>>);

/// A token whose signature was verified. It is not thereby good: see [`crate::authn::TokenIdentity`].
#[derive(Debug)]
pub struct SignedToken {
    pub(super) content: Arc<Content>,
    issuer_id: Box<str>,
    fingerprint: Fingerprint,
    place: TokenPlace,
    keys: Fingerprint,
}

impl Content {
    /// The content of a token that no key of ours verified.
    pub(super) fn new(
        (issuer_name, tenant): (&str, Option<&str>),
        registered: RegisteredClaims,
        claims: Arc<Map<String, Value>>,
    ) -> Self {
        Self {
            issuer_name: issuer_name.into(),
            tenant: tenant.map(Into::into),
            key_id: None,
            key: None,
            registered,
            claims: Claims(claims),
            opaque: None,
        }
    }
}

impl SignedToken {
    pub(super) fn new(
        token: &PresentedToken,
        issuer: &Issuer,
        keys: &KeySet,
        (key, registered, claims): (&VerificationKey, RegisteredClaims, &Arc<Map<String, Value>>),
    ) -> Self {
        let tenant = registered.issuer.as_deref().and_then(|iss| issuer.iss.tenant(iss));
        let content = Content {
            issuer_name: issuer.name.as_str().into(),
            tenant: tenant.map(Into::into),
            key_id: key.id().map(Into::into),
            key: Some(key.thumbprint().into()),
            registered,
            claims: Claims(Arc::clone(claims)),
            opaque: None,
        };
        Self {
            content: Arc::new(content),
            issuer_id: issuer.id.as_str().into(),
            fingerprint: token.fingerprint,
            place: token.place.clone(),
            keys: *keys.revision(),
        }
    }

    /// True if it is `token`, in the place where it was verified: in another, another issuer's rules may apply (P53).
    pub fn is(&self, token: &PresentedToken) -> bool {
        self.fingerprint == token.fingerprint && self.place == token.place
    }

    /// True if it was verified with exactly the keys of `keys`: one that was withdrawn takes its tokens with it.
    pub fn is_by(&self, keys: &KeySet) -> bool {
        self.keys == *keys.revision()
    }

    /// The fingerprint of the token.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The name of the issuer document.
    pub fn issuer_name(&self) -> &str {
        &self.content.issuer_name
    }

    /// The id of the part of that document whose keys verified it.
    pub fn issuer_id(&self) -> &str {
        &self.issuer_id
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        let Content { issuer_name, tenant, key_id, key, registered, claims, opaque: _ } =
            &*self.content;
        let own = size_of::<Self>().saturating_add(size_of::<Content>());
        let texts = [tenant.as_ref(), key_id.as_ref(), key.as_ref()];
        let texts = texts.into_iter().chain([Some(issuer_name), Some(&self.issuer_id)]);
        let names = texts.flatten().map(|text| text.len()).sum();
        [own, names, registered.heap_bytes(), members(&claims.0)]
            .into_iter()
            .fold(4 * ALLOCATION_OVERHEAD, usize::saturating_add)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl SignedToken {
        /// A token with this number as its `jti`, for unit tests of the rooms above.
        pub(crate) fn for_test(number: u32) -> Self {
            let claims =
                serde_json::json!({ "iss": "corp", "sub": "alice", "jti": number.to_string() });
            let claims = Arc::new(claims.as_object().unwrap().clone());
            let registered = RegisteredClaims::read(&claims, None).unwrap();
            Self {
                content: Arc::new(Content::new(("corp", None), registered, claims)),
                issuer_id: "corp".into(),
                fingerprint: Fingerprint::of(&number.to_be_bytes()),
                place: TokenPlace::Authorization,
                keys: Fingerprint::of(b"keys"),
            }
        }
    }
}
