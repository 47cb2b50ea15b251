//! What an allow obliges the proxy to do: headers, query parameters and metadata to set, things to remove, and a statement
//! to sign. Rendered when a rule allows; carried out by the edge.

mod names;
mod overrides;
mod query;

pub(in crate::policy) use names::{
    check_injected, check_removal, check_response_name, has_many_spellings,
};
pub(in crate::policy) use overrides::{
    FAILURE_MODE_HEADER, OVERRIDE_HEADERS, OVERRIDE_PARAMETERS, PROXY_HEADERS,
};
pub(in crate::policy) use query::{Copies, check_injected_parameter, check_parameter, is_settable};

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::policy::check::Check;
use crate::policy::requirement::template::Template;
use crate::policy::requirement::variable::Facts;
use crate::request::TokenPlace;

/// What a rule does when it allows, compiled. The default does nothing.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Duties {
    pub(in crate::policy) headers: Box<[Injection]>,
    pub(in crate::policy) response_headers: Box<[Injection]>,
    pub(in crate::policy) query: Box<[Injection]>,
    pub(in crate::policy) metadata: Box<[Injection]>,
    pub(in crate::policy) assertion: Option<Box<AssertionDuty>>,
    pub(in crate::policy) remove: Removal,
    /// What its target keeps of what is removed otherwise; mostly nothing.
    pub(in crate::policy) keep: Option<Arc<Keep>>,
}

/// What goes upstream although it can name another method, path, host, scheme or port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::policy) struct Keep {
    pub(in crate::policy) headers: Box<[String]>,
    pub(in crate::policy) query: Box<[String]>,
}

/// Something to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The name; that of a header is in lower case.
    pub(in crate::policy) name: Arc<str>,
    /// The value.
    pub(in crate::policy) template: Template,
}

/// A statement to sign.
#[derive(Clone, Debug)]
pub(in crate::policy) struct AssertionDuty {
    pub(in crate::policy) header: Arc<str>,
    pub(in crate::policy) audience: Arc<str>,
    pub(in crate::policy) lifetime: Duration,
    pub(in crate::policy) claims: Box<[Injection]>,
}

/// What to take out of the request.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Removal {
    pub(in crate::policy) token: bool,
    pub(in crate::policy) headers: Box<[String]>,
    pub(in crate::policy) query: Box<[String]>,
}

/// What the proxy and the decision point have to do because a rule allowed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Obligations {
    /// Headers to set on the request.
    pub headers: Vec<HeaderMutation>,
    /// Headers to set on the upstream's answer.
    pub response_headers: Vec<HeaderMutation>,
    /// Query parameters to set, with values that are percent-encoded.
    pub query: Vec<QueryMutation>,
    /// Dynamic metadata for the proxy.
    pub metadata: Map<String, Value>,
    /// A statement to sign and to send upstream.
    pub assertion: Option<AssertionRequest>,
    /// The place of the token that must not go upstream.
    pub token: Option<TokenPlace>,
}

/// A header to set, replacing any that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMutation {
    /// The name, in lower case.
    pub name: Arc<str>,
    /// The value: visible ASCII and spaces, bounded (P12).
    pub value: String,
}

/// A query parameter to set, replacing any that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMutation {
    /// The name: nothing that needs encoding.
    pub name: Arc<str>,
    /// The value, percent-encoded.
    pub value: String,
}

/// A statement about the caller that the decision point signs.
#[derive(Clone, Debug, PartialEq)]
pub struct AssertionRequest {
    /// The request header that carries it.
    pub header: Arc<str>,
    /// Whom it is for.
    pub audience: Arc<str>,
    /// The name of the `TokenIssuer` document of the rule's token, where it asks for one.
    pub issuer: Option<Box<str>>,
    /// How long it is good for.
    pub lifetime: Duration,
    /// Claims beside the usual ones.
    pub claims: Map<String, Value>,
}

// === impl Duties ===

impl Duties {
    /// Everything for `facts`.
    ///
    /// # Errors
    /// The check that cannot be told, where a value must not be sent.
    pub(in crate::policy) fn render<'r>(
        &'r self,
        facts: &Facts<'_>,
    ) -> Result<Obligations, Check<'r>> {
        Ok(Obligations {
            headers: headers(&self.headers, facts)?,
            response_headers: headers(&self.response_headers, facts)?,
            query: query::render(&self.query, facts)?,
            metadata: values(&self.metadata, facts)?,
            assertion: self.assertion.as_ref().map(|duty| duty.render(facts)).transpose()?,
            token: match (self.remove.token, facts.token) {
                (true, Some(token)) => Some(token.place().clone()),
                (true | false, _) => None,
            },
        })
    }

    /// Whether the override header `name` goes upstream, spelled as it is.
    pub(in crate::policy) fn keeps_header(&self, name: &str) -> bool {
        self.keep.as_deref().is_some_and(|keep| keep.headers.iter().any(|own| own == name))
    }

    /// Whether the override parameter `name` goes upstream.
    pub(in crate::policy) fn keeps_parameter(&self, name: &str) -> bool {
        self.keep.as_deref().is_some_and(|keep| keep.query.iter().any(|own| own == name))
    }

    /// The request headers that it sets.
    pub(in crate::policy) fn request_headers(&self) -> impl Iterator<Item = &str> {
        let injected = self.headers.iter().map(|injection| &*injection.name);
        injected.chain(self.assertion.iter().map(|assertion| &*assertion.header))
    }
}

// === impl AssertionDuty ===

impl AssertionDuty {
    fn render<'r>(&'r self, facts: &Facts<'_>) -> Result<AssertionRequest, Check<'r>> {
        Ok(AssertionRequest {
            header: Arc::clone(&self.header),
            audience: Arc::clone(&self.audience),
            issuer: facts.token.map(|token| token.issuer_name().into()),
            lifetime: self.lifetime,
            claims: values(&self.claims, facts)?,
        })
    }
}

/// What has no value is left out: half a value is a wrong one.
fn headers<'r>(
    injections: &'r [Injection],
    facts: &Facts<'_>,
) -> Result<Vec<HeaderMutation>, Check<'r>> {
    let mut headers = Vec::with_capacity(injections.len());
    for own @ Injection { name, template } in injections {
        let value = template.render(facts).map_err(|_| Check::Inject(own))?;
        headers.extend(value.map(|value| HeaderMutation { name: Arc::clone(name), value }));
    }
    Ok(headers)
}

fn values<'r>(
    injections: &'r [Injection],
    facts: &Facts<'_>,
) -> Result<Map<String, Value>, Check<'r>> {
    let mut values = Map::new();
    for own @ Injection { name, template } in injections {
        let value = template.render_value(facts).map_err(|_| Check::Inject(own))?;
        values.extend(value.map(|value| (name.to_string(), value)));
    }
    Ok(values)
}
