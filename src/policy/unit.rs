//! One policy, compiled: what a reload keeps where neither its text nor anything that it depends on has changed.

use std::sync::Arc;

use super::compile::Use;
use super::index::HostAnswer;
use super::rule::Rule;
use super::target::PolicyTarget;
use crate::clock::UnixTime;
use crate::document::{Movable, Place};

/// A policy, of which nothing depends on where its document is.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) name: Box<str>,
    pub(super) name_at: Place,
    pub(super) target: Arc<PolicyTarget>,
    pub(super) rules: Box<[Rule]>,
    /// Where the names of the rules are.
    pub(super) rules_at: Box<[Place]>,
    /// What those are told whom it denies.
    pub(super) answer: Option<HostAnswer>,
    /// The fragments that it uses, each once.
    pub(super) uses: Box<[Use]>,
    /// What is odd about it by itself.
    pub(super) doubts: Box<[Movable]>,
    /// What will be odd about it from a moment on.
    pub(super) outdated: Box<[(UnixTime, Movable)]>,
}
