//! Explaining decisions: recording an evaluation, the rules that are not about a request, decisions of which data is
//! missing, and who can reach a path.

pub(in crate::policy) mod changes;
mod implied;
pub(in crate::policy) mod non_matching_rules;
pub(in crate::policy) mod possible;
pub(in crate::policy) mod reach;
pub(in crate::policy) mod recorder;
pub(in crate::policy) mod set_changes;
pub(in crate::policy) mod witness;
