//! The shape of `bind`: which claim of a token must agree with which name of its presenter.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;
use crate::evidence_level::EvidenceLevel;

/// Binds a token to the identity of the peer, independent of the peer's current certificate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BindSpec {
    /// The claim: its name, or a JSON pointer (RFC 6901) such as `/act/sub`.
    pub claim: Spanned<String>,
    /// The form of the claim, such as `{ns}/{client}`. Unset: it is one piece.
    pub form: Option<Spanned<String>>,
    /// The name of the peer that is compared: `peer.spiffe`, `peer.dns` or `peer.uri`.
    pub to: Spanned<String>,
    /// The name that the peer must have, with the pieces of the claim in it. Unset: the claim is the name.
    pub map: Option<Spanned<String>>,
    /// The lowest level of evidence for the peer. Default: `hash`.
    pub evidence: Option<EvidenceLevel>,
}

impl BindSpec {
    /// The field called `name`, for a message about it.
    pub fn field(&self, name: &str) -> &Spanned<String> {
        let field = match name {
            "form" => self.form.as_ref(),
            "to" => Some(&self.to),
            "map" => self.map.as_ref(),
            _ => None,
        };
        field.unwrap_or(&self.claim)
    }
}
