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
pub mod policy;
pub mod policy_suite;
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
pub use policy::PolicySpec;
pub use policy_suite::{PolicySuiteSpec, QuestionSpec};
pub use revocation_list::{
    ListSignatureSpec, OnStaleList, RevocationEntrySpec, RevocationListSpec,
};
pub use source::{RemoteSource, Source};
pub use spanned::Spanned;
pub use suggest::closest;
pub use token_issuer::{
    BindingFloor, DiscoverySpec, DpopSpec, IssuerProfile, KeysSpec, SharedSecretSpec,
    TokenIssuerSpec, TokenPlaceSpec, TokenUse,
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

/// The part of a document that says how to read the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Spanned<String>,
    kind: Spanned<String>,
}

/// A whole document of a known kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Whole<S> {
    #[serde(rename = "apiVersion")]
    _api_version: serde::de::IgnoredAny,
    #[serde(rename = "kind")]
    _kind: serde::de::IgnoredAny,
    metadata: Metadata,
    spec: S,
}

const KINDS: [&str; 6] =
    ["Fragments", "Policy", "PolicySuite", "RevocationList", "TokenIssuer", "TrustDomain"];

/// Reads every document in `file`. What could not be read is a diagnostic in `problems` and is left out.
pub fn parse(file: &Arc<SourceFile>, problems: &mut Vec<Diagnostic>) -> Vec<Document> {
    let texts = yaml::split(file.text());
    if texts.is_empty() {
        let message = "the file has no documents";
        problems.push(Diagnostic::warning("empty-file", Span::start_of(file), message));
    }
    texts
        .into_iter()
        .filter_map(|(base, text)| {
            let origin = Origin { file: Arc::clone(file), base };
            parse_one(text, &origin).map_err(|problem| problems.push(problem)).ok()
        })
        .collect()
}

/// Reads a file that is not a document but follows the same rules, such as the server's settings.
///
/// # Errors
/// The first problem, with its place.
pub fn read_settings<'de, T: Deserialize<'de>>(
    file: &'de Arc<SourceFile>,
) -> Result<T, Diagnostic> {
    yaml::read(file.text(), &Origin { file: Arc::clone(file), base: 0 })
}

/// Reads the request to explain in `file`, and where it starts.
///
/// # Errors
/// The first problem, with its place.
pub fn question(file: &Arc<SourceFile>) -> Result<(QuestionSpec, Origin), Diagnostic> {
    let origin = Origin { file: Arc::clone(file), base: 0 };
    yaml::read(file.text(), &origin).map(|spec| (spec, origin))
}

fn parse_one(text: &str, origin: &Origin) -> Result<Document, Diagnostic> {
    let head: Head = yaml::read(text, origin)?;
    if head.api_version.value != API_VERSION {
        let message =
            format!("unknown apiVersion `{}`, expected `{API_VERSION}`", head.api_version.value);
        return Err(Diagnostic::error(
            "unknown-api-version",
            origin.span(&head.api_version),
            message,
        ));
    }
    match head.kind.value.as_str() {
        "TrustDomain" => whole(text, origin, |spec| Spec::TrustDomain(Box::new(spec))),
        "TokenIssuer" => whole(text, origin, |spec| Spec::TokenIssuer(Box::new(spec))),
        "Policy" => whole(text, origin, |spec| Spec::Policy(Box::new(spec))),
        "Fragments" => whole(text, origin, |spec| Spec::Fragments(Box::new(spec))),
        "PolicySuite" => whole(text, origin, |spec| Spec::PolicySuite(Box::new(spec))),
        "RevocationList" => whole(text, origin, |spec| Spec::RevocationList(Box::new(spec))),
        other => {
            let message =
                format!("unknown kind `{other}`, expected one of {}", yaml::quoted(&KINDS));
            let problem = Diagnostic::error("unknown-kind", origin.span(&head.kind), message);
            Err(suggest::did_you_mean(problem, other, &KINDS))
        }
    }
}

fn whole<'de, S: Deserialize<'de>>(
    text: &'de str,
    origin: &Origin,
    spec: impl FnOnce(S) -> Spec,
) -> Result<Document, Diagnostic> {
    let whole: Whole<S> = yaml::read(text, origin)?;
    check_name(&whole.metadata.name, origin)?;
    Ok(Document { metadata: whole.metadata, spec: spec(whole.spec), origin: origin.clone() })
}

fn check_name(name: &Spanned<String>, origin: &Origin) -> Result<(), Diagnostic> {
    let text = &name.value;
    if is_name(text) {
        return Ok(());
    }
    let message =
        format!("`{text}` is not a name: expected lower-case letters, digits, `-` and `.`");
    let problem = Diagnostic::error("invalid-name", origin.span(name), message);
    let near: String = text.to_ascii_lowercase().replace(['_', ' ', '/'], "-");
    Err(match is_name(&near) {
        true => problem.help(format!("did you mean `{near}`?")),
        false => problem,
    })
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
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TrustDomain(_) => "TrustDomain",
            Self::TokenIssuer(_) => "TokenIssuer",
            Self::Policy(_) => "Policy",
            Self::Fragments(_) => "Fragments",
            Self::PolicySuite(_) => "PolicySuite",
            Self::RevocationList(_) => "RevocationList",
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
