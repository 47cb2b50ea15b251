//! Credentials that work once: used up by what they let pass.

use super::{Outcome, Pinned};
use crate::authn::Subject;
use crate::evidence::Evidence;
use crate::policy::{Decision, ProofNeed};
use crate::reason::{Reason, Rejection};
use crate::store::FirstUse;

/// Why a credential could not be used up.
struct Refused {
    rejection: Rejection,
    /// Whether it is a proof that was used before.
    proof: bool,
}

// === impl Pinned ===

impl Pinned<'_> {
    /// Claims what works once, after everything else allowed the request: what is denied uses nothing up (P67).
    pub(super) async fn use_up(&self, outcome: Outcome, evidence: &Evidence) -> Outcome {
        let Some(subject) = outcome.subject.as_ref().filter(|_| outcome.decision.is_allow()) else {
            return outcome;
        };
        let refused = self.claim_all(subject).await.err();
        match refused {
            None => outcome,
            Some(Refused { rejection, proof }) => {
                let decision = match outcome.decision.withdrawn(rejection) {
                    // RFC 9449 section 11.1: the proof is at fault, and the token is as good as before.
                    Decision::Deny(denial) if proof => {
                        let need = ProofNeed { faulty: true, ..ProofNeed::default() };
                        Decision::Deny(denial.needing_proof(need))
                    }
                    decision @ (Decision::Allow(_) | Decision::Deny(_)) => decision,
                };
                let decision = self.with_challenge(decision, evidence, outcome.at);
                Outcome { decision, elapsed: self.deadline.elapsed(), ..outcome }
            }
        }
    }

    async fn claim_all(&self, subject: &Subject) -> Result<(), Refused> {
        for once in subject.one_time_uses() {
            let claim = self.pdp.store.first_use(once.key(), once.expires());
            let claimed = self.deadline.meet(claim).await;
            let late = || Reason::Deadline.because("the store did not answer in time");
            let (rejection, proof) = match claimed.ok_or_else(late) {
                Ok(Ok(FirstUse::First)) => continue,
                Ok(Ok(FirstUse::Seen)) => {
                    let detail = format!("{} was used before", once.kind());
                    (Reason::TokenReplayed.because(detail), once.is_proof())
                }
                Ok(Err(error)) => {
                    let detail =
                        format!("cannot tell whether the {} was used before: {error}", once.kind());
                    (Reason::StoreUnavailable.because(detail), false)
                }
                Err(rejection) => (rejection, false),
            };
            return Err(Refused { rejection, proof });
        }
        Ok(())
    }
}
