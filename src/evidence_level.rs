//! How much of its certificate a caller presented.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// The evidence behind a peer identity, weakest first: a rule that asks for one level accepts any stronger one.
    #[derive(Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
    #[serde(rename_all = "lowercase")]
    pub enum EvidenceLevel {
        /// A name only, vouched for by the proxy: XFCC `URI` or `source.principal`.
        #[value(help = "A name")]
        Asserted "asserted",
        /// The SHA-256 of the leaf certificate with the name: what a default Istio sidecar sends.
        #[value(help = "The SHA-256 of the certificate")]
        Hash "hash",
        /// The leaf certificate itself, verified against the pinned authorities with configured intermediates.
        #[default]
        #[value(help = "The certificate")]
        Leaf "leaf",
        /// The leaf with the chain that was presented with it, verified against the pinned authorities.
        #[value(help = "The certificate with its chain")]
        Full "full",
    }
}
