//! A rule as its document writes it.

use crate::document::Origin;
use crate::document::policy::{PolicySpec, RuleSpec};
use crate::policy::model::PolicyTarget;

/// The source of a rule, and where it is.
pub(in crate::policy) struct SourceRule<'a> {
    pub(in crate::policy) origin: &'a Origin,
    pub(in crate::policy) policy: &'a PolicySpec,
    pub(in crate::policy) spec: &'a RuleSpec,
    pub(in crate::policy) target: &'a PolicyTarget,
}
