//! Challenges and nonces for callers whose tokens are bound to keys (RFC 9449 sections 7.1 and 8).

use super::Pinned;
use crate::authn::{self, DpopChallenge, Subject};
use crate::clock::UnixTime;
use crate::evidence::Evidence;
use crate::policy::{Decision, ProofNeed};
use crate::reason::{ClientAnswer, Reason};

impl Pinned<'_> {
    /// Tells a caller whose token is bound to a key, or has to be, what to bring.
    pub(super) fn with_challenge(
        &self,
        decision: Decision,
        evidence: &Evidence,
        now: UnixTime,
    ) -> Decision {
        let Decision::Deny(denial) = decision else { return decision };
        let reason = denial.rejection().reason();
        // What is our own or the issuer's trouble, no other credential helps.
        if matches!(
            denial.rejection().client_answer(),
            ClientAnswer::Unavailable | ClientAnswer::Throttled
        ) {
            return Decision::Deny(denial);
        }
        let faulty = denial.needs().proof.as_ref().is_some_and(|proof| proof.faulty);
        let for_want = matches!(reason, Reason::DpopInvalid | Reason::DpopNonce)
            || denial.needs().proof.is_some();
        let trust = self.current.snapshot.trust();
        Decision::Deny(match authn::dpop_challenge(evidence, trust, for_want, now) {
            None => denial,
            Some(DpopChallenge { algorithms, nonce }) => {
                denial.needing_proof(ProofNeed { algorithms, nonce, faulty })
            }
        })
    }

    /// Gives a caller who needs nonces the next one in time.
    pub(super) fn with_nonce(
        &self,
        decision: Decision,
        evidence: &Evidence,
        subject: &Subject,
        now: UnixTime,
    ) -> Decision {
        let Decision::Allow(permit) = decision else { return decision };
        let trust = self.current.snapshot.trust();
        match authn::next_dpop_nonce(evidence, subject, trust, now) {
            None => Decision::Allow(permit),
            Some(nonce) => Decision::Allow(permit.giving_nonce(nonce)),
        }
    }
}
