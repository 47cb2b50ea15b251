//! The shape of `kind: TrustDomain`.

use serde::Deserialize;

use super::Source;

/// What a `TrustDomain` document says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustDomainSpec {}

// === impl TrustDomainSpec ===

impl TrustDomainSpec {
    /// Everything the document points to or holds inline.
    #[must_use]
    pub fn sources(&self) -> Vec<&Source> {
        Vec::new()
    }
}
