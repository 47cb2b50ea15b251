//! How revocation while servers run is set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::HumanDuration;

/// What becomes of requests as long as a server that has just started could not read from the store what was revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BeforeFirstSync {
    /// Those with a credential are refused.
    #[default]
    Deny,
    /// They are decided without it.
    Allow,
    /// They are decided by what the state folder has, where that was read from the store no longer ago than this. Else they
    /// are refused.
    LastKnown(HumanDuration),
}

/// How revocation while servers run works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RevocationOptions {
    /// What becomes of requests until the shared store was read for the first time.
    pub before_first_sync: BeforeFirstSync,
}
