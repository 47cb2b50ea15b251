//! One check against one snapshot: collect, gather, authenticate, evaluate, fulfil, each in a file of its own but for *evaluate*.

use std::sync::Arc;

use super::current::CurrentSnapshot;
use super::outcome::{AuditSink, Authenticated, Decided, Outcome, Phases};
use super::point::Pdp;
use super::snapshot::Snapshot;
use super::trace::{NoRequestTrace, RequestTrace};
use crate::authn::Subject;
use crate::clock::{Deadline, UnixTime};
use crate::policy::{Decision, DecisionId, DecisionRequest, Denial};
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, RequestView, SealedNames};

/// The decision point for one check, with the snapshot that was in force when the check arrived.
#[derive(Debug)]
pub struct Pinned<'a> {
    pub(super) pdp: &'a Pdp,
    pub(super) current: Arc<CurrentSnapshot>,
    /// Begins when the check arrives.
    pub(super) deadline: Deadline,
    pub(super) id: DecisionId,
    pub(super) audit: Option<&'a dyn AuditSink>,
}

impl Pdp {
    /// Takes the snapshot for one check that arrives now.
    pub fn pin(&self) -> Pinned<'_> {
        self.pin_until(Deadline::within(self.deadline()))
    }

    /// Takes the snapshot for one check that arrived when `deadline` began.
    pub fn pin_until(&self, deadline: Deadline) -> Pinned<'_> {
        let (current, id) = (self.current.load_full(), self.ids.next());
        Pinned { pdp: self, current, deadline, id, audit: None }
    }
}

impl<'a> Pinned<'a> {
    /// Records the decision in `audit`, which may refuse to let a request pass unrecorded.
    #[must_use]
    pub fn recorded_by(self, audit: Option<&'a dyn AuditSink>) -> Self {
        Self { audit, ..self }
    }
}

impl Pinned<'_> {
    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.current.snapshot
    }

    /// The headers that carry credentials.
    pub fn sealed(&self) -> &SealedNames {
        self.current.snapshot.sealed()
    }

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
                let authenticated = self.authenticate(&collected, material, trace).await;
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
        let subject = Some(passed_over(&decision, subject));
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
        let subject = Some(passed_over(&decision, subject));
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

/// The subject of `decision`: without the refused cookies where the rule passes over them.
fn passed_over(decision: &Decision, subject: Subject) -> Subject {
    match decision {
        Decision::Allow(permit) if permit.ignores_rejected_cookies() => {
            subject.without_rejected_cookies().unwrap_or(subject)
        }
        Decision::Allow(_) | Decision::Deny(_) => subject,
    }
}
