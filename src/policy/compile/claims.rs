//! The claims that policies name, beside those that the issuers of a rule list.

use super::compiler::{CompileProblem, PolicyCompiler, check_pointer};
use crate::document::policy::{ClaimSpec, RuleSpec, TokenSpec};
use crate::document::{
    BindSpec, ClaimKind, ClaimPath, ClaimWord, Code, Diagnostic, KnownClaims, Spanned,
};
use crate::policy::model::Scalar;
use crate::policy::requirement::list::Member as _;
use crate::policy::requirement::token::TokenPresent;

impl<'p> PolicyCompiler<'_, 'p> {
    /// The claims of the tokens that `token` of a rule may ask for; none where one of their issuers does not list them.
    pub(super) fn known_claims(&self, token: Option<&TokenSpec>) -> Option<KnownClaims<'p>> {
        let token = token?;
        let own: Vec<&str> = token.issuer.iter().flat_map(Spanned::names).collect();
        if !own.is_empty() {
            return self.names.known_claims(&own);
        }
        let fragments = self.fragments;
        let name = token.fragment.as_ref().map(|name| name.value.as_str());
        let fragment = name.and_then(|name| fragments.tokens.get(name)?.as_ref());
        let asked = fragment.into_iter().flatten().find_map(TokenPresent::of);
        let names: Vec<&str> =
            asked.iter().flat_map(|own| own.0.iter()).map(|name| &**name).collect();
        self.names.known_claims(&names).filter(|_| !names.is_empty())
    }

    /// Checks what a token of a rule or a fragment says of claims.
    pub(super) fn claims_are_known(&mut self, token: &TokenSpec) {
        let Some(known) = self.known_claims(Some(token)) else { return };
        for claim in token.claims.iter().flat_map(|claims| &claims.value) {
            self.claim_is_known(&claim.value, &known);
        }
        if let Some(bind) = &token.bind {
            self.bind_is_known(&bind.value, &known);
        }
    }

    fn claim_is_known(&mut self, claim: &ClaimSpec, known: &KnownClaims<'_>) {
        let ClaimSpec { pointer, equals, one_of, contains, exists: _ } = claim;
        if check_pointer(&pointer.value).is_err() {
            return;
        }
        let path = ClaimPath::pointer(&pointer.value);
        let kind = match known.kind(&path) {
            Ok(kind) => kind,
            Err(unknown) => {
                let problem = (Code::UnknownClaim, unknown.message, Some(unknown.help));
                return self.report(pointer, problem);
            }
        };
        let single = equals.iter().chain(one_of.iter().flat_map(|values| &values.value));
        let single = single.map(|value| (value, false));
        for (value, in_list) in single.chain(contains.iter().map(|value| (value, true))) {
            let Some(scalar) = Scalar::read(&value.value) else { continue };
            if let Some(problem) = never(&path, kind, &scalar, in_list) {
                self.report(value, problem);
            }
        }
    }

    fn bind_is_known(&mut self, bind: &BindSpec, known: &KnownClaims<'_>) {
        match known.kind(&ClaimPath::name_or_pointer(&bind.claim.value)) {
            Ok(ClaimKind::Word(ClaimWord::String | ClaimWord::Any)) => {}
            Ok(kind) => {
                let message = format!("`{}` is {kind}, and names no peer", bind.claim.value);
                self.error_with(
                    Code::InvalidBind,
                    &bind.claim,
                    message,
                    "name a claim that is a text",
                );
            }
            Err(unknown) => {
                self.error_with(Code::UnknownClaim, &bind.claim, unknown.message, unknown.help);
            }
        }
    }

    /// Checks a claim that a template of a rule names.
    pub(super) fn template_claim_is_known(
        &mut self,
        pointer: &str,
        place: &Spanned<String>,
        rule: &RuleSpec,
    ) {
        let Some(known) = self.known_claims(rule.token.as_ref().map(|token| &token.value)) else {
            return;
        };
        let Err(unknown) = known.kind(&ClaimPath::pointer(pointer)) else { return };
        let at = place.value.find(pointer).unwrap_or_default();
        let part = at..at.saturating_add(pointer.len());
        let span = self.origin.span(place).part(&place.value, part);
        let problem = Diagnostic::error(Code::UnknownClaim, span, unknown.message);
        self.problems.push(problem.help(unknown.help));
    }
}

/// Why a claim of this kind never has the value that it is compared with.
fn never(
    path: &ClaimPath<'_>,
    kind: ClaimKind,
    value: &Scalar,
    in_list: bool,
) -> Option<CompileProblem> {
    let ClaimKind::Word(word) = kind else {
        let message = format!("the claim `{path}` is a mapping, and is compared with no value");
        return Some((Code::InvalidValue, message, Some(String::from("name one of its members"))));
    };
    let fits = match word {
        ClaimWord::Any => true,
        ClaimWord::String => matches!(value, Scalar::Text(_)),
        ClaimWord::Integer | ClaimWord::Number => matches!(value, Scalar::Int(_)),
        ClaimWord::Boolean => matches!(value, Scalar::Bool(_)),
        ClaimWord::Strings => in_list && matches!(value, Scalar::Text(_)),
    };
    let help = match word {
        ClaimWord::Strings => "ask for an element of it with `contains`, as a text",
        ClaimWord::Any | ClaimWord::String => "write a text, in quotes where YAML needs them",
        ClaimWord::Integer | ClaimWord::Number => "write a number, without quotes",
        ClaimWord::Boolean => "write `true` or `false`, without quotes",
    };
    let message = format!("the claim `{path}` is {kind}, and is never equal to {}", value.kind());
    (!fits).then(|| (Code::InvalidValue, message, Some(help.to_owned())))
}
