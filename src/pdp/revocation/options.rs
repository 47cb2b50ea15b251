//! The settings of revocation while servers run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::HumanDuration;

/// The treatment of requests until a server that has just started has read the revocations in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BeforeFirstSync {
    /// Those with a credential are refused.
    #[default]
    Deny,
    /// They are decided without it.
    Allow,
    /// They are decided by the state folder, if it was read from the store within this time. Otherwise they are refused.
    LastKnown(HumanDuration),
}

/// The settings of revocation while servers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RevocationOptions {
    /// The treatment of requests until the shared store was read for the first time.
    pub before_first_sync: BeforeFirstSync,
}
