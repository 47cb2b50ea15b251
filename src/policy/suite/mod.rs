//! Policy suites: cases with made-up callers, judged by the evaluator that serves.

mod answer;
mod compile;
mod coverage;
mod question;
mod run;

pub use coverage::{Coverage, CoverageReport, UntriedPart};
pub use question::Question;
pub use run::{CaseReport, Difference, SuiteReport};

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::document::{Diagnostic, Document, Span};
use crate::policy::compile::compiled_rule::Effect;
use crate::reason::Reason;
use crate::request::RequestView;

/// A compiled `PolicySuite` document.
#[derive(Debug)]
pub struct Suite {
    name: Arc<str>,
    now: UnixTime,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    name: Arc<str>,
    /// Which of several combinations it is.
    variant: String,
    place: Span,
    request: RequestView,
    subject: Subject,
    expect: Arc<Expectation>,
}

/// What is decided; what is absent is not looked at.
#[derive(Debug)]
struct Expectation {
    decision: Effect,
    reason: Option<Reason>,
    rule: Option<String>,
    headers: Vec<(String, String)>,
    response_headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    metadata: Map<String, Value>,
    assertion: Map<String, Value>,
    removed: Vec<String>,
    status: Option<u16>,
    body: Option<Value>,
}

// === impl Suite ===

impl Suite {
    /// Compiles the `PolicySuite` documents among `documents`. Every problem goes to `problems`.
    #[must_use]
    pub fn compile(documents: &[Document], problems: &mut Vec<Diagnostic>) -> Vec<Self> {
        compile::compile(documents, problems)
    }

    /// The name of the document.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
