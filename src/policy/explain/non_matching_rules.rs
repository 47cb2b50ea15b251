//! Rules that are not about a request, and what they are about instead: for whoever wonders why none is. Looks at every rule,
//! and does not use the index.

use crate::policy::PolicySet;
use crate::policy::compile::compiled_rule::{Effect, HostFit, Mode, Rule};
use crate::policy::evaluate::trace::Mismatch;
use crate::policy::model::decision::RuleName;
use crate::policy::model::path::PathTemplate;
use crate::request::RequestView;

/// A rule of the request's host that is not about the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Which rule.
    pub rule: RuleName,
    /// What its match would mean.
    pub effect: Effect,
    /// Whether it counts.
    pub mode: Mode,
    /// Everything that keeps it from being about the request, with what it is about in that respect.
    pub differs: Vec<(Mismatch, Vec<String>)>,
}

// === impl PolicySet ===

impl PolicySet {
    /// The rules of the request's host that are not about it.
    #[must_use]
    pub fn elsewhere(&self, request: &RequestView) -> Vec<Elsewhere> {
        let Ok(target) = &request.target else { return Vec::new() };
        let rules = self.index.of_host(&target.host);
        let elsewhere = |(_, rule): (HostFit, &Rule)| {
            let differs = rule.mismatches(request, target).into_iter();
            let differs: Vec<_> = differs.map(|why| (why, about(rule, why))).collect();
            let (effect, mode) = (rule.effect, rule.mode);
            let elsewhere = Elsewhere { rule: rule.name.clone(), effect, mode, differs };
            Some(elsewhere).filter(|elsewhere| !elsewhere.differs.is_empty())
        };
        let mut all: Vec<_> = rules.filter_map(elsewhere).collect();
        all.sort_by(|a, b| a.rule.cmp(&b.rule));
        all
    }

    /// The hosts that some rule names, as its document writes them.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.index.hosts()
    }
}

fn about(rule: &Rule, why: Mismatch) -> Vec<String> {
    match why {
        Mismatch::Host if rule.target.hosts.is_empty() => {
            vec![String::from("hosts without a port")]
        }
        Mismatch::Host => rule.target.hosts.iter().map(ToString::to_string).collect(),
        Mismatch::Port => rule.target.ports.iter().map(ToString::to_string).collect(),
        Mismatch::Method => rule.methods.iter().map(ToString::to_string).collect(),
        Mismatch::Path => rule.paths.iter().map(PathTemplate::as_str).map(str::to_owned).collect(),
    }
}
