//! From a host and a path to the rules that may be about them, without a visit to any other rule.

use std::collections::HashMap;
use std::sync::Arc;

use super::rule_match::HostFit;
use crate::document::policy::Effect;
use crate::policy::compile::compiled_policy::{CompiledPolicy, HostAnswer};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{CustomAnswer, HostPattern};
use crate::request::{Host, PathLeniency, RequestView, Target, Text, parent_of};

/// Every rule, found by host and by the first segment of its paths.
///
/// Finds a superset of the rules that are about a request; each rule says itself whether it is.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Index {
    policies: Box<[Arc<CompiledPolicy>]>,
    exact: HashMap<Box<str>, HostRules>,
    one_label_below: HashMap<Box<str>, HostRules>,
    any: HostRules,
    /// The paths that some rule accepts although they are not canonical.
    leniency: PathLeniency,
}

/// The position of a rule: that of its policy, and its own there.
type At = (usize, usize);

/// The rules of one host pattern.
#[derive(Clone, Debug, Default)]
struct HostRules {
    /// Ordered: a host has few rules, and a map of them would take more than they do.
    by_first_segment: Vec<(Box<str>, At)>,
    /// Rules whose paths start with a wildcard, or that are about every path.
    open: Vec<At>,
    /// The responses to requests that no rule is about, ordered by the policies' names.
    answers: Vec<HostAnswer>,
}

impl Index {
    /// Of every rule of `policies`.
    pub(in crate::policy) fn of(policies: Box<[Arc<CompiledPolicy>]>) -> Self {
        let mut index = Self::default();
        for (at, policy) in policies.iter().enumerate() {
            index.insert(at, policy);
        }
        index.buckets_mut().for_each(HostRules::shrink);
        Self { policies, ..index }
    }

    /// Adds the rules of a policy, and its response to denied requests.
    fn insert(&mut self, at: usize, policy: &CompiledPolicy) {
        let hosts = &policy.target.hosts;
        if !policy.rules.is_empty() {
            self.leniency = self.leniency.or(policy.target.leniency);
        }
        let insert = |bucket: &mut HostRules| {
            let rules = policy.rules.iter().enumerate();
            rules.for_each(|(number, rule)| bucket.insert((at, number), rule));
        };
        if hosts.is_empty() {
            insert(&mut self.any);
            self.any.answers.extend(policy.answer.clone());
        }
        for (position, host) in hosts.iter().enumerate() {
            // A rule is found once for each request, also where its target names a host twice.
            let host = &host.host;
            let mut before = hosts.iter().take(position).map(|other| &other.host);
            let repeated = before.any(|other| other == host);
            let mut others = hosts.iter().map(|other| &other.host);
            let covered = others.any(|other| other != host && other.covers(host));
            if !repeated && !covered {
                insert(self.bucket(host));
            }
            if let Some(answer) = &policy.answer {
                self.bucket(host).answers.push(answer.clone());
            }
        }
    }

    /// The rules that may be about `target`, each once.
    pub(in crate::policy) fn candidates(
        &self,
        target: &Target,
    ) -> impl Iterator<Item = (HostFit, &Rule)> {
        let first = target.path.segments().first().map_or("", Text::as_str);
        self.buckets(target.host.as_str())
            .flat_map(move |(fit, bucket)| bucket.find(first).map(move |at| (fit, at)))
            .filter_map(|(fit, at)| self.rule(at).map(|rule| (fit, rule)))
    }

    /// Every rule of `host`, whatever its paths.
    pub(in crate::policy) fn of_host(&self, host: &Host) -> impl Iterator<Item = (HostFit, &Rule)> {
        self.buckets(host.as_str())
            .flat_map(|(fit, bucket)| bucket.all().into_iter().map(move |at| (fit, at)))
            .filter_map(|(fit, at)| self.rule(at).map(|rule| (fit, rule)))
    }

    fn rule(&self, (policy, rule): At) -> Option<&Rule> {
        self.policies.get(policy)?.rules.get(rule)
    }

    /// The hosts that have rules of their own.
    pub(in crate::policy) fn hosts(&self) -> Vec<String> {
        let exact = self.exact.keys().map(ToString::to_string);
        let below = self.one_label_below.keys().map(|parent| format!("*.{parent}"));
        let mut hosts: Vec<_> = exact.chain(below).collect();
        hosts.sort_unstable();
        hosts
    }

    fn buckets(&self, host: &str) -> impl Iterator<Item = (HostFit, &HostRules)> {
        let exact = self.exact.get(host).map(|bucket| (HostFit::Exact, bucket));
        let below = parent_of(host).and_then(|parent| self.one_label_below.get(parent));
        let below = below.map(|bucket| (HostFit::Wildcard, bucket));
        [exact, below, Some((HostFit::Any, &self.any))].into_iter().flatten()
    }

    /// The paths that some rule accepts although they are not canonical.
    pub(in crate::policy) const fn leniency(&self) -> PathLeniency {
        self.leniency
    }

    /// The response to a request that no rule denied: that of the policy with the narrowest host, and of several the first by
    /// name.
    pub(in crate::policy) fn answer_for(&self, request: &RequestView) -> Option<Arc<CustomAnswer>> {
        let target = request.target.as_ref().ok()?;
        let host = target.host.as_str();
        let below = parent_of(host).and_then(|parent| self.one_label_below.get(parent));
        let buckets = [(true, self.exact.get(host)), (false, below), (false, Some(&self.any))];
        let mut answers = buckets.into_iter().flat_map(|(by_name, bucket)| {
            let answers = bucket.map_or(&[][..], |bucket| &bucket.answers).iter();
            // By its name in another form, and by a wildcard in this one, it is as wide as the wildcard.
            answers.filter(move |own| !by_name || own.target.names(target, Effect::Allow))
        });
        let fitting = |own: &&HostAnswer| {
            own.target.fits_port(request) == Some(true) && own.target.asks_for_form(target)
        };
        answers.find(fitting).map(|own| Arc::clone(&own.answer))
    }

    /// Every policy.
    pub(in crate::policy) fn policies(&self) -> &[Arc<CompiledPolicy>] {
        &self.policies
    }

    /// Every rule, in no particular order.
    pub(in crate::policy) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.policies.iter().flat_map(|policy| &policy.rules)
    }

    /// True if there is no rule.
    pub(in crate::policy) fn is_empty(&self) -> bool {
        self.policies.iter().all(|policy| policy.rules.is_empty())
    }

    fn buckets_mut(&mut self) -> impl Iterator<Item = &mut HostRules> {
        let named = self.exact.values_mut().chain(self.one_label_below.values_mut());
        named.chain(std::iter::once(&mut self.any))
    }

    fn bucket(&mut self, host: &HostPattern) -> &mut HostRules {
        match host {
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::OneLabelBelow(parent) => {
                self.one_label_below.entry(parent.clone()).or_default()
            }
        }
    }
}

impl HostRules {
    fn insert(&mut self, at: At, rule: &Rule) {
        let firsts: Option<Vec<&str>> =
            rule.paths.iter().map(|path| path.first_literal()).collect();
        match firsts {
            Some(mut firsts) if !firsts.is_empty() => {
                firsts.sort_unstable();
                firsts.dedup();
                self.by_first_segment.extend(firsts.into_iter().map(|first| (first.into(), at)));
            }
            Some(_) | None => self.open.push(at),
        }
    }

    /// Puts in order what was added, in no more room than it takes.
    fn shrink(&mut self) {
        self.by_first_segment.sort_unstable();
        self.by_first_segment.shrink_to_fit();
        self.open.shrink_to_fit();
        self.answers.sort_by(|a, b| a.policy.cmp(&b.policy));
        self.answers.shrink_to_fit();
    }

    /// Every rule, each once.
    fn all(&self) -> Vec<At> {
        let by_segment = self.by_first_segment.iter().map(|(_, at)| at);
        let mut all: Vec<_> = by_segment.chain(&self.open).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn find(&self, first: &str) -> impl Iterator<Item = At> {
        let from = self.by_first_segment.partition_point(|(segment, _)| **segment < *first);
        let by_segment = self.by_first_segment.get(from..).unwrap_or_default();
        let by_segment = by_segment.iter().take_while(move |(segment, _)| **segment == *first);
        by_segment.map(|(_, at)| *at).chain(self.open.iter().copied())
    }
}
