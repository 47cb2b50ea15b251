//! One policy, compiled: what a reload keeps where neither its text nor anything that it depends on has changed.

use std::sync::Arc;

use super::compile::Use;
use super::index::HostAnswer;
use super::lint::Due;
use super::rule::Rule;
use super::target::PolicyTarget;
use crate::document::{RelativeDiagnostic, RelativeSpan};
use crate::secret::Fingerprint;

/// A policy, of which nothing depends on where its document is.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) name: Box<str>,
    pub(super) name_at: RelativeSpan,
    pub(super) target: Arc<PolicyTarget>,
    pub(super) rules: Box<[Rule]>,
    /// Where the names of the rules are.
    pub(super) rules_at: Box<[RelativeSpan]>,
    /// The fingerprint of each rule without its name.
    pub(super) prints: Box<[Fingerprint]>,
    /// What those are told whom it denies.
    pub(super) answer: Option<HostAnswer>,
    /// The fragments that it uses, each once.
    pub(super) uses: Box<[Use]>,
    /// What is odd about it by itself.
    pub(super) doubts: Box<[RelativeDiagnostic]>,
    /// Doubts that there are before or from a moment.
    pub(super) outdated: Box<[(Due, RelativeDiagnostic)]>,
}
