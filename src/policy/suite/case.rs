//! A compiled suite and its cases.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::document::Span;
use crate::document::policy::Effect;
use crate::policy::model::rule_name::RuleName;
use crate::reason::Reason;
use crate::request::RequestView;

/// A compiled `PolicySuite` document.
#[derive(Debug)]
pub struct Suite {
    /// The name of its document.
    pub name: Arc<str>,
    pub(super) now: UnixTime,
    pub(super) cases: Vec<Case>,
}

#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: Arc<str>,
    /// Which of several combinations it is.
    pub(super) variant: String,
    pub(super) place: Span,
    pub(super) request: RequestView,
    pub(super) subject: Subject,
    pub(super) expect: Arc<Expectation>,
}

/// The expected decision. Members that are absent are not compared.
#[derive(Debug)]
pub(super) struct Expectation {
    pub(super) decision: Effect,
    pub(super) reason: Option<Reason>,
    pub(super) rule: Option<ExpectedRule>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) response_headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) metadata: Map<String, Value>,
    pub(super) assertion: Map<String, Value>,
    pub(super) removed: Vec<String>,
    pub(super) status: Option<u16>,
    pub(super) body: Option<Value>,
}

/// A rule by its name, or as `policy/rule`.
#[derive(Debug)]
pub(super) struct ExpectedRule {
    pub(super) name: String,
    pub(super) place: Span,
}

/// A request with a caller who is taken at their word.
#[derive(Debug)]
pub struct Question {
    /// The request.
    pub request: RequestView,
    /// Who asks.
    pub subject: Subject,
    /// The moment, where one is given.
    pub now: Option<UnixTime>,
}

impl ExpectedRule {
    pub(super) fn is(&self, rule: &RuleName) -> bool {
        let in_policy = || self.name.strip_prefix(&*rule.policy)?.strip_prefix('/');
        self.name == *rule.rule || in_policy().is_some_and(|own| own == &*rule.rule)
    }
}

impl Case {
    pub(super) fn title(&self) -> String {
        match self.variant.as_str() {
            "" => self.name.to_string(),
            variant => format!("{} ({variant})", self.name),
        }
    }
}
