//! Lints: warnings about rules that compile and are probably not meant. They do not keep documents from being used.

mod absent;
mod audience;
mod caller_written;
mod deny_gaps;
mod outdated;
mod reach;
mod redirect_loop;
mod repeated;
mod source_rule;
mod suspicious_values;
mod templates;
mod unreachable;
mod unused_lists;
mod wide_identity;

use std::collections::HashSet;

use crate::document::policy::{Effect, Texts};
use crate::document::{Code, Diagnostic, Document, Spanned, Spec, closest};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{AuthorityPattern, PathTemplate};
use crate::policy::requirement::list::AnyRequirement;
use crate::policy::requirement::token::TokenPresent;
use crate::spiffe::SpiffePattern;
use audience::SharedAudiences;
use unused_lists::StrictDomains;

pub(in crate::policy) use outdated::{Due, outdated};
pub(in crate::policy) use redirect_loop::{redirect_circles, tokens_not_ignored};
pub(in crate::policy) use repeated::print;
pub(in crate::policy) use source_rule::SourceRule;
pub(in crate::policy) use unreachable::unreachable;

/// Everything about trust that lints depend on.
#[derive(Debug)]
pub(in crate::policy) struct TrustSummary<'a> {
    domains: SpiffeDomains<'a>,
    strict: StrictDomains<'a>,
    shared_audiences: SharedAudiences<'a>,
}

/// Looks at every rule of one policy by itself; `rules` are the compiled ones, in the order in which they were `written`.
pub(in crate::policy) fn lint(
    written: &[SourceRule<'_>],
    rules: &[Rule],
    trust: &TrustSummary<'_>,
) -> Vec<Diagnostic> {
    let TrustSummary { domains, strict, shared_audiences } = trust;
    let mut problems = Vec::new();
    for (written, rule) in written.iter().zip(rules) {
        problems.extend(wide_open(written, rule));
        problems.extend(leaves_out_the_root(written, rule));
        problems.extend(wide_identity::of(written, rule, domains.0.len()));
        problems.extend(strict.look(written, rule));
        problems.extend(shared_audiences.look(written, rule));
        problems.extend(domains.foreign_patterns(written));
        problems.extend(domains.any_peer_of_any_domain(written, rule));
        problems.extend(repetitions(written));
        problems.extend(odd_condition(written, rule));
        problems.extend(reach::out_of_reach(written, rule));
        problems.extend(absent::of(written, rule));
        problems.extend(caller_written::of(written, rule));
        problems.extend(suspicious_values::of(written, rule));
        problems.extend(templates::of(written));
    }
    problems.extend(written.first().into_iter().flat_map(repeated_hosts));
    problems
}

impl<'a> TrustSummary<'a> {
    pub(in crate::policy) fn of(documents: &'a [Document]) -> Self {
        Self {
            domains: SpiffeDomains::of(documents),
            strict: StrictDomains::of(documents),
            shared_audiences: SharedAudiences::of(documents),
        }
    }
}

/// A public rule without a path allows every request to its hosts.
fn wide_open(written: &SourceRule<'_>, rule: &Rule) -> Option<Diagnostic> {
    let public = written.spec.public.as_ref().filter(|public| public.value)?;
    let everything = rule.paths.is_empty() || rule.paths.iter().any(|path| path.as_str() == "/**");
    let is_wide = everything && !rule.requirements.iter().any(AnyRequirement::is_about_callers);
    is_wide.then(|| {
        let message =
            format!("rule `{}` lets every caller reach every path of its hosts", rule.name.rule);
        Diagnostic::warning(Code::WidePublic, written.origin.span(public), message)
            .help("name the paths that are public under `on.paths`")
    })
}

/// `/admin/**` does not match `/admin`, which matters where the rule denies.
fn leaves_out_the_root(written: &SourceRule<'_>, rule: &Rule) -> Vec<Diagnostic> {
    if rule.effect != Effect::Deny {
        return Vec::new();
    }
    let texts = written.spec.on.as_ref().and_then(|on| on.paths.as_ref());
    let texts = texts.map(|texts| texts.value.as_slice()).unwrap_or_default();
    let undenied_root = |(text, path): (&Spanned<String>, &PathTemplate)| {
        let root = path.without_rest()?;
        let covered = PathTemplate::parse(root)
            .is_ok_and(|root| rule.paths.iter().any(|path| path.covers(&root)));
        (!covered).then(|| {
            let message = format!("`{}` does not deny `{root}` itself", path.as_str());
            Diagnostic::warning(Code::DenyWithoutRoot, written.origin.span(text), message)
                .help(format!("add `{root}` to the list if it is meant, too"))
        })
    };
    texts.iter().zip(&rule.paths).filter_map(undenied_root).collect()
}

/// A condition that is the same for every request, or a pattern that matches anywhere in a text.
fn odd_condition(written: &SourceRule<'_>, rule: &Rule) -> Option<Diagnostic> {
    let place = written.origin.span(written.spec.when.as_ref()?);
    let condition = rule.condition()?;
    if condition.is_constant() {
        let message = "the condition, or a part of it, is the same for every request";
        return Some(
            Diagnostic::warning(Code::ConstantCondition, place, message)
                .help("remove that part, or the rule if it is never true"),
        );
    }
    if condition.is_costly() {
        let message = "the loops of the condition may take more steps than a condition has";
        return Some(
            Diagnostic::warning(Code::CostlyCondition, place, message)
                .help("compare with `in` instead of a loop; above some 100 elements in each list the condition is unknown"),
        );
    }
    condition.has_open_pattern().then(|| {
        let message = "a pattern that is not anchored matches anywhere in a text";
        Diagnostic::warning(Code::OpenPattern, place, message)
            .help("start it with `^` and end it with `$`, or use `contains`")
    })
}

/// The same entry twice in a list.
fn repetitions(written: &SourceRule<'_>) -> Vec<Diagnostic> {
    let spec = written.spec;
    let on = spec.on.as_ref();
    let peer = spec.peer.as_ref().map(|peer| &peer.value);
    let token = spec.token.as_ref().map(|token| &token.value);
    let lists: [Option<&Spanned<Texts>>; 14] = [
        on.and_then(|on| on.methods.as_ref()),
        on.and_then(|on| on.paths.as_ref()),
        spec.source.as_ref(),
        spec.destination.as_ref(),
        spec.sni.as_ref(),
        spec.conditions.as_ref(),
        peer.and_then(|peer| peer.spiffe.as_ref()),
        peer.and_then(|peer| peer.dns.as_ref()),
        peer.and_then(|peer| peer.ips.as_ref()),
        token.and_then(|token| token.scopes.as_ref()),
        token.and_then(|token| token.any_scope.as_ref()),
        token.and_then(|token| token.audiences.as_ref()),
        token.and_then(|token| token.subjects.as_ref()),
        token.and_then(|token| token.clients.as_ref()),
    ];
    let of = |list: &Spanned<Texts>| repeated(&list.value, written);
    lists.into_iter().flatten().flat_map(of).collect()
}

fn repeated(texts: &Texts, written: &SourceRule<'_>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    texts
        .iter()
        .filter(|text| !seen.insert(text.value.as_str()))
        .map(|text| {
            let message = format!("`{}` is in the list already", text.value);
            Diagnostic::warning(Code::RepeatedEntry, written.origin.span(text), message)
                .help("remove it")
        })
        .collect()
}

/// Hosts of one target that another host of it covers.
fn repeated_hosts(written: &SourceRule<'_>) -> Vec<Diagnostic> {
    let texts = written.policy.target.value.hosts.as_ref();
    let texts = texts.map(|texts| texts.value.as_slice()).unwrap_or_default();
    let hosts = &written.target.hosts;
    let covered = |(at, (text, host)): (usize, (&Spanned<String>, &AuthorityPattern))| {
        let mut others = hosts.iter().zip(texts).enumerate();
        let (_, (_, other)) = others.find(|(other_at, (other, _))| {
            other.covers(host) && (*other != host || *other_at < at)
        })?;
        let message = format!("`{}` is covered by `{}`", text.value, other.value);
        let place = written.origin.span(text);
        Some(Diagnostic::warning(Code::RepeatedEntry, place, message).help("remove it"))
    };
    texts.iter().zip(hosts).enumerate().filter_map(covered).collect()
}

/// The SPIFFE trust domains that are vouched for, by the name of the document.
#[derive(Debug)]
struct SpiffeDomains<'a>(Vec<(&'a str, Option<&'a str>)>);

impl<'a> SpiffeDomains<'a> {
    fn of(documents: &'a [Document]) -> Self {
        let domain = |document: &'a Document| {
            let Spec::TrustDomain(spec) = &document.spec else { return None };
            let spiffe = spec.spiffe.as_ref().map(|name| name.value.as_str());
            Some((document.metadata.name.value.as_str(), spiffe))
        };
        Self(documents.iter().filter_map(domain).collect())
    }

    /// Patterns that no peer can match, since no trust domain vouches for them, or not the one that the rule names. Without any
    /// trust domain nothing is reported.
    fn foreign_patterns(&self, written: &SourceRule<'_>) -> Vec<Diagnostic> {
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
                let message =
                    format!("no TrustDomain document vouches for `{domain}`, so no peer can match");
                let problem =
                    Diagnostic::warning(Code::ForeignPattern, written.origin.span(text), message);
                match closest(domain, &known) {
                    Some(near) => problem.help(format!("did you mean `spiffe://{near}/..`?")),
                    None => problem.help("add a `kind: TrustDomain` document with this `spiffe`"),
                }
            })
        };
        texts.iter().filter_map(foreign).collect()
    }

    /// `any: true` where several trust domains are trusted: peers of all of them.
    fn any_peer_of_any_domain(&self, written: &SourceRule<'_>, rule: &Rule) -> Option<Diagnostic> {
        let any = written.spec.peer.as_ref()?.value.any.as_ref().filter(|any| any.value)?;
        (self.0.len() > 1
            && rule.effect == Effect::Allow
            && !rule.requirements.has::<TokenPresent>())
        .then(|| {
            let count = self.0.len();
            let message = format!("`any: true` lets in every workload of {count} trust domains");
            Diagnostic::warning(Code::AnyPeer, written.origin.span(any), message)
                .help("name the trust domain with `trustDomain`, or the workloads with `spiffe`")
        })
    }
}
