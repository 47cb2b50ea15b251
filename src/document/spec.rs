//! One document: its metadata, and its specification by kind.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ClientSpec, Entries, FragmentsSpec, Kind, Origin, PolicySpec, PolicySuiteSpec,
    RevocationListSpec, Source, Spanned, TokenIssuerSpec, TrustDomainSpec,
};

/// The version that documents are written in.
pub const API_VERSION: &str = "countersign.dev/v1alpha1";

/// One document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name and labels.
    pub metadata: Metadata,
    /// Its content.
    pub spec: Spec,
    /// Its place; turns the places inside `spec` into places in the file.
    pub origin: Origin,
}

/// Kubernetes-shaped metadata.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name: unique among the documents of its kind.
    pub name: Spanned<String>,
    /// Free labels, for people and tools.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Free annotations, for people and tools. Those of a policy go with its decisions into audit records and the proxy's
    /// metadata, but for names with a prefix, as in `example.com/name`.
    pub annotations: Option<Spanned<Entries<String>>>,
}

/// The content of a document, by kind.
#[derive(Clone, Debug)]
pub enum Spec {
    /// `kind: TrustDomain`: how client certificates of a trust domain are verified.
    TrustDomain(Box<TrustDomainSpec>),
    /// `kind: TokenIssuer`: how tokens of an issuer are verified.
    TokenIssuer(Box<TokenIssuerSpec>),
    /// `kind: Policy`: which callers may do what.
    Policy(Box<PolicySpec>),
    /// `kind: Fragments`: requirements that several rules share.
    Fragments(Box<FragmentsSpec>),
    /// `kind: PolicySuite`: test cases for policies.
    PolicySuite(Box<PolicySuiteSpec>),
    /// `kind: RevocationList`: what is revoked.
    RevocationList(Box<RevocationListSpec>),
}

/// True if `text` can name a document or a part of one. Names appear in logs, metrics and headers: they are Kubernetes
/// names (RFC 1123 subdomains).
pub fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let outer = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let (first, last) = (text.bytes().next(), text.bytes().last());
    text.len() <= 253 && outer(first) && outer(last) && text.bytes().all(inner)
}

impl Spec {
    /// The word after `kind:`.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::TrustDomain(_) => Kind::TrustDomain,
            Self::TokenIssuer(_) => Kind::TokenIssuer,
            Self::Policy(_) => Kind::Policy,
            Self::Fragments(_) => Kind::Fragments,
            Self::PolicySuite(_) => Kind::PolicySuite,
            Self::RevocationList(_) => Kind::RevocationList,
        }
    }

    /// Every file or inline text of the document.
    pub fn sources(&self) -> Vec<&Source> {
        match self {
            Self::TrustDomain(spec) => spec.sources(),
            Self::TokenIssuer(spec) => spec.sources(),
            Self::RevocationList(spec) => spec.sources(),
            Self::Policy(_) | Self::Fragments(_) | Self::PolicySuite(_) => Vec::new(),
        }
    }

    /// The credentials that servers are shown. Their files are no part of the documents: they differ between replicas, and change.
    pub fn clients(&self) -> Vec<ClientSpec> {
        let remote = self.sources().into_iter().filter_map(|source| match source {
            Source::Remote(remote) => remote.client.clone(),
            Source::File(_) | Source::Inline(_) => None,
        });
        let mut clients: Vec<_> = remote.collect();
        if let Self::TokenIssuer(spec) = self {
            let keys = spec.keys.iter().chain(&spec.more_keys);
            clients.extend(keys.filter_map(|keys| keys.value.client.clone()));
            clients.extend(spec.introspection.iter().map(|own| own.value.client.value.shown()));
        }
        clients
    }
}

#[cfg(test)]
mod tests {
    use crate::document::{SourceFile, parse};

    /// P764: the clients of every source of keys.
    #[test]
    fn clients_of_more_keys_are_known() {
        let text = "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: corp }\nspec:\n  issuer: https://a.example\n  \
             audiences: [a]\n  algorithms: [RS256]\n  keys: { url: https://a.example/1, client: { bearer: { file: one } } }\n  \
             moreKeys: [{ url: https://a.example/2, client: { bearer: { file: two } } }]\n";
        let mut problems = Vec::new();
        let documents = parse(&SourceFile::new("issuer.yaml", text), &mut problems);
        assert_eq!(problems, []);
        assert_eq!(documents[0].spec.clients().len(), 2);
    }
}
