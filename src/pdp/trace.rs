//! Watching one decision from the credentials to the answer. Serving watches nothing and pays nothing; `explain` makes the
//! same call with a watcher.

use crate::{authn, policy};

/// A watcher of one decision.
pub trait RequestTrace {
    /// Watches how the caller is authenticated.
    type Authentication: authn::AuthenticationTrace;
    /// Watches how the policies are evaluated.
    type Evaluation: policy::PolicyTrace;

    /// Who watches how the caller is authenticated.
    fn authentication(&mut self) -> &mut Self::Authentication;

    /// Who watches how the policies are evaluated.
    fn evaluation(&mut self) -> &mut Self::Evaluation;
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRequestTrace {
    authentication: authn::NoAuthenticationTrace,
    evaluation: policy::NoPolicyTrace,
}

impl NoRequestTrace {
    pub(super) const fn new() -> Self {
        Self { authentication: authn::NoAuthenticationTrace, evaluation: policy::NoPolicyTrace }
    }
}

impl RequestTrace for NoRequestTrace {
    type Authentication = authn::NoAuthenticationTrace;
    type Evaluation = policy::NoPolicyTrace;

    fn authentication(&mut self) -> &mut authn::NoAuthenticationTrace {
        &mut self.authentication
    }

    fn evaluation(&mut self) -> &mut policy::NoPolicyTrace {
        &mut self.evaluation
    }
}
