//! The parts of a `TokenIssuer` document: one for each key set of its own, and one for opaque tokens beside JWTs.

use std::sync::Arc;

use super::compiler::IssuerCompiler;
use super::token_issuer::KeySource;
use crate::document::{
    Code, Diagnostic, IssuerName, IssuerProfile, KeysSpec, Spanned, TENANT, is_tenant,
};
use crate::limits::{MAX_KEY_SOURCES, MAX_TENANTS, MAX_TENANTS_WITH_KEYS};

/// One way to verify tokens of an issuer.
pub(super) struct Part {
    role: Role,
    pub(super) keys: KeySource,
}

/// How a part differs from the whole.
enum Role {
    Whole,
    /// The only tenant that it is for.
    Tenant(String),
    /// Its number among the sources of keys.
    Source(usize),
    /// For what is no JWT, beside keys.
    Opaque,
}

impl Part {
    /// The part's name. Names of documents have no `/`.
    pub(super) fn id(&self, name: &str) -> String {
        match &self.role {
            Role::Whole => name.to_owned(),
            Role::Tenant(tenant) => format!("{name}/{tenant}"),
            Role::Source(number) => format!("{name}/keys-{number}"),
            Role::Opaque => format!("{name}/introspection"),
        }
    }

    /// The `iss` of its tokens.
    pub(super) fn iss(&self, whole: &IssuerName) -> IssuerName {
        match &self.role {
            Role::Tenant(tenant) => whole.of_tenant(tenant),
            Role::Whole | Role::Source(_) | Role::Opaque => whole.clone(),
        }
    }
}

impl IssuerCompiler<'_> {
    /// The ways to verify the issuer's tokens, those by keys first: an opaque token is asked about, and no JWT is (P468).
    pub(super) fn key_parts(&mut self) -> Option<Vec<Part>> {
        let spec = self.spec;
        match (&spec.keys, &spec.introspection) {
            (Some(keys), introspection) => {
                let mut parts = self.published_parts(keys)?;
                parts.extend(self.further_sources()?);
                if let Some(introspection) = introspection {
                    let keys = self.introspection(&introspection.value)?;
                    let keys = KeySource::Introspected(Arc::new(keys));
                    parts.push(Part { role: Role::Opaque, keys });
                }
                Some(parts)
            }
            (None, Some(introspection)) => {
                let keys = self.introspected(introspection)?;
                Some(vec![Part { role: Role::Whole, keys }])
            }
            (None, None) => {
                let help = "write `keys: { discovery: {} }`, or where else its keys are";
                self.refuse(Code::KeySource, &spec.issuer, "issuer has no `keys`", help)
            }
        }
    }

    /// One set of keys, or one for each tenant where the address names it.
    fn published_parts(&mut self, keys: &Spanned<KeysSpec>) -> Option<Vec<Part>> {
        let name = IssuerName::of(self.spec);
        let in_url = keys.value.url.as_ref().is_some_and(|url| url.value.contains(TENANT));
        if !name.is_template() || !in_url && keys.value.discovery.is_none() {
            let keys = self.published_keys(keys, None)?;
            return Some(vec![Part { role: Role::Whole, keys }]);
        }
        // Invariant 8: the tenant of a token that nothing has verified yet would be a part of the address.
        let Some(tenants) = name.named_tenants() else {
            let message = "each tenant has an address of its own for its keys, and a pattern does not say which";
            let help =
                "name the tenants, or write under `keys.url` one address for the keys of all";
            return self.refuse(Code::Tenants, keys, message, help);
        };
        if tenants.len() > MAX_TENANTS_WITH_KEYS {
            let message = format!(
                "{} tenants have key sets of their own, and at most {MAX_TENANTS_WITH_KEYS} are possible",
                tenants.len()
            );
            let help =
                "write under `keys.url` one address for the keys of all, or several documents";
            return self.refuse(Code::Tenants, keys, &message, help);
        }
        let mut parts = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            let before = self.problems.len();
            let source = self.published_keys(keys, Some(tenant))?;
            if !parts.is_empty() {
                // The first tenant has reported the same.
                self.problems.truncate(before);
            }
            parts.push(Part { role: Role::Tenant(tenant.clone()), keys: source });
        }
        Some(parts)
    }

    /// `moreKeys`: each is fetched, kept and tried by itself, so that one that fails leaves the others in force (P470).
    fn further_sources(&mut self) -> Option<Vec<Part>> {
        let more = &self.spec.more_keys;
        let Some(first) = more.first() else { return Some(Vec::new()) };
        let secret = |keys: &KeysSpec| keys.secrets.is_some();
        let shared = self.spec.keys.iter().chain(more).any(|keys| secret(&keys.value));
        if self.spec.tenants.is_some() || shared {
            let message = "`moreKeys` is for public keys of one `iss` that several systems share";
            let help = "list all secrets under `keys.secrets`; of an issuer with tenants write one document for each source";
            return self.refuse(Code::KeySource, first, message, help);
        }
        if more.len() >= MAX_KEY_SOURCES {
            let message = format!(
                "an issuer has {} sources of keys, and at most {MAX_KEY_SOURCES} are possible",
                more.len().saturating_add(1)
            );
            return self.refuse(
                Code::KeySource,
                first,
                &message,
                "a token without a key id is tried with each",
            );
        }
        let mut parts = Vec::with_capacity(more.len());
        for (number, keys) in (2..).zip(more) {
            parts.push(Part { role: Role::Source(number), keys: self.published_keys(keys, None)? });
        }
        Some(parts)
    }

    /// True if `tenants` and the template fit each other (P467).
    pub(super) fn judge_tenants(&mut self) -> Option<()> {
        let (spec, iss) = (self.spec, &self.spec.issuer);
        let Some(tenants) = &spec.tenants else { return Some(()) };
        let path = iss.value.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let segments = path.map(|(_, path)| path.split('/').filter(|own| *own == TENANT).count());
        if segments != Some(1) || iss.value.matches(TENANT).count() != 1 {
            let message =
                format!("`tenants` are for an issuer with `{TENANT}` as one segment of its path");
            let help = "write it as in `https://login.example.com/{tenant}/v2.0`";
            return self.refuse(Code::Tenants, iss, &message, help);
        }
        if spec.profile == IssuerProfile::JwtSvid {
            let help = "write one document for each trust domain";
            return self.refuse(Code::Tenants, tenants, "JWT-SVIDs have no tenants", help);
        }
        if let Some(introspection) = &spec.introspection {
            let message =
                "an answer of introspection does not say for sure whose token it is about";
            let help = "write one document for each tenant that has opaque tokens";
            return self.refuse(Code::Tenants, introspection, message, help);
        }
        self.judge_each_tenant(tenants)
    }

    fn judge_each_tenant(&mut self, tenants: &Spanned<Vec<Spanned<String>>>) -> Option<()> {
        let help =
            "name the tenants as they are in `iss`, or a pattern with one `*` such as `eu-*`";
        if tenants.value.is_empty() || tenants.value.len() > MAX_TENANTS {
            let count = tenants.value.len();
            let message = format!("`tenants` has {count} entries, expected 1 to {MAX_TENANTS}");
            return self.refuse(Code::Tenants, tenants, &message, help);
        }
        let before = self.problems.len();
        for (at, tenant) in tenants.value.iter().enumerate() {
            let text = tenant.value.as_str();
            if text.matches('*').count() > 1 || !is_tenant(&text.replace('*', "x")) {
                let shown = text.escape_debug();
                let message = format!(
                    "tenant `{shown}` is not one segment of a path: letters, digits, `-`, `.`, `_`, `~`"
                );
                self.error(Code::Tenants, tenant, &message, help);
            } else if tenants.value.iter().take(at).any(|other| other.value == *text) {
                self.error(Code::Tenants, tenant, &format!("tenant `{text}` is named twice"), help);
            } else if text == "*" {
                let message =
                    "tokens of every tenant of the issuer are accepted, and anyone may become one";
                let help = "name the tenants, or require `token.tenant` in each rule";
                let span = self.document.origin.span(tenant);
                self.problems
                    .push(Diagnostic::warning(Code::EveryTenant, span, message).help(help));
            }
        }
        let sound = !self
            .problems
            .iter()
            .skip(before)
            .any(|own| own.severity == crate::document::Severity::Error);
        sound.then_some(())
    }
}
