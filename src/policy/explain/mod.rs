//! Explaining decisions: what a watched evaluation records, and the rules that are not about a request.

pub(in crate::policy) mod non_matching_rules;
