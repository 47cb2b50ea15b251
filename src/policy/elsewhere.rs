//! Rules that are not about a request, and what they are about instead: for whoever wonders why none is. Looks at every rule,
//! and does not use the index.

use super::PolicySet;
use super::decision::RuleName;
use super::path::PathTemplate;
use super::rule::{Effect, Mode, Rule};
use super::trace::Mismatch;
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
    /// Why it is not about the request.
    pub why: Mismatch,
    /// What it is about in that respect.
    pub about: Vec<String>,
}

// === impl PolicySet ===

impl PolicySet {
    /// The rules of the request's host that are not about it.
    #[must_use]
    pub fn elsewhere(&self, request: &RequestView) -> Vec<Elsewhere> {
        let Ok(target) = &request.target else { return Vec::new() };
        let rules = self.index.of_host(&target.host);
        let elsewhere = |(host, rule): (_, &Rule)| {
            let why = rule.fit(host, request, target).err()?;
            Some(Elsewhere {
                rule: rule.name.clone(),
                effect: rule.effect,
                mode: rule.mode,
                why,
                about: about(rule, why),
            })
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
        Mismatch::Port => rule.ports.iter().map(ToString::to_string).collect(),
        Mismatch::Method => rule.methods.iter().map(ToString::to_string).collect(),
        Mismatch::Path => rule.paths.iter().map(PathTemplate::as_str).map(str::to_owned).collect(),
    }
}
