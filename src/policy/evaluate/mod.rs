//! Evaluating: from the rules of a set to one decision.

mod decide;
mod excuse;
pub(in crate::policy) mod index;
mod judge;
pub(in crate::policy) mod policy_set;
pub(in crate::policy) mod rule_match;
mod strip;
mod tally;
pub(in crate::policy) mod trace;
