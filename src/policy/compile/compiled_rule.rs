//! One compiled rule: the requests that it is about, and what it requires of them.

use std::sync::Arc;

use crate::document::policy::{Effect, Mode};
use crate::policy::model::{
    Annotations, CustomAnswer, HeaderMatcher, PathTemplate, PolicyTarget, RuleName,
};
use crate::policy::requirement::condition::{Condition, When};
use crate::policy::requirement::injection::ObligationTemplate;
use crate::policy::requirement::list::Requirements;

/// A compiled rule. Without methods, or without paths, it is about every one: compiling refuses empty lists in documents.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Rule {
    pub(in crate::policy) name: RuleName,
    /// Those of the policy and of the rule.
    pub(in crate::policy) annotations: Annotations,
    pub(in crate::policy) effect: Effect,
    pub(in crate::policy) mode: Mode,
    /// The target of the policy.
    pub(in crate::policy) target: Arc<PolicyTarget>,
    pub(in crate::policy) methods: Box<[Box<str>]>,
    pub(in crate::policy) paths: Box<[PathTemplate]>,
    pub(in crate::policy) requirements: Requirements,
    /// True if it allows callers although cookies were refused whose tokens it does not need.
    pub(in crate::policy) ignores_rejected_cookies: bool,
    pub(in crate::policy) obligations: ObligationTemplate,
    /// The response to requests that it denies: that of the rule, or of the policy.
    pub(in crate::policy) answer: Option<Arc<CustomAnswer>>,
}

impl Rule {
    pub(in crate::policy) fn condition(&self) -> Option<&Condition> {
        self.requirements.first::<When>().map(|when| &*when.0)
    }

    /// The request headers that it reads.
    pub(in crate::policy) fn headers(&self) -> impl Iterator<Item = &str> {
        let conditions = self.condition().into_iter().flat_map(|condition| condition.headers());
        self.requirements.each::<HeaderMatcher>().map(|own| &*own.name).chain(conditions)
    }

    /// True if it is about requests by their host, method and path only.
    pub(in crate::policy) const fn requires_nothing(&self) -> bool {
        self.requirements.is_empty()
    }
}
