//! Policy suites: cases with made-up callers, judged by the evaluator that serves.

mod answer;
mod case;
mod compile;
mod compiler;
mod coverage;
mod fixtures;
mod question;
mod rules;
mod run;
mod trial;

pub use answer::Difference;
pub use case::{Question, Suite};
pub use compiler::KnownIssuer;
pub use coverage::{Coverage, CoverageReport, UntriedPart};
pub use run::{CaseReport, SuiteReport};
pub use trial::{ConditionNames, ConditionTrial};
