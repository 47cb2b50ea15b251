//! The match of a rule and a request, by host, port, method and path; and the narrowest of several rules.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::policy::Effect;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{DecisionRequest, PathTemplate};
use crate::policy::requirement::context::CheckContext;
use crate::policy::requirement::missing::MissingData;
use crate::request::{RequestView, Target};
use crate::words::words;

/// How a rule matches a request's host; greater is narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostFit {
    /// It is about every host.
    Any,
    /// By a wildcard label.
    Wildcard,
    /// By its name.
    Exact,
}

words! {
    /// Why a rule is not about a request.
    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Mismatch {
        /// The request's host has a port or a trailing dot that the rule's target does not ask for.
        Host "host",
        /// The port of the connection differs.
        Port "port",
        /// The method differs.
        Method "method",
        /// The path differs.
        Path "path",
    }
}

/// A rule that is about a request.
#[derive(Clone, Copy, Debug)]
pub struct RuleMatch<'r> {
    pub(in crate::policy) rule: &'r Rule,
    pub(in crate::policy) host: HostFit,
    /// The narrowest template that the path matches; none if the rule is about every path.
    pub(in crate::policy) template: Option<&'r PathTemplate>,
}

/// True if the rule is about the host with the port or the trailing dot that the request has.
pub(in crate::policy) fn fits_form(rule: &Rule, target: &Target) -> bool {
    match rule.effect {
        Effect::Allow => rule.target.asks_for_form(target),
        Effect::Deny => rule.target.denies_form(target),
    }
}

/// If the connection's port is not known, deny rules are about the request, and allow rules are not.
fn fits_port(rule: &Rule, request: &RequestView) -> bool {
    rule.target.fits_port(request).unwrap_or(rule.effect == Effect::Deny)
}

/// Methods are compared exactly as sent: they are case-sensitive (RFC 9110 section 9.1, P29).
fn fits_method(rule: &Rule, request: &RequestView) -> bool {
    rule.methods.is_empty() || rule.methods.iter().any(|own| **own == *request.method)
}

/// The narrowest template that the path matches, if the rule is about the path.
fn fit_path<'r>(rule: &'r Rule, target: &Target) -> Option<Option<&'r PathTemplate>> {
    // A deny rule is about a path in every spelling.
    let accepted =
        rule.effect == Effect::Deny || rule.target.leniency.covers(target.path.leniency());
    let matching = rule.paths.iter().filter(|template| template.matches(&target.path));
    let template = matching.max_by(|a, b| a.cmp_narrowness(b));
    (accepted && (template.is_some() || rule.paths.is_empty())).then_some(template)
}

/// Everything that keeps the rule, found by its host, from being about the request.
pub(in crate::policy) fn mismatches(
    rule: &Rule,
    request: &RequestView,
    target: &Target,
) -> Vec<Mismatch> {
    let fits = [
        (Mismatch::Host, fits_form(rule, target)),
        (Mismatch::Port, fits_port(rule, request)),
        (Mismatch::Method, fits_method(rule, request)),
        (Mismatch::Path, fit_path(rule, target).is_some()),
    ];
    fits.into_iter().filter(|(_, fits)| !fits).map(|(why, _)| why).collect()
}

impl<'r> RuleMatch<'r> {
    /// The match of a rule, found by its host, if it is about the request.
    pub(in crate::policy) fn new(
        rule: &'r Rule,
        host: HostFit,
        request: &RequestView,
        target: &Target,
    ) -> Result<Self, Mismatch> {
        if !fits_form(rule, target) {
            return Err(Mismatch::Host);
        }
        if !fits_port(rule, request) {
            return Err(Mismatch::Port);
        }
        if !fits_method(rule, request) {
            return Err(Mismatch::Method);
        }
        let template = fit_path(rule, target).ok_or(Mismatch::Path)?;
        // A rule whose target has a wildcard beside the name is found by the wildcard.
        let is_named = host == HostFit::Wildcard && rule.target.names(target, rule.effect);
        let host = if is_named { HostFit::Exact } else { host };
        Ok(Self { rule, host, template })
    }

    /// The contexts of the rule's requirements: one for each token of its issuers that the caller shows, in the order of its list, or
    /// one without a token.
    pub(in crate::policy) fn contexts<'a>(
        &self,
        question: &DecisionRequest<'a>,
        missing: MissingData,
    ) -> impl Iterator<Item = CheckContext<'a>>
    where
        'r: 'a,
    {
        let context = self.context(question, missing);
        let mut tokens = context.issuers.iter().filter_map(|own| context.subject.token(own));
        let first = CheckContext { token: tokens.next(), ..context };
        std::iter::once(first)
            .chain(tokens.map(move |token| CheckContext { token: Some(token), ..context }))
    }

    /// The context of the rule's requirements, without a token.
    fn context<'a>(&self, question: &DecisionRequest<'a>, missing: MissingData) -> CheckContext<'a>
    where
        'r: 'a,
    {
        let DecisionRequest { subject, request, now, id } = *question;
        let requirements = &self.rule.requirements;
        CheckContext {
            request,
            subject,
            now,
            id,
            rule: &self.rule.name,
            template: self.template,
            peer: subject.peer().verified(),
            trust_domain: requirements.trust_domain(),
            issuers: requirements.issuers(),
            token: None,
            missing,
        }
    }

    /// Orders rules that are about the same request from wide to narrow: by host, then path, then method, then port; last by
    /// name, so that the order of files and rules never matters.
    pub(in crate::policy) fn cmp_narrowness(&self, other: &Self) -> Ordering {
        let by_path = match (self.template, other.template) {
            (Some(own), Some(others)) => own.cmp_narrowness(others),
            (own, others) => own.is_some().cmp(&others.is_some()),
        };
        let (own, others) = (self.rule, other.rule);
        (self.host.cmp(&other.host))
            .then(by_path)
            .then((!own.methods.is_empty()).cmp(&!others.methods.is_empty()))
            .then((!own.target.ports.is_empty()).cmp(&!others.target.ports.is_empty()))
            .then_with(|| others.name.cmp(&own.name))
    }

    pub(in crate::policy) fn is_narrower_than(&self, other: &Self) -> bool {
        self.cmp_narrowness(other).is_gt()
    }
}
