//! From a host and a path to the rules that may be about them, without a visit to any other rule.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::CustomAnswer;
use super::host::{HostPattern, parent_of};
use super::rule::{HostFit, Rule, fits_ports};
use crate::request::{Host, PathLeniency, RequestView, Target, Text};

/// Every rule, found by host and by the first segment of its paths.
///
/// Finds a superset of the rules that are about a request; each rule says itself whether it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    rules: Vec<Rule>,
    exact: HashMap<Box<str>, Bucket>,
    one_label_below: HashMap<Box<str>, Bucket>,
    any: Bucket,
    /// What some rule accepts in paths that is not canonical.
    leniency: PathLeniency,
}

/// The rules of one host pattern, as positions in [`Index::rules`].
#[derive(Clone, Debug, Default)]
struct Bucket {
    by_first_segment: HashMap<Box<str>, Vec<usize>>,
    /// Rules whose paths start with a wildcard, or that are about every path.
    open: Vec<usize>,
    /// What policies tell those whom no rule of theirs is about, ordered by the policies' names.
    answers: Vec<HostAnswer>,
}

/// What a policy tells those whom it denies.
#[derive(Clone, Debug)]
pub(super) struct HostAnswer {
    pub(super) policy: Box<str>,
    pub(super) ports: Box<[u16]>,
    pub(super) answer: Arc<CustomAnswer>,
}

// === impl Index ===

impl Index {
    /// Adds a rule that is about `hosts`; about every host where there are none.
    pub(super) fn insert(&mut self, hosts: &[HostPattern], rule: Rule) {
        let at = self.rules.len();
        if hosts.is_empty() {
            self.any.insert(at, &rule);
        }
        for (position, host) in hosts.iter().enumerate() {
            // A rule is found once for each request, also where its target names a host twice.
            let repeated = hosts.iter().take(position).any(|other| other == host);
            let covered = hosts.iter().any(|other| other != host && other.covers(host));
            if !repeated && !covered {
                self.bucket(host).insert(at, &rule);
            }
        }
        self.leniency = self.leniency.or(rule.leniency);
        self.rules.push(rule);
    }

    /// The rules that may be about `target`, each once.
    pub(super) fn candidates(&self, target: &Target) -> impl Iterator<Item = (HostFit, &Rule)> {
        let first = target.path.segments().first().map_or("", Text::as_str);
        self.buckets(target.host.as_str())
            .flat_map(move |(fit, bucket)| bucket.find(first).map(move |at| (fit, at)))
            .filter_map(|(fit, at)| self.rules.get(at).map(|rule| (fit, rule)))
    }

    /// Every rule of `host`, whatever its paths.
    pub(super) fn of_host(&self, host: &Host) -> impl Iterator<Item = (HostFit, &Rule)> {
        self.buckets(host.as_str())
            .flat_map(|(fit, bucket)| bucket.all().into_iter().map(move |at| (fit, at)))
            .filter_map(|(fit, at)| self.rules.get(at).map(|rule| (fit, rule)))
    }

    /// The hosts that have rules of their own.
    pub(super) fn hosts(&self) -> Vec<String> {
        let exact = self.exact.keys().map(ToString::to_string);
        let below = self.one_label_below.keys().map(|parent| format!("*.{parent}"));
        let mut hosts: Vec<_> = exact.chain(below).collect();
        hosts.sort_unstable();
        hosts
    }

    fn buckets(&self, host: &str) -> impl Iterator<Item = (HostFit, &Bucket)> {
        let exact = self.exact.get(host).map(|bucket| (HostFit::Exact, bucket));
        let below = parent_of(host).and_then(|parent| self.one_label_below.get(parent));
        let below = below.map(|bucket| (HostFit::Wildcard, bucket));
        [exact, below, Some((HostFit::Any, &self.any))].into_iter().flatten()
    }

    /// What some rule accepts in paths that is not canonical.
    pub(super) const fn leniency(&self) -> PathLeniency {
        self.leniency
    }

    /// Adds what a policy tells those whom it denies at `hosts`; at every host where there are none.
    pub(super) fn insert_answer(&mut self, hosts: &[HostPattern], answer: &HostAnswer) {
        if hosts.is_empty() {
            self.any.insert_answer(answer.clone());
        }
        for host in hosts {
            self.bucket(host).insert_answer(answer.clone());
        }
    }

    /// What a caller is told whom no rule denied: by the policy of the narrowest host, of several the first by name.
    pub(super) fn answer_for(&self, request: &RequestView) -> Option<Arc<CustomAnswer>> {
        let target = request.target.as_ref().ok()?;
        let host = target.host.as_str();
        let below = parent_of(host).and_then(|parent| self.one_label_below.get(parent));
        let buckets = [self.exact.get(host), below, Some(&self.any)];
        let mut answers = buckets.into_iter().flatten().flat_map(|bucket| &bucket.answers);
        let fitting = |own: &&HostAnswer| fits_ports(&own.ports, request, target) == Some(true);
        answers.find(fitting).map(|own| Arc::clone(&own.answer))
    }

    /// Every rule, in no particular order.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    fn bucket(&mut self, host: &HostPattern) -> &mut Bucket {
        match host {
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::OneLabelBelow(parent) => {
                self.one_label_below.entry(parent.clone()).or_default()
            }
        }
    }
}

// === impl Bucket ===

impl Bucket {
    fn insert(&mut self, at: usize, rule: &Rule) {
        let firsts: Option<Vec<&str>> =
            rule.paths.iter().map(|path| path.first_literal()).collect();
        match firsts {
            Some(mut firsts) if !firsts.is_empty() => {
                firsts.sort_unstable();
                firsts.dedup();
                for first in firsts {
                    self.by_first_segment.entry(first.into()).or_default().push(at);
                }
            }
            Some(_) | None => self.open.push(at),
        }
    }

    /// Every rule, each once.
    fn all(&self) -> Vec<usize> {
        let mut all: Vec<_> =
            self.by_first_segment.values().flatten().chain(&self.open).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn insert_answer(&mut self, answer: HostAnswer) {
        let at = self.answers.partition_point(|other| other.policy < answer.policy);
        self.answers.insert(at, answer);
    }

    fn find(&self, first: &str) -> impl Iterator<Item = usize> {
        let by_segment = self.by_first_segment.get(first).map(Vec::as_slice).unwrap_or_default();
        by_segment.iter().chain(&self.open).copied()
    }
}
