//! The obligations of an allow rule as its document writes them: values to set, things to remove, and an assertion to sign. They
//! are rendered when the rule allows, and the edge carries them out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::context::CheckContext;
use super::missing::MissingData;
use super::observation::ObservedValue;
use super::requirement::{Explanation, Requirement, RequirementFailure};
use super::template::{Template, Unsafe};
use super::variable::TemplateVariable;
use crate::authn::TokenIdentity;
use crate::policy::model::{
    AssertionRequest, HeaderMutation, Keep, Obligations, QueryMutation, Truth,
};
use crate::reason::Reason;

/// The obligations of a rule. The default obliges to nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct ObligationTemplate {
    pub(in crate::policy) headers: Box<[Injection]>,
    pub(in crate::policy) response_headers: Box<[Injection]>,
    pub(in crate::policy) query: Box<[Injection]>,
    pub(in crate::policy) metadata: Box<[Injection]>,
    pub(in crate::policy) assertion: Option<Box<AssertionTemplate>>,
    pub(in crate::policy) remove: Removal,
    /// The overrides that its target lets through; most targets let none through.
    pub(in crate::policy) keep: Option<Arc<Keep>>,
}

/// Something to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Injection {
    /// The name; that of a header is in lower case.
    pub(in crate::policy) name: Arc<str>,
    /// The value.
    pub(in crate::policy) template: Template,
}

/// An injection whose value must not be sent, and why.
pub(in crate::policy) type Unsendable<'r> = (&'r Injection, Unsafe<'r>);

/// An assertion to sign.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct AssertionTemplate {
    pub(in crate::policy) header: Arc<str>,
    pub(in crate::policy) audience: Arc<str>,
    pub(in crate::policy) lifetime: Duration,
    pub(in crate::policy) claims: Box<[Injection]>,
}

/// The parts of the request to remove.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct Removal {
    pub(in crate::policy) token: bool,
    pub(in crate::policy) headers: Box<[String]>,
    pub(in crate::policy) query: Box<[String]>,
}

impl ObligationTemplate {
    /// The obligations for one request.
    ///
    /// # Errors
    /// The value that must not be sent, or that was not recorded.
    pub(in crate::policy) fn render<'r>(
        &'r self,
        cx: &CheckContext<'_>,
    ) -> Result<Obligations, Unsendable<'r>> {
        Ok(Obligations {
            headers: headers(&self.headers, cx)?,
            response_headers: headers(&self.response_headers, cx)?,
            query: query(&self.query, cx)?,
            metadata: values(&self.metadata, cx)?,
            assertion: self.assertion.as_ref().map(|own| own.render(cx)).transpose()?,
            tokens: match self.remove.token {
                true => cx.shown_tokens().flat_map(TokenIdentity::places).cloned().collect(),
                false => Vec::new(),
            },
        })
    }

    /// True if the override header `name` goes upstream, spelled as it is.
    pub(in crate::policy) fn keeps_header(&self, name: &str) -> bool {
        self.keep.as_deref().is_some_and(|keep| keep.headers.iter().any(|own| own == name))
    }

    /// True if the override parameter `name` goes upstream, spelled as it is.
    pub(in crate::policy) fn keeps_parameter(&self, name: &str) -> bool {
        self.keep.as_deref().is_some_and(|keep| keep.query.iter().any(|own| own == name))
    }

    /// The captures of paths that its values have.
    pub(in crate::policy) fn captures(&self) -> impl Iterator<Item = &str> {
        let claims = self.assertion.iter().flat_map(|own| own.claims.iter());
        let lists = [&self.headers, &self.response_headers, &self.query, &self.metadata];
        let all = lists.into_iter().flat_map(|list| list.iter()).chain(claims);
        all.flat_map(|own| own.template.variables()).filter_map(TemplateVariable::needs_capture)
    }

    /// The request headers that it sets.
    pub(in crate::policy) fn request_headers(&self) -> impl Iterator<Item = &str> {
        let injected = self.headers.iter().map(|injection| &*injection.name);
        injected.chain(self.assertion.iter().map(|assertion| &*assertion.header))
    }
}

impl AssertionTemplate {
    fn render<'r>(&'r self, cx: &CheckContext<'_>) -> Result<AssertionRequest, Unsendable<'r>> {
        Ok(AssertionRequest {
            header: Arc::clone(&self.header),
            audience: Arc::clone(&self.audience),
            issuer: cx.token.map(|token| token.issuer_name().into()),
            lifetime: self.lifetime,
            claims: values(&self.claims, cx)?,
        })
    }
}

/// A header whose template has a variable without a value is not set: half a value is a wrong one.
fn headers<'r>(
    injections: &'r [Injection],
    cx: &CheckContext<'_>,
) -> Result<Vec<HeaderMutation>, Unsendable<'r>> {
    let mut headers = Vec::with_capacity(injections.len());
    for own @ Injection { name, template } in injections {
        let value = template.render(cx).map_err(|why| (own, why))?;
        headers.extend(value.map(|value| HeaderMutation { name: Arc::clone(name), value }));
    }
    Ok(headers)
}

fn query<'r>(
    injections: &'r [Injection],
    cx: &CheckContext<'_>,
) -> Result<Vec<QueryMutation>, Unsendable<'r>> {
    let mut query = Vec::with_capacity(injections.len());
    for own @ Injection { name, template } in injections {
        let value = template.render_parameter(cx).map_err(|why| (own, why))?;
        query.extend(value.map(|value| QueryMutation { name: Arc::clone(name), value }));
    }
    Ok(query)
}

fn values<'r>(
    injections: &'r [Injection],
    cx: &CheckContext<'_>,
) -> Result<Map<String, Value>, Unsendable<'r>> {
    let mut values = Map::new();
    for own @ Injection { name, template } in injections {
        let value = template.render_value(cx).map_err(|why| (own, why))?;
        values.extend(value.map(|value| (name.to_string(), value)));
    }
    Ok(values)
}

impl Requirement for Injection {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(self.template.render(cx).map_or(Truth::Unknown, |_| Truth::Holds))
    }

    fn failure(&self) -> RequirementFailure {
        let holds = format!("the value for `{}` can be sent", self.name);
        let fails = format!("the value for `{}` cannot be sent", self.name);
        RequirementFailure::new(Reason::EvalError, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let own = &self.template;
        let why = own.render(cx).err().or_else(|| own.render_value(cx).err());
        let why = why.or_else(|| own.render_parameter(cx).err());
        let why = why.map(|why| format!(" ({})", why.explain())).unwrap_or_default();
        let suggestion = format!("the value for `{}` must be one that can be sent{why}", self.name);
        let wanted = vec![self.template.text()];
        let name = format!("value for {}", self.name);
        Explanation::new(name, wanted, ObservedValue::Unreadable, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        self.template.is_recorded(missing)
    }
}
