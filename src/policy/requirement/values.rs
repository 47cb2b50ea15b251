//! `contextExtensions`, `headers` and `query`: values of the request.

use std::collections::BTreeSet;

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::ObservedValue;
use super::requirement::{Explanation, Requirement, RequirementFailure, one_of};
use super::rule_key::{FittingRules, RuleKey};
use crate::policy::model::{HeaderMatcher, QueryMatcher, Truth};
use crate::reason::Reason;
use crate::request::{HeaderValue, Headers};

/// The route has this parameter with this value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct ContextExtension {
    pub(in crate::policy) name: Box<str>,
    pub(in crate::policy) value: Box<str>,
}

impl Requirement for ContextExtension {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let found = cx.request.context_extensions.get(&*self.name);
        Some(found.is_some_and(|found| **found == *self.value).into())
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::NoRule, &format!("context extension `{}`", self.name))
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let Self { name, value } = self;
        let found = ObservedValue::open(cx.request.context_extensions.get(&**name).cloned());
        let suggestion =
            format!("the route must have the context extension `{name}` with {}", one_of(&[value]));
        Explanation::new(format!("context.{name}"), vec![value.to_string()], found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::ContextExtensions)
    }
}

impl RuleKey for ContextExtension {
    const PATH: &'static str = "contextExtensions";
    const RULES: FittingRules = FittingRules::Any;
}

impl Requirement for HeaderMatcher {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(self.matches(&cx.request.headers))
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::NoRule, &format!("header `{}`", self.name))
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let Self { name, test } = self;
        let headers = &cx.request.headers;
        // Upstreams may read other spellings as the same name, so that their values are looked at as well.
        let spelled = headers.spellings(name).map(|(own, _)| own);
        let names: BTreeSet<&str> = spelled.filter(|own| **own != **name).collect();
        let suggestion = format!("the header `{name}` must be {test}");
        let wanted = vec![test.to_string()];
        let own =
            Explanation::new(format!("header {name}"), wanted, lines(headers, name), suggestion);
        names
            .into_iter()
            .fold(own, |all, name| all.and(format!("header {name}"), lines(headers, name)))
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::Headers)
    }
}

impl RuleKey for HeaderMatcher {
    const PATH: &'static str = "headers";
    const RULES: FittingRules = FittingRules::Any;
}

/// All lines of a header.
fn lines(headers: &Headers, name: &str) -> ObservedValue {
    let lines: Option<Vec<&str>> =
        headers.all(name).map(|line| HeaderValue::as_str(line).ok()).collect();
    match lines {
        None => ObservedValue::Unreadable,
        Some(lines) if lines.is_empty() => ObservedValue::Absent,
        Some(lines) => ObservedValue::text(&lines.join(", ")),
    }
}

impl Requirement for QueryMatcher {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let target = cx.request.target.as_ref().ok();
        Some(target.map_or(Truth::Unknown, |target| self.matches(target.query.as_deref())))
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::NoRule, &format!("query parameter `{}`", self.name))
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let Self { name, test } = self;
        let query = cx.request.target.as_ref().ok().and_then(|target| target.query.as_deref());
        let found = query.map_or(ObservedValue::Absent, ObservedValue::text);
        let suggestion = format!("the query parameter `{name}` must be {test}");
        Explanation::new(format!("query {name}"), vec![test.to_string()], found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::Query)
    }
}

impl RuleKey for QueryMatcher {
    const PATH: &'static str = "query";
    const RULES: FittingRules = FittingRules::Any;
}
