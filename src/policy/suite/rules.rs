//! The rules that cases expect: each is one of a policy.

use std::sync::Arc;

use super::case::{ExpectedRule, Suite};
use crate::document::{Code, Diagnostic, closest};
use crate::policy::PolicySet;

impl Suite {
    /// A case that expects a rule which `policies` do not have can never pass. Every problem goes to `problems`.
    pub fn check_rules(&self, policies: &PolicySet, problems: &mut Vec<Diagnostic>) {
        let mut seen = None;
        for case in &self.cases {
            // Combinations of one case share what they expect.
            let is_seen =
                seen.replace(&case.expect).is_some_and(|own| Arc::ptr_eq(own, &case.expect));
            if let Some(expected) = case.expect.rule.as_ref().filter(|_| !is_seen) {
                problems.extend(expected.problem(policies));
            }
        }
    }
}

impl ExpectedRule {
    /// The problem that no rule has this name.
    fn problem(&self, policies: &PolicySet) -> Option<Diagnostic> {
        if policies.rules().any(|(rule, ..)| self.is(rule)) {
            return None;
        }
        let message = format!("no rule is called `{}`", self.name);
        let problem = Diagnostic::error(Code::UnknownRule, self.place.clone(), message);
        Some(match self.nearest(policies) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("write the name of a rule, or `policy/rule`".to_owned()),
        })
    }

    /// The name that is meant, in the form that this one has.
    fn nearest(&self, policies: &PolicySet) -> Option<String> {
        let names = || policies.rules().map(|(rule, ..)| rule);
        let Some((_, own)) = self.name.split_once('/') else {
            let all: Vec<_> = names().map(|name| &*name.rule).collect();
            return closest(&self.name, &all).map(str::to_owned);
        };
        let all: Vec<_> = names().map(ToString::to_string).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let elsewhere = || names().find(|name| *name.rule == *own).map(ToString::to_string);
        closest(&self.name, &all).map(str::to_owned).or_else(elsewhere)
    }
}
