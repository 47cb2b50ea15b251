//! Who may do what: documents compiled into rules, evaluated against what was verified.

mod decision;

pub use decision::{Decision, Denial, HeaderMutation, Permit, RuleName};

use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::document::{Diagnostic, Document};
use crate::reason::Reason;
use crate::request::RequestView;

/// Every policy at one revision, compiled.
#[derive(Debug, Default)]
pub struct PolicySet {}

/// One question: may this subject make this request now?
#[derive(Clone, Copy, Debug)]
pub struct DecisionRequest<'a> {
    /// Who is asking.
    pub subject: &'a Subject,
    /// For what.
    pub request: &'a RequestView,
    /// When.
    pub now: UnixTime,
}

// === impl PolicySet ===

impl PolicySet {
    /// Compiles the `Policy` documents among `documents`. Every problem goes to `problems`; where one of them is an error the
    /// result must not be used. `issuers` and `domains` are the names of the documents that a rule may refer to.
    #[must_use]
    pub fn compile(
        _documents: &[Document],
        _issuers: &[&str],
        _domains: &[&str],
        _problems: &mut Vec<Diagnostic>,
    ) -> Self {
        Self {}
    }

    /// Decides. Default deny, deny overrides, order never matters.
    #[must_use]
    pub fn evaluate(&self, _question: &DecisionRequest<'_>) -> Decision {
        Decision::Deny(Denial::new(Reason::NoRule.because("no policy is loaded")))
    }
}
