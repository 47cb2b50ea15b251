//! One policy, compiled: what a reload keeps where neither its text nor anything that it depends on has changed.

use std::sync::Arc;

use super::compiled_rule::Rule;
use super::fragment_store::Use;
use crate::document::{RelativeDiagnostic, RelativeSpan};
use crate::policy::compile::lint::Due;
use crate::policy::model::{CustomAnswer, PolicyTarget};
use crate::secret::Fingerprint;

/// A policy, of which nothing depends on where its document is.
#[derive(Clone, Debug)]
pub(in crate::policy) struct CompiledPolicy {
    pub(in crate::policy) name: Box<str>,
    pub(in crate::policy) name_at: RelativeSpan,
    pub(in crate::policy) target: Arc<PolicyTarget>,
    pub(in crate::policy) rules: Box<[Rule]>,
    /// The places of the rules' names.
    pub(in crate::policy) rules_at: Box<[RelativeSpan]>,
    /// The fingerprint of each rule without its name.
    pub(in crate::policy) prints: Box<[Fingerprint]>,
    /// The response to requests that it denies.
    pub(in crate::policy) answer: Option<HostAnswer>,
    /// The fragments that it uses, each once.
    pub(in crate::policy) uses: Box<[Use]>,
    /// Lints about it by itself.
    pub(in crate::policy) lints: Box<[RelativeDiagnostic]>,
    /// Lints that count before or from a moment.
    pub(in crate::policy) outdated: Box<[(Due, RelativeDiagnostic)]>,
}

/// The response of a policy to requests that it denies.
#[derive(Clone, Debug)]
pub(in crate::policy) struct HostAnswer {
    pub(in crate::policy) policy: Arc<str>,
    pub(in crate::policy) target: Arc<PolicyTarget>,
    pub(in crate::policy) answer: Arc<CustomAnswer>,
}
