//! Running a suite: each case is evaluated, and every difference from its expectation is reported.

use super::answer::Difference;
use super::case::{Case, Expectation, ExpectedRule, Suite};
use super::coverage::Coverage;
use crate::document::Span;
use crate::policy::{Decision, DecisionId, DecisionRequest, Effect, PolicySet, TraceRecorder};
use crate::request::RequestView;

/// How a suite went.
#[derive(Clone, Debug)]
pub struct SuiteReport {
    /// The name of the suite.
    pub suite: String,
    /// Its cases, in the order of the document.
    pub cases: Vec<CaseReport>,
    /// The coverage of its cases.
    pub coverage: Coverage,
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The sentence that should be true.
    pub name: String,
    /// Which of several combinations it is; empty where there is one.
    pub variant: String,
    /// The place where it was written.
    pub place: Span,
    /// The decision, in a line.
    pub decided: String,
    /// The differences; empty if it passed.
    pub differences: Vec<Difference>,
}

impl Suite {
    /// Puts every case to `policies`.
    pub fn run(&self, policies: &PolicySet) -> SuiteReport {
        let mut coverage = Coverage::default();
        let cases = self.cases.iter().map(|case| {
            let mut recorder = TraceRecorder::default();
            let Case { subject, request, .. } = case;
            let seen = policies.scope().of(request).map(|counting| {
                subject.copy_of_assertion().where_count(|issuer| counting.has(issuer))
            });
            let subject = seen.as_ref().unwrap_or(subject);
            let question =
                DecisionRequest { subject, request, now: self.now, id: DecisionId::default() };
            let decision = policies.evaluate_traced(&question, &mut recorder);
            coverage.add(&recorder);
            CaseReport {
                name: case.name.to_string(),
                variant: case.variant.clone(),
                place: case.place.clone(),
                decided: in_a_line(&decision),
                differences: case.expect.differences(&decision, request),
            }
        });
        let cases = cases.collect();
        SuiteReport { suite: self.name.to_string(), cases, coverage }
    }
}

fn in_a_line(decision: &Decision) -> String {
    match decision {
        Decision::Allow(permit) => format!("allow by {}", permit.rule()),
        Decision::Deny(denial) => match denial.rule.as_ref() {
            Some(rule) => format!("deny, {} ({rule})", &denial.rejection),
            None => format!("deny, {}", &denial.rejection),
        },
    }
}

impl Expectation {
    fn differences(&self, decision: &Decision, request: &RequestView) -> Vec<Difference> {
        let found = if decision.is_allow() { Effect::Allow } else { Effect::Deny };
        let mut differences = Vec::new();
        let mut differ = |what: &str, expected: &str, found: &str| {
            let (what, expected, found) = (what.to_owned(), expected.to_owned(), found.to_owned());
            differences.push(Difference { what, expected, found });
        };
        if found != self.decision {
            differ("decision", self.decision.as_str(), found.as_str());
        }
        let reason = match decision {
            Decision::Allow(_) => "none",
            Decision::Deny(denial) => denial.rejection.reason().as_str(),
        };
        if let Some(expected) = self.reason.filter(|expected| expected.as_str() != reason) {
            differ("reason", expected.as_str(), reason);
        }
        let rule = decision.rule();
        let differs = |expected: &&ExpectedRule| !rule.is_some_and(|rule| expected.is(rule));
        if let Some(expected) = self.rule.as_ref().filter(differs) {
            differ(
                "rule",
                &expected.name,
                &rule.map_or_else(|| "none".to_owned(), ToString::to_string),
            );
        }
        differences.extend(self.answer_differences(decision, request));
        differences
    }
}
