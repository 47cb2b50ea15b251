//! Watching an evaluation. Serving watches nothing and pays nothing; `explain` and `test` record. There is one
//! evaluator, so they cannot disagree.

use crate::policy::asked::Asked;
use crate::policy::compile::compiled_rule::{Effect, Fit, HostFit, Mode};
use crate::policy::model::decision::RuleName;
use crate::policy::model::path::PathTemplate;
use crate::policy::model::truth::Truth;
use crate::policy::remedy;
use crate::policy::requirement::condition::Operand;
use crate::policy::requirement::missing::Gaps;
use crate::policy::requirement::observation::Fact;

/// Somebody who watches an evaluation.
pub trait Trace {
    /// Whether checks are wanted that cannot change a rule's verdict any more.
    const WANTS_EVERY_CHECK: bool;

    /// What is not known of the request, because it was not recorded.
    fn gaps(&self) -> Gaps {
        Gaps::NONE
    }

    /// A rule of the host is not about this request.
    fn not_about(&mut self, rule: &RuleName, why: Mismatch);

    /// A check of a rule that is about this request.
    fn check(&mut self, asked: &Asked<'_>, truth: Truth);

    /// What became of the rule, after its checks.
    fn judged(&mut self, rule: &About<'_>, satisfied: Truth);
}

/// A rule that is about a request, and through what.
#[derive(Clone, Copy, Debug)]
pub struct About<'a>(pub(in crate::policy) Fit<'a>);

/// Why a rule is not about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// The host with a port or a trailing dot that the rule's target does not ask for.
    Host,
    /// Another port of the connection.
    Port,
    /// Another method.
    Method,
    /// Another path.
    Path,
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

/// Keeps everything.
#[derive(Clone, Debug)]
pub struct Recorder {
    gaps: Gaps,
    rules: Vec<RuleTrace>,
    pending: Vec<CheckTrace>,
}

/// What happened with one rule.
#[derive(Clone, Debug)]
pub struct RuleTrace {
    /// Which rule.
    pub rule: RuleName,
    /// What became of it.
    pub outcome: RuleOutcome,
}

/// What became of one rule.
#[derive(Clone, Debug)]
pub enum RuleOutcome {
    /// It is not about the request.
    NotAbout(Mismatch),
    /// It was judged.
    Judged {
        /// What a match means.
        effect: Effect,
        /// Whether it counts.
        mode: Mode,
        /// How it came to be about the host.
        host: HostFit,
        /// The path template that the path matched; none where it is about every path.
        template: Option<String>,
        /// Whether everything it asks for holds.
        satisfied: Truth,
        /// Each check, in order.
        checks: Vec<CheckTrace>,
    },
}

/// One check of one rule.
#[derive(Clone, Debug)]
pub struct CheckTrace {
    /// What is looked at, such as `token.scopes`.
    pub check: String,
    /// Whether it holds.
    pub truth: Truth,
    /// What the rule wants there, as its document says it.
    pub wanted: Vec<String>,
    /// What was found there.
    pub found: Vec<Fact>,
    /// The parts of a condition.
    pub operands: Vec<Operand>,
    /// What would have to be otherwise, where it does not hold.
    pub remedy: Option<String>,
}

// === impl NoTrace ===

impl Trace for NoTrace {
    const WANTS_EVERY_CHECK: bool = false;

    fn not_about(&mut self, _: &RuleName, _: Mismatch) {}

    fn check(&mut self, _: &Asked<'_>, _: Truth) {}

    fn judged(&mut self, _: &About<'_>, _: Truth) {}
}

// === impl About ===

impl About<'_> {
    /// Its name.
    #[must_use]
    pub const fn rule(&self) -> &RuleName {
        &self.0.rule.name
    }

    /// What a match means.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.0.rule.effect
    }

    /// Whether it counts.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.0.rule.mode
    }

    /// How it came to be about the host.
    #[must_use]
    pub const fn host(&self) -> HostFit {
        self.0.host
    }

    /// The path template that the path matched; none where it is about every path.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.0.template.map(PathTemplate::as_str)
    }
}

// === impl CheckTrace ===

impl CheckTrace {
    fn new(asked: &Asked<'_>, truth: Truth) -> Self {
        Self {
            check: asked.name(),
            truth,
            wanted: asked.wanted(),
            found: asked.found(),
            operands: asked.operands(),
            remedy: remedy::of(asked, truth),
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// Watches the evaluation of something that was recorded with these gaps.
    #[must_use]
    pub const fn with_gaps(gaps: Gaps) -> Self {
        Self { gaps, rules: Vec::new(), pending: Vec::new() }
    }

    /// Every rule of the request's host that was looked at.
    #[must_use]
    pub fn rules(&self) -> &[RuleTrace] {
        &self.rules
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::with_gaps(Gaps::NONE)
    }
}

impl Trace for Recorder {
    const WANTS_EVERY_CHECK: bool = true;

    fn gaps(&self) -> Gaps {
        self.gaps
    }

    fn not_about(&mut self, rule: &RuleName, why: Mismatch) {
        self.rules.push(RuleTrace { rule: rule.clone(), outcome: RuleOutcome::NotAbout(why) });
    }

    fn check(&mut self, asked: &Asked<'_>, truth: Truth) {
        self.pending.push(CheckTrace::new(asked, truth));
    }

    fn judged(&mut self, about: &About<'_>, satisfied: Truth) {
        let outcome = RuleOutcome::Judged {
            effect: about.effect(),
            mode: about.mode(),
            host: about.host(),
            template: about.template().map(str::to_owned),
            satisfied,
            checks: std::mem::take(&mut self.pending),
        };
        self.rules.push(RuleTrace { rule: about.rule().clone(), outcome });
    }
}
