//! The shape of `kind: Fragments`: requirements that several rules share.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Entries;
use super::policy::{PeerSpec, TokenSpec};

/// The spec of a `Fragments` document. Names are unique among all documents of the kind.
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
