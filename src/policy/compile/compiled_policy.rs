//! One policy, compiled: what a reload keeps where neither its text nor anything that it depends on has changed.

use std::sync::Arc;

use crate::document::{Movable, Place};
use crate::policy::compile::Use;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::compile::lint::Due;
use crate::policy::evaluate::index::HostAnswer;
use crate::policy::model::target::PolicyTarget;
use crate::secret::Fingerprint;

/// A policy, of which nothing depends on where its document is.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Unit {
    pub(in crate::policy) name: Box<str>,
    pub(in crate::policy) name_at: Place,
    pub(in crate::policy) target: Arc<PolicyTarget>,
    pub(in crate::policy) rules: Box<[Rule]>,
    /// Where the names of the rules are.
    pub(in crate::policy) rules_at: Box<[Place]>,
    /// The fingerprint of each rule without its name.
    pub(in crate::policy) prints: Box<[Fingerprint]>,
    /// What those are told whom it denies.
    pub(in crate::policy) answer: Option<HostAnswer>,
    /// The fragments that it uses, each once.
    pub(in crate::policy) uses: Box<[Use]>,
    /// What is odd about it by itself.
    pub(in crate::policy) doubts: Box<[Movable]>,
    /// Doubts that there are before or from a moment.
    pub(in crate::policy) outdated: Box<[(Due, Movable)]>,
}
