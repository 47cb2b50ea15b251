//! Rules of a request's host that are not about the request, and the requests that they are about. Looks at every rule, and
//! does not use the index.

use crate::document::policy::{Effect, Mode};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::evaluate::policy_set::PolicySet;
use crate::policy::evaluate::rule_match::{HostFit, Mismatch, mismatches};
use crate::policy::model::path::PathTemplate;
use crate::policy::model::rule_name::RuleName;
use crate::request::RequestView;

/// A rule of the request's host that is not about the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonMatchingRule {
    /// Which rule.
    pub rule: RuleName,
    /// Its effect, if it matched.
    pub effect: Effect,
    /// The mode: enforced or in shadow.
    pub mode: Mode,
    /// Everything that keeps it from being about the request, with what it is about in that respect.
    pub differs: Vec<(Mismatch, Vec<String>)>,
}

impl PolicySet {
    /// The rules of the request's host that are not about it.
    pub fn non_matching_rules(&self, request: &RequestView) -> Vec<NonMatchingRule> {
        let Ok(target) = &request.target else { return Vec::new() };
        let rules = self.index.of_host(&target.host);
        let non_matching = |(_, rule): (HostFit, &Rule)| {
            let differs = mismatches(rule, request, target).into_iter();
            let differs: Vec<_> = differs.map(|why| (why, about(rule, why))).collect();
            let (effect, mode) = (rule.effect, rule.mode);
            let found = NonMatchingRule { rule: rule.name.clone(), effect, mode, differs };
            Some(found).filter(|found| !found.differs.is_empty())
        };
        let mut all: Vec<_> = rules.filter_map(non_matching).collect();
        all.sort_by(|a, b| a.rule.cmp(&b.rule));
        all
    }

    /// The hosts that some rule names, as its document writes them.
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
