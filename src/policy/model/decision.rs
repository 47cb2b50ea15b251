//! The answer: an allow that carries its proof, or a denial that carries its reason.

use std::sync::Arc;
use std::time::Duration;

use crate::document::policy::Effect;
use crate::policy::model::annotations::Annotations;
use crate::policy::model::answer::CustomAnswer;
use crate::policy::model::obligations::{HeaderMutation, Obligations};
use crate::policy::model::removed_headers::RemovedHeaders;
use crate::policy::model::rule_name::RuleName;
use crate::policy::model::truth::Truth;
use crate::reason::{Reason, Rejection};

/// The answer to a [`DecisionRequest`](crate::policy::DecisionRequest).
#[derive(Clone, Debug)]
pub enum Decision {
    /// The request may pass.
    Allow(Permit),
    /// The request must not pass.
    Deny(Denial),
}

/// Proof that a request was allowed: only evaluation makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    rule: RuleName,
    annotations: Annotations,
    obligations: Obligations,
    /// The response where an obligation cannot be fulfilled: that of the rule, or of its policy.
    answer: Option<Arc<CustomAnswer>>,
    /// Every header that any rule can inject and those that this one removes, so that the caller's own copies are removed on every allow
    /// (invariant 4).
    strip: RemovedHeaders,
    /// The caller's copies of query parameters that any rule can set, as they are spelled in the request.
    strip_query: Vec<String>,
    shadows: Vec<ShadowOutcome>,
    ignores_rejected_cookies: bool,
}

/// A refusal. Any code may make one: denying is always safe.
#[derive(Clone, Debug)]
pub struct Denial {
    /// Why.
    pub rejection: Rejection,
    /// The rule that denied, or the allow rule that came closest.
    pub rule: Option<RuleName>,
    /// A policy of the host, where no rule of it came close.
    pub policy: Option<Arc<str>>,
    /// The annotations of that rule.
    pub annotations: Annotations,
    /// The credentials that would have been needed.
    pub needs: Needs,
    /// The words of a document for it.
    pub custom: Option<Arc<CustomAnswer>>,
    pub(in crate::policy) shadows: Vec<ShadowOutcome>,
    /// The names of the cookies that were refused, where nothing else was.
    pub cookies: Vec<String>,
    /// Of a source that has too many failed attempts.
    pub throttling: Option<Box<Throttling>>,
}

/// The credentials that a challenge asks the caller for. They come from the policy, never from the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The scopes that it must have (RFC 6750 section 3).
    pub scopes: Vec<String>,
    /// The ways of which the user must have authenticated in one (RFC 9470 section 3).
    pub acr: Vec<String>,
    /// How long ago that may have been.
    pub max_age: Option<Duration>,
    /// The proof that it must come with (RFC 9449 section 7.1).
    pub proof: Option<ProofNeed>,
}

/// The proof of possession that is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProofNeed {
    /// The algorithms that it may be signed with.
    pub algorithms: Vec<&'static str>,
    /// The nonce that it must hold (RFC 9449 section 9).
    pub nonce: Option<String>,
    /// True if the proof that came is what was refused, and not the token.
    pub faulty: bool,
}

/// A denial of a source that has too many failed attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttling {
    /// Who that is: a verified peer, a network, or both (`spiffe://.. at 203.0.113.7/32`).
    pub source: String,
    /// Why this attempt failed; none where nothing was verified.
    pub failed: Option<Reason>,
    /// When the next attempt will be answered as ever.
    pub retry_after: Duration,
    /// True if the caller gets 429; else it is shown to operators only.
    pub enforced: bool,
}

/// A rule in shadow mode that matches, or that may match. It is reported, never enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowOutcome {
    /// Which rule.
    pub rule: RuleName,
    /// Its effect, if it counted.
    pub effect: Effect,
    /// The result of its requirements; never [`Truth::Fails`].
    pub result: Truth,
    /// True if the decision would have been another, had this one rule counted.
    pub changes: bool,
}

impl Decision {
    /// Its effect, by which records and metrics name it.
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Allow(_) => Effect::Allow,
            Self::Deny(_) => Effect::Deny,
        }
    }

    /// The rule that decided, or the allow rule that came closest.
    pub const fn rule(&self) -> Option<&RuleName> {
        match self {
            Self::Allow(permit) => Some(permit.rule()),
            Self::Deny(denial) => denial.rule.as_ref(),
        }
    }

    /// The policy of that rule, or one of the host.
    pub fn policy(&self) -> Option<&Arc<str>> {
        let own = if let Self::Deny(denial) = self { denial.policy.as_ref() } else { None };
        self.rule().map(|rule| &rule.policy).or(own)
    }

    /// The annotations of that rule.
    pub const fn annotations(&self) -> &Annotations {
        match self {
            Self::Allow(permit) => &permit.annotations,
            Self::Deny(denial) => &denial.annotations,
        }
    }

    /// The rules in shadow mode that match, or that may match; in no particular order.
    pub fn shadows(&self) -> &[ShadowOutcome] {
        match self {
            Self::Allow(permit) => &permit.shadows,
            Self::Deny(denial) => &denial.shadows,
        }
    }

    /// True if the request may pass.
    pub const fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    pub(in crate::policy) fn with_shadows(self, shadows: Vec<ShadowOutcome>) -> Self {
        match self {
            Self::Allow(permit) => Self::Allow(Permit { shadows, ..permit }),
            Self::Deny(denial) => Self::Deny(Denial { shadows, ..denial }),
        }
    }
}

impl Permit {
    pub(in crate::policy) fn grant(
        rule: RuleName,
        annotations: Annotations,
        obligations: Obligations,
        strip: RemovedHeaders,
        strip_query: Vec<String>,
    ) -> Self {
        Self {
            rule,
            annotations,
            obligations,
            answer: None,
            strip,
            strip_query,
            shadows: Vec::new(),
            ignores_rejected_cookies: false,
        }
    }

    /// The same, with the response of its rule to denied callers.
    pub(in crate::policy) fn answering(self, answer: Option<Arc<CustomAnswer>>) -> Self {
        Self { answer, ..self }
    }

    /// The same, for a caller whose refused cookies the rule ignores.
    pub(in crate::policy) fn ignoring_rejected_cookies(self) -> Self {
        Self { ignores_rejected_cookies: true, ..self }
    }

    /// True if it is for the caller without the cookies that were refused
    /// ([`Subject::without_rejected_cookies`](crate::authn::Subject::without_rejected_cookies)).
    pub const fn ignores_rejected_cookies(&self) -> bool {
        self.ignores_rejected_cookies
    }

    /// The rule that allows.
    pub const fn rule(&self) -> &RuleName {
        &self.rule
    }

    /// The annotations of that rule.
    pub const fn annotations(&self) -> &Annotations {
        &self.annotations
    }

    /// The obligations that follow from it.
    pub const fn obligations(&self) -> &Obligations {
        &self.obligations
    }

    /// A refusal in place of this permit, for an obligation that cannot be fulfilled. It names the same rule, and has its response.
    pub fn refused(&self, rejection: Rejection) -> Denial {
        let denial = Denial::new(rejection).of(self.rule.clone(), self.annotations.clone());
        Denial { shadows: self.shadows.clone(), custom: self.answer.clone(), ..denial }
    }

    /// The headers to set.
    pub fn headers(&self) -> &[HeaderMutation] {
        &self.obligations.headers
    }

    /// The headers to remove from what the caller sent, in lower case; those in [`Permit::headers`] included.
    pub fn strip(&self) -> &[String] {
        self.strip.names()
    }

    /// The same, to be written.
    pub const fn removed(&self) -> &RemovedHeaders {
        &self.strip
    }

    /// The query parameters to remove from what the caller sent, as they are spelled there; those that are set and need no
    /// removing included.
    pub fn strip_query(&self) -> &[String] {
        &self.strip_query
    }
}

impl Denial {
    /// A refusal without a rule.
    pub fn new(rejection: Rejection) -> Self {
        Self {
            rejection,
            rule: None,
            policy: None,
            annotations: Annotations::default(),
            needs: Needs::default(),
            custom: None,
            shadows: Vec::new(),
            cookies: Vec::new(),
            throttling: None,
        }
    }

    /// This refusal as the doing of `rule`, or of the allow rule that came closest, with what is noted on it.
    #[must_use]
    pub fn of(mut self, rule: RuleName, annotations: Annotations) -> Self {
        self.rule = Some(rule);
        self.annotations = annotations;
        self
    }
    /// This refusal as that of a source that has too many failed attempts.
    #[must_use]
    pub fn throttled(self, throttling: Throttling) -> Self {
        Self { throttling: Some(Box::new(throttling)), ..self }
    }
}

impl Throttling {
    /// For `retry-after` (RFC 9110 section 10.2.3): whole seconds, not before the time and at least one.
    pub fn seconds(&self) -> u64 {
        let nanos = self.retry_after.subsec_nanos();
        self.retry_after.as_secs().saturating_add(u64::from(nanos > 0)).max(1)
    }
}
