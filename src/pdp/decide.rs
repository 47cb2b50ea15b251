//! The order of the steps of a check: collect and gather (`gather`), authenticate, evaluate (here), fulfil.

use super::outcome::{Authenticated, Decided, Outcome, Phases};
use super::pinned::Pinned;
use super::trace::{NoRequestTrace, RequestTrace};
use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::policy::{Decision, DecisionRequest, Denial};
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, RequestView};

impl Pinned<'_> {
    /// Decides one request.
    pub async fn decide(&self, view: &RequestView, credentials: CredentialHeaders) -> Outcome {
        self.decide_traced(view, credentials, &mut NoRequestTrace::new()).await
    }

    /// Decides like [`Pinned::decide`], watched by `trace`.
    pub async fn decide_traced<T: RequestTrace>(
        &self,
        view: &RequestView,
        credentials: CredentialHeaders,
        trace: &mut T,
    ) -> Outcome {
        let collected = self.collect(view, &credentials);
        drop(credentials);
        let began = self.deadline.elapsed();
        self.pdp.count_unknown_keys(&collected.evidence.peer.xfcc);
        let gathered = match self.unaffordable(view, &collected) {
            None => self.gather_at(began, &collected).await.map_err(Denial::new),
            Some(denial) => Err(denial),
        };
        let phases = Phases { began: Some(began), ..Phases::default() };
        let decided = match gathered {
            Ok(material) => {
                let mut authenticated = self.authenticate(&collected, material, trace).await;
                self.note_usage(view, &mut authenticated);
                self.evaluate_authenticated(view, authenticated, phases, trace)
            }
            Err(denial) => {
                let gathered = Some(self.deadline.elapsed());
                Decided { phases: Phases { gathered, ..phases }, ..self.refusal(denial) }
            }
        };
        self.fulfil(view, decided).await
    }

    /// Decides for a caller who was authenticated before or is vouched for.
    pub async fn decide_for<T: RequestTrace>(
        &self,
        view: &RequestView,
        subject: Subject,
        trace: &mut T,
    ) -> Outcome {
        let subject = match self.current.snapshot.token_scope().of(view) {
            Some(counting) => subject.where_count(|issuer| counting.has(issuer)),
            None => subject,
        };
        let at = self.pdp.clock.now();
        let decision = self.evaluate(view, &subject, at, trace);
        let subject = Some(without_ignored_cookies(&decision, subject));
        let decided = Decided { decision, subject, collected: None, at, phases: Phases::default() };
        self.fulfil(view, decided).await
    }

    /// Denies a request that cannot be decided.
    pub async fn refuse(&self, view: &RequestView, rejection: Rejection) -> Outcome {
        self.fulfil(view, self.refusal(Denial::new(rejection))).await
    }

    fn evaluate_authenticated<'c, T: RequestTrace>(
        &self,
        view: &RequestView,
        authenticated: Authenticated<'c>,
        phases: Phases,
        trace: &mut T,
    ) -> Decided<'c> {
        let Authenticated { subject, collected, at, gathered, done } = authenticated;
        let decision = self.evaluate(view, &subject, at, trace);
        let subject = Some(without_ignored_cookies(&decision, subject));
        let phases = Phases {
            gathered: Some(gathered),
            authenticated: Some(done),
            evaluated: Some(self.deadline.elapsed()),
            ..phases
        };
        Decided { decision, subject, collected: Some(collected), at, phases }
    }

    fn evaluate<T: RequestTrace>(
        &self,
        view: &RequestView,
        subject: &Subject,
        now: UnixTime,
        trace: &mut T,
    ) -> Decision {
        let question = DecisionRequest { subject, request: view, now, id: self.id };
        self.current.snapshot.policies().evaluate_traced(&question, trace.evaluation())
    }

    fn refusal(&self, denial: Denial) -> Decided<'static> {
        Decided {
            decision: Decision::Deny(denial),
            subject: None,
            collected: None,
            at: self.pdp.clock.now(),
            phases: Phases::default(),
        }
    }
}

/// The subject of `decision`: without the refused cookies where the rule ignores them.
fn without_ignored_cookies(decision: &Decision, subject: Subject) -> Subject {
    match decision {
        Decision::Allow(permit) if permit.ignores_rejected_cookies() => {
            subject.without_rejected_cookies().unwrap_or(subject)
        }
        Decision::Allow(_) | Decision::Deny(_) => subject,
    }
}
