//! Watching a decision: the walk to the peer, the checks of the tokens, and the rules.

use serde_json::{Map, Value};

use crate::authn::{self, Hop, TokenCheck};
use crate::cli::inspect::HopReport;
use crate::pdp;
use crate::policy::{MissingData, TraceRecorder};

/// Everything that was seen of one decision.
#[derive(Debug)]
pub(super) struct ExplainWatch {
    pub(super) steps: Steps,
    pub(super) rules: TraceRecorder,
    /// The claims of each token, where values are shown.
    pub(super) claims: Vec<Map<String, Value>>,
}

/// How the caller was authenticated.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) walk: Vec<HopReport>,
    /// The checks that were passed, token after token.
    pub(super) passed: Vec<TokenCheck>,
}

impl ExplainWatch {
    pub(super) fn new(missing: MissingData) -> Self {
        let rules = TraceRecorder::with_missing(missing);
        Self { steps: Steps::default(), rules, claims: Vec::new() }
    }
}

impl pdp::RequestTrace for ExplainWatch {
    type Authentication = Steps;
    type Evaluation = TraceRecorder;

    fn authentication(&mut self) -> &mut Steps {
        &mut self.steps
    }

    fn evaluation(&mut self) -> &mut TraceRecorder {
        &mut self.rules
    }
}

impl authn::AuthenticationTrace for Steps {
    fn hop(&mut self, hop: Hop<'_>) {
        self.walk.push(HopReport::new(&hop));
    }

    fn passed(&mut self, check: TokenCheck) {
        self.passed.push(check);
    }
}
