//! Data that the record of a request lacks. Whatever depends on it cannot be determined, and is never made up.
//!
//! Serving lacks nothing. Only the trace of an evaluation says what is missing, and that can only turn a result into *unknown*,
//! which never allows (P74).

use crate::words::words;

words! {
    /// Data that a rule may look at and a record may lack.
    pub enum RecordField {
        /// The headers.
        Headers "headers",
        /// The query of the path.
        Query "query",
        /// The parameters that the proxy's configuration attaches to the route.
        ContextExtensions "context extensions",
        /// The names of the peer beside its SPIFFE ID and its subject.
        PeerNames "the peer's DNS names, URIs and e-mail addresses",
        /// The `jti` of the token.
        TokenId "the token's `jti`",
        /// The claims of the token that have no place of their own in a record.
        TokenClaims "claims beyond `iss`, `sub`, `aud`, `exp`, client and scopes",
    }
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
}

impl MissingData {
    /// Nothing is missing.
    pub const NONE: Self = Self(&[]);

    /// The data that an audit record lacks.
    pub const AUDIT_RECORD: Self = Self(&RecordField::ALL);

    /// True if `field` is missing.
    pub fn covers(self, field: RecordField) -> bool {
        self.0.contains(&field)
    }

    /// True if the claim at `pointer` is missing.
    pub(in crate::policy) fn covers_claim(self, pointer: &str) -> bool {
        RecordField::of_claim(pointer).is_some_and(|field| self.covers(field))
    }

    /// Everything that is missing.
    pub const fn all(self) -> &'static [RecordField] {
        self.0
    }
}
