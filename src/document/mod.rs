//! The documents people write, as typed values with their places: the only room that reads YAML documents.
//!
//! A file holds one or more Kubernetes-shaped documents. Nothing is judged here beyond shape: what the values mean
//! is decided by the room that compiles the kind (`trust`, `policy`). Problems are collected, not thrown: a person
//! wants to see all of them.

pub mod answers;
mod attachments;
mod bind;
mod diagnostic;
mod duration;
pub mod during;
mod fragments;
mod introspection;
mod masking;
mod place;
mod plain;
pub mod policy;
pub mod policy_suite;
mod read;
mod revocation_list;
pub mod schema;
mod source;
mod spanned;
mod suggest;
mod token_issuer;
mod trust_domain;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

pub use attachments::{Attachments, NOT_FETCHED, RemoteContents, resolve};
pub use bind::BindSpec;
pub use diagnostic::{Diagnostic, JsonDiagnostic, Severity, SourceFile, Span, any_error, sort};
pub use duration::HumanDuration;
pub use fragments::FragmentsSpec;
pub use introspection::{
    IntrospectionClientSpec, IntrospectionSpec, MutualTlsSpec, PrivateKeyJwtSpec, SecretFile,
};
pub use place::{Movable, Place};
pub use plain::not_plain;
pub use policy::PolicySpec;
pub use policy_suite::{PolicySuiteSpec, QuestionSpec};
pub use read::{Kind, Unread, check_unique, find, parse, question, read_settings};
pub use revocation_list::{
    ListSignatureSpec, OnStaleList, RevocationEntrySpec, RevocationListSpec,
};
pub use source::{RemoteSource, Source};
pub use spanned::Spanned;
pub use suggest::closest;
pub use token_issuer::{
    BindingFloor, DiscoverySpec, DpopSpec, IssuerProfile, KeysSpec, SharedSecretSpec,
    TELL_KINDS_APART, TokenIssuerSpec, TokenKind, TokenPlaceSpec, TokenUse,
};
pub use trust_domain::{
    ExtendedKeyUsageSpec, LeafSpec, OnMissing, OnStale, Pin, RevocationDepth, RevocationSpec,
    TrustDomainSpec,
};

/// The version that documents are written in.
pub const API_VERSION: &str = "countersign.dev/v1alpha1";

/// One document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name and labels.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
    /// Where it is; turns the places inside `spec` into places in the file.
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
    pub annotations: Option<Spanned<policy::Entries<String>>>,
}

/// What a document says, by kind.
#[derive(Clone, Debug)]
pub enum Spec {
    /// `kind: TrustDomain`: whose certificates are believed.
    TrustDomain(Box<TrustDomainSpec>),
    /// `kind: TokenIssuer`: whose tokens are believed.
    TokenIssuer(Box<TokenIssuerSpec>),
    /// `kind: Policy`: who may do what.
    Policy(Box<PolicySpec>),
    /// `kind: Fragments`: what several rules ask for, written once.
    Fragments(Box<FragmentsSpec>),
    /// `kind: PolicySuite`: cases that policies are tried with.
    PolicySuite(Box<PolicySuiteSpec>),
    /// `kind: RevocationList`: what is believed no longer.
    RevocationList(Box<RevocationListSpec>),
}

/// Where a document starts in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    file: Arc<SourceFile>,
    base: usize,
}

/// Whether `text` can name a document or a part of one. Names appear in logs, metrics and headers: they are Kubernetes
/// names (RFC 1123 subdomains).
#[must_use]
pub fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let outer = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let (first, last) = (text.bytes().next(), text.bytes().last());
    text.len() <= 253 && outer(first) && outer(last) && text.bytes().all(inner)
}

// === impl Spec ===

impl Spec {
    /// The word after `kind:`.
    #[must_use]
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

    /// Everything the document points to or holds inline.
    #[must_use]
    pub fn sources(&self) -> Vec<&Source> {
        match self {
            Self::TrustDomain(spec) => spec.sources(),
            Self::TokenIssuer(spec) => spec.sources(),
            Self::RevocationList(spec) => spec.sources(),
            Self::Policy(_) | Self::Fragments(_) | Self::PolicySuite(_) => Vec::new(),
        }
    }
}

// === impl Origin ===

impl Origin {
    /// The place of a value that was read from this document.
    #[must_use]
    pub fn span<T>(&self, value: &Spanned<T>) -> Span {
        yaml::span(self, value.place)
    }

    /// The place where the document starts.
    #[must_use]
    pub fn start(&self) -> Span {
        Span::new(&self.file, self.base..self.base)
    }

    /// The file that the document is in: relative paths inside the document are relative to its folder.
    #[must_use]
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }
}
