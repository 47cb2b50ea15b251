//! What a rule asks of the token that the caller carries.

use super::check::Check;
use super::claim::ClaimMatcher;
use super::judge::Judge;
use super::peer::Both;
use super::step_up::StepUp;
use super::trace::Trace;
use crate::authn::{Binding, Subject, TokenIdentity};
use crate::clock::UnixTime;

/// What the token must be. An empty list makes no demand.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenRequirement {
    /// The `TokenIssuer` document that must vouch for it. Always named: a token of one issuer never meets a rule that was
    /// written for another (P53).
    pub(super) issuer: Box<str>,
    /// Scopes that it must all have.
    pub(super) scopes: Box<[String]>,
    /// Scopes of which it must have one.
    pub(super) any_scope: Box<[String]>,
    /// Audiences of which it must have one.
    pub(super) audiences: Box<[String]>,
    /// Subjects of which it must be one.
    pub(super) subjects: Box<[String]>,
    /// Clients of which it must be one.
    pub(super) clients: Box<[String]>,
    /// Claims.
    pub(super) claims: Box<[ClaimMatcher]>,
    /// Whether it must be bound to the peer's certificate.
    pub(super) certificate_bound: bool,
    /// How its user must have authenticated.
    pub(super) step_up: StepUp,
}

// === impl TokenRequirement ===

impl TokenRequirement {
    /// This and what `other` asks for. The keys that both ask something of go to `twice`.
    pub(super) fn and(mut self, other: &Self, twice: &mut Vec<&'static str>) -> Self {
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
        self.certificate_bound |= other.certificate_bound;
        self
    }

    pub(super) fn judge<'r, T: Trace>(
        &'r self,
        subject: &Subject,
        now: UnixTime,
        judge: &mut Judge<'r, '_, T>,
    ) {
        let token = subject.token(&self.issuer);
        judge.check(Check::TokenPresent(&self.issuer), || token.is_some().into());
        let Some(token) = token else { return };
        if self.certificate_bound {
            judge.check(Check::TokenBinding, || (token.binding() == Binding::Certificate).into());
        }
        self.judge_names(token, judge);
        for claim in &self.claims {
            let pointer = &claim.pointer;
            judge.check(Check::TokenClaim(pointer), || claim.holds(token.claim(pointer)));
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
