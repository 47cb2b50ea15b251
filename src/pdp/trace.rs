//! Watching one decision from the credentials to the answer. Serving watches nothing and pays nothing; `explain` makes the
//! same call with a watcher.

use crate::{authn, policy};

/// A watcher of one decision.
pub trait Trace {
    /// Watches how the caller is authenticated.
    type Authentication: authn::AuthenticationTrace;
    /// Watches how the policies are evaluated.
    type Evaluation: policy::Trace;

    /// Who watches how the caller is authenticated.
    fn authentication(&mut self) -> &mut Self::Authentication;

    /// Who watches how the policies are evaluated.
    fn evaluation(&mut self) -> &mut Self::Evaluation;
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace {
    authentication: authn::NoAuthenticationTrace,
    evaluation: policy::NoTrace,
}

impl NoTrace {
    pub(super) const fn new() -> Self {
        Self { authentication: authn::NoAuthenticationTrace, evaluation: policy::NoTrace }
    }
}

impl Trace for NoTrace {
    type Authentication = authn::NoAuthenticationTrace;
    type Evaluation = policy::NoTrace;

    fn authentication(&mut self) -> &mut authn::NoAuthenticationTrace {
        &mut self.authentication
    }

    fn evaluation(&mut self) -> &mut policy::NoTrace {
        &mut self.evaluation
    }
}
