//! Data that the record of a request lacks. Whatever depends on it cannot be determined, and is never made up.
//!
//! Serving lacks nothing. Only the trace of an evaluation says what is missing, and that can only turn a result into *unknown*,
//! which never allows (P74).

/// Data that a rule may look at and a record may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordField {
    /// The headers.
    Headers,
    /// The query of the path.
    Query,
    /// The parameters that the proxy's configuration attaches to the route.
    ContextExtensions,
    /// The names of the peer beside its SPIFFE ID and its subject.
    PeerNames,
    /// The `jti` of the token.
    TokenId,
    /// The claims of the token that have no place of their own in a record.
    TokenClaims,
}

/// The data that the record of a request lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingData(&'static [RecordField]);

impl RecordField {
    /// The data that a record must hold for the claim at `pointer`.
    pub(in crate::policy) fn of_claim(pointer: &str) -> Option<Self> {
        match pointer {
            "/sub" | "/iss" => None,
            "/jti" => Some(Self::TokenId),
            _ => Some(Self::TokenClaims),
        }
    }

    /// Its name, in words.
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

impl MissingData {
    /// Nothing is missing.
    pub const NONE: Self = Self(&[]);

    /// The data that an audit record lacks.
    pub const AUDIT_RECORD: Self = Self(&[
        RecordField::Headers,
        RecordField::Query,
        RecordField::ContextExtensions,
        RecordField::PeerNames,
        RecordField::TokenId,
        RecordField::TokenClaims,
    ]);

    /// Whether `field` is missing.
    pub fn covers(self, field: RecordField) -> bool {
        self.0.contains(&field)
    }

    /// Whether the claim at `pointer` is missing.
    pub(in crate::policy) fn covers_claim(self, pointer: &str) -> bool {
        RecordField::of_claim(pointer).is_some_and(|field| self.covers(field))
    }

    /// Everything that is missing.
    pub const fn all(self) -> &'static [RecordField] {
        self.0
    }
}
