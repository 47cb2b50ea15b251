//! A verified token.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::binding::Binding;
use crate::authn::claims::RegisteredClaims;
use crate::authn::once::OneTimeUse;
use crate::authn::signed::Content;
use crate::authn::token::usage::TokenUsage;
use crate::clock::UnixTime;
use crate::identity_map::claim_at;
use crate::reason::Rejection;
use crate::request::TokenPlace;
use crate::secret::Fingerprint;

/// A verified token.
#[derive(Clone)]
pub struct TokenIdentity {
    pub(super) content: Arc<Content>,
    pub(super) expires_at: UnixTime,
    pub(super) binding: Binding,
    pub(super) place: TokenPlace,
    /// Further places where the very same token was.
    pub(super) copies: Vec<TokenPlace>,
    pub(super) proof: Option<OneTimeUse>,
    pub(super) single_use: Option<OneTimeUse>,
    pub(super) usage: TokenUsage,
}

impl TokenIdentity {
    /// A token that is asserted without a signature: for policy tests and `explain` only. `tests/in_process/tidy.rs` keeps
    /// it out of the serving path.
    ///
    /// `issuer_name` is the name of the `TokenIssuer` document. A token without `exp` never expires.
    ///
    /// # Errors
    /// `token_malformed` where a registered claim has the wrong type.
    pub fn assertion(
        issuer_name: &str,
        claims: Map<String, Value>,
        binding: Binding,
    ) -> Result<Self, Rejection> {
        Self::assertion_of_tenant((issuer_name, None, None), claims, binding)
    }

    /// The same of a tenant, and of an issuer with a `clientClaim`.
    ///
    /// # Errors
    /// Those of [`TokenIdentity::assertion`].
    pub fn assertion_of_tenant(
        (issuer, tenant, client_claim): (&str, Option<&str>, Option<&str>),
        claims: Map<String, Value>,
        binding: Binding,
    ) -> Result<Self, Rejection> {
        let registered = RegisteredClaims::read(&claims, client_claim)?;
        Ok(Self {
            expires_at: registered.expires_at.unwrap_or(UnixTime::from_millis(i64::MAX)),
            content: Arc::new(Content::new((issuer, tenant), registered, Arc::new(claims))),
            binding,
            place: TokenPlace::Authorization,
            copies: Vec::new(),
            proof: None,
            single_use: None,
            usage: TokenUsage::default(),
        })
    }

    /// The same token, of whose use this was seen.
    #[must_use]
    pub fn used_as(self, usage: TokenUsage) -> Self {
        Self { usage, ..self }
    }

    /// The signals that its use raises.
    pub const fn usage(&self) -> TokenUsage {
        self.usage
    }

    /// The same for the same token: the hash of its claims, since a signature may have several forms, or of the text of an opaque one.
    pub fn mark(&self) -> Fingerprint {
        if let Some(opaque) = self.content.opaque {
            return opaque;
        }
        let mut claims = Vec::new();
        // Claims are JSON, which has a text.
        let _ = serde_json::to_writer(&mut claims, self.claims());
        Fingerprint::of(&claims)
    }

    /// The name of the `TokenIssuer` document that vouches for it.
    pub fn issuer_name(&self) -> &str {
        &self.content.issuer_name
    }

    /// The tenant that its `iss` names, of an issuer with tenants.
    pub fn tenant(&self) -> Option<&str> {
        self.content.tenant.as_deref()
    }

    /// Its `exp` claim. One that was introspected may have none, and one of a suite.
    pub fn expiry(&self) -> Option<UnixTime> {
        self.content.registered.expires_at
    }

    /// Its `iss` claim.
    pub fn issuer(&self) -> &str {
        self.content.registered.issuer.as_deref().unwrap_or_default()
    }

    /// Its `sub` claim.
    pub fn subject(&self) -> Option<&str> {
        self.content.registered.subject.as_deref()
    }

    /// The client it was issued to: `client_id` (RFC 9068), else `azp` (OpenID Connect Core section 2), else the issuer's `clientClaim`.
    pub fn client(&self) -> Option<&str> {
        self.content.registered.client.as_deref()
    }

    /// Its `aud` claim, as a list.
    pub fn audiences(&self) -> &[String] {
        &self.content.registered.audiences
    }

    /// Its scopes: `scope` split at spaces (RFC 8693 section 4.2), or `scp`.
    pub fn scopes(&self) -> &[String] {
        &self.content.registered.scopes
    }

    /// Its whole claims set.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.content.claims.0
    }

    /// The claim at the JSON pointer `pointer` (RFC 6901), such as `/realm_access/roles`.
    pub fn claim(&self, pointer: &str) -> Option<&Value> {
        claim_at(&self.content.claims.0, pointer)
    }

    /// The id of the key that verified it.
    pub fn key_id(&self) -> Option<&str> {
        self.content.key_id.as_deref()
    }

    /// Its `jti` claim.
    pub fn token_id(&self) -> Option<&str> {
        self.content.registered.token_id.as_deref()
    }

    /// When it expires.
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Its place in the request.
    pub const fn place(&self) -> &TokenPlace {
        &self.place
    }

    /// Every place where it was.
    pub fn places(&self) -> impl Iterator<Item = &TokenPlace> {
        std::iter::once(&self.place).chain(&self.copies)
    }

    /// Its binding to the peer.
    pub const fn binding(&self) -> Binding {
        self.binding
    }

    /// The proof that it came with, where it is bound to a key: it must not have been used before.
    pub(in crate::authn) const fn proof(&self) -> Option<&OneTimeUse> {
        self.proof.as_ref()
    }

    /// Itself, where its issuer's tokens work once.
    pub(in crate::authn) const fn single_use(&self) -> Option<&OneTimeUse> {
        self.single_use.as_ref()
    }
}

impl fmt::Debug for TokenIdentity {
    /// No claim: they are about people (P80).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIdentity")
            .field("issuer_name", &self.issuer_name())
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}
