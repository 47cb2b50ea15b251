//! The documents people write, as typed values with their places: the only room that reads YAML documents.
//!
//! A file holds one or more Kubernetes-shaped documents. Nothing is judged here beyond shape: what the values mean
//! is decided by the room that compiles the kind (`trust`, `policy`). Problems are collected, not thrown: a person
//! wants to see all of them.

mod advice;
pub mod answers;
mod attachments;
mod bind;
mod claims;
mod code;
mod diagnostic;
mod duration;
pub mod during;
mod entries;
mod habits;
mod introspection;
mod issuer_claims;
mod issuer_name;
mod issuer_profile;
mod kind;
mod lines;
mod masking;
mod misleading;
mod one_or_more;
mod origin;
mod plain;
pub mod policy;
pub mod policy_suite;
mod punctuation;
mod read;
mod revocation_list;
mod rule_keys;
pub mod schema;
mod slips;
mod source;
mod span;
mod spanned;
mod spec;
mod suggest;
mod token_issuer;
mod tree;
mod trust_domain;
mod unsaid;
mod yaml;

pub use attachments::{Attachments, NOT_FETCHED, RemoteContents, remote_name, resolve};
pub use bind::BindSpec;
pub use claims::{ClaimTypeSpec, ClaimWord};
pub use code::{Code, Severity};
pub use diagnostic::{
    Diagnostic, JsonDiagnostic, MissingDocument, RelativeDiagnostic, any_error, sort,
};
pub use duration::HumanDuration;
pub use entries::{Entries, Texts};
pub use introspection::{IntrospectionClientSpec, IntrospectionSpec, PrivateKeyJwtSpec};
pub use issuer_claims::{
    ClaimKind, ClaimPath, ClaimTypes, KnownClaims, UnknownClaim, standard_type, usual_type,
};
pub use issuer_name::{BegunIssuer, IssuerName, TENANT, is_tenant};
pub use issuer_profile::{IssuerProfile, ProfileDefaults};
pub use kind::Kind;
pub(crate) use masking::holds_credentials;
pub use misleading::has_unseen;
pub use one_or_more::OneOrMore;
pub use origin::{Origin, RelativeSpan};
pub use plain::{has_placeholder, like_a_pattern, not_plain};
pub use policy::{FragmentsSpec, PolicySpec};
pub use policy_suite::{PolicySuiteSpec, QuestionSpec};
pub use read::{RawDocument, check_unique, find, parse, question, read_settings};
pub use revocation_list::{
    ListSignatureSpec, OnStaleList, RevocationEntrySpec, RevocationListSpec,
};
pub use source::{ClientSpec, MutualTlsSpec, RemoteSource, SecretFile, Source};
pub use span::{SourceFile, Span};
pub use spanned::Spanned;
pub use spec::{API_VERSION, Document, Metadata, Spec, is_name};
pub use suggest::closest;
pub use token_issuer::{
    BindingFloor, DiscoverySpec, DpopSpec, KeysSpec, MetadataKind, PrefixedPlaceSpec,
    ProtocolEncoding, ProtocolPlaceSpec, SharedSecretSpec, TELL_KINDS_APART, TokenIssuerSpec,
    TokenKind, TokenPlaceSpec, TokenUse, WithoutAudienceSpec,
};
pub use tree::{Node, NodeBudget, Tree};
pub use trust_domain::{
    ExtendedKeyUsageSpec, LeafSpec, OnMissing, OnStale, Pin, RevocationDepth, RevocationSpec,
    TrustDomainSpec,
};
pub use yaml::{expected_scalar, plain_words};
