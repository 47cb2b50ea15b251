//! Redirects that lead back to themselves, and words about tokens that another policy takes back.

use std::sync::Arc;

use crate::document::policy::{Effect, Mode};
use crate::document::{Code, RelativeDiagnostic, RelativeSpan};
use crate::policy::compile::compiled_policy::CompiledPolicy;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{AuthorityPattern, CustomAnswer, PathTemplate, PolicyTarget};

/// The access that allow rules give to a browser that is sent to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SignInAccess {
    /// No rule lets it in without a credential.
    Closed,
    /// One does, if no cookie of its is refused.
    Open,
    /// One does in any case.
    Wide,
}

/// Looks at where the policies send browsers, of which some may have a token in a cookie where `cookies` says so.
pub(in crate::policy) fn redirect_circles(
    policies: &[Arc<CompiledPolicy>],
    cookies: bool,
) -> Vec<(usize, RelativeDiagnostic)> {
    let mut lints = Vec::new();
    for (at, policy) in policies.iter().enumerate() {
        let rules = policy.rules.iter().zip(&policy.rules_at);
        let of_policy = policy.answer.iter().map(|own| (&own.answer, policy.name_at));
        let of_rules = rules.filter_map(|(rule, place)| Some((rule.answer.as_ref()?, *place)));
        let mut seen: Vec<&Arc<CustomAnswer>> = Vec::new();
        for (answer, place) in of_policy.chain(of_rules) {
            if seen.iter().any(|other| Arc::ptr_eq(other, answer)) {
                continue;
            }
            seen.push(answer);
            lints.extend(
                redirect_loop(policies, policy, (answer, place), cookies).map(|own| (at, own)),
            );
        }
    }
    lints
}

fn redirect_loop(
    policies: &[Arc<CompiledPolicy>],
    policy: &CompiledPolicy,
    (answer, place): (&CustomAnswer, RelativeSpan),
    cookies: bool,
) -> Option<RelativeDiagnostic> {
    let redirect = answer.redirect.as_ref()?;
    let own = |host: &str| policy.target.hosts.iter().any(|pattern| pattern.host.matches(host));
    let path = redirect.path_on(own)?;
    let landing = PathTemplate::parse(path).ok()?;
    let access = access(policies, &policy.target, &landing);
    let (message, help) = match access {
        SignInAccess::Wide => return None,
        SignInAccess::Open if !cookies => return None,
        SignInAccess::Open => (
            format!(
                "browsers whose cookie is refused are sent to `{path}`, where it is refused as well"
            ),
            "say `rejectedCookies: ignored` in the public rule for that path",
        ),
        SignInAccess::Closed => (
            format!(
                "browsers are sent to `{path}`, where no rule lets them in without a credential"
            ),
            "add an allow rule with `public: true` for that path, and `rejectedCookies: ignored` where tokens are in cookies",
        ),
    };
    Some(RelativeDiagnostic::warning(Code::RedirectCircle, place, message).help(help))
}

/// The widest access to `landing` at every host of `target`.
fn access(
    policies: &[Arc<CompiledPolicy>],
    target: &PolicyTarget,
    landing: &PathTemplate,
) -> SignInAccess {
    let accesses =
        policies.iter().filter(|policy| covers(&policy.target, target)).flat_map(|policy| {
            policy.rules.iter().filter(|rule| lets_in(rule, landing)).map(|rule| {
                if rule.ignores_rejected_cookies { SignInAccess::Wide } else { SignInAccess::Open }
            })
        });
    accesses.max().unwrap_or(SignInAccess::Closed)
}

fn covers(wide: &PolicyTarget, narrow: &PolicyTarget) -> bool {
    let covered = |host: &AuthorityPattern| is_among(host, wide);
    wide.hosts.is_empty() || (!narrow.hosts.is_empty() && narrow.hosts.iter().all(covered))
}

/// True if `wide` is about all that `narrow` is about at one of its hosts.
fn takes_in(wide: &PolicyTarget, narrow: &PolicyTarget) -> bool {
    wide.hosts.is_empty() || narrow.hosts.iter().any(|host| is_among(host, wide))
}

/// True if `target` is about every host that `host` names, in whatever form.
fn is_among(host: &AuthorityPattern, target: &PolicyTarget) -> bool {
    target.hosts.iter().any(|own| own.host == host.host || own.host.covers(&host.host))
}

/// Other requirements of the rule may hold or not; they are assumed to hold.
fn lets_in(rule: &Rule, landing: &PathTemplate) -> bool {
    rule.effect == Effect::Allow
        && rule.mode == Mode::Enforce
        && !rule.requirements.ask_for_identity()
        && (rule.methods.is_empty() || rule.methods.iter().any(|own| &**own == "GET"))
        && (rule.paths.is_empty() || rule.paths.iter().any(|own| own.covers(landing)))
}

/// Policies whose word on tokens another policy about the same host takes back.
pub(in crate::policy) fn tokens_not_ignored(
    policies: &[Arc<CompiledPolicy>],
) -> Vec<(usize, RelativeDiagnostic)> {
    if policies.iter().all(|policy| policy.target.counting.is_none()) {
        return Vec::new();
    }
    let silent: Vec<_> =
        policies.iter().filter(|policy| policy.target.counting.is_none()).collect();
    let vain = |(at, policy): (usize, &Arc<CompiledPolicy>)| {
        policy.target.counting.as_ref()?;
        let other = silent.iter().find(|other| takes_in(&other.target, &policy.target))?;
        let message = format!(
            "policy `{}` is about a host of this one and says nothing of `target.tokens`, so no token is ignored there",
            other.name
        );
        let help = "say the same in every policy about the host, or remove it here";
        Some((
            at,
            RelativeDiagnostic::warning(Code::TokensNotIgnored, policy.name_at, message).help(help),
        ))
    };
    policies.iter().enumerate().filter_map(vain).collect()
}
