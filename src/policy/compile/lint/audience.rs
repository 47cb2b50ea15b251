//! Audiences that are clients' ids: the one thing by which an ID token passes as an access token.

use super::source_rule::SourceRule;
use crate::document::{Code, Diagnostic, Document, Spec, TELL_KINDS_APART};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::requirement::token::TokenClients;

/// The audiences of issuers whose documents do not tell access tokens from ID tokens, by the issuers' names.
#[derive(Debug)]
pub(super) struct SharedAudiences<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> SharedAudiences<'a> {
    pub(super) fn of(documents: &'a [Document]) -> Self {
        let shared_audiences = documents.iter().filter_map(|document| {
            let Spec::TokenIssuer(spec) = &document.spec else { return None };
            let audiences = || spec.audiences.iter().map(|own| own.value.as_str()).collect();
            let name = document.metadata.name.value.as_str();
            (!spec.tells_kinds_apart()).then(|| (name, audiences()))
        });
        Self(shared_audiences.collect())
    }

    /// A client that the rule names, whose id its issuer's document has for an audience.
    pub(super) fn look(&self, written: &SourceRule<'_>, rule: &Rule) -> Option<Diagnostic> {
        let named = rule.requirements.issuers();
        let clients = rule.requirements.first::<TokenClients>()?;
        let (issuer, client) = self.0.iter().find_map(|(issuer, audiences)| {
            let client = clients.0.iter().find(|own| audiences.contains(&own.as_str()))?;
            named.iter().any(|own| **own == **issuer).then_some((issuer, client))
        })?;
        let spec = written.spec.token.as_ref()?;
        let listed = spec.value.clients.as_ref();
        let place = listed.and_then(|all| all.value.iter().find(|own| own.value == *client));
        let span = place.map_or_else(|| written.origin.span(spec), |own| written.origin.span(own));
        let message = format!(
            "client `{client}` is an audience of issuer `{issuer}` as well, so its ID tokens may pass as access tokens"
        );
        Some(Diagnostic::warning(Code::AudienceIsClient, span, message).help(TELL_KINDS_APART))
    }
}
