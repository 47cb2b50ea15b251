//! The callers that can reach a path, answered from the rules: exact for what names callers, and open where a header, a condition,
//! an address or the time decides.

use std::collections::BTreeSet;

use super::implied::{has_no_caller, is_in_the_way};
use super::possible::RulePrints;
use super::witness::{Callers, VouchingDomain, Witnesses};
use crate::authn::{Credential, Subject};
use crate::clock::UnixTime;
use crate::document::policy::{Effect, Mode};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::evaluate::policy_set::PolicySet;
use crate::policy::evaluate::rule_match::RuleMatch;
use crate::policy::model::decision::Decision;
use crate::policy::model::decision_id::DecisionId;
use crate::policy::model::decision_request::DecisionRequest;
use crate::policy::model::rule_name::RuleName;
use crate::policy::requirement::missing::{MissingData, RecordField};
use crate::policy::requirement::rule_key::NamedCallers;
use crate::reason::{Layer, Rejection};
use crate::request::RequestView;
use crate::words::words;

words! {
    /// The answer to a question about every caller.
    #[derive(serde::Serialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Possibility {
        /// Some caller can, whatever the rest of the request is.
        Yes "yes",
        /// No caller can, whatever the rest of the request is.
        No "no",
        /// It depends on the rest of the request.
        CannotTell "cannot tell",
    }
}

/// A question about a host, a path and a method.
#[derive(Clone, Copy, Debug)]
pub struct ReachQuestion<'a> {
    /// The request: of it, only host, path, method and the port of the connection count.
    pub request: &'a RequestView,
    /// The trust domains that vouch for peers.
    pub domains: &'a [VouchingDomain],
    /// The moment.
    pub now: UnixTime,
}

/// The answer about some callers.
#[derive(Debug)]
pub struct ReachAnswer {
    /// The answer.
    pub answer: Possibility,
    /// The rule that lets them in.
    pub rule: Option<RuleName>,
    /// The data that decides, and the rules that look at it, where the answer is open.
    pub open: Vec<(RecordField, RuleName)>,
    /// Why no request like this is allowed.
    pub refusal: Option<Rejection>,
    /// A caller who is let in.
    pub witness: Option<Subject>,
}

/// A rule that is about the request.
#[derive(Debug)]
pub struct ReachRule {
    /// Its name.
    pub rule: RuleName,
    /// Its effect.
    pub effect: Effect,
    /// The path template that the path matches; none if it is about every path.
    pub template: Option<String>,
    /// The ports of the connection that it is about; every port where there are none.
    pub ports: Vec<u16>,
    /// Its requirements.
    pub needs: Vec<RuleNeed>,
}

/// A requirement of a rule.
#[derive(Debug)]
pub struct RuleNeed {
    /// The thing that it looks at.
    pub name: String,
    /// The values that it wants there.
    pub wanted: Vec<String>,
    /// The callers that these name.
    pub callers: Option<NamedCallers>,
}

impl PolicySet {
    /// The rules that count and are about the request, by their names. What they need of its connection is among their needs.
    pub fn reach_rules(&self, question: &ReachQuestion<'_>) -> Vec<ReachRule> {
        let anonymous = Subject::assertion(Credential::Absent, Credential::Absent);
        let asked = question.ask(&anonymous);
        let rule = |fit: RuleMatch<'_>| {
            let cx = fit.contexts(&asked, MissingData::BESIDE_CALLER).next()?;
            let needs = fit.rule.requirements.iter().map(|own| {
                let explained = own.as_requirement().explain(&cx);
                RuleNeed { name: explained.name, wanted: explained.wanted, callers: own.names() }
            });
            Some(ReachRule {
                rule: fit.rule.name.clone(),
                effect: fit.rule.effect,
                template: fit.template.map(|own| own.as_str().to_owned()),
                ports: fit.rule.target.ports.to_vec(),
                needs: needs.collect(),
            })
        };
        let mut all: Vec<_> = self.about(question.request).into_iter().filter_map(rule).collect();
        all.sort_by(|a, b| a.rule.cmp(&b.rule));
        all
    }

    /// The ports that targets of the host name.
    pub fn ports_of(&self, request: &RequestView) -> Vec<u16> {
        let target = request.target.as_ref();
        let rules = target.into_iter().flat_map(|target| self.index.of_host(&target.host));
        let mut ports: Vec<_> = rules.flat_map(|(_, rule)| rule.target.ports.to_vec()).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// The hosts that policies name, where no policy is about the host of `request`.
    pub fn other_hosts(&self, request: &RequestView) -> Option<Vec<String>> {
        let target = request.target.as_ref().ok()?;
        let is_named = self.index.of_host(&target.host).next().is_some();
        (!is_named).then(|| self.index.hosts())
    }

    /// The methods that rules of the host name.
    pub fn methods_of(&self, request: &RequestView) -> Vec<String> {
        let Ok(target) = &request.target else { return Vec::new() };
        let rules = self.index.candidates(target).filter(|(_, rule)| rule.mode == Mode::Enforce);
        let named = rules.flat_map(|(_, rule)| rule.methods.iter().map(ToString::to_string));
        let mut all: Vec<_> = named.collect();
        all.sort();
        all.dedup();
        all
    }

    /// The paths that allow rules of the host are about, as they are written; of every path `/**`.
    pub fn paths_of(&self, request: &RequestView) -> BTreeSet<String> {
        let target = request.target.as_ref();
        let rules = target.into_iter().flat_map(|target| self.index.of_host(&target.host));
        let counts = |rule: &Rule| (rule.mode, rule.effect) == (Mode::Enforce, Effect::Allow);
        let rules = rules.map(|(_, rule)| rule).filter(|rule| counts(rule));
        let paths = |rule: &Rule| match rule.paths.is_empty() {
            true => vec![String::from("/**")],
            false => rule.paths.iter().map(|path| path.as_str().to_owned()).collect(),
        };
        rules.flat_map(paths).collect()
    }

    /// True if some of `callers` can reach what `question` is about.
    pub fn reach(&self, question: &ReachQuestion<'_>, callers: Callers) -> ReachAnswer {
        let prints = RulePrints::default();
        let anonymous = Subject::assertion(Credential::Absent, Credential::Absent);
        let possible = |caller: &Subject| {
            self.possible(&question.ask(caller), MissingData::BESIDE_CALLER, &prints)
        };
        let decision = possible(&anonymous).decision;
        if let Decision::Deny(denial) = decision
            && denial.rejection.reason().layer() == Layer::Transport
        {
            return ReachAnswer {
                refusal: Some(denial.rejection),
                ..ReachAnswer::of(Possibility::No)
            };
        }
        let about = self.about(question.request);
        let of = |effect| about.iter().filter(move |fit| fit.rule.effect == effect);
        let denies: Vec<_> = of(Effect::Deny).collect();
        let denying: Vec<_> = denies.iter().map(|fit| fit.rule).collect();
        let mut answer = ReachAnswer::of(Possibility::No);
        let rules = of(Effect::Allow).map(|fit| fit.rule);
        for rule in rules.filter(|rule| !has_no_caller(rule, callers)) {
            let Witnesses { all, is_complete } =
                Witnesses::of(rule, &denying, question.domains, callers);
            let mut is_dead = is_complete;
            for caller in all {
                let own = self.counted(caller.copy_of_assertion(), question.request);
                let found = possible(&own);
                match found.effect() {
                    Ok(Effect::Allow) => {
                        let rule = found.decision.rule().cloned();
                        let witness = Some(caller);
                        return ReachAnswer { rule, witness, ..ReachAnswer::of(Possibility::Yes) };
                    }
                    Ok(Effect::Deny) => {}
                    Err(gap) => answer.open.push((gap.missing, gap.rule.clone())),
                }
                let asked = question.ask(&own);
                is_dead &= denies.iter().any(|deny| is_in_the_way(deny, rule, &asked));
            }
            if !is_dead {
                answer.answer = Possibility::CannotTell;
            }
        }
        answer.open.sort();
        answer.open.dedup();
        answer
    }

    fn counted(&self, subject: Subject, request: &RequestView) -> Subject {
        match self.scope().of(request) {
            Some(counting) => subject.where_count(|issuer| counting.has(issuer)),
            None => subject,
        }
    }

    /// The rules that count and are about `request`.
    fn about(&self, request: &RequestView) -> Vec<RuleMatch<'_>> {
        let Ok(target) = &request.target else { return Vec::new() };
        let rules = self.index.candidates(target).filter(|(_, rule)| rule.mode == Mode::Enforce);
        rules.filter_map(|(host, rule)| RuleMatch::new(rule, host, request, target).ok()).collect()
    }
}

impl ReachQuestion<'_> {
    fn ask<'a>(&'a self, subject: &'a Subject) -> DecisionRequest<'a> {
        let Self { request, now, .. } = *self;
        DecisionRequest { subject, request, now, id: DecisionId::default() }
    }
}

impl ReachAnswer {
    const fn of(answer: Possibility) -> Self {
        Self { answer, rule: None, open: Vec::new(), refusal: None, witness: None }
    }
}
