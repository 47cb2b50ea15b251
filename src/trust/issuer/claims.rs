//! The claims that a `TokenIssuer` document lists, beside what it says of claims itself.

use super::compiler::IssuerCompiler;
use crate::document::{
    ClaimKind, ClaimPath, ClaimTypeSpec, ClaimTypes, ClaimWord, Code, KnownClaims, Spanned,
    standard_type,
};

impl IssuerCompiler<'_> {
    /// Finds claims that the document names and does not list, and types that no token has.
    pub(super) fn judge_claims(&mut self) {
        let (spec, name) = (self.spec, self.document.metadata.name.value.as_str());
        let Some((listed, types)) = spec.claims.as_ref().zip(ClaimTypes::of(spec)) else { return };
        for (claim, given) in &listed.value.0 {
            self.judge_standard(claim, given);
        }
        let known = KnownClaims(vec![(name, &types)]);
        for pointer in spec.required_claims.iter().flatten() {
            self.is_listed(pointer, &ClaimPath::pointer(&pointer.value), &known);
        }
        let named = spec.bind.as_ref().map(|bind| &bind.value.claim);
        for claim in spec.client_claim.iter().chain(named) {
            let path = ClaimPath::name_or_pointer(&claim.value);
            let Some(kind) = self.is_listed(claim, &path, &known) else { continue };
            if !matches!(kind, ClaimKind::Word(ClaimWord::String | ClaimWord::Any)) {
                let message = format!("the claim `{}` is {kind}, expected a text", claim.value);
                let help = "name a claim that is a text, or correct its type under `claims`";
                self.error(Code::InvalidValue, claim, &message, help);
            }
        }
    }

    fn is_listed(
        &mut self,
        place: &Spanned<String>,
        path: &ClaimPath<'_>,
        known: &KnownClaims<'_>,
    ) -> Option<ClaimKind> {
        let found = known.kind(path);
        found.map_err(|own| self.error(Code::UnknownClaim, place, &own.message, &own.help)).ok()
    }

    /// A token whose `sub` is no text is refused, whatever the document says.
    fn judge_standard(&mut self, claim: &Spanned<String>, given: &Spanned<ClaimTypeSpec>) {
        let Some(standard) = standard_type(&claim.value) else { return };
        let fits = match &given.value {
            ClaimTypeSpec::Members(_) => false,
            ClaimTypeSpec::Word(ClaimWord::Integer) => standard == ClaimWord::Number,
            ClaimTypeSpec::Word(word) => *word == standard || *word == ClaimWord::Any,
        };
        if !fits {
            let message = format!("the claim `{}` is `{standard}` by its standard", claim.value);
            let help = "remove it: claims of standards are known without being listed";
            self.error(Code::InvalidValue, given, &message, help);
        }
    }
}
