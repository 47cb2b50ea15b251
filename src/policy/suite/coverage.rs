//! The coverage of suites: the rules that held in their cases, and the parts of conditions that they made true and made
//! false. A part that was never false could be removed without any case noticing.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::explain::recorder::RuleOutcome;
use crate::policy::model::Truth;
use crate::policy::{PolicySet, RuleName, TraceRecorder};

/// The rules and parts that were tried.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    held: BTreeSet<RuleName>,
    /// By the rule and the part's position in its condition.
    parts: BTreeMap<(RuleName, usize), PartResults>,
}

/// Which results a part of a condition had.
#[derive(Clone, Copy, Debug, Default)]
struct PartResults {
    yes: bool,
    no: bool,
}

/// The coverage of a set of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageReport {
    /// How many rules there are.
    pub rules: usize,
    /// The rules that held in no case.
    pub never_held: Vec<RuleName>,
    /// How many parts conditions have.
    pub parts: usize,
    /// The parts that no case made true, or false.
    pub untried: Vec<UntriedPart>,
}

/// A part of a condition that had the same result in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntriedPart {
    /// The rule that has the condition.
    pub rule: RuleName,
    /// The part, as the document has it.
    pub text: String,
    /// True if some case made it true.
    pub was_true: bool,
    /// True if some case made it false.
    pub was_false: bool,
}

impl Coverage {
    /// Adds one evaluation.
    pub(super) fn add(&mut self, recorder: &TraceRecorder) {
        for trace in &recorder.rules {
            let RuleOutcome::Judged { result, checks, .. } = &trace.outcome else { continue };
            if *result == Truth::Holds {
                self.held.insert(trace.rule.clone());
            }
            let operands = checks.iter().flat_map(|check| &check.operands);
            for (at, operand) in operands.enumerate() {
                let seen = self.parts.entry((trace.rule.clone(), at)).or_default();
                seen.yes |= operand.truth == Truth::Holds;
                seen.no |= operand.truth == Truth::Fails;
            }
        }
    }

    /// Adds what another suite has tried.
    pub fn merge(&mut self, other: &Self) {
        self.held.extend(other.held.iter().cloned());
        for (part, more) in &other.parts {
            let seen = self.parts.entry(part.clone()).or_default();
            seen.yes |= more.yes;
            seen.no |= more.no;
        }
    }

    /// The coverage of `policies`.
    pub fn of(&self, policies: &PolicySet) -> CoverageReport {
        let mut report = CoverageReport::default();
        for (rule, _, _) in policies.rules() {
            report.rules = report.rules.saturating_add(1);
            if !self.held.contains(rule) {
                report.never_held.push(rule.clone());
            }
        }
        for (rule, texts) in policies.condition_parts() {
            let is_constant = |text: &str| matches!(text, "true" | "false");
            let parts = texts.into_iter().enumerate().filter(|(_, text)| !is_constant(text));
            for (at, text) in parts {
                report.parts = report.parts.saturating_add(1);
                let seen = self.parts.get(&(rule.clone(), at)).copied().unwrap_or_default();
                if !(seen.yes && seen.no) {
                    let (was_true, was_false) = (seen.yes, seen.no);
                    report.untried.push(UntriedPart {
                        rule: rule.clone(),
                        text,
                        was_true,
                        was_false,
                    });
                }
            }
        }
        report.never_held.sort();
        report.untried.sort_by(|a, b| a.rule.cmp(&b.rule));
        report
    }
}

impl CoverageReport {
    /// True if nothing is left to try.
    pub const fn is_full(&self) -> bool {
        self.never_held.is_empty() && self.untried.is_empty()
    }
}
