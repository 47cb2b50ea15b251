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
        /// The subject of a token, which the settings may keep out of records.
        TokenSubject "the token's subject",
        /// The client of a token.
        TokenClient "the token's client",
        /// The audiences of a token.
        TokenAudiences "the token's audiences",
        /// The scopes of a token.
        TokenScopes "the token's scopes",
        /// The server name, or that there was none.
        ServerName "the server name (SNI)",
        /// The trust domains that issued the peer's certificate and do not vouch for it.
        UnsureTrustDomains "the trust domains that share the peer's authority",
        /// The addresses of the client and of the connection.
        Addresses "the addresses of the client and of the connection",
        /// The moment.
        Time "the time",
        /// The signals about a token.
        TokenSignals "the signals about the token",
    }
}

/// The data that the record of a request lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingData(u16);

impl RecordField {
    /// The data that a record must hold for the claim at `pointer`.
    pub(in crate::policy) fn of_claim(pointer: &str) -> Option<Self> {
        match pointer {
            "/iss" => None,
            "/sub" => Some(Self::TokenSubject),
            "/jti" => Some(Self::TokenId),
            _ => Some(Self::TokenClaims),
        }
    }

    const fn bit(self) -> u16 {
        match self {
            Self::Headers => 1,
            Self::Query => 1 << 1,
            Self::ContextExtensions => 1 << 2,
            Self::PeerNames => 1 << 3,
            Self::TokenId => 1 << 4,
            Self::TokenClaims => 1 << 5,
            Self::TokenSubject => 1 << 6,
            Self::TokenClient => 1 << 7,
            Self::TokenAudiences => 1 << 8,
            Self::TokenScopes => 1 << 9,
            Self::ServerName => 1 << 10,
            Self::UnsureTrustDomains => 1 << 11,
            Self::Addresses => 1 << 12,
            Self::Time => 1 << 13,
            Self::TokenSignals => 1 << 14,
        }
    }
}

impl MissingData {
    /// Nothing is missing.
    pub const NONE: Self = Self(0);

    /// The data that every audit record lacks. A record may lack more.
    pub const AUDIT_RECORD: Self = Self::NONE
        .and(RecordField::Headers)
        .and(RecordField::Query)
        .and(RecordField::ContextExtensions)
        .and(RecordField::PeerNames)
        .and(RecordField::TokenId)
        .and(RecordField::TokenClaims);

    /// The data that a question lacks which says who asks, and for which method, host and path.
    pub const BESIDE_CALLER: Self = Self::NONE
        .and(RecordField::Headers)
        .and(RecordField::Query)
        .and(RecordField::ContextExtensions)
        .and(RecordField::ServerName)
        .and(RecordField::Addresses)
        .and(RecordField::Time)
        .and(RecordField::TokenSignals);

    /// The same, and `field` is missing as well.
    #[must_use]
    pub const fn and(self, field: RecordField) -> Self {
        Self(self.0 | field.bit())
    }

    /// True if `field` is missing.
    pub const fn covers(self, field: RecordField) -> bool {
        self.0 & field.bit() != 0
    }

    /// True if the claim at `pointer` is missing.
    pub(in crate::policy) fn covers_claim(self, pointer: &str) -> bool {
        RecordField::of_claim(pointer).is_some_and(|field| self.covers(field))
    }

    /// Everything that is missing.
    pub fn all(self) -> impl Iterator<Item = RecordField> {
        RecordField::ALL.into_iter().filter(move |field| self.covers(*field))
    }
}
