//! The values that policies are about: patterns and what they match, decisions and what follows from them.

pub(in crate::policy) mod annotations;
pub(in crate::policy) mod answer;
pub(in crate::policy) mod claim;
pub(in crate::policy) mod decision;
pub(in crate::policy) mod decision_id;
pub(in crate::policy) mod decision_request;
pub(in crate::policy) mod header;
pub(in crate::policy) mod header_names;
pub(in crate::policy) mod host;
pub(in crate::policy) mod obligations;
pub(in crate::policy) mod overrides;
pub(in crate::policy) mod parameters;
pub(in crate::policy) mod path;
pub(in crate::policy) mod query;
pub(in crate::policy) mod rule_name;
pub(in crate::policy) mod schedule;
pub(in crate::policy) mod target;
pub(in crate::policy) mod text;
pub(in crate::policy) mod throttling;
pub(in crate::policy) mod truth;
