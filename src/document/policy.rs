//! The shape of `kind: Policy`.

use serde::Deserialize;

/// What a `Policy` document says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {}
