//! The kinds of documents.

use crate::words::words;

words! {
    /// The word after `kind:`.
    pub enum Kind {
        /// Rules.
        Policy "Policy",
        /// Parts of rules that several rules share.
        Fragments "Fragments",
        /// How client certificates of a trust domain are verified.
        TrustDomain "TrustDomain",
        /// How tokens of an issuer are verified.
        TokenIssuer "TokenIssuer",
        /// Tokens, keys, certificates and workloads that are revoked.
        RevocationList "RevocationList",
        /// Test cases for policies.
        PolicySuite "PolicySuite",
    }
}

impl Kind {
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
}
