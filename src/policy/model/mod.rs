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
pub(in crate::policy) mod removed_headers;
pub(in crate::policy) mod rule_name;
pub(in crate::policy) mod schedule;
pub(in crate::policy) mod target;
pub(in crate::policy) mod text;
pub(in crate::policy) mod truth;

pub(in crate::policy) use annotations::{Annotations, Note};
pub(in crate::policy) use answer::{ClearedCookie, CustomAnswer, Redirect};
pub(in crate::policy) use claim::{ClaimMatcher, ClaimTest, Scalar};
pub(in crate::policy) use decision::{Decision, Denial, Needs, Permit, ProofNeed, ShadowOutcome};
pub(in crate::policy) use decision_id::DecisionId;
pub(in crate::policy) use decision_request::DecisionRequest;
pub(in crate::policy) use header::HeaderMatcher;
pub(in crate::policy) use header_names::{
    check_header_name, check_injected, check_removal, check_response_name, has_many_spellings,
};
pub(in crate::policy) use host::{AuthorityPattern, HostPattern};
pub(in crate::policy) use obligations::{
    AssertionRequest, HeaderMutation, Keep, Obligations, QueryMutation,
};
pub(in crate::policy) use overrides::{
    FAILURE_MODE_HEADER, OVERRIDE_HEADERS, OVERRIDE_PARAMETERS, PROXY_HEADERS,
};
pub(in crate::policy) use parameters::{
    Copies, check_injected_parameter, check_parameter, is_settable,
};
pub(in crate::policy) use path::PathTemplate;
pub(in crate::policy) use query::QueryMatcher;
pub(in crate::policy) use removed_headers::RemovedHeaders;
pub(in crate::policy) use rule_name::RuleName;
pub(in crate::policy) use schedule::{
    DAY, Schedule, Window, closest_zone, fixed_zone, offset_like, read_day, read_moment, read_zone,
};
pub(in crate::policy) use target::PolicyTarget;
pub(in crate::policy) use text::{TextMatcher, ValuesTest};
pub(in crate::policy) use truth::Truth;
