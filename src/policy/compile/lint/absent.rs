//! Deny rules whose condition reads a header that a request need not have. An absent header makes the condition unknown, and an
//! unknown condition denies: such a rule closes its hosts to every request without the header.

use super::source_rule::SourceRule;
use crate::document::Code;
use crate::document::Diagnostic;
use crate::document::policy::Effect;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::HeaderMatcher;

/// The first header that a deny rule reads without asking whether it is there.
pub(super) fn of(written: &SourceRule<'_>, rule: &Rule) -> Option<Diagnostic> {
    let condition = rule.condition().filter(|_| rule.effect == Effect::Deny)?;
    let text: String = condition.as_str().chars().filter(|c| !c.is_whitespace()).collect();
    // A rule against what is other than it should be may well mean what is absent, too.
    if text.contains('!') {
        return None;
    }
    let text = text.replace('\'', "\"").to_ascii_lowercase();
    let is_asked_for = |name: &str| {
        let by_key = rule.requirements.each::<HeaderMatcher>().any(|own| *own.name == *name);
        by_key || text.contains(&format!("\"{name}\"inrequest.headers")) || text.contains("has(")
    };
    let name = condition.headers().find(|name| !is_asked_for(name))?;
    let when = written.spec.when.as_ref().map(|when| written.origin.span(when));
    let named = written.spec.conditions.as_ref().map(|named| written.origin.span(named));
    let message = format!(
        "deny rule `{}` denies requests without the header `{name}` as well: a condition on an absent header is unknown, and unknown denies",
        rule.name.rule
    );
    Some(Diagnostic::warning(Code::DeniesWithout, when.or(named)?, message).help(format!(
        "use `headers: [{{ name: {name}, any: {{ equals: .. }} }}]`, or begin the condition with `\"{name}\" in request.headers &&`"
    )))
}
