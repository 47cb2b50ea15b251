//! A token issuer: whose tokens are accepted, and under which rules.

use std::sync::Arc;
use std::time::Duration;

use crate::document::{
    BindingFloor, HumanDuration, IssuerName, IssuerProfile, TokenKind, TokenUse,
};
use crate::evidence_level::EvidenceLevel;
use crate::identity_map::IdentityMap;
use crate::request::TokenPlace;
use crate::trust::{Algorithm, DpopRules, Introspection, KeySet, RemoteKeys};

/// A compiled `TokenIssuer` document; one part of it, where tokens are verified in several ways.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The name of the document.
    pub name: String,
    /// The name of the part: that of the document, but for a tenant with keys of its own (`corp/acme`) and for tokens that are no
    /// JWTs beside those that are (`corp/introspection`).
    pub id: String,
    /// The profile of its tokens.
    pub profile: IssuerProfile,
    /// The `iss` of its tokens; for JWT-SVIDs the SPIFFE ID of the trust domain.
    pub iss: IssuerName,
    /// The audiences that are ours; empty only where every token that counts has none.
    pub audiences: Vec<String>,
    /// The clients whose tokens count without an audience.
    pub clients_without_audience: Vec<String>,
    /// The claim that names the client of a token with neither `client_id` nor `azp`.
    pub client_claim: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) types: Vec<String>,
    pub(super) kinds: Vec<TokenKind>,
    pub(super) access_marks: Vec<String>,
    /// How far its clock may be off.
    pub clock_skew: Duration,
    /// How long a token may live.
    pub max_lifetime: Duration,
    /// How long ago a token may have been issued.
    pub max_age: Option<Duration>,
    /// The places of its tokens.
    pub places: Vec<TokenPlace>,
    /// The weakest binding that its tokens may have.
    pub binding: BindingFloor,
    /// The binding of its tokens to the identity of their presenters, if there is one.
    pub bind: Option<TokenPeerBinding>,
    pub(super) token_use: TokenUse,
    /// The rules for proofs of possession of its tokens' keys.
    pub dpop: Arc<DpopRules>,
    /// Claims that every token has, by JSON pointer.
    pub required_claims: Vec<String>,
    pub(super) denied_keys: Vec<String>,
    /// The source of its keys.
    pub keys: KeySource,
}

/// The binding of a token to the identity on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPeerBinding {
    /// Which claim agrees with which name of the peer.
    pub map: IdentityMap,
    /// How much of the peer's certificate must have been shown.
    pub evidence: EvidenceLevel,
}

/// The source of an issuer's keys.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// They were in the document or beside it.
    Local(Arc<KeySet>),
    /// They have to be fetched.
    Remote(Arc<RemoteKeys>),
    /// There are none: the issuer is asked about each token.
    Introspected(Arc<Introspection>),
}

impl Issuer {
    /// True if tokens with this `iss` are its.
    pub(in crate::trust) fn is_called(&self, iss: Option<&str>) -> bool {
        self.profile != IssuerProfile::JwtSvid && iss.is_some_and(|iss| self.iss.is(iss))
    }

    /// True if a token with this `iss` may be its: that of a JWT-SVID says nothing.
    pub fn may_have_issued(&self, iss: &str) -> bool {
        self.profile == IssuerProfile::JwtSvid || self.is_called(Some(iss))
    }

    /// True if JWT-SVIDs with this `sub` are its.
    pub(in crate::trust) fn is_domain_of(&self, sub: Option<&str>) -> bool {
        self.profile == IssuerProfile::JwtSvid
            && sub
                .and_then(|sub| sub.strip_prefix(self.iss.as_str()))
                .is_some_and(|path| path.starts_with('/'))
    }

    /// The settings that its profile may have set, for people.
    pub fn settings(&self) -> String {
        let algorithms: Vec<_> = self.algorithms.iter().map(|own| own.as_str()).collect();
        let list = |name: &str, values: &str| match values {
            "" => String::new(),
            values => format!("{name} {values}; "),
        };
        format!(
            "{}{}{}maxLifetime {}",
            list("algorithms", &algorithms.join(", ")),
            list("types", &self.types.join(", ")),
            list("requiredClaims", &self.required_claims.join(", ")),
            HumanDuration::new(self.max_lifetime)
        )
    }

    /// True if it signs with `algorithm`.
    pub fn allows_algorithm(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// True if its tokens may have this `typ`; without one a token counts as `JWT`.
    pub fn allows_type(&self, token_type: Option<&str>) -> bool {
        let token_type = canonical_type(token_type.unwrap_or("JWT"));
        self.types.contains(&token_type)
    }

    /// True if tokens of this kind are accepted.
    pub fn makes(&self, kind: TokenKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// True if `word`, in lower case, marks an access token of its, beside the usual words.
    pub fn marks_access_by(&self, word: &str) -> bool {
        self.access_marks.iter().any(|mark| mark == word)
    }

    /// True if its tokens work once.
    pub fn is_once(&self) -> bool {
        self.token_use == TokenUse::Once
    }

    /// True if it has keys that are never to be used.
    pub const fn denies_keys(&self) -> bool {
        !self.denied_keys.is_empty()
    }

    /// True if the key `kid` is never to be used.
    pub fn denies_key(&self, kid: &str) -> bool {
        self.denied_keys.iter().any(|denied| denied == kid)
    }
}

/// A media type as it is compared: without case and without `application/` (RFC 7515 section 4.1.9).
pub(crate) fn canonical_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        Some(_) | None => lower,
    }
}
