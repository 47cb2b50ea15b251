//! What a rule asks of the token that the caller carries.

use crate::authn::{Binding, NameFit, Subject, TokenIdentity, fit_names};
use crate::clock::UnixTime;
use crate::document::policy::BindingSpec;
use crate::evidence_level::EvidenceLevel;
use crate::identity_map::IdentityMap;
use crate::policy::check::Check;
use crate::policy::evaluate::trace::Trace;
use crate::policy::judge::Judge;
use crate::policy::model::claim::ClaimMatcher;
use crate::policy::model::truth::Truth;
use crate::policy::peer::Both;
use crate::policy::step_up::StepUp;

/// What the token must be. An empty list makes no demand.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct TokenRequirement {
    /// The `TokenIssuer` document that must vouch for it. Always named: a token of one issuer never meets a rule that was
    /// written for another (P53).
    pub(in crate::policy) issuer: Box<str>,
    /// Scopes that it must all have.
    pub(in crate::policy) scopes: Box<[String]>,
    /// Scopes of which it must have one.
    pub(in crate::policy) any_scope: Box<[String]>,
    /// Audiences of which it must have one.
    pub(in crate::policy) audiences: Box<[String]>,
    /// Subjects of which it must be one.
    pub(in crate::policy) subjects: Box<[String]>,
    /// Clients of which it must be one.
    pub(in crate::policy) clients: Box<[String]>,
    /// Claims.
    pub(in crate::policy) claims: Box<[ClaimMatcher]>,
    /// What it must be bound to.
    pub(in crate::policy) binding: BindingSpec,
    /// Which claim names the peer, and how much must have been shown of that.
    pub(in crate::policy) bind: Option<Box<(IdentityMap, EvidenceLevel)>>,
    /// How its user must have authenticated.
    pub(in crate::policy) step_up: StepUp,
}

// === impl TokenRequirement ===

impl TokenRequirement {
    /// This and what `other` asks for. The keys that both ask something of go to `twice`.
    pub(in crate::policy) fn and(mut self, other: &Self, twice: &mut Vec<&'static str>) -> Self {
        match (self.issuer.is_empty(), other.issuer.is_empty()) {
            (_, true) => {}
            (true, false) => self.issuer.clone_from(&other.issuer),
            (false, false) => twice.push("issuer"),
        }
        let mut both = Both { twice };
        both.list("scopes", &mut self.scopes, &other.scopes);
        both.list("anyScope", &mut self.any_scope, &other.any_scope);
        both.list("audiences", &mut self.audiences, &other.audiences);
        both.list("subjects", &mut self.subjects, &other.subjects);
        both.list("clients", &mut self.clients, &other.clients);
        both.list("claims", &mut self.claims, &other.claims);
        both.list("acr", &mut self.step_up.acr, &other.step_up.acr);
        both.one("maxAge", &mut self.step_up.max_age, &other.step_up.max_age);
        both.one("bind", &mut self.bind, &other.bind);
        match (self.binding, other.binding) {
            (_, BindingSpec::None) => {}
            (BindingSpec::None, binding) => self.binding = binding,
            (_, _) => both.twice.push("binding"),
        }
        self
    }

    pub(in crate::policy) fn judge<'r, T: Trace>(
        &'r self,
        subject: &Subject,
        now: UnixTime,
        judge: &mut Judge<'r, '_, T>,
    ) {
        let token = subject.token(&self.issuer);
        judge.check(Check::TokenPresent(&self.issuer), || token.is_some().into());
        let Some(token) = token else { return };
        if self.binding != BindingSpec::None {
            judge
                .check(Check::TokenBinding(self.binding), || self.is_bound(token.binding()).into());
        }
        if let Some((map, evidence)) = self.bind.as_deref() {
            let peer = subject.peer().verified();
            let fit = fit_names(map, *evidence, token.claim(map.pointer()), peer);
            let known = fit != NameFit::Unknown;
            judge.check(Check::TokenPresenterKnown(*evidence), || known.into());
            if known {
                let same = Truth::from(fit == NameFit::Same);
                judge.check(Check::TokenPresenter(map.pointer()), || same);
            }
        }
        self.judge_names(token, judge);
        for claim in &self.claims {
            judge.check(Check::TokenClaim(claim), || claim.holds(token.claim(&claim.pointer)));
        }
        // Scopes are whole words: `admin` is not `administrator` (P57).
        if !self.scopes.is_empty() {
            judge.check(Check::TokenScopes(&self.scopes), || {
                self.scopes.iter().all(|scope| token.scopes().contains(scope)).into()
            });
        }
        if !self.any_scope.is_empty() {
            judge.check(Check::TokenAnyScope(&self.any_scope), || {
                self.any_scope.iter().any(|scope| token.scopes().contains(scope)).into()
            });
        }
        self.step_up.judge(token, now, judge);
    }

    fn is_bound(&self, binding: Binding) -> bool {
        match self.binding {
            BindingSpec::None => true,
            BindingSpec::Certificate => binding == Binding::Certificate,
            BindingSpec::Dpop => binding == Binding::Dpop,
            BindingSpec::Any => binding != Binding::None,
        }
    }

    fn judge_names<'r, T: Trace>(&'r self, token: &TokenIdentity, judge: &mut Judge<'r, '_, T>) {
        let one_of = |listed: &[String], found: Option<&str>| {
            found.is_some_and(|found| listed.iter().any(|own| own == found))
        };
        if !self.audiences.is_empty() {
            judge.check(Check::TokenAudience, || {
                token.audiences().iter().any(|found| self.audiences.contains(found)).into()
            });
        }
        if !self.subjects.is_empty() {
            judge.check(Check::TokenSubject, || one_of(&self.subjects, token.subject()).into());
        }
        if !self.clients.is_empty() {
            judge.check(Check::TokenClient, || one_of(&self.clients, token.client()).into());
        }
    }
}
