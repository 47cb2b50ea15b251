//! The decision point: one request, top to bottom, against one snapshot.
//!
//! Collect, gather, authenticate, evaluate. Only *gather* may wait, and the clock is read once, after the wait: a token
//! that expires while its key is fetched is expired.

mod assertion;
mod cookies;
mod dial;
mod fetch;
mod introspect;
mod keys;
mod outcome;
mod remember;
mod remote;
mod snapshot;

pub use fetch::{FetchError, Fetched, Fetcher, HttpsFetcher};
pub use introspect::Introspector;
pub use keys::{
    FirstSeen, KeyCache, KeyStatus, LastGood, LoadError, Loaded, last_good, load as load_keys,
};
pub use outcome::{DecisionId, Observer, Outcome, SealedHeader};
pub use remember::{MemoryOptions, Remembered};
pub use remote::{RemoteFiles, RemoteStatus};
pub use snapshot::{Load, Revision, Snapshot};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::authn::{self, Subject};
use crate::clock::{Clock, Stopwatch, UnixTime};
use crate::evidence::{self, Evidence, PeerSources, Presented, Xfcc};
use crate::policy::{Decision, DecisionRequest, Denial};
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, RequestView, SealedNames, TokenPlace};
use crate::signer::Signer;
use crate::trust::Material;

use self::assertion::Assertions;
use self::cookies::Cookies;
use self::outcome::DecisionIds;

/// The policy decision point: shared by every connection, replaced never; what it decides by is replaced whole.
#[derive(Debug)]
pub struct Pdp {
    current: ArcSwap<Current>,
    keys: Arc<KeyCache>,
    introspector: Introspector,
    /// None where the settings say nothing of assertions.
    assertions: Option<Assertions>,
    clock: Arc<dyn Clock>,
    ids: DecisionIds,
    options: PdpOptions,
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

/// A snapshot with what was verified under it: a new snapshot starts with nothing remembered, so that no verification
/// outlives the trust it was made with (invariant 7).
#[derive(Debug)]
struct Current {
    snapshot: Snapshot,
    remembered: Remembered,
}

/// The decision point as one request sees it: with one snapshot, from its first header to its answer.
#[derive(Debug)]
pub struct Pinned<'a> {
    pdp: &'a Pdp,
    current: Arc<Current>,
    /// Since the check arrived.
    stopwatch: Stopwatch,
    deadline: Duration,
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
        keys.follow(snapshot.trust(), None);
        let introspector = Introspector::https(Arc::clone(&clock));
        introspector.follow(snapshot.trust(), None);
        let current = ArcSwap::from_pointee(Current::new(snapshot, &options));
        let (ids, unknown_xfcc_keys) = (DecisionIds::new(), AtomicU64::new(0));
        let assertions = None;
        Self { current, keys, introspector, assertions, clock, ids, options, unknown_xfcc_keys }
    }

    /// This decision point with `signer` for the assertions that rules ask for.
    #[must_use]
    pub fn asserting(mut self, signer: Arc<Signer>) -> Self {
        self.assertions = Some(Assertions::new(signer));
        self
    }

    /// Puts `snapshot` in force: requests that have begun finish with the one they began with.
    pub fn publish(&self, snapshot: Snapshot) {
        if snapshot.policies().asserts() && self.assertions.is_none() {
            tracing::error!(
                "rules ask for assertions and the settings have no `assertion`: those requests are denied"
            );
        }
        let previous = self.current.load();
        self.keys.follow(snapshot.trust(), Some(previous.snapshot.trust()));
        self.introspector.follow(snapshot.trust(), Some(previous.snapshot.trust()));
        drop(previous);
        self.current.store(Arc::new(Current::new(snapshot, &self.options)));
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
        self.pin_since(Stopwatch::start(), self.deadline())
    }

    /// Takes the snapshot for one request that arrived when `stopwatch` was started and is to be decided within
    /// `deadline` from then.
    #[must_use]
    pub fn pin_since(&self, stopwatch: Stopwatch, deadline: Duration) -> Pinned<'_> {
        Pinned { pdp: self, current: self.current.load_full(), stopwatch, deadline }
    }

    /// How long a check may take at most.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.options.deadline
    }
}

// === impl Current ===

impl Current {
    fn new(snapshot: Snapshot, options: &PdpOptions) -> Self {
        Self { snapshot, remembered: Remembered::new(&options.memory) }
    }
}

// === impl Pinned ===

impl Pinned<'_> {
    /// Which headers carry credentials.
    #[must_use]
    pub fn sealed(&self) -> &SealedNames {
        self.current.snapshot.sealed()
    }

    /// Decides one request.
    pub async fn decide(&self, view: &RequestView, credentials: CredentialHeaders) -> Outcome {
        let evidence = evidence::collect(
            &credentials,
            view.destination.principal.as_deref(),
            &self.pdp.options.peer_sources,
            self.current.snapshot.token_places(),
        );
        let cookies = self.kept_cookies(&credentials);
        drop(credentials);
        self.pdp.count_unknown_keys(&evidence.peer.xfcc);
        match self.gather(&evidence).await {
            Ok(material) => self.judge(view, &evidence, &material, &cookies),
            Err(rejection) => self.refuse(rejection),
        }
    }

    /// The outcome of a request that could not be decided: a denial for `rejection`.
    #[must_use]
    pub fn refuse(&self, rejection: Rejection) -> Outcome {
        self.outcome(Decision::Deny(Denial::new(rejection)), None)
    }

    /// Fetches what verifying needs, within the deadline.
    async fn gather(&self, evidence: &Evidence) -> Result<Material, Rejection> {
        let Ok(tokens) = &evidence.tokens else { return Ok(Material::default()) };
        let left = self.left();
        // It waited for its turn for too long: whoever asked has given up, and deciding would make the next one late too.
        if left.is_zero() {
            return Err(Reason::Deadline.because("no time was left when deciding began"));
        }
        // Patience ends before the deadline does, so that the answer says whose keys did not arrive.
        let patience = left.mul_f64(0.9);
        let trust = self.current.snapshot.trust();
        let memory = self.current.remembered.memory().tokens;
        let gathering = async {
            let mut material = self.pdp.keys.gather(tokens, trust, memory, patience).await;
            let patience = self.left().saturating_sub(left - patience);
            self.pdp.introspector.gather(tokens, trust, memory, patience, &mut material).await;
            material
        };
        tokio::time::timeout(left, gathering)
            .await
            .map_err(|_| Reason::Deadline.because("the issuer's keys did not arrive in time"))
    }

    /// What is left of the deadline.
    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.stopwatch.elapsed())
    }

    fn judge(
        &self,
        view: &RequestView,
        evidence: &Evidence,
        material: &Material,
        cookies: &Cookies,
    ) -> Outcome {
        let Current { snapshot, remembered } = &*self.current;
        let now = self.pdp.clock.now();
        let subject =
            authn::authenticate(evidence, snapshot.trust(), material, remembered.memory(), now);
        let decision = snapshot.policies().evaluate(&DecisionRequest {
            subject: &subject,
            request: view,
            now,
        });
        match self.carry_out(&decision, &subject, cookies, now) {
            Ok(sealed) => Outcome { sealed, ..self.outcome(decision, Some(subject)) },
            Err(why) => {
                let rule = decision.rule().cloned();
                let denial = rule.into_iter().fold(Denial::new(why), Denial::of);
                self.outcome(Decision::Deny(denial), Some(subject))
            }
        }
    }

    /// What an allow obliges us to, as far as it takes keys or credentials.
    fn carry_out(
        &self,
        decision: &Decision,
        subject: &Subject,
        cookies: &Cookies,
        now: UnixTime,
    ) -> Result<Vec<SealedHeader>, Rejection> {
        let Decision::Allow(permit) = decision else { return Ok(Vec::new()) };
        let obligations = permit.obligations();
        let mut sealed = Vec::new();
        if let Some(TokenPlace::Cookie(name)) = &obligations.token {
            sealed.extend(cookies.without(name));
        }
        if let Some(wanted) = &obligations.assertion {
            let assertions = self.pdp.assertions.as_ref().ok_or_else(|| {
                Reason::AssertionUnavailable.because("the settings have no `assertion`")
            })?;
            sealed.push(assertions.header(wanted, permit.rule(), subject, now)?);
        }
        Ok(sealed)
    }

    /// The cookies, where a token may be among them.
    fn kept_cookies(&self, credentials: &CredentialHeaders) -> Cookies {
        let places = self.current.snapshot.token_places();
        match places.iter().any(|place| matches!(place, TokenPlace::Cookie(_))) {
            true => Cookies::of(credentials.all("cookie")),
            false => Cookies::default(),
        }
    }

    fn outcome(&self, decision: Decision, subject: Option<Subject>) -> Outcome {
        Outcome {
            id: self.pdp.ids.next(),
            decision,
            sealed: Vec::new(),
            subject,
            revision: self.current.snapshot.revision().clone(),
            at: self.pdp.clock.now(),
            elapsed: self.stopwatch.elapsed(),
        }
    }
}
