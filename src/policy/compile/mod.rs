//! Documents to rules: every problem is collected, and a set with an error is not used (P77).

mod annotations;
mod claims;
pub(in crate::policy) mod compiled_policy;
pub(in crate::policy) mod compiled_rule;
mod compiler;
mod condition;
mod deny;
pub(in crate::policy) mod env;
mod foreign_syntax;
mod fragment_store;
mod fragments;
mod identity;
mod inject;
pub(in crate::policy) mod lint;
mod policy;
pub(in crate::policy) mod policy_documents;
mod request;
mod rule;
mod schedule;

pub(in crate::policy) use compiler::IssuerNames;
