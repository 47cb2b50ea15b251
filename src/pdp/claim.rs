//! Credentials that work once: used up by what they let pass.

use super::{Outcome, Pinned};
use crate::authn::Subject;
use crate::reason::{Reason, Rejection};
use crate::store::FirstUse;

// === impl Pinned ===

impl Pinned<'_> {
    /// Claims what works once, after everything else allowed the request: what is denied uses nothing up (P67).
    pub(super) async fn use_up(&self, outcome: Outcome) -> Outcome {
        let Some(subject) = outcome.subject.as_ref().filter(|_| outcome.decision.is_allow()) else {
            return outcome;
        };
        let refused = self.claim_all(subject).await.err();
        match refused {
            None => outcome,
            Some(rejection) => Outcome {
                decision: outcome.decision.withdrawn(rejection),
                elapsed: self.deadline.elapsed(),
                ..outcome
            },
        }
    }

    async fn claim_all(&self, subject: &Subject) -> Result<(), Rejection> {
        for once in subject.one_time_uses() {
            let claim = self.pdp.store.first_use(once.key(), once.expires());
            let claimed = self.deadline.meet(claim).await;
            match claimed
                .ok_or_else(|| Reason::Deadline.because("the store did not answer in time"))?
            {
                Ok(FirstUse::First) => {}
                Ok(FirstUse::Seen) => {
                    let detail = format!("{} was used before", once.kind());
                    return Err(Reason::TokenReplayed.because(detail));
                }
                Err(error) => {
                    let detail =
                        format!("cannot tell whether the {} was used before: {error}", once.kind());
                    return Err(Reason::StoreUnavailable.because(detail));
                }
            }
        }
        Ok(())
    }
}
