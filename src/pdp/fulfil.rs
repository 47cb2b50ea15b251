//! Fulfilment: the one step from a decision to what happens.
//!
//! Evaluation decides, and only here something is added: everything that a decision obliges to is done top to bottom, headers
//! for the upstream, one-time credentials, the challenge or the next nonce for the caller, the audit record. Where an obligation
//! of an allow cannot be fulfilled, a denial takes its place.

use std::time::Duration;

use super::collected::Collected;
use super::outcome::{AuditSink, Decided, Outcome, Phases, Recording};
use super::pinned::Pinned;
use super::sealed::SealedHeader;
use super::single_use::Unusable;
use crate::authn::Subject;
use crate::clock::{Deadline, UnixTime};
use crate::document::BindingFloor;
use crate::evidence::{Evidence, Presented, TokenScheme};
use crate::policy::{Answer, Decision, Denial, HeaderMutation, Permit, ProofNeed};
use crate::reason::{ClientAnswer, Reason, Rejection};
use crate::request::RequestView;
use crate::trust::{DpopRules, Issuer};

/// The headers that come of an allow, beside those that its rule sets.
#[derive(Default)]
struct Extra {
    sealed: Vec<SealedHeader>,
    response_headers: Vec<HeaderMutation>,
}

impl Pinned<'_> {
    /// Does what `decided` obliges to.
    pub(super) async fn fulfil(&self, view: &RequestView, decided: Decided<'_>) -> Outcome {
        let Decided { decision, subject, collected, at, phases } = decided;
        let shown = subject.as_ref().zip(collected);
        let (decision, extra) = match decision {
            Decision::Allow(permit) => {
                match self.oblige(&permit, subject.as_ref(), collected, at).await {
                    Ok(extra) => {
                        self.count_ignored(view, subject.as_ref());
                        (Decision::Allow(permit), extra)
                    }
                    Err(Unusable { rejection, proof, cookie }) => {
                        let mut denial = permit.refused(rejection);
                        denial.cookies.extend(cookie);
                        let denial = self.throttled(view, subject.as_ref(), denial);
                        let denial = self.challenged(denial, proof, shown, at);
                        (Decision::Deny(denial), Extra::default())
                    }
                }
            }
            Decision::Deny(denial) => {
                let denial = self.throttled(view, subject.as_ref(), denial);
                let denial = self.challenged(denial, false, shown, at);
                (Decision::Deny(denial), Extra::default())
            }
        };
        let Extra { sealed, response_headers } = extra;
        let took_time = !sealed.is_empty() || subject.as_ref().is_some_and(Subject::works_once);
        let fulfilled = took_time.then(|| self.deadline.elapsed());
        let elapsed = fulfilled.or(phases.evaluated).unwrap_or_else(|| self.deadline.elapsed());
        let phases = Phases { fulfilled, ..phases };
        let outcome = Outcome {
            id: self.id,
            decision,
            answer: None,
            sealed,
            response_headers,
            revision: self.current.snapshot.revision().clone(),
            at,
            elapsed,
            phases,
            cache_hits: collected.map(Collected::cache_hits).unwrap_or_default(),
            subject,
        };
        let outcome = match self.audit {
            Some(audit) => self.record(view, outcome, audit).await,
            None => outcome,
        };
        Outcome { answer: answer(view, &outcome), ..outcome }
    }

    /// Fulfils the obligations of an allow. Last of all it uses up what works once: a request that is denied uses nothing up
    /// (P67).
    async fn oblige(
        &self,
        permit: &Permit,
        subject: Option<&Subject>,
        collected: Option<&Collected<'_>>,
        now: UnixTime,
    ) -> Result<Extra, Unusable> {
        let (Some(subject), Some(collected)) = (subject, collected) else {
            return Ok(Extra::default());
        };
        let sealed = self.sealed_headers(permit, subject, collected, now)?;
        if subject.works_once() {
            // Boxed because it is rare: every check has to make room for what is inline.
            Box::pin(self.enforce_single_use(subject)).await?;
        }
        let response_headers = subject.next_nonce().map(next_nonce).unwrap_or_default();
        Ok(Extra { sealed, response_headers })
    }

    /// The upstream's headers that are credentials themselves.
    fn sealed_headers(
        &self,
        permit: &Permit,
        subject: &Subject,
        collected: &Collected<'_>,
        now: UnixTime,
    ) -> Result<Vec<SealedHeader>, Rejection> {
        let obligations = permit.obligations();
        let mut sealed = collected.shared.without(&obligations.tokens);
        // A rule that removes every cookie leaves none (P333).
        sealed.retain(|own| permit.strip().iter().all(|name| **name != *own.name));
        if let Some(wanted) = &obligations.assertion {
            let assertions = self.pdp.assertions.as_ref().ok_or_else(|| {
                Reason::AssertionUnavailable.because("the settings have no `assertion`")
            })?;
            sealed.push(assertions.header(wanted, permit.rule(), subject, now)?);
        }
        Ok(sealed)
    }

    /// `denial` with what the caller has to bring where its token is bound to a key, or has to be (RFC 9449 section 7.1).
    fn challenged(
        &self,
        mut denial: Denial,
        faulty: bool,
        shown: Option<(&Subject, &Collected<'_>)>,
        now: UnixTime,
    ) -> Denial {
        let Some((subject, collected)) = shown else { return denial };
        let rejection = &denial.rejection;
        // No other credential helps where the trouble is ours or the issuer's.
        if matches!(rejection.client_answer(), ClientAnswer::Unavailable | ClientAnswer::Throttled)
        {
            return denial;
        }
        let lacks_proof = faulty
            || matches!(rejection.reason(), Reason::DpopInvalid | Reason::DpopNonce)
            || denial.needs.proof.is_some();
        if let Some(rules) = self.proof_rules(subject, &collected.evidence, lacks_proof) {
            let algorithms = rules.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
            let nonce = rules.new_nonce(now);
            denial.needs.proof = Some(ProofNeed { algorithms, nonce, faulty });
        }
        denial
    }

    /// The rules for the proof that a denied caller has to bring, or `None` if a proof is not what is missing.
    ///
    /// There are some if the caller used the scheme `DPoP`, if it is denied because it `lacks_proof`, if the issuer of its token
    /// wants proofs, or if it has no token and some issuer wants proofs.
    fn proof_rules(
        &self,
        subject: &Subject,
        evidence: &Evidence,
        lacks_proof: bool,
    ) -> Option<&DpopRules> {
        let (issuers, presented) = (self.current.snapshot.trust().issuers(), evidence.presented());
        let named = presented.first().and_then(|first| subject.issuer_to_prove_to(&first.place));
        let named = issuers.iter().find(|issuer| named == Some(issuer.name.as_str()));
        let wants_proofs = |issuer: &&Issuer| issuer.binding == BindingFloor::Dpop;
        let with_scheme = presented.iter().any(|token| token.scheme == TokenScheme::Dpop);
        // Two tokens in one place have no scheme; the proof shows what the caller means.
        let without_scheme =
            evidence.tokens.is_err() && !matches!(evidence.proof, Presented::Absent);
        let by_scheme = with_scheme || without_scheme || lacks_proof;
        let by_issuer = || issuers.iter().find(wants_proofs);
        let issuer = match (named, by_scheme) {
            (Some(issuer), true) => Some(issuer),
            (Some(issuer), false) => Some(issuer).filter(wants_proofs),
            (None, true) => by_issuer().or_else(|| issuers.first()),
            (None, false) if presented.is_empty() && evidence.tokens.is_ok() => by_issuer(),
            (None, false) => None,
        };
        issuer.map(|issuer| &*issuer.dpop)
    }

    /// Has `outcome` recorded. An allow that cannot be recorded and has to be is a denial instead.
    async fn record(&self, view: &RequestView, outcome: Outcome, audit: &dyn AuditSink) -> Outcome {
        let rejection = match audit.record(view, &outcome, &self.deadline) {
            Recording::Done => return outcome,
            Recording::Pending(room) => {
                room.await;
                return outcome;
            }
            Recording::Refused(rejection) => rejection,
        };
        let Decision::Allow(permit) = &outcome.decision else { return outcome };
        let decision = Decision::Deny(permit.refused(rejection));
        let (sealed, response_headers) = (Vec::new(), Vec::new());
        let outcome = Outcome { decision, sealed, response_headers, ..outcome };
        // The denial is recorded where there is room for it.
        let _ = audit.record(view, &outcome, &Deadline::within(Duration::ZERO));
        outcome
    }
}

/// The response to the caller of a denied request.
fn answer(view: &RequestView, outcome: &Outcome) -> Option<Answer> {
    match &outcome.decision {
        Decision::Allow(_) => None,
        Decision::Deny(denial) => Some(denial.answer(view, &outcome.id.to_string())),
    }
}

/// The headers that give the caller the nonce for its next proof (RFC 9449 section 8.2). No cache may keep such an answer.
fn next_nonce(nonce: &str) -> Vec<HeaderMutation> {
    let header = |name: &str, value| HeaderMutation { name: name.into(), value };
    vec![header("dpop-nonce", nonce.into()), header("cache-control", "no-store".into())]
}
