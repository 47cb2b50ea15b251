//! Decisions about requests of which data is missing: certain where every value of that data leads to the same one.
//!
//! Evaluation takes what is missing for unknown, and unknown denies. That is safe, and it is no answer to the question what was
//! decided, or would be: a deny rule whose header is not recorded may have matched or not.

use std::collections::HashMap;

use crate::document::policy::{Effect, Mode};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::evaluate::policy_set::PolicySet;
use crate::policy::evaluate::rule_match::{Mismatch, RuleMatch};
use crate::policy::evaluate::trace::{EvaluatedCheck, PolicyTrace};
use crate::policy::model::decision::Decision;
use crate::policy::model::decision_request::DecisionRequest;
use crate::policy::model::rule_name::RuleName;
use crate::policy::model::truth::Truth;
use crate::policy::requirement::missing::{MissingData, RecordField};
use crate::reason::Reason;
use crate::request::RequestView;
use crate::secret::Fingerprint;

/// The rules of one set by their content: equal rules of two sets have the same print.
#[derive(Debug, Default)]
pub struct RulePrints(HashMap<usize, Fingerprint>);

/// The decision of a set about a request of which data is missing.
#[derive(Debug)]
pub struct PossibleDecision {
    /// The decision where everything that depends on missing data is unknown.
    pub decision: Decision,
    rules: Vec<JudgedRule>,
}

/// The datum on which a decision depends, and the rule that needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// The datum.
    pub missing: RecordField,
    /// The rule.
    pub rule: &'a RuleName,
}

/// A rule that counts and is about the request, with one of the caller's tokens.
#[derive(Debug)]
struct JudgedRule {
    print: Option<Fingerprint>,
    name: RuleName,
    effect: Effect,
    /// The path template that the path matches.
    template: Option<Box<str>>,
    result: PossibleResult,
    /// The missing datum that a check of it depends on, also where another check fails.
    gap: Option<RecordField>,
    removes_query: bool,
}

/// The results that a rule can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PossibleResult {
    Holds,
    Fails,
    /// Unknown, whatever the missing data is.
    Unknown,
    /// Any of them.
    Any,
    /// It fails or is unknown.
    NeverHolds,
}

impl RulePrints {
    /// Those of `set`.
    pub fn of(set: &PolicySet) -> Self {
        let print = |rule: &Rule| (address(rule), Fingerprint::of(format!("{rule:?}").as_bytes()));
        Self(set.index.rules().map(print).collect())
    }
}

/// A rule stays where it is as long as its set.
fn address(rule: &Rule) -> usize {
    std::ptr::from_ref(rule).addr()
}

impl PolicySet {
    /// Decides `question`, of which `missing` is not known.
    pub fn possible(
        &self,
        question: &DecisionRequest<'_>,
        missing: MissingData,
        prints: &RulePrints,
    ) -> PossibleDecision {
        let mut watch = Watch { missing, prints, rules: Vec::new(), seen: RuleChecks::default() };
        let decision = self.evaluate_traced(question, &mut watch);
        PossibleDecision { decision, rules: watch.rules }
    }

    /// True if some rule may allow `request` although cookies were refused.
    pub fn passes_over_cookies(&self, request: &RequestView) -> bool {
        let target = request.target.as_ref();
        let mut rules = target.into_iter().flat_map(|target| self.index.candidates(target));
        rules.any(|(_, rule)| rule.ignores_rejected_cookies)
    }

    /// The query parameters that some rule sets, and that no caller's copy may take the place of.
    pub fn query_parameters(&self) -> &[String] {
        self.strip.query()
    }
}

impl PossibleDecision {
    /// The effect that the decision has for every value of the missing data.
    ///
    /// # Errors
    /// The datum on which it depends.
    pub fn effect(&self) -> Result<Effect, Gap<'_>> {
        // It was refused before any rule, or no rule is about it.
        if self.rules.is_empty() || self.denies_surely() || !self.may_allow() {
            return Ok(Effect::Deny);
        }
        let gap = |effect| {
            self.rules.iter().filter(move |own| own.effect == effect).find_map(JudgedRule::gap)
        };
        match (&self.decision, gap(Effect::Deny)) {
            (_, Some(gap)) => Err(gap),
            (Decision::Allow(_), None) => Ok(Effect::Allow),
            (Decision::Deny(_), None) => gap(Effect::Allow).map_or(Ok(Effect::Deny), Err),
        }
    }

    /// The reason of a denial, where it is the same for every value of the missing data.
    pub fn reason(&self) -> Option<Reason> {
        let Decision::Deny(denial) = &self.decision else { return None };
        if self.denying(PossibleResult::Holds) {
            return Some(Reason::RuleDenied);
        }
        if self.denying(PossibleResult::Unknown) && !self.denying(PossibleResult::Any) {
            return Some(Reason::EvalError);
        }
        self.is_exact().then(|| denial.rejection.reason())
    }

    /// True if nothing about it depends on missing data.
    pub fn is_exact(&self) -> bool {
        self.rules.iter().all(|own| own.gap.is_none())
    }

    /// True if the rules that may decide are the same as of `other`, so that both decide alike, whatever the missing data is.
    pub fn has_rules_of(&self, other: &Self) -> bool {
        let counting = |decision: &Self| {
            let rules = decision.rules.iter();
            let counting = rules.filter(|own| own.result != PossibleResult::Fails);
            let mut prints: Vec<_> = counting.map(|own| own.print.map(|p| *p.as_bytes())).collect();
            prints.sort_unstable();
            prints
        };
        counting(self) == counting(other)
    }

    /// True if the rule that allows removes parameters of the query, by its own word.
    pub fn removes_query(&self) -> bool {
        self.rules.iter().any(|own| own.effect == Effect::Allow && own.removes_query)
    }

    /// The template of the deciding rule that the path matches; none where no rule is named, or it is about every path.
    pub fn template(&self) -> Option<&str> {
        let named = self.decision.rule()?;
        self.rules.iter().find(|own| own.name == *named)?.template.as_deref()
    }

    fn denying(&self, result: PossibleResult) -> bool {
        self.rules.iter().any(|own| own.effect == Effect::Deny && own.result == result)
    }

    fn denies_surely(&self) -> bool {
        self.denying(PossibleResult::Holds) || self.denying(PossibleResult::Unknown)
    }

    fn may_allow(&self) -> bool {
        let may_hold =
            |own: &JudgedRule| matches!(own.result, PossibleResult::Holds | PossibleResult::Any);
        self.rules.iter().any(|own| own.effect == Effect::Allow && may_hold(own))
    }
}

impl JudgedRule {
    /// The datum on which its part in the decision depends.
    fn gap(&self) -> Option<Gap<'_>> {
        let counts = match self.result {
            PossibleResult::Any => true,
            PossibleResult::NeverHolds => self.effect == Effect::Deny,
            PossibleResult::Holds | PossibleResult::Fails | PossibleResult::Unknown => false,
        };
        let missing = self.gap.filter(|_| counts)?;
        Some(Gap { missing, rule: &self.name })
    }
}

/// Watches an evaluation for results that depend on missing data.
struct Watch<'a> {
    missing: MissingData,
    prints: &'a RulePrints,
    rules: Vec<JudgedRule>,
    seen: RuleChecks,
}

/// The checks of the rule that is being judged.
#[derive(Default)]
struct RuleChecks {
    /// The first missing datum.
    gap: Option<RecordField>,
    /// True if a check is unknown by itself.
    unknown: bool,
    /// True if the check that fails may be unknown.
    doubted: bool,
}

impl PolicyTrace for Watch<'_> {
    const WANTS_EVERY_CHECK: bool = false;

    fn missing(&self) -> MissingData {
        self.missing
    }

    fn not_about(&mut self, _: &RuleName, _: Mismatch) {}

    fn check(&mut self, check: &EvaluatedCheck<'_>, truth: Truth) {
        let lacks = || check.requirement.lacks(self.missing);
        match truth {
            Truth::Holds => {}
            Truth::Unknown => match lacks() {
                Some(field) => self.seen.gap = self.seen.gap.or(Some(field)),
                None => self.seen.unknown = true,
            },
            // A peer whose other authorities are not known may be of the domain.
            Truth::Fails => {
                let field = lacks().filter(|field| *field == RecordField::UnsureTrustDomains);
                self.seen.doubted = field.is_some();
                self.seen.gap = self.seen.gap.or(field);
            }
        }
    }

    fn judged(&mut self, fit: &RuleMatch<'_>, result: Truth) {
        let RuleChecks { gap, unknown, doubted } = std::mem::take(&mut self.seen);
        let rule = fit.rule;
        if rule.mode == Mode::Shadow {
            return;
        }
        let result = match (result, gap) {
            (Truth::Holds, _) => PossibleResult::Holds,
            (Truth::Fails, _) if doubted => PossibleResult::NeverHolds,
            (Truth::Fails, _) => PossibleResult::Fails,
            (Truth::Unknown, None) => PossibleResult::Unknown,
            (Truth::Unknown, Some(_)) if unknown => PossibleResult::NeverHolds,
            (Truth::Unknown, Some(_)) => PossibleResult::Any,
        };
        let remove = &rule.obligations.remove;
        self.rules.push(JudgedRule {
            print: self.prints.0.get(&address(rule)).copied(),
            name: rule.name.clone(),
            effect: rule.effect,
            template: fit.template.map(|own| own.as_str().into()),
            result,
            gap,
            removes_query: remove.token || !remove.query.is_empty(),
        });
    }
}
