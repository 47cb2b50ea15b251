//! The decision point: one request, top to bottom, against one snapshot.
//!
//! Collect, gather, authenticate, evaluate. Of these only *gather* may wait, and the clock is read once, after the wait: a token
//! that expires while its key is fetched is expired. What works once is then claimed from the store, which may wait too.

mod assertion;
mod carry;
mod challenge;
mod claim;
mod cookies;
mod current;
mod dial;
mod fetch;
mod introspect;
mod keys;
mod outcome;
mod remember;
mod remote;
mod retired;
mod revocation;
mod snapshot;
mod trace;

pub use fetch::{FetchError, Fetched, Fetcher, HttpsFetcher};
pub use introspect::Introspector;
pub use keys::{
    FirstSeen, KeyCache, KeyStatus, LastGood, LoadError, Loaded, last_good, load as load_keys,
};
pub use outcome::{CacheHits, Kept, Observer, Outcome, Phases, Recorder, SealedHeader};
pub use remember::{MemoryOptions, Remembered};
pub use remote::{RemoteFiles, RemoteStatus};
pub use retired::Retired;
pub use revocation::{
    BeforeFirstSync, KnownRevocation, ListStatus, Published, RUNNING, RevocationOptions,
    RevocationRegister, SharingStatus, UnknownRevocation,
};
pub use snapshot::{FileSet, Inventory, KeptLists, KeptListsStatus, Load, Revision, Snapshot};
pub use trace::{NoTrace, Trace};

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;

use crate::authn::{self, Subject, TokenMemory};
use crate::clock::{Clock, Deadline, UnixTime};
use crate::evidence::{self, Evidence, PeerSources, Presented, Xfcc};
use crate::policy::{Decision, DecisionId, DecisionRequest, Denial};
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, RequestLine, RequestView, SealedNames, TokenPlace};
use crate::signer::Signer;
use crate::store::Store;
use crate::trust::Material;

use self::assertion::Assertions;
use self::cookies::Cookies;
use self::current::Current;
use self::outcome::DecisionIds;
use self::remember::Recalling;

/// The policy decision point: shared by every connection, replaced never; what it decides by is replaced whole.
#[derive(Debug)]
pub struct Pdp {
    current: ArcSwap<Current>,
    keys: Arc<KeyCache>,
    introspector: Introspector,
    revocations: Arc<RevocationRegister>,
    /// None where the settings say nothing of assertions.
    assertions: Option<Assertions>,
    clock: Arc<dyn Clock>,
    ids: DecisionIds,
    options: PdpOptions,
    store: Arc<Store>,
    unknown_xfcc_keys: AtomicU64,
}

/// How the decision point works, apart from what it decides by.
#[derive(Clone, Debug)]
pub struct PdpOptions {
    /// Which places of peer evidence are believed.
    pub peer_sources: PeerSources,
    /// How long a check may take at most; one that waits for keys for longer is denied.
    pub deadline: Duration,
    /// How much of what was verified is kept.
    pub memory: MemoryOptions,
}

/// The decision point as one request sees it: with one snapshot, from its first header to its answer.
#[derive(Debug)]
pub struct Pinned<'a> {
    pdp: &'a Pdp,
    current: Arc<Current>,
    /// Since the check arrived.
    deadline: Deadline,
    /// What the decision will be called.
    id: DecisionId,
}

// === impl Pdp ===

impl Pdp {
    /// A decision point that decides by `snapshot` until it is told otherwise. Called within a tokio runtime: `keys` begins
    /// to fetch what the snapshot's issuers need.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        keys: Arc<KeyCache>,
        clock: Arc<dyn Clock>,
        options: PdpOptions,
    ) -> Self {
        Self::with_state(None, snapshot, keys, clock, options)
    }

    /// The same, with a folder where what is revoked outlives a restart.
    #[must_use]
    pub fn with_state(
        revocations: Option<PathBuf>,
        snapshot: Snapshot,
        keys: Arc<KeyCache>,
        clock: Arc<dyn Clock>,
        options: PdpOptions,
    ) -> Self {
        keys.follow(snapshot.trust(), None);
        let introspector = Introspector::https(Arc::clone(&clock));
        introspector.follow(snapshot.trust(), None);
        let (fetcher, now) = (Arc::new(HttpsFetcher), Arc::clone(&clock));
        let revocations =
            Arc::new(RevocationRegister::kept_in(revocations, snapshot.trust(), now, fetcher));
        let current = ArcSwap::from_pointee(Current::new(snapshot, &options.memory));
        let (ids, unknown_xfcc_keys) = (DecisionIds::new(), AtomicU64::new(0));
        let assertions = None;
        let store = Arc::new(Store::in_memory(Arc::clone(&clock)));
        Self {
            current,
            keys,
            introspector,
            revocations,
            assertions,
            clock,
            ids,
            options,
            store,
            unknown_xfcc_keys,
        }
    }

    /// The same, with `signer` for the assertions that rules ask for.
    #[must_use]
    pub fn asserting(self, signer: Arc<Signer>) -> Self {
        Self { assertions: Some(Assertions::new(signer)), ..self }
    }

    /// The same, remembering one-time credentials in `store` instead of in a memory of its own.
    #[must_use]
    pub fn sharing(self, store: Arc<Store>) -> Self {
        Self { store, ..self }
    }

    /// The same without introspection: an opaque token is one that its issuer says nothing about.
    #[must_use]
    pub fn asking_nobody(mut self) -> Self {
        self.introspector = Introspector::https(Arc::clone(&self.clock));
        self
    }

    /// Puts `snapshot` in force: requests that have begun finish with the one they began with, which is given back.
    pub fn publish(&self, snapshot: Snapshot) -> Retired {
        if snapshot.policies().asserts() && self.assertions.is_none() {
            tracing::error!(
                "rules ask for assertions and the settings have no `assertion`: those requests are denied"
            );
        }
        let previous = self.current.load();
        self.keys.follow(snapshot.trust(), Some(previous.snapshot.trust()));
        self.introspector.follow(snapshot.trust(), Some(previous.snapshot.trust()));
        drop(previous);
        self.revocations.follow(snapshot.trust());
        Retired(self.current.swap(Arc::new(Current::new(snapshot, &self.options.memory))))
    }

    /// What is revoked, beside the documents too.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<RevocationRegister> {
        &self.revocations
    }

    /// Refuses a TLS client of our own that is revoked: its certificate, one that it sent along, its key or its SPIFFE ID.
    ///
    /// # Errors
    /// `cert_revoked`.
    pub fn check_client(
        &self,
        presented: &[CertificateDer<'_>],
        authorities: &[CertificateDer<'_>],
    ) -> Result<(), Rejection> {
        let (trust, revocations) = (self.current.load(), self.revocations.current());
        let trust = trust.snapshot.trust();
        authn::check_client(presented, authorities, trust, &revocations, self.clock.now())
    }

    /// Whether an authority or an intermediate of a `TrustDomain` document has this name.
    #[must_use]
    pub fn knows_certificate_issuer(&self, name: &str) -> bool {
        self.current.load().snapshot.trust().knows_certificate_issuer(name)
    }

    /// Whether a `TokenIssuer` document has this issuer.
    #[must_use]
    pub fn knows_issuer(&self, iss: &str) -> bool {
        self.current.load().snapshot.trust().issuers().iter().any(|issuer| issuer.iss() == iss)
    }

    /// Which documents are in force now.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.current.load().snapshot.revision().clone()
    }

    /// How many XFCC keys were passed over since the start because nobody here knows them (P33).
    #[must_use]
    pub fn unknown_xfcc_keys(&self) -> u64 {
        self.unknown_xfcc_keys.load(Ordering::Relaxed)
    }

    fn count_unknown_keys(&self, xfcc: &Presented<Xfcc>) {
        let Presented::Present(xfcc) = xfcc else { return };
        if xfcc.unknown_keys() > 0 {
            let keys = u64::try_from(xfcc.unknown_keys()).unwrap_or(u64::MAX);
            self.unknown_xfcc_keys.fetch_add(keys, Ordering::Relaxed);
        }
    }

    /// Looks at what is in force now.
    pub fn inspect<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.current.load().snapshot)
    }

    /// Takes the snapshot for one request.
    #[must_use]
    pub fn pin(&self) -> Pinned<'_> {
        self.pin_until(Deadline::within(self.deadline()))
    }

    /// Takes the snapshot for one request that arrived when `deadline` began.
    #[must_use]
    pub fn pin_until(&self, deadline: Deadline) -> Pinned<'_> {
        let (current, id) = (self.current.load_full(), self.ids.next());
        Pinned { pdp: self, current, deadline, id }
    }

    /// How long a check may take at most.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.options.deadline
    }
}

// === impl Pinned ===

impl Pinned<'_> {
    /// What it decides by.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.current.snapshot
    }

    /// Which headers carry credentials.
    #[must_use]
    pub fn sealed(&self) -> &SealedNames {
        self.current.snapshot.sealed()
    }

    /// Decides one request.
    pub async fn decide(&self, view: &RequestView, credentials: CredentialHeaders) -> Outcome {
        self.decide_traced(view, credentials, &mut NoTrace::new()).await
    }

    /// Decides like [`Pinned::decide`], watched by `trace`.
    pub async fn decide_traced<T: Trace>(
        &self,
        view: &RequestView,
        credentials: CredentialHeaders,
        trace: &mut T,
    ) -> Outcome {
        let mut evidence = self.collect(view, &credentials);
        let cookies = self.kept_cookies(&credentials);
        drop(credentials);
        let began = self.deadline.elapsed();
        self.pdp.count_unknown_keys(&evidence.peer.xfcc);
        if !matches!(evidence.proof, Presented::Absent) {
            evidence.request = RequestLine::of(view);
        }
        let memory = Recalling::new(self.current.remembered.memory());
        match self.gather_at(began, &evidence, memory.memory().tokens).await {
            Ok(mut material) => {
                // After the wait: what was revoked meanwhile counts.
                material.revoke_by(self.pdp.revocations.current());
                let known = (&material, &memory);
                let outcome = self.judge(view, &evidence, known, &cookies, began, trace);
                match outcome.subject.as_ref().is_some_and(Subject::works_once) {
                    true => Box::pin(self.use_up(outcome, &evidence)).await,
                    false => outcome,
                }
            }
            Err(rejection) => {
                let gathered = Some(self.deadline.elapsed());
                let phases = Phases { began: Some(began), gathered, ..Phases::default() };
                self.outcome(Decision::Deny(Denial::new(rejection)), None, phases)
            }
        }
    }

    /// Decides for somebody who was authenticated before, or is vouched for.
    pub fn decide_for<T: Trace>(
        &self,
        view: &RequestView,
        subject: Subject,
        trace: &mut T,
    ) -> Outcome {
        let subject = match self.current.snapshot.policies().counting(view) {
            Some(counting) => subject.where_count(|issuer| counting.has(issuer)),
            None => subject,
        };
        let decision = self.evaluate(view, &subject, self.pdp.clock.now(), trace);
        let subject = passed_over(&decision, subject);
        self.outcome(decision, Some(subject), Phases::default())
    }

    /// What the credentials show, unverified.
    #[must_use]
    pub fn collect(&self, view: &RequestView, credentials: &CredentialHeaders) -> Evidence {
        let evidence = evidence::collect(
            credentials,
            view.destination.principal.as_ref(),
            &self.pdp.options.peer_sources,
            self.current.snapshot.token_places(),
        );
        // Before any issuer is asked: no issuer sees a token that does not count here.
        let Some(counting) = self.current.snapshot.policies().counting(view) else {
            return evidence;
        };
        let (trust, memory) = (self.current.snapshot.trust(), self.current.remembered.memory());
        authn::pass_over(evidence, trust, memory.tokens, |issuer| counting.has(issuer))
    }

    /// The outcome of a request that could not be decided: a denial for `rejection`.
    #[must_use]
    pub fn refuse(&self, rejection: Rejection) -> Outcome {
        self.outcome(Decision::Deny(Denial::new(rejection)), None, Phases::default())
    }

    /// Fetches what verifying needs, within the deadline.
    ///
    /// # Errors
    /// `deadline` where it does not arrive in time.
    pub async fn gather(&self, evidence: &Evidence) -> Result<Material, Rejection> {
        let memory = self.current.remembered.memory().tokens;
        self.gather_at(self.deadline.elapsed(), evidence, memory).await
    }

    async fn gather_at(
        &self,
        elapsed: Duration,
        evidence: &Evidence,
        memory: &dyn TokenMemory,
    ) -> Result<Material, Rejection> {
        let tokens = evidence.presented();
        if evidence.unreadable.iter().any(|own| !matches!(own.place, TokenPlace::Cookie(_))) {
            return Ok(Material::default());
        }
        let left = self.deadline.left_at(elapsed);
        // It waited for its turn for too long: whoever asked has given up, and deciding would make the next one late too.
        if left.is_zero() {
            return Err(Reason::Deadline.because("no time was left when deciding began"));
        }
        // Patience ends before the deadline does, so that the answer says whose keys did not arrive.
        let patience = left.mul_f64(0.9);
        let trust = self.current.snapshot.trust();
        let gathering = async {
            let mut material = self.pdp.keys.gather(tokens, trust, memory, patience).await;
            if !tokens.iter().all(|token| authn::is_remembered(token, memory)) {
                let patience = self.deadline.left().saturating_sub(left - patience);
                let introspector = &self.pdp.introspector;
                // What is rare has room of its own: each check has to make room for what is inline.
                Box::pin(introspector.gather(tokens, trust, memory, patience, &mut material)).await;
            }
            material
        };
        self.deadline
            .meet(gathering)
            .await
            .ok_or_else(|| Reason::Deadline.because("the issuer's keys did not arrive in time"))
    }

    fn judge<T: Trace>(
        &self,
        view: &RequestView,
        evidence: &Evidence,
        (material, recalling): (&Material, &Recalling<'_>),
        cookies: &Cookies,
        began: Duration,
        trace: &mut T,
    ) -> Outcome {
        let gathered = self.deadline.elapsed();
        let (now, trust) = (self.pdp.clock.now(), self.current.snapshot.trust());
        let (watch, memory) = (trace.authentication(), recalling.memory());
        let subject = authn::authenticate_traced(evidence, trust, material, memory, now, watch);
        let authenticated = self.deadline.elapsed();
        let decision = self.evaluate(view, &subject, now, trace);
        let subject = passed_over(&decision, subject);
        let decision = self.with_challenge(decision, evidence, now);
        let decision = self.with_nonce(decision, evidence, &subject, now);
        let phases = Phases {
            began: Some(began),
            gathered: Some(gathered),
            authenticated: Some(authenticated),
            evaluated: Some(self.deadline.elapsed()),
        };
        let (decision, sealed) = match self.carry_out(&decision, &subject, cookies, now) {
            Ok(sealed) => (decision, sealed),
            Err(why) => (decision.withdrawn(why), Vec::new()),
        };
        let cache_hits = recalling.hits();
        // Carrying out takes as good as no time where there is nothing to sign.
        let evaluated = phases.evaluated.filter(|_| sealed.is_empty());
        let elapsed = evaluated.unwrap_or_else(|| self.deadline.elapsed());
        let (id, subject, revision) =
            (self.id, Some(subject), self.current.snapshot.revision().clone());
        Outcome { id, decision, sealed, subject, revision, at: now, elapsed, phases, cache_hits }
    }

    fn evaluate<T: Trace>(
        &self,
        view: &RequestView,
        subject: &Subject,
        now: UnixTime,
        trace: &mut T,
    ) -> Decision {
        let question = DecisionRequest { subject, request: view, now, id: self.id };
        self.current.snapshot.policies().evaluate_traced(&question, trace.evaluation())
    }

    fn outcome(&self, decision: Decision, subject: Option<Subject>, phases: Phases) -> Outcome {
        Outcome {
            id: self.id,
            decision,
            sealed: Vec::new(),
            subject,
            revision: self.current.snapshot.revision().clone(),
            at: self.pdp.clock.now(),
            elapsed: self.deadline.elapsed(),
            phases,
            cache_hits: CacheHits::default(),
        }
    }
}

/// The caller by `decision`: without the cookies that it passes over, where it does.
fn passed_over(decision: &Decision, subject: Subject) -> Subject {
    match decision {
        Decision::Allow(permit) if permit.ignores_rejected_cookies() => {
            subject.without_rejected_cookies().unwrap_or(subject)
        }
        Decision::Allow(_) | Decision::Deny(_) => subject,
    }
}
