//! The condition of a rule: compiled for what the rule asks for, with each fault at its place in the text.

use super::compiler::PolicyCompiler;
use crate::document::policy::RuleSpec;
use crate::document::{Code, Spanned};
use crate::policy::model::PathTemplate;
use crate::policy::requirement::condition::{Condition, ConditionScope};

impl<'a> PolicyCompiler<'a, '_> {
    /// `conditions` and `when` as one: all of them must hold.
    pub(super) fn condition(
        &mut self,
        spec: &'a RuleSpec,
        paths: &[PathTemplate],
    ) -> Option<Condition> {
        let before = self.problems.len();
        let captures = captured_by_all(paths);
        let (token, peer) = (spec.token.is_some(), spec.peer.is_some());
        let asked = spec.token.as_ref().and_then(|token| token.value.issuer.as_ref());
        let asked: Vec<_> = asked.into_iter().flat_map(Spanned::names).collect();
        let issuers = self.names.values_of_iss(&asked);
        let (sealed, domains, issuers) = (self.sealed, self.names.domains, &*issuers);
        let claims = self.known_claims(spec.token.as_ref().map(|token| &token.value));
        let claims = claims.as_ref();
        let scope = ConditionScope {
            token,
            peer,
            captures: &captures,
            has_paths: true,
            sealed,
            domains,
            issuers,
            claims,
        };
        let own =
            spec.when.as_ref().map(|text| (text.value.clone(), self.own_condition(text, scope)));
        let Some(names) = &spec.conditions else { return own.and_then(|(_, compiled)| compiled) };
        self.not_empty(names, "conditions");
        let mut parts = Vec::new();
        for name in &names.value {
            let text = self.named_condition(name)?;
            self.fits(name, &text, scope);
            parts.push(text);
        }
        parts.extend(own.map(|(text, _)| text));
        match Condition::compile(&all_of(&parts), scope) {
            Ok(condition) => Some(condition),
            Err(_) => {
                let message = "the conditions of the rule are too large together";
                let help = "split the rule, or use the keys of the rule instead";
                // An error in one of them is already reported at its place.
                if self.problems.len() == before {
                    self.error_with(Code::InvalidCondition, names, message, help);
                }
                None
            }
        }
    }

    fn own_condition(
        &mut self,
        text: &Spanned<String>,
        scope: ConditionScope<'_>,
    ) -> Option<Condition> {
        let whole = self.origin.span(text);
        let compiled = Condition::compile(&text.value, scope).map_err(|faults| {
            let problems = faults.into_iter().map(|fault| fault.diagnostic(&text.value, &whole));
            self.problems.extend(problems);
        });
        compiled.ok()
    }

    /// Checks that a condition that is right by itself speaks of nothing that this rule does not have.
    fn fits(&mut self, name: &Spanned<String>, text: &str, scope: ConditionScope<'_>) {
        let Err(faults) = Condition::compile(text, scope) else { return };
        for fault in faults {
            let message =
                format!("condition `{}` does not fit this rule: {}", name.value, fault.message);
            self.report(name, (fault.code, message, fault.help));
        }
    }
}

/// Each in brackets of its own, on lines of their own: a comment ends with its line.
fn all_of(parts: &[String]) -> String {
    parts.iter().map(|part| format!("({part}\n)")).collect::<Vec<_>>().join(" && ")
}

fn captured_by_all(paths: &[PathTemplate]) -> Vec<&str> {
    let Some((first, rest)) = paths.split_first() else { return Vec::new() };
    first
        .captures()
        .filter(|name| rest.iter().all(|path| path.captures().any(|n| n == *name)))
        .collect()
}
