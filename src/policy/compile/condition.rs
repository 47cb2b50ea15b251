//! The condition of a rule: compiled for what the rule asks for, with each fault at its place in the text.

use super::Compiler;
use crate::document::Diagnostic;
use crate::document::policy::RuleSpec;
use crate::policy::condition::{Condition, Scope};
use crate::policy::path::PathTemplate;

impl Compiler<'_, '_> {
    pub(super) fn condition(
        &mut self,
        spec: &RuleSpec,
        paths: &[PathTemplate],
    ) -> Option<Condition> {
        let text = spec.when.as_ref()?;
        let captures = captured_by_all(paths);
        let (token, peer) = (spec.token.is_some(), spec.peer.is_some());
        let scope = Scope { token, peer, captures: &captures, sealed: self.sealed };
        match Condition::compile(&text.value, scope) {
            Ok(condition) => Some(condition),
            Err(faults) => {
                let whole = self.origin.span(text);
                self.problems.extend(faults.into_iter().map(|fault| Diagnostic {
                    help: fault.help,
                    ..Diagnostic::error(
                        "invalid-condition",
                        whole.part(&text.value, fault.at),
                        fault.message,
                    )
                }));
                None
            }
        }
    }
}

fn captured_by_all(paths: &[PathTemplate]) -> Vec<&str> {
    let Some((first, rest)) = paths.split_first() else { return Vec::new() };
    first
        .captures()
        .filter(|name| rest.iter().all(|path| path.captures().any(|n| n == *name)))
        .collect()
}
