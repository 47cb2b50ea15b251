//! Tokens, verified: signature, type, issuer, audience, time and binding.

use std::fmt;

use serde_json::{Map, Value};

use crate::authn::{Credential, PeerIdentity};
use crate::clock::UnixTime;
use crate::evidence::PresentedToken;
use crate::reason::Rejection;
use crate::trust::{Material, TrustStore};

/// Remembers tokens whose signature was verified.
pub trait TokenMemory: fmt::Debug + Send + Sync {}

/// What ties a token to the one who presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binding {
    /// Nothing: whoever holds it can use it.
    None,
    /// The peer's certificate (RFC 8705 section 3), checked.
    Certificate,
    /// A proof of possession (RFC 9449), checked.
    Dpop,
}

/// A verified token.
#[derive(Clone, Debug)]
pub struct TokenIdentity {
    issuer_name: String,
    issuer: String,
    subject: Option<String>,
    client: Option<String>,
    audiences: Vec<String>,
    scopes: Vec<String>,
    claims: Map<String, Value>,
    key_id: Option<String>,
    token_id: Option<String>,
    expires_at: UnixTime,
    binding: Binding,
}

pub(super) fn verify_all(
    _presented: &[PresentedToken],
    _peer: &Credential<PeerIdentity>,
    _trust: &TrustStore,
    _material: &Material,
    _memory: &dyn TokenMemory,
    _now: UnixTime,
) -> Result<Vec<TokenIdentity>, Rejection> {
    Ok(Vec::new())
}

// === impl TokenIdentity ===

impl TokenIdentity {
    /// The name of the `TokenIssuer` document that vouches for it.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// Its `iss` claim.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its `sub` claim.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The client it was issued to: `client_id` (RFC 9068), else `azp` (OpenID Connect Core section 2).
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Its `aud` claim, as a list.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Its scopes: `scope` split at spaces (RFC 8693 section 4.2), or `scp`.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Its whole claims set.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claim at the JSON pointer `pointer` (RFC 6901), such as `/realm_access/roles`.
    #[must_use]
    pub fn claim(&self, pointer: &str) -> Option<&Value> {
        let rest = pointer.strip_prefix('/')?;
        let first = rest.split('/').next().unwrap_or_default();
        let tail = rest.get(first.len()..).unwrap_or_default();
        self.claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(tail)
    }

    /// The id of the key that verified it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Its `jti` claim.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// When it expires.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// What ties it to the peer.
    #[must_use]
    pub const fn binding(&self) -> Binding {
        self.binding
    }
}

#[cfg(test)]
impl TokenIdentity {
    /// A token out of thin air, for unit tests of the rooms above. Scopes and the like are taken from `claims`.
    pub(crate) fn for_test(
        issuer_name: &str,
        claims: Map<String, Value>,
        binding: Binding,
    ) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let words = |name: &str| {
            let text = text(name).unwrap_or_default();
            text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Self {
            issuer_name: issuer_name.to_owned(),
            issuer: text("iss").unwrap_or_default(),
            subject: text("sub"),
            client: text("client_id"),
            audiences: match claims.get("aud") {
                Some(Value::Array(all)) => {
                    all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => words("aud"),
            },
            scopes: words("scope"),
            key_id: None,
            token_id: text("jti"),
            expires_at: UnixTime::from_secs(2_000_000_000),
            binding,
            claims,
        }
    }
}
