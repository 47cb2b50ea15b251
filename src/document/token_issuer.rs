//! The shape of `kind: TokenIssuer`.

use serde::Deserialize;

use super::Source;

/// What a `TokenIssuer` document says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenIssuerSpec {}

// === impl TokenIssuerSpec ===

impl TokenIssuerSpec {
    /// Everything the document points to or holds inline.
    #[must_use]
    pub fn sources(&self) -> Vec<&Source> {
        Vec::new()
    }
}
