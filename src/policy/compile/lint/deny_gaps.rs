//! Deny rules that leave open what many upstreams take for the same: `/admin/` and `/Admin` beside `/admin`, `HEAD` beside
//! `GET`. Paths and methods are compared exactly here, and an allow rule that is wider lets the others through.

use std::collections::HashMap;
use std::sync::Arc;

use crate::document::policy::{Effect, Mode};
use crate::document::{Code, RelativeDiagnostic, RelativeSpan};
use crate::policy::compile::compiled_policy::CompiledPolicy;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{HostPattern, PathTemplate, PolicyTarget};
use crate::request::parent_of;

/// How many of the paths that are left open are named.
const SHOWN: usize = 3;

/// Compares every deny rule with the allow rules for its hosts. Each lint comes with the position of its policy.
pub(super) fn left_open(policies: &[Arc<CompiledPolicy>]) -> Vec<(usize, RelativeDiagnostic)> {
    let (denies, allows) =
        (RulesByHost::of(policies, Effect::Deny), RulesByHost::of(policies, Effect::Allow));
    if denies.is_empty() || allows.is_empty() {
        return Vec::new();
    }
    let mut lints = Vec::new();
    for (at, policy) in policies.iter().enumerate() {
        let rules = policy.rules.iter().zip(&policy.rules_at);
        for (rule, place) in rules.filter(|(rule, _)| counts(rule, Effect::Deny)) {
            let same_host = SameHostRules {
                denies: denies.about(&policy.target),
                allows: allows.about(&policy.target),
            };
            lints.extend(same_host.paths(rule, *place).map(|lint| (at, lint)));
            lints.extend(same_host.head(rule, *place).map(|lint| (at, lint)));
        }
    }
    lints
}

fn counts(rule: &Rule, effect: Effect) -> bool {
    rule.effect == effect && rule.mode == Mode::Enforce
}

/// Rules of one effect, found by host.
struct RulesByHost<'a> {
    by_host: HashMap<&'a HostPattern, Vec<&'a Rule>>,
    any: Vec<&'a Rule>,
}

impl<'a> RulesByHost<'a> {
    fn of(policies: &'a [Arc<CompiledPolicy>], effect: Effect) -> Self {
        let mut rules = Self { by_host: HashMap::new(), any: Vec::new() };
        for policy in policies {
            let own = || policy.rules.iter().filter(|rule| counts(rule, effect));
            if policy.target.hosts.is_empty() {
                rules.any.extend(own());
            }
            for host in &policy.target.hosts {
                rules.by_host.entry(&host.host).or_default().extend(own());
            }
        }
        rules
    }

    fn is_empty(&self) -> bool {
        self.by_host.values().all(Vec::is_empty) && self.any.is_empty()
    }

    /// Those that share a host with `target`.
    fn about(&self, target: &PolicyTarget) -> Vec<&'a Rule> {
        let mut found = self.any.clone();
        let named = |host: &HostPattern| self.by_host.get(host).into_iter().flatten().copied();
        if target.hosts.is_empty() {
            found.extend(self.by_host.values().flatten());
        }
        for host in target.hosts.iter().map(|own| &own.host) {
            found.extend(named(host));
            match host {
                HostPattern::Exact(name) => {
                    let above = parent_of(name).map(|name| HostPattern::OneLabelBelow(name.into()));
                    found.extend(above.iter().flat_map(named));
                }
                HostPattern::OneLabelBelow(_) => {
                    let below =
                        self.by_host.iter().filter(|(own, _)| *own != &host && host.covers(own));
                    found.extend(below.flat_map(|(_, rules)| rules));
                }
            }
        }
        found
    }
}

/// The rules for the hosts of one of them.
struct SameHostRules<'a> {
    denies: Vec<&'a Rule>,
    allows: Vec<&'a Rule>,
}

impl<'a> SameHostRules<'a> {
    /// Paths that differ from a denied one in a final slash or in case.
    fn paths(&self, rule: &Rule, place: RelativeSpan) -> Option<RelativeDiagnostic> {
        let is_call = *rule.methods == [Box::from("POST")];
        // A method of a gRPC service has one path, which its server compares exactly.
        let own = rule.paths.iter().filter(|path| !(is_call && is_grpc(path)));
        let siblings = own.flat_map(|path| {
            let cased = with_other_case(path).filter(|_| !self.minds_no_case(rule, path));
            [with_other_end(path), cased]
        });
        let open: Vec<_> = siblings
            .flatten()
            .filter_map(|path| Some((self.opened_by(rule, &path)?, format!("`{}`", path.as_str()))))
            .collect();
        let (by, _) = open.first()?;
        let texts: Vec<_> = open.iter().take(SHOWN).map(|(_, text)| text.as_str()).collect();
        let more = if open.len() > texts.len() { " and others" } else { "" };
        let message = format!(
            "deny rule `{}` leaves open {}{more}, which many upstreams take for what it denies: allow rule `{}` lets them through",
            rule.name.rule,
            texts.join(" and "),
            by.name.rule,
        );
        let denied = rule.paths.iter().map(PathTemplate::as_str).find(|path| is_plain(path));
        let denied = denied.unwrap_or("/admin").trim_end_matches('/');
        let help = format!(
            "list them, too; for every way of writing it in large and small letters deny with a condition such as \
             `request.fullPath.matches(\"(?i)^{denied}(/.*)?$\")`, or allow no more than the paths that there are"
        );
        Some(RelativeDiagnostic::warning(Code::DenyLeavesOpen, place, message).help(help))
    }

    /// True if a deny rule is about this path in large and small letters.
    fn minds_no_case(&self, rule: &Rule, path: &PathTemplate) -> bool {
        let literal = path.first_literal().unwrap_or_default().to_ascii_lowercase();
        self.denies.iter().filter(|other| share_a_method(other, rule)).any(|other| {
            let text = other.condition().map(|when| when.as_str()).unwrap_or_default();
            text.contains("(?i") && text.to_ascii_lowercase().contains(&literal)
        })
    }

    /// An upstream answers `HEAD` as it does `GET`, but for the body.
    fn head(&self, rule: &Rule, place: RelativeSpan) -> Option<RelativeDiagnostic> {
        let has = |rule: &Rule, method: &str| rule.methods.iter().any(|own| **own == *method);
        if !has(rule, "GET") || has(rule, "HEAD") {
            return None;
        }
        let takes = |other: &&&Rule| other.methods.is_empty() || has(other, "HEAD");
        let mut denies = self.denies.iter().filter(takes).filter(|other| is_meant(other));
        if denies.any(|other| shares_paths(other, rule)) {
            return None;
        }
        let by = self.allows.iter().filter(takes).find(|other| shares_paths(other, rule))?;
        let message = format!(
            "deny rule `{}` is about `GET`, and allow rule `{}` lets `HEAD` through",
            rule.name.rule, by.name.rule
        );
        let help = "add `HEAD`: upstreams answer it as they do `GET`, but for the body";
        Some(RelativeDiagnostic::warning(Code::DenyLeavesOpen, place, message).help(help))
    }

    /// An allow rule that lets through a path that no deny rule is about.
    fn opened_by(&self, rule: &Rule, path: &PathTemplate) -> Option<&'a Rule> {
        let covers = |other: &&&'a Rule| {
            share_a_method(other, rule)
                && (other.paths.is_empty() || other.paths.iter().any(|own| own.covers(path)))
        };
        let mut denies = self.denies.iter().filter(covers).filter(|other| is_meant(other));
        match denies.next() {
            Some(_) => None,
            None => self.allows.iter().find(covers).copied(),
        }
    }
}

/// True if a deny rule that is about a path is meant for it: a rule for every path that requires more may be about something
/// else.
fn is_meant(rule: &Rule) -> bool {
    !rule.paths.is_empty() || (rule.mode == Mode::Enforce && rule.requires_nothing())
}

fn share_a_method(one: &Rule, other: &Rule) -> bool {
    one.methods.is_empty()
        || other.methods.is_empty()
        || one.methods.iter().any(|method| other.methods.contains(method))
}

fn shares_paths(wide: &Rule, narrow: &Rule) -> bool {
    wide.paths.is_empty()
        || narrow.paths.is_empty()
        || narrow.paths.iter().any(|path| wide.paths.iter().any(|own| own.covers(path)))
}

fn is_grpc(path: &PathTemplate) -> bool {
    path.first_literal().is_some_and(|service| service.contains('.'))
}

/// `/admin/` for `/admin`, and the other way round.
fn with_other_end(path: &PathTemplate) -> Option<PathTemplate> {
    let text = path.as_str();
    if text == "/" || text.ends_with("/**") {
        return None;
    }
    let other = match text.strip_suffix('/') {
        Some(text) => text.to_owned(),
        None => format!("{text}/"),
    };
    PathTemplate::parse(&other).ok()
}

/// `/Admin` for `/admin`, and the other way round: with the first letter of what is written out in the other case.
fn with_other_case(path: &PathTemplate) -> Option<PathTemplate> {
    let mut done = false;
    let flipped: Vec<_> = path
        .as_str()
        .split('/')
        .map(|segment| {
            let is_literal = !segment.starts_with('{') && !segment.contains('%');
            let letter = segment.find(|c: char| c.is_ascii_alphabetic());
            match letter.filter(|_| is_literal && !done) {
                Some(at) => {
                    done = true;
                    let flip = |(own, c): (usize, char)| match own == at {
                        true if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
                        true => c.to_ascii_lowercase(),
                        false => c,
                    };
                    segment.char_indices().map(flip).collect()
                }
                None => segment.to_owned(),
            }
        })
        .collect();
    PathTemplate::parse(&flipped.join("/")).ok().filter(|_| done)
}

/// True if a regular expression matches the path as it is written.
fn is_plain(path: &str) -> bool {
    path.len() > 1 && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b))
}
