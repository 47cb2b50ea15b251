//! One check against one snapshot: collect, gather, authenticate, evaluate. [`fulfil`](super::fulfil) does the rest.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::collected::Collected;
use super::current::CurrentSnapshot;
use super::outcome::{AuditSink, Decided, Outcome, Phases};
use super::point::Pdp;
use super::snapshot::Snapshot;
use super::trace::{NoRequestTrace, RequestTrace};
use crate::authn::{self, Subject};
use crate::clock::{Deadline, UnixTime};
use crate::evidence::{self, Presented};
use crate::policy::{Decision, DecisionId, DecisionRequest, Denial};
use crate::reason::{Reason, Rejection};
use crate::request::{Client, CredentialHeaders, RequestLine, RequestView, SealedNames};
use crate::slots::network;
use crate::trust::Material;

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
        let unaffordable = self.unaffordable(view, &collected);
        let gathered = match unaffordable {
            None => self.gather_at(began, &collected).await.map_err(Denial::new),
            Some(denial) => Err(denial),
        };
        let decided = match gathered {
            Ok(mut material) => {
                // After the wait: a revocation that arrived meanwhile counts.
                material.revoke_by(self.pdp.revocations.current());
                let decided = self.judge(view, &collected, &material, began, trace);
                self.ask_for_authorities(&decided, &collected);
                match self.gather_changed(&decided, &collected, &material).await {
                    Some(mut material) => {
                        material.revoke_by(self.pdp.revocations.current());
                        self.judge(view, &collected, &material, began, trace)
                    }
                    None => decided,
                }
            }
            Err(denial) => {
                let gathered = Some(self.deadline.elapsed());
                let phases = Phases { began: Some(began), gathered, ..Phases::default() };
                Decided { phases, ..self.refusal(denial) }
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
        let subject = match self.current.snapshot.policies().counting(view) {
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

    /// The evidence in the credentials, unverified, with what the verification cache has of it.
    pub fn collect(&self, view: &RequestView, credentials: &CredentialHeaders) -> Collected<'_> {
        let snapshot = &self.current.snapshot;
        let evidence = evidence::collect(
            credentials,
            view.destination.principal.as_ref(),
            &self.pdp.options.peer_sources,
            snapshot.token_places(),
        );
        let cache = self.current.verified.memory();
        let mut collected = Collected::new(evidence, credentials, snapshot.token_places(), cache);
        collected.origin = origin(view);
        // Before any issuer is asked: no issuer sees a token that does not count here.
        if let Some(counting) = snapshot.policies().counting(view) {
            collected = collected.pass_over(snapshot.trust(), |issuer| counting.has(issuer));
        }
        if !matches!(collected.evidence.proof, Presented::Absent) {
            collected.evidence.request = RequestLine::of(view);
        }
        collected
    }

    /// Fetches what verification needs, within the deadline.
    ///
    /// # Errors
    /// `deadline` where it does not arrive in time.
    pub async fn gather(&self, collected: &Collected<'_>) -> Result<Material, Rejection> {
        self.gather_at(self.deadline.elapsed(), collected).await
    }

    async fn gather_at(
        &self,
        elapsed: Duration,
        collected: &Collected<'_>,
    ) -> Result<Material, Rejection> {
        let Collected { evidence, origin, cached, .. } = collected;
        let tokens = evidence.presented();
        if evidence.unreadable.iter().any(|own| own.place.cookie().is_none()) {
            return Ok(Material::default());
        }
        let left = self.deadline.left_at(elapsed);
        // Envoy has given up on a check that waited too long for its turn, and deciding it would make the next one late too.
        if left.is_zero() {
            return Err(Reason::Deadline.because("no time was left when deciding began"));
        }
        // Waiting ends before the deadline does, so that the answer can name the issuer whose keys did not arrive.
        let patience = left.mul_f64(0.9);
        let trust = self.current.snapshot.trust();
        let gathering = async {
            let mut material = self.pdp.keys.gather(tokens, trust, cached, patience).await;
            if !tokens.iter().all(|token| authn::is_cached(token, cached)) {
                let patience = self.deadline.left().saturating_sub(left - patience);
                let introspector = &self.pdp.introspector;
                // Boxed because it is rare: every check has to make room for what is inline.
                let asking =
                    introspector.gather(tokens, trust, cached, *origin, patience, &mut material);
                Box::pin(asking).await;
            }
            material
        };
        self.deadline
            .meet(gathering)
            .await
            .ok_or_else(|| Reason::Deadline.because("the issuer's keys did not arrive in time"))
    }

    /// Other keys for a request whose tokens do not verify with those at hand, where its issuer has replaced one.
    async fn gather_changed(
        &self,
        decided: &Decided<'_>,
        collected: &Collected<'_>,
        material: &Material,
    ) -> Option<Material> {
        let rejection = decided.subject.as_ref()?.tokens().rejection()?;
        if !matches!(
            rejection.reason(),
            Reason::SignatureInvalid | Reason::KeyUnknown | Reason::TokenAlg
        ) {
            return None;
        }
        let patience = self.deadline.left().mul_f64(0.9);
        let (tokens, trust) = (collected.evidence.presented(), self.current.snapshot.trust());
        // Boxed because it is rare.
        Box::pin(self.pdp.keys.gather_changed(tokens, trust, material, patience)).await
    }

    /// Has the authorities of a trust domain fetched again that a certificate shows to have another one by now. The request does
    /// not wait for it: new authorities count once the documents are compiled with them.
    fn ask_for_authorities(&self, decided: &Decided<'_>, collected: &Collected<'_>) {
        let rejection = decided.subject.as_ref().and_then(|subject| subject.peer().rejection());
        let untrusted = rejection.is_some_and(|why| why.reason() == Reason::ChainUntrusted);
        if let Some(remote) = self.pdp.remote.as_ref().filter(|_| untrusted) {
            let (peer, trust) = (&collected.evidence.peer, self.current.snapshot.trust());
            let domains = authn::with_unknown_authorities(peer, trust);
            domains.into_iter().for_each(|domain| remote.ask_for_authorities(domain));
        }
    }

    fn judge<'c, T: RequestTrace>(
        &self,
        view: &RequestView,
        collected: &'c Collected<'c>,
        material: &Material,
        began: Duration,
        trace: &mut T,
    ) -> Decided<'c> {
        let gathered = self.deadline.elapsed();
        let (now, trust) = (self.pdp.clock.now(), self.current.snapshot.trust());
        let (evidence, cache) = (&collected.evidence, collected.cached.memory());
        let watch = trace.authentication();
        let subject = authn::authenticate_traced(evidence, trust, material, cache, now, watch);
        let authenticated = self.deadline.elapsed();
        let decision = self.evaluate(view, &subject, now, trace);
        let subject = Some(passed_over(&decision, subject));
        let phases = Phases {
            began: Some(began),
            gathered: Some(gathered),
            authenticated: Some(authenticated),
            evaluated: Some(self.deadline.elapsed()),
        };
        Decided { decision, subject, collected: Some(collected), at: now, phases }
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

/// The address of the client, or its IPv6 network; that of the proxy in front where the client's is not known.
fn origin(view: &RequestView) -> Option<IpAddr> {
    let connection = view.source.address.map(|address| address.ip());
    let address = match view.client {
        Client::At(address) => Some(address),
        Client::Connection | Client::Unknown => connection,
    };
    address.map(network)
}
