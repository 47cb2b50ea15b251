//! How much of its certificate a caller presented.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The evidence behind a peer identity, weakest first: a rule that asks for one level accepts any stronger one.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Serialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceLevel {
    /// A name only, vouched for by the proxy: XFCC `URI` or `source.principal`.
    #[value(help = "A name")]
    Asserted,
    /// The SHA-256 of the leaf certificate with the name: what a default Istio sidecar sends.
    #[value(help = "The SHA-256 of the certificate")]
    Hash,
    /// The leaf certificate itself, verified against the pinned authorities with configured intermediates.
    #[default]
    #[value(help = "The certificate")]
    Leaf,
    /// The leaf with the chain that was presented with it, verified against the pinned authorities.
    #[value(help = "The certificate with its chain")]
    Full,
}

impl EvidenceLevel {
    /// All levels, weakest first.
    pub const ALL: [Self; 4] = [Self::Asserted, Self::Hash, Self::Leaf, Self::Full];

    /// The word used in documents, audit records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asserted => "asserted",
            Self::Hash => "hash",
            Self::Leaf => "leaf",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for EvidenceLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
