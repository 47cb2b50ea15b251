//! The name of a rule.

use std::fmt;
use std::sync::Arc;

/// Which rule of which policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleName {
    /// The name of the policy document.
    pub policy: Arc<str>,
    /// The name of the rule in it.
    pub rule: Arc<str>,
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy, self.rule)
    }
}
