//! What a record of a request does not hold: whatever depends on it cannot be told, and is never made up.
//!
//! Serving has no gaps. They come with whoever watches an evaluation, and all they can do is turn a result into *unknown*,
//! which never allows (P74).

/// Something that a rule may ask about and a record may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datum {
    /// The headers.
    Headers,
    /// The query of the path.
    Query,
    /// What the proxy's configuration attaches to the route.
    ContextExtensions,
    /// The names of the peer beside its SPIFFE ID and its subject.
    PeerNames,
    /// The `jti` of the token.
    TokenId,
    /// The claims of the token that have no place of their own in a record.
    TokenClaims,
}

/// What was not recorded of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gaps(&'static [Datum]);

// === impl Datum ===

impl Datum {
    /// What a record must hold for the claim at `pointer`.
    pub(in crate::policy) fn of_claim(pointer: &str) -> Option<Self> {
        match pointer {
            "/sub" | "/iss" => None,
            "/jti" => Some(Self::TokenId),
            _ => Some(Self::TokenClaims),
        }
    }

    /// What it is, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Query => "query",
            Self::ContextExtensions => "context extensions",
            Self::PeerNames => "the peer's DNS names, URIs and e-mail addresses",
            Self::TokenId => "the token's `jti`",
            Self::TokenClaims => "claims beyond `iss`, `sub`, `aud`, `exp`, client and scopes",
        }
    }
}

// === impl Gaps ===

impl Gaps {
    /// Nothing is missing.
    pub const NONE: Self = Self(&[]);

    /// What an audit record leaves out.
    pub const AUDIT_RECORD: Self = Self(&[
        Datum::Headers,
        Datum::Query,
        Datum::ContextExtensions,
        Datum::PeerNames,
        Datum::TokenId,
        Datum::TokenClaims,
    ]);

    /// Whether `datum` is missing.
    #[must_use]
    pub fn cover(self, datum: Datum) -> bool {
        self.0.contains(&datum)
    }

    /// Everything that is missing.
    #[must_use]
    pub const fn all(self) -> &'static [Datum] {
        self.0
    }
}
