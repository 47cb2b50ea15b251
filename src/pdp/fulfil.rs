//! Fulfilment: the one step from a decision to what happens.
//!
//! Evaluation decides, and only here something is added: everything that a decision obliges to is done top to bottom, headers
//! for the upstream, one-time credentials, the challenge or the next nonce for the caller, the audit record. Where an obligation
//! of an allow cannot be fulfilled, a denial takes its place.

use std::time::Duration;

use super::collected::Collected;
use super::outcome::{AuditSink, Decided, Outcome, Recording};
use super::pinned::Pinned;
use super::sealed::SealedHeader;
use super::single_use::Unusable;
use crate::authn::{self, DpopChallenge, Subject};
use crate::clock::{Deadline, UnixTime};
use crate::policy::{Decision, Denial, HeaderMutation, Permit, ProofNeed};
use crate::reason::{ClientAnswer, Reason, Rejection};
use crate::request::RequestView;

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
                        let denial = self.challenged(denial, proof, collected, at);
                        (Decision::Deny(denial), Extra::default())
                    }
                }
            }
            Decision::Deny(denial) => {
                let denial = self.throttled(view, subject.as_ref(), denial);
                let denial = self.challenged(denial, false, collected, at);
                (Decision::Deny(denial), Extra::default())
            }
        };
        let Extra { sealed, response_headers } = extra;
        let took_time = !sealed.is_empty() || subject.as_ref().is_some_and(Subject::works_once);
        let elapsed = phases.evaluated.filter(|_| !took_time);
        let outcome = Outcome {
            id: self.id,
            decision,
            sealed,
            response_headers,
            revision: self.current.snapshot.revision().clone(),
            at,
            elapsed: elapsed.unwrap_or_else(|| self.deadline.elapsed()),
            phases,
            cache_hits: collected.map(Collected::cache_hits).unwrap_or_default(),
            subject,
        };
        match self.audit {
            Some(audit) => self.record(view, outcome, audit).await,
            None => outcome,
        }
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
        let trust = self.current.snapshot.trust();
        let nonce = authn::next_dpop_nonce(&collected.evidence, subject, trust, now);
        Ok(Extra { sealed, response_headers: nonce.map(next_nonce).unwrap_or_default() })
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
        collected: Option<&Collected<'_>>,
        now: UnixTime,
    ) -> Denial {
        let Some(collected) = collected else { return denial };
        let rejection = &denial.rejection;
        // No other credential helps where the trouble is ours or the issuer's.
        if matches!(rejection.client_answer(), ClientAnswer::Unavailable | ClientAnswer::Throttled)
        {
            return denial;
        }
        let lacks_proof = faulty
            || matches!(rejection.reason(), Reason::DpopInvalid | Reason::DpopNonce)
            || denial.needs.proof.is_some();
        let trust = self.current.snapshot.trust();
        let challenge = authn::dpop_challenge(&collected.evidence, trust, lacks_proof, now);
        if let Some(DpopChallenge { algorithms, nonce }) = challenge {
            denial.needs.proof = Some(ProofNeed { algorithms, nonce, faulty });
        }
        denial
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

/// The headers that give the caller the nonce for its next proof (RFC 9449 section 8.2). No cache may keep such an answer.
fn next_nonce(nonce: String) -> Vec<HeaderMutation> {
    let header = |name: &str, value| HeaderMutation { name: name.into(), value };
    vec![header("dpop-nonce", nonce), header("cache-control", "no-store".into())]
}
