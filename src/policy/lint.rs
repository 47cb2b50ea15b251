//! Doubts about rules that are right by the letter: warnings, which keep nothing from being used.

mod overdue;
mod reach;
mod unasked;
mod width;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::compile::{Target, Written};
use super::host::{HostPattern, parent_of};
use super::path::PathTemplate;
use super::rule::{Effect, Mode, Rule};
use crate::document::policy::Texts;
use crate::document::{Diagnostic, Document, Spanned, Spec, closest};
use crate::spiffe::SpiffePattern;

pub(super) use overdue::overdue;

/// Looks at every rule; `rules` are the compiled ones, in the order in which they were `written`.
pub(super) fn lint(
    documents: &[Document],
    written: &[Written<'_>],
    rules: &[Rule],
    problems: &mut Vec<Diagnostic>,
) {
    let domains = SpiffeDomains::of(documents);
    let strict = unasked::Strict::of(documents);
    let walls = Walls::of(written, rules, is_wall);
    let doors = Walls::of(written, rules, is_door);
    for (written, rule) in written.iter().zip(rules) {
        problems.extend(wide_open(written, rule));
        problems.extend(leaves_out_the_root(written, rule));
        problems.extend(never_reached(written, rule, &walls));
        problems.extend(open_anyway(written, rule, &doors));
        problems.extend(width::of(written, rule, domains.0.len()));
        problems.extend(strict.look(written, rule));
        problems.extend(domains.foreign_patterns(written));
        problems.extend(domains.anybody_of_any_domain(written, rule));
        problems.extend(repetitions(written));
        problems.extend(odd_condition(written, rule));
        problems.extend(reach::out_of_reach(written, rule));
    }
    problems.extend(repeated_hosts(written));
}

/// A public rule without a path lets everybody do everything.
fn wide_open(written: &Written<'_>, rule: &Rule) -> Option<Diagnostic> {
    let public = written.spec.public.as_ref().filter(|public| public.value)?;
    let everything = rule.paths.is_empty() || rule.paths.iter().any(|path| path.as_str() == "/**");
    let narrowed = !everything
        || !rule.source.is_empty()
        || !rule.headers.is_empty()
        || !rule.query.is_empty()
        || rule.when.is_some()
        || !rule.context_extensions.is_empty();
    (!narrowed).then(|| {
        let message =
            format!("rule `{}` lets everybody reach every path of its hosts", rule.name.rule);
        Diagnostic::warning("wide-public", written.origin.span(public), message)
            .help("name the paths that are public under `on.paths`")
    })
}

/// `/admin/**` does not match `/admin`, which matters where the rule denies.
fn leaves_out_the_root(written: &Written<'_>, rule: &Rule) -> Vec<Diagnostic> {
    if rule.effect != Effect::Deny {
        return Vec::new();
    }
    let texts = written.spec.on.as_ref().and_then(|on| on.paths.as_ref());
    let texts = texts.map(|texts| texts.value.as_slice()).unwrap_or_default();
    let left_out = |(text, path): (&Spanned<String>, &PathTemplate)| {
        let root = path.without_rest()?;
        let covered = PathTemplate::parse(root)
            .is_ok_and(|root| rule.paths.iter().any(|path| path.covers(&root)));
        (!covered).then(|| {
            let message = format!("`{}` does not deny `{root}` itself", path.as_str());
            Diagnostic::warning("deny-without-root", written.origin.span(text), message)
                .help(format!("add `{root}` to the list if it is meant, too"))
        })
    };
    texts.iter().zip(&rule.paths).filter_map(left_out).collect()
}

fn never_reached(written: &Written<'_>, rule: &Rule, walls: &Walls<'_>) -> Option<Diagnostic> {
    if rule.mode != Mode::Enforce {
        return None;
    }
    let wall = walls.before(rule, &written.target)?;
    let what = match rule.effect {
        Effect::Allow => "can never allow",
        Effect::Deny => "makes no difference",
    };
    let message = format!("rule `{}` {what}: deny rule `{}` covers it", rule.name.rule, wall.name);
    let place = written.origin.span(&written.spec.name);
    Some(
        Diagnostic::warning("never-reached", place, message)
            .help("remove one of the two, or narrow the deny rule"),
    )
}

/// A rule that asks who is there, beside one that lets everybody do the same.
fn open_anyway(written: &Written<'_>, rule: &Rule, doors: &Walls<'_>) -> Option<Diagnostic> {
    if rule.effect != Effect::Allow || (rule.peer.is_none() && rule.token.is_none()) {
        return None;
    }
    let door = doors.before(rule, &written.target)?;
    let message = format!(
        "rule `{}` asks who is there, and public rule `{}` lets everybody do the same",
        rule.name.rule, door.name
    );
    let place = written.origin.span(&written.spec.name);
    Some(
        Diagnostic::warning("open-anyway", place, message)
            .help("narrow the public rule, or remove this one"),
    )
}

/// A condition that is the same for every request, or a pattern that matches anywhere in a text.
fn odd_condition(written: &Written<'_>, rule: &Rule) -> Option<Diagnostic> {
    let place = written.origin.span(written.spec.when.as_ref()?);
    let condition = rule.when.as_ref()?;
    if condition.is_constant() {
        let message = "the condition is the same for every request";
        return Some(
            Diagnostic::warning("constant-condition", place, message)
                .help("remove it, or the rule if it is never true"),
        );
    }
    condition.has_open_pattern().then(|| {
        let message = "a pattern that is not anchored matches anywhere in a text";
        Diagnostic::warning("open-pattern", place, message)
            .help("start it with `^` and end it with `$`, or use `contains`")
    })
}

/// The same entry twice in a list.
fn repetitions(written: &Written<'_>) -> Vec<Diagnostic> {
    let spec = written.spec;
    let on = spec.on.as_ref();
    let peer = spec.peer.as_ref().map(|peer| &peer.value);
    let token = spec.token.as_ref().map(|token| &token.value);
    let lists: [Option<&Spanned<Texts>>; 12] = [
        on.and_then(|on| on.methods.as_ref()),
        on.and_then(|on| on.paths.as_ref()),
        spec.source.as_ref(),
        spec.destination.as_ref(),
        spec.conditions.as_ref(),
        peer.and_then(|peer| peer.spiffe.as_ref()),
        peer.and_then(|peer| peer.dns.as_ref()),
        token.and_then(|token| token.scopes.as_ref()),
        token.and_then(|token| token.any_scope.as_ref()),
        token.and_then(|token| token.audiences.as_ref()),
        token.and_then(|token| token.subjects.as_ref()),
        token.and_then(|token| token.clients.as_ref()),
    ];
    let of = |list: &Spanned<Texts>| repeated(&list.value, written);
    lists.into_iter().flatten().flat_map(of).collect()
}

fn repeated(texts: &Texts, written: &Written<'_>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    texts
        .iter()
        .filter(|text| !seen.insert(text.value.as_str()))
        .map(|text| {
            let message = format!("`{}` is in the list already", text.value);
            Diagnostic::warning("repeated-entry", written.origin.span(text), message)
                .help("remove it")
        })
        .collect()
}

/// Hosts of one target that another host of it covers. Once for each policy.
fn repeated_hosts(written: &[Written<'_>]) -> Vec<Diagnostic> {
    let mut last = None;
    let first_of_policy = |rule: &&Written<'_>| {
        let target = Rc::as_ptr(&rule.target);
        last.replace(target) != Some(target)
    };
    written.iter().filter(first_of_policy).flat_map(repeated_hosts_of).collect()
}

fn repeated_hosts_of(written: &Written<'_>) -> Vec<Diagnostic> {
    let texts = written.policy.target.value.hosts.as_ref();
    let texts = texts.map(|texts| texts.value.as_slice()).unwrap_or_default();
    let hosts = &written.target.hosts;
    let covered = |(at, (text, host)): (usize, (&Spanned<String>, &HostPattern))| {
        let mut others = hosts.iter().zip(texts).enumerate();
        let (_, (_, other)) = others.find(|(other_at, (other, _))| {
            other.covers(host) && (*other != host || *other_at < at)
        })?;
        let message = format!("`{}` is covered by `{}`", text.value, other.value);
        let place = written.origin.span(text);
        Some(Diagnostic::warning("repeated-entry", place, message).help("remove it"))
    };
    texts.iter().zip(hosts).enumerate().filter_map(covered).collect()
}

/// Rules that ask for nothing but a host, a method and a path, found by host.
struct Walls<'a> {
    by_host: HashMap<&'a HostPattern, Vec<Wall<'a>>>,
    any: Vec<Wall<'a>>,
}

#[derive(Clone, Copy)]
struct Wall<'a> {
    rule: &'a Rule,
    target: &'a Target,
}

// === impl Walls ===

impl<'a> Walls<'a> {
    fn of(written: &'a [Written<'_>], rules: &'a [Rule], is_one: fn(&Rule) -> bool) -> Self {
        let mut walls = Self { by_host: HashMap::new(), any: Vec::new() };
        for (written, rule) in written.iter().zip(rules).filter(|(_, rule)| is_one(rule)) {
            let wall = Wall { rule, target: &written.target };
            if wall.target.hosts.is_empty() {
                walls.any.push(wall);
            }
            for host in &wall.target.hosts {
                walls.by_host.entry(host).or_default().push(wall);
            }
        }
        walls
    }

    /// A wall that stands before everything that `rule` is about.
    fn before(&self, rule: &Rule, target: &Target) -> Option<&'a Rule> {
        let first = target.hosts.first();
        let same = first.and_then(|host| self.by_host.get(host));
        let above = first.and_then(|host| match host {
            HostPattern::Exact(name) => Some(HostPattern::OneLabelBelow(parent_of(name)?.into())),
            HostPattern::OneLabelBelow(_) => None,
        });
        let above = above.and_then(|host| self.by_host.get(&host));
        let walls = [same, above, Some(&self.any)].into_iter().flatten().flatten();
        walls
            .copied()
            .find(|wall| wall.rule.name != rule.name && wall.covers(rule, target))
            .map(|wall| wall.rule)
    }
}

fn is_wall(rule: &Rule) -> bool {
    rule.effect == Effect::Deny && asks_for_nothing_else(rule)
}

fn is_door(rule: &Rule) -> bool {
    rule.effect == Effect::Allow && asks_for_nothing_else(rule)
}

fn asks_for_nothing_else(rule: &Rule) -> bool {
    rule.mode == Mode::Enforce
        && rule.source.is_empty()
        && rule.destination.is_empty()
        && rule.during.is_none()
        && rule.context_extensions.is_empty()
        && rule.headers.is_empty()
        && rule.query.is_empty()
        && rule.peer.is_none()
        && rule.token.is_none()
        && rule.when.is_none()
}

// === impl Wall ===

impl Wall<'_> {
    fn covers(&self, rule: &Rule, target: &Target) -> bool {
        let own = self.rule;
        subset(&target.hosts, &self.target.hosts, |wide, narrow| wide.covers(narrow))
            && subset(&rule.ports, &own.ports, |wide, narrow| wide == narrow)
            && subset(&rule.methods, &own.methods, |wide, narrow| wide == narrow)
            && subset(&rule.paths, &own.paths, PathTemplate::covers)
    }
}

/// Whether each of `narrow` is covered by one of `wide`. An empty list means everything.
fn subset<T>(narrow: &[T], wide: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    let covered = |item: &T| wide.iter().any(|wide| covers(wide, item));
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(covered))
}

/// The SPIFFE trust domains that are vouched for, by the name of the document.
struct SpiffeDomains<'a>(Vec<(&'a str, Option<&'a str>)>);

// === impl SpiffeDomains ===

impl<'a> SpiffeDomains<'a> {
    fn of(documents: &'a [Document]) -> Self {
        let domain = |document: &'a Document| match &document.spec {
            Spec::TrustDomain(spec) => Some((
                document.metadata.name.value.as_str(),
                spec.spiffe.as_ref().map(|name| name.value.as_str()),
            )),
            Spec::TokenIssuer(_)
            | Spec::Policy(_)
            | Spec::Fragments(_)
            | Spec::PolicySuite(_)
            | Spec::RevocationList(_) => None,
        };
        Self(documents.iter().filter_map(domain).collect())
    }

    /// Patterns that no peer can match, since nobody vouches for their trust domain, or another document than the rule
    /// names. Nothing is said where no trust domain is known at all.
    fn foreign_patterns(&self, written: &Written<'_>) -> Vec<Diagnostic> {
        let Some(peer) = written.spec.peer.as_ref().map(|peer| &peer.value) else {
            return Vec::new();
        };
        let named = peer.trust_domain.as_ref().map(|name| name.value.as_str());
        let known: Vec<&str> = self
            .0
            .iter()
            .filter(|(document, _)| named.is_none_or(|named| named == *document))
            .filter_map(|(_, spiffe)| *spiffe)
            .collect();
        if self.0.is_empty() {
            return Vec::new();
        }
        let texts = peer.spiffe.as_ref().map(|texts| texts.value.as_slice()).unwrap_or_default();
        let foreign = |text: &Spanned<String>| {
            let pattern: SpiffePattern = text.value.parse().ok()?;
            let domain = pattern.trust_domain();
            (!known.contains(&domain)).then(|| {
                let message = format!("no TrustDomain document that counts here vouches for `{domain}`, so nobody can match");
                let problem = Diagnostic::warning("foreign-pattern", written.origin.span(text), message);
                match closest(domain, &known) {
                    Some(near) => problem.help(format!("did you mean `spiffe://{near}/..`?")),
                    None => problem.help("add a `kind: TrustDomain` document with this `spiffe`"),
                }
            })
        };
        texts.iter().filter_map(foreign).collect()
    }

    /// `any: true` where several trust domains are believed: peers of all of them.
    fn anybody_of_any_domain(&self, written: &Written<'_>, rule: &Rule) -> Option<Diagnostic> {
        let any = written.spec.peer.as_ref()?.value.any.as_ref().filter(|any| any.value)?;
        (self.0.len() > 1 && rule.effect == Effect::Allow && rule.token.is_none()).then(|| {
            let count = self.0.len();
            let message = format!("`any: true` lets in every workload of {count} trust domains");
            Diagnostic::warning("any-peer", written.origin.span(any), message)
                .help("name the trust domain with `trustDomain`, or the workloads with `spiffe`")
        })
    }
}
