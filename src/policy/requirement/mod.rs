//! What a rule requires of a request and its caller: one file per family of requirements.

pub(in crate::policy) mod condition;
pub(in crate::policy) mod missing;
pub(in crate::policy) mod observation;
pub(in crate::policy) mod template;
pub(in crate::policy) mod variable;
