//! Conditions over what the caller says about the connection. The proxy passes it on without a check: a caller over plain HTTP
//! may say `https`, and one on port 443 may write `:9999` behind the host.

use super::source_rule::SourceRule;
use crate::document::Code;
use crate::document::Diagnostic;
use crate::document::policy::Effect;
use crate::policy::compile::compiled_rule::Rule;

/// Each variable that the caller writes, and the trustworthy one beside it.
const CALLER_WRITTEN: [(&str, &str); 2] = [
    (
        "request.scheme",
        "write `connection.tls`, which the proxy reports (`include_tls_session`), or compare `connection.port`",
    ),
    ("request.authorityPort", "compare `connection.port`, or list `target.ports`"),
];

/// Each variable of the rule's condition that the caller chooses.
pub(super) fn of(written: &SourceRule<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let Some(condition) = rule.condition() else { return Vec::new() };
    let when = written.spec.when.as_ref().map(|when| written.origin.span(when));
    let named = written.spec.conditions.as_ref().map(|named| written.origin.span(named));
    let Some(place) = when.or(named) else { return Vec::new() };
    let names = condition.names();
    let read = CALLER_WRITTEN.iter().filter(|(name, _)| names.iter().any(|own| own == name));
    let lint = |(name, help): &(&str, &str)| {
        let rule = &rule.name.rule;
        let lint = match written.spec.effect.value {
            Effect::Deny => Diagnostic::warning(
                Code::CallersWordInDeny,
                place.clone(),
                format!(
                    "every caller can get past deny rule `{rule}`: the caller writes `{name}`, and the proxy does not compare it with the connection"
                ),
            ),
            Effect::Allow => Diagnostic::warning(
                Code::CallersWord,
                place.clone(),
                format!(
                    "rule `{rule}` trusts the caller: the caller writes `{name}`, and the proxy does not compare it with the connection"
                ),
            ),
        };
        lint.help(*help)
    };
    read.map(lint).collect()
}
