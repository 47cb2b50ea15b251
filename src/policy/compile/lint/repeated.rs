//! Rules that say what another one says: one of the two is a copy that was to be changed, or can go.

use std::collections::HashMap;
use std::sync::Arc;

use crate::document::Code;
use crate::document::RelativeDiagnostic;
use crate::policy::compile::compiled_policy::CompiledPolicy;
use crate::policy::compile::compiled_rule::Rule;
use crate::secret::Fingerprint;

/// The fingerprint of a rule: everything it says but its name, its annotations and its answer to callers that it denies.
pub(in crate::policy) fn print(rule: &Rule) -> Fingerprint {
    let Rule {
        name: _,
        annotations: _,
        answer: _,
        effect,
        mode,
        target,
        methods,
        paths,
        requirements,
        ignores_rejected_cookies,
        obligations,
    } = rule;
    let about = (effect, mode, target, methods, paths);
    let rest = (requirements, ignores_rejected_cookies, obligations);
    Fingerprint::of(format!("{about:?} {rest:?}").as_bytes())
}

/// Every rule that repeats an earlier one. Each lint comes with the position of its policy.
pub(super) fn repeated(policies: &[Arc<CompiledPolicy>]) -> Vec<(usize, RelativeDiagnostic)> {
    let (mut first, mut lints) = (HashMap::new(), Vec::new());
    for (at, policy) in policies.iter().enumerate() {
        for ((rule, print), place) in policy.rules.iter().zip(&policy.prints).zip(&policy.rules_at)
        {
            let Some(other) = first.insert(print, rule) else { continue };
            let message = format!(
                "rule `{}` says what rule `{}` of policy `{}` says",
                rule.name.rule, other.name.rule, other.name.policy
            );
            let help = "remove one of the two, or change what was to be different";
            lints.push((
                at,
                RelativeDiagnostic::warning(Code::RepeatedRule, *place, message).help(help),
            ));
        }
    }
    lints
}
