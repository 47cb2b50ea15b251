//! The shape of `kind: Fragments`: what several rules ask for, written once.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Entries;
use super::policy::{PeerSpec, TokenSpec};

/// What a `Fragments` document says. Names are unique among all documents of the kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FragmentsSpec {
    /// Peers, by the names that rules `use` under `peer`.
    pub peers: Option<Entries<PeerSpec>>,
    /// Tokens, by the names that rules `use` under `token`.
    pub tokens: Option<Entries<TokenSpec>>,
    /// Conditions in CEL, by the names that rules list under `conditions`.
    pub conditions: Option<Entries<String>>,
}
