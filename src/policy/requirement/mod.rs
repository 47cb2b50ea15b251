//! Everything that a rule can require: one file for each family of requirements.
//!
//! `docs/adding-a-rule-key.md` says how to add one.

pub(in crate::policy) mod condition;
pub(in crate::policy) mod context;
mod encoding;
pub(in crate::policy) mod injection;
pub(in crate::policy) mod list;
pub(in crate::policy) mod missing;
pub(in crate::policy) mod network;
pub(in crate::policy) mod observation;
pub(in crate::policy) mod peer;
#[expect(clippy::module_inception, reason = "the trait that the folder is about")]
pub(in crate::policy) mod requirement;
pub(in crate::policy) mod rule_key;
pub(in crate::policy) mod schedule;
pub(in crate::policy) mod server_name;
pub(in crate::policy) mod signals;
pub(in crate::policy) mod step_up;
pub(in crate::policy) mod template;
pub(in crate::policy) mod token;
pub(in crate::policy) mod values;
pub(in crate::policy) mod variable;
