//! Explaining decisions: recording an evaluation, and the rules that are not about a request.

pub(in crate::policy) mod non_matching_rules;
pub(in crate::policy) mod recorder;
