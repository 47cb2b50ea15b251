//! The kinds of documents.

use std::fmt;

/// The word after `kind:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Rules.
    Policy,
    /// Parts of rules that several rules share.
    Fragments,
    /// How client certificates of a trust domain are verified.
    TrustDomain,
    /// How tokens of an issuer are verified.
    TokenIssuer,
    /// Tokens, keys, certificates and workloads that are revoked.
    RevocationList,
    /// Test cases for policies.
    PolicySuite,
}

impl Kind {
    /// Every kind, in the order of the reference.
    pub const ALL: [Self; 6] = [
        Self::Policy,
        Self::Fragments,
        Self::TrustDomain,
        Self::TokenIssuer,
        Self::RevocationList,
        Self::PolicySuite,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "Policy",
            Self::Fragments => "Fragments",
            Self::TrustDomain => "TrustDomain",
            Self::TokenIssuer => "TokenIssuer",
            Self::RevocationList => "RevocationList",
            Self::PolicySuite => "PolicySuite",
        }
    }

    /// The purpose of such documents, for the reference.
    pub(super) const fn purpose(self) -> &'static str {
        match self {
            Self::Policy => "Which callers may do what.",
            Self::Fragments => "Requirements that several rules share, written once.",
            Self::TrustDomain => "How client certificates of a trust domain are verified.",
            Self::TokenIssuer => "How tokens of an issuer are verified.",
            Self::RevocationList => {
                "Tokens, sessions, clients, keys, certificates and workloads that are revoked."
            }
            Self::PolicySuite => "Test cases for policies.",
        }
    }

    /// The kind with this name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
