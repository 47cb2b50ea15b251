//! Revocation lists that are not asked: a hash or a name has neither a serial number nor an issuer.

use super::source_rule::SourceRule;
use crate::document::policy::Effect;
use crate::document::{Code, Diagnostic, Document, OnMissing, Spec};
use crate::evidence_level::EvidenceLevel;
use crate::policy::compile::compiled_rule::Rule;

/// The names of the trust domains that let no certificate pass without a list, each with its SPIFFE trust domain.
#[derive(Debug)]
pub(super) struct StrictDomains<'a>(Vec<(&'a str, Option<&'a str>)>);

impl<'a> StrictDomains<'a> {
    pub(super) fn of(documents: &'a [Document]) -> Self {
        let strict = |document: &'a Document| {
            let Spec::TrustDomain(spec) = &document.spec else { return None };
            let revocation = spec.revocation.as_ref()?;
            (revocation.value.on_missing == OnMissing::Deny).then(|| {
                let spiffe = spec.spiffe.as_ref().map(|name| name.value.as_str());
                (document.metadata.name.value.as_str(), spiffe)
            })
        };
        Self(documents.iter().filter_map(strict).collect())
    }

    /// Looks at an allow rule that is content with a hash or a name of peers whose lists it could not ask then.
    pub(super) fn look(&self, written: &SourceRule<'_>, rule: &Rule) -> Option<Diagnostic> {
        let peer = &written.spec.peer.as_ref()?.value;
        let evidence = peer.evidence.as_ref()?;
        if rule.effect != Effect::Allow || evidence.value > EvidenceLevel::Hash {
            return None;
        }
        let pinned = peer.trust_domain.as_ref().map(|name| name.value.as_str());
        let patterns = peer.spiffe.as_ref().map(|texts| texts.value.as_slice()).unwrap_or_default();
        let is_of = |spiffe: &str| {
            let begins = |text: &str| text.starts_with(&format!("spiffe://{spiffe}/"));
            patterns.is_empty() || patterns.iter().any(|text| begins(&text.value))
        };
        let counts = |(name, spiffe): &&(&str, Option<&str>)| {
            pinned.is_none_or(|pinned| pinned == *name) && spiffe.is_none_or(is_of)
        };
        let (domain, _) = self.0.iter().find(counts)?;
        let message = format!(
            "the revocation lists of `{domain}` are not asked about a peer of which no more than a {} is shown",
            if evidence.value == EvidenceLevel::Hash { "hash" } else { "name" },
        );
        Some(
            Diagnostic::warning(Code::ListsNotAsked, written.origin.span(evidence), message)
                .help("ask for `evidence: leaf`, or revoke such peers with `countersign revoke`"),
        )
    }
}
