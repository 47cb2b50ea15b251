//! One compiled rule: which requests it is about, and what it asks of them.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::policy::DecisionRequest;
use crate::policy::check::{Check, Verdict};
use crate::policy::duties::{Duties, Obligations};
use crate::policy::evaluate::trace::{Mismatch, Trace};
use crate::policy::judge::Judge;
use crate::policy::model::annotations::Annotations;
use crate::policy::model::answer::CustomAnswer;
use crate::policy::model::decision::RuleName;
use crate::policy::model::header::HeaderMatcher;
use crate::policy::model::host::HostPattern;
use crate::policy::model::path::PathTemplate;
use crate::policy::model::query::QueryMatcher;
use crate::policy::model::schedule::During;
use crate::policy::model::target::PolicyTarget;
use crate::policy::model::truth::Truth;
use crate::policy::peer::PeerRequirement;
use crate::policy::requirement::condition::Condition;
use crate::policy::requirement::missing::Gaps;
use crate::policy::requirement::variable::Facts;
use crate::policy::server_name;
use crate::policy::token::TokenRequirement;
use crate::request::{RequestView, Target};

/// What a match means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// The request may pass, unless another rule denies it.
    Allow,
    /// The request must not pass.
    Deny,
}

/// Whether a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// It counts.
    Enforce,
    /// It is evaluated and reported only.
    Shadow,
}

/// A compiled rule. Of every list, an empty one makes no demand: compiling refuses empty lists in documents. What is large and
/// in few rules is in a box: there may be many rules.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Rule {
    pub(in crate::policy) name: RuleName,
    /// Its policy's, and its own.
    pub(in crate::policy) annotations: Annotations,
    pub(in crate::policy) effect: Effect,
    pub(in crate::policy) mode: Mode,
    /// Its policy's.
    pub(in crate::policy) target: Arc<PolicyTarget>,
    pub(in crate::policy) methods: Box<[Box<str>]>,
    pub(in crate::policy) paths: Box<[PathTemplate]>,
    pub(in crate::policy) source: Box<[IpNet]>,
    pub(in crate::policy) destination: Box<[IpNet]>,
    pub(in crate::policy) sni: Box<[HostPattern]>,
    pub(in crate::policy) during: Option<Box<During>>,
    pub(in crate::policy) context_extensions: Box<[(Box<str>, Box<str>)]>,
    pub(in crate::policy) headers: Box<[HeaderMatcher]>,
    pub(in crate::policy) query: Box<[QueryMatcher]>,
    pub(in crate::policy) peer: Option<PeerRequirement>,
    pub(in crate::policy) token: Option<TokenRequirement>,
    pub(in crate::policy) when: Option<Box<Condition>>,
    /// Whether it takes callers whose cookies with tokens that it does not need were refused.
    pub(in crate::policy) passes_over_cookies: bool,
    pub(in crate::policy) duties: Duties,
    /// What those are told whom it denies: its own, or its policy's.
    pub(in crate::policy) answer: Option<Arc<CustomAnswer>>,
}

/// How a rule came to be about a request's host; greater is narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostFit {
    /// It is about every host.
    Any,
    /// By a wildcard label.
    Wildcard,
    /// By its name.
    Exact,
}

/// A rule that is about the request, and through what.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Fit<'r> {
    pub(in crate::policy) rule: &'r Rule,
    pub(in crate::policy) host: HostFit,
    /// The narrowest template that the path matches; none where the rule is about every path.
    pub(in crate::policy) template: Option<&'r PathTemplate>,
}

// === impl Rule ===

impl Rule {
    /// Whether the rule, found by its host, is about the request.
    pub(in crate::policy) fn fit(
        &self,
        host: HostFit,
        request: &RequestView,
        target: &Target,
    ) -> Result<Fit<'_>, Mismatch> {
        if !self.is_about_form(target) {
            return Err(Mismatch::Host);
        }
        if !self.is_about_port(request) {
            return Err(Mismatch::Port);
        }
        if !self.is_about_method(request) {
            return Err(Mismatch::Method);
        }
        let template = self.template(target);
        if !self.accepts(target) || (template.is_none() && !self.paths.is_empty()) {
            return Err(Mismatch::Path);
        }
        Ok(Fit { rule: self, host, template })
    }

    /// The request headers that it reads.
    pub(in crate::policy) fn headers(&self) -> impl Iterator<Item = &str> {
        let conditions = self.when.iter().flat_map(|condition| condition.headers());
        self.headers.iter().map(|header| &*header.name).chain(conditions)
    }

    /// Everything that keeps the rule, found by its host, from being about the request.
    pub(in crate::policy) fn mismatches(
        &self,
        request: &RequestView,
        target: &Target,
    ) -> Vec<Mismatch> {
        let matches = self.paths.is_empty() || self.template(target).is_some();
        let path = self.accepts(target) && matches;
        let fits = [
            (Mismatch::Host, self.is_about_form(target)),
            (Mismatch::Port, self.is_about_port(request)),
            (Mismatch::Method, self.is_about_method(request)),
            (Mismatch::Path, path),
        ];
        fits.into_iter().filter(|(_, fits)| !fits).map(|(why, _)| why).collect()
    }

    /// Whether the path may be written as it is. A deny rule is about a path in every way of writing it.
    fn accepts(&self, target: &Target) -> bool {
        self.effect == Effect::Deny || self.target.leniency.covers(target.path.leniency())
    }

    /// Whether it is about the host with the port or the dot that the request has.
    pub(in crate::policy) fn is_about_form(&self, target: &Target) -> bool {
        match self.effect {
            Effect::Allow => self.target.asks_for_form(target),
            Effect::Deny => self.target.denies_form(target),
        }
    }

    /// Exactly as sent: methods are case-sensitive (RFC 9110 section 9.1, P29).
    fn is_about_method(&self, request: &RequestView) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|own| **own == *request.method)
    }

    /// The narrowest template that the path matches.
    fn template(&self, target: &Target) -> Option<&PathTemplate> {
        let matching = self.paths.iter().filter(|template| template.matches(&target.path));
        matching.max_by(|a, b| a.cmp_narrowness(b))
    }

    /// Where the connection's port is not known, deny rules are about the request, and allow rules are not.
    fn is_about_port(&self, request: &RequestView) -> bool {
        self.target.fits_port(request).unwrap_or(self.effect == Effect::Deny)
    }

    fn judge_request<'r, T: Trace>(&'r self, request: &RequestView, judge: &mut Judge<'r, '_, T>) {
        if !self.source.is_empty() {
            judge.check(Check::Source, || is_in(&self.source, request.client_ip()));
        }
        if !self.destination.is_empty() {
            judge.check(Check::Destination, || is_in(&self.destination, request.destination.ip()));
        }
        if !self.sni.is_empty() {
            judge.check(Check::ServerName, || server_name::matches(&self.sni, &request.sni));
        }
        if self.target.host_is_sni && self.effect == Effect::Allow {
            judge.check(Check::HostIsServerName, || server_name::is_host(request));
        }
        for (name, value) in &self.context_extensions {
            let found = request.context_extensions.get(&**name);
            judge.check(Check::ContextExtension(name), || {
                found.is_some_and(|found| **found == **value).into()
            });
        }
        for header in &self.headers {
            judge.check(Check::Header(header), || header.holds(&request.headers));
        }
        for parameter in &self.query {
            judge.check(Check::Query(parameter), || {
                let target = request.target.as_ref().ok();
                target.map_or(Truth::Unknown, |target| parameter.holds(target.query.as_deref()))
            });
        }
    }
}

/// Unknown where the address is not known, as over a Unix socket.
fn is_in(networks: &[IpNet], ip: Option<IpAddr>) -> Truth {
    ip.map_or(Truth::Unknown, |ip| networks.iter().any(|net| net.contains(&ip)).into())
}

// === impl Fit ===

impl<'r> Fit<'r> {
    /// Whether the request meets everything the rule asks for.
    pub(in crate::policy) fn judge<T: Trace>(
        &self,
        question: &DecisionRequest<'_>,
        trace: &mut T,
    ) -> Verdict<'r> {
        let rule = self.rule;
        let gaps = trace.gaps();
        let mut judge = Judge::new(*self, question, trace);
        if let Some(during) = &rule.during {
            judge.check(Check::During, || during.holds(question.now).into());
        }
        rule.judge_request(question.request, &mut judge);
        if let Some(peer) = &rule.peer {
            peer.judge(question.subject.peer().verified(), &mut judge);
        }
        if let Some(token) = &rule.token {
            token.judge(question.subject, question.now, &mut judge);
        }
        if let Some(condition) = &rule.when {
            judge.check(Check::Condition, || condition.holds(&self.facts(question, gaps)));
        }
        judge.verdict()
    }

    /// What has to be done because the rule allows.
    ///
    /// # Errors
    /// The check that cannot be told, where a value must not be sent or was not recorded.
    pub(in crate::policy) fn render(
        &self,
        question: &DecisionRequest<'_>,
        gaps: Gaps,
    ) -> Result<Obligations, Check<'r>> {
        self.rule.duties.render(&self.facts(question, gaps))
    }

    pub(in crate::policy) fn facts<'a>(
        &self,
        question: &DecisionRequest<'a>,
        gaps: Gaps,
    ) -> Facts<'a>
    where
        'r: 'a,
    {
        let subject = question.subject;
        Facts {
            peer: subject.peer().verified(),
            trust_domain: self.rule.peer.as_ref().and_then(|peer| peer.trust_domain.as_deref()),
            token: self.rule.token.as_ref().and_then(|token| subject.token(&token.issuer)),
            request: question.request,
            template: self.template,
            rule: &self.rule.name,
            id: question.id,
            now: question.now,
            gaps,
        }
    }

    /// Orders rules that are about the same request from wide to narrow: by host, then path, then method, then port; by
    /// name where nothing else differs, so that the order of files and rules never matters.
    pub(in crate::policy) fn cmp_narrowness(&self, other: &Self) -> Ordering {
        let by_path = match (self.template, other.template) {
            (Some(own), Some(others)) => own.cmp_narrowness(others),
            (own, others) => own.is_some().cmp(&others.is_some()),
        };
        let others = other.rule;
        (self.host.cmp(&other.host))
            .then(by_path)
            .then((!self.rule.methods.is_empty()).cmp(&!others.methods.is_empty()))
            .then((!self.rule.target.ports.is_empty()).cmp(&!others.target.ports.is_empty()))
            .then_with(|| others.name.cmp(&self.rule.name))
    }
}

// === impl Effect ===

impl Effect {
    /// The word used in documents, audit records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
