//! Rules that ask in their condition for a request that their own target leaves out: no request can meet both.

use super::source_rule::SourceRule;
use crate::document::Code;
use crate::document::Diagnostic;
use crate::policy::compile::compiled_rule::Rule;

/// The values that a condition demands and no request of the rule's target has.
pub(super) fn out_of_reach(written: &SourceRule<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let (Some(condition), Some(text)) = (rule.condition(), &written.spec.when) else {
        return Vec::new();
    };
    let place = written.origin.span(text);
    let lint = |(name, value): (String, String)| {
        let reached = reached(written, rule, &name, &value)?;
        let message = format!(
            "rule `{}` is never reached: its target has no request with `{name}` `{value}`",
            rule.name.rule
        );
        let problem =
            Diagnostic::warning(Code::OutOfReach, place.part(&value, 0..value.len()), message);
        Some(problem.help(format!("the rule is about {reached}")))
    };
    condition.required_values().into_iter().filter_map(lint).collect()
}

/// The values that the rule is about in respect of the variable `name`, if `value` is not among them.
fn reached(written: &SourceRule<'_>, rule: &Rule, name: &str, value: &str) -> Option<String> {
    let hosts = &written.target.hosts;
    let (unreachable, about): (bool, Vec<String>) = match name {
        "request.host" if !hosts.is_empty() => {
            let texts = written.policy.target.value.hosts.iter().flat_map(|hosts| &hosts.value);
            let about = texts.map(|host| host.value.clone()).collect();
            // Hosts are compared in lower case.
            let odd = value.contains(char::is_uppercase);
            (odd || !hosts.iter().any(|host| host.host.matches(value)), about)
        }
        "request.method" if !rule.methods.is_empty() => {
            let about = rule.methods.iter().map(ToString::to_string).collect();
            (!rule.methods.iter().any(|method| **method == *value), about)
        }
        "connection.port" if !rule.target.ports.is_empty() => {
            let about = rule.target.ports.iter().map(ToString::to_string).collect::<Vec<_>>();
            (!about.iter().any(|port| port == value), about)
        }
        _ => return None,
    };
    unreachable.then(|| about.join(", "))
}
