//! Everything that the meaning of a policy depends on beside its own text.

use super::compiled_policy::CompiledPolicy;
use super::compiled_rule::Rule;
use super::compiler::{IssuerNames, PolicyCompiler};
use super::fragment_store::Fragments;
use super::fragments::compile_fragments;
use super::lint::{self, SourceRule, TrustSummary};
use crate::document::policy::PolicySpec;
use crate::document::{
    Diagnostic, Document, Origin, RelativeDiagnostic, Spanned, Spec, TokenPlaceSpec,
};
use crate::policy::model::PolicyTarget;
use crate::request::{PROTOCOLS, SealedNames, TokenPlace};
use crate::secret::Fingerprint;

/// Everything that what a policy means depends on, beside its own text.
pub(in crate::policy) struct CompileEnv<'a> {
    names: IssuerNames<'a>,
    sealed: SealedNames,
    /// The cookies that tokens are in.
    cookies: Vec<&'a str>,
    pub(in crate::policy) fragments: Fragments<'a>,
    trust: TrustSummary<'a>,
}

impl<'a> CompileEnv<'a> {
    /// The environment that `documents` give to policies. Their own problems go to `problems`.
    pub(in crate::policy) fn of(
        documents: &'a [Document],
        names: IssuerNames<'a>,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let sealed = sealed_by(documents);
        let fragments = compile_fragments(documents, names, &sealed, problems);
        let cookies = cookies_in(documents);
        Self { names, sealed, cookies, fragments, trust: TrustSummary::of(documents) }
    }

    /// The fingerprint of all of it, where that of the fragments' documents is `fragments`.
    pub(in crate::policy) fn fingerprint(&self, fragments: &Fingerprint) -> Fingerprint {
        // The compiled fragments follow from their documents and the rest.
        let Self { names, sealed, cookies, trust, fragments: _ } = self;
        let rest = format!("{names:?} {sealed:?} {cookies:?} {trust:?} {}", fragments.to_hex());
        Fingerprint::of(rest.as_bytes())
    }

    /// True if tokens are in cookies.
    pub(in crate::policy) fn has_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Compiles one policy. Where a problem is an error the result must not be used.
    pub(in crate::policy) fn compile(
        &self,
        document: &Document,
        spec: &PolicySpec,
        problems: &mut Vec<Diagnostic>,
    ) -> CompiledPolicy {
        let (origin, name) = (&document.origin, &document.metadata.name);
        let (mut uses, before) = (Vec::new(), problems.len());
        let mut compiler = PolicyCompiler {
            origin,
            policy: name.value.as_str().into(),
            names: self.names,
            sealed: &self.sealed,
            cookies: &self.cookies,
            fragments: &self.fragments,
            uses: &mut uses,
            problems,
        };
        let notes = document.metadata.annotations.as_ref();
        let (target, rules, answer) = compiler.policy(spec, notes);
        // Lints about a rule that is wrong anyway are noise.
        let lints = match problems.len() == before {
            true => self.lints(origin, spec, &target, &rules),
            false => Vec::new(),
        };
        uses.sort_unstable();
        uses.dedup();
        let place = |name: &Spanned<String>| origin.place(&origin.span(name));
        CompiledPolicy {
            name: name.value.as_str().into(),
            name_at: place(name),
            rules_at: spec.rules.value.iter().map(|rule| place(&rule.name)).collect(),
            prints: rules.iter().map(lint::print).collect(),
            target,
            rules: rules.into(),
            answer,
            uses: uses.into(),
            lints: lints.into_iter().map(|lint| RelativeDiagnostic::new(lint, origin)).collect(),
            outdated: lint::outdated(origin, spec),
        }
    }

    /// Lints about a policy by itself.
    fn lints(
        &self,
        origin: &Origin,
        policy: &PolicySpec,
        target: &PolicyTarget,
        rules: &[Rule],
    ) -> Vec<Diagnostic> {
        let written = |spec| SourceRule { origin, policy, spec, target };
        let written: Vec<_> = policy.rules.value.iter().map(written).collect();
        lint::lint(&written, rules, &self.trust)
    }
}

/// The headers and query parameters that carry credentials, those that issuers name included.
pub(in crate::policy) fn sealed_by(documents: &[Document]) -> SealedNames {
    let header = |name: &str| TokenPlace::Header(name.to_ascii_lowercase());
    let places = places_in(documents).map(|place| match place {
        TokenPlaceSpec::Authorization {} => TokenPlace::Authorization,
        TokenPlaceSpec::Header(name) => header(&name.value),
        TokenPlaceSpec::Prefixed(spec) => header(&spec.header.value),
        TokenPlaceSpec::WebSocketProtocol(_) => header(PROTOCOLS),
        TokenPlaceSpec::Cookie(name) => TokenPlace::Cookie(name.value.clone()),
        TokenPlaceSpec::Query(name) => TokenPlace::Query(name.value.clone()),
    });
    SealedNames::for_places(&places.collect::<Vec<_>>())
}

/// The names of the cookies that issuers have their tokens in.
fn cookies_in(documents: &[Document]) -> Vec<&str> {
    let cookies = places_in(documents).filter_map(|place| {
        let TokenPlaceSpec::Cookie(name) = place else { return None };
        Some(name.value.as_str())
    });
    cookies.collect()
}

/// The places that issuers name for their tokens.
fn places_in(documents: &[Document]) -> impl Iterator<Item = &TokenPlaceSpec> {
    let named = documents.iter().filter_map(|document| {
        let Spec::TokenIssuer(spec) = &document.spec else { return None };
        spec.tokens.as_ref()
    });
    named.flat_map(|places| &places.value)
}
