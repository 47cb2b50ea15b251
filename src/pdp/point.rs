//! The policy decision point: shared by every connection, with the snapshot that it decides by.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;

use super::assertion::Assertions;
use super::current::{CurrentSnapshot, RetiredSnapshot};
use super::introspect::Introspector;
use super::keys::KeyCache;
use super::outcome::DecisionIds;
use super::remote::RemoteFiles;
use super::revocation::RevocationRegister;
use super::snapshot::{Revision, Snapshot};
use super::throttle::{Throttle, ThrottleOptions};
use super::token_uses::TokenUses;
use super::verification_cache::VerificationCacheOptions;
use crate::authn;
use crate::clock::Clock;
use crate::evidence::{PeerSources, Presented, Xfcc};
use crate::reason::Rejection;
use crate::signer::Signer;
use crate::store::Store;

/// The policy decision point. Every connection shares it; its snapshot is replaced whole.
#[derive(Debug)]
pub struct Pdp {
    pub(super) current: ArcSwap<CurrentSnapshot>,
    pub(super) keys: Arc<KeyCache>,
    pub(super) introspector: Introspector,
    pub(super) revocations: Arc<RevocationRegister>,
    /// The remote files of the documents, where they are followed.
    pub(super) remote: Option<Arc<RemoteFiles>>,
    /// `None` where the settings have no `assertion`.
    pub(super) assertions: Option<Assertions>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: DecisionIds,
    pub(super) options: PdpOptions,
    pub(super) store: Arc<Store>,
    /// `None` where failed attempts are not counted.
    pub(super) throttle: Option<Throttle>,
    /// `None` where the settings look for no signals.
    pub(super) token_uses: Option<TokenUses>,
    unknown_xfcc_keys: AtomicU64,
}

/// Settings of the decision point.
#[derive(Clone, Debug)]
pub struct PdpOptions {
    /// The sources of peer evidence that are trusted.
    pub peer_sources: PeerSources,
    /// How long a check may take. A check that waits longer for keys is denied.
    pub deadline: Duration,
    /// The sizes of the verification cache.
    pub memory: VerificationCacheOptions,
}

impl Pdp {
    /// A decision point that decides by `snapshot`. Call it within a tokio runtime: `keys` starts to fetch the key sets of the
    /// snapshot's issuers.
    pub fn new(
        snapshot: Snapshot,
        keys: Arc<KeyCache>,
        clock: Arc<dyn Clock>,
        options: PdpOptions,
    ) -> Self {
        Self::with_state(None, snapshot, keys, clock, options)
    }

    /// A decision point that keeps revocations in the folder `revocations`, so that they survive a restart.
    pub fn with_state(
        revocations: Option<PathBuf>,
        snapshot: Snapshot,
        keys: Arc<KeyCache>,
        clock: Arc<dyn Clock>,
        options: PdpOptions,
    ) -> Self {
        keys.follow(snapshot.trust(), None);
        let proxies = keys.fetcher().proxies();
        let introspector = Introspector::https(Arc::clone(&clock), proxies);
        introspector.follow(snapshot.trust(), None);
        let (fetcher, now) = (Arc::clone(keys.fetcher()), Arc::clone(&clock));
        let revocations = RevocationRegister::saved_in(revocations, snapshot.trust(), now, fetcher);
        Self {
            current: ArcSwap::from_pointee(CurrentSnapshot::new(snapshot, &options.memory)),
            keys,
            introspector,
            revocations: Arc::new(revocations),
            remote: None,
            assertions: None,
            store: Arc::new(Store::in_memory(Arc::clone(&clock))),
            throttle: None,
            token_uses: None,
            clock,
            ids: DecisionIds::new(),
            options,
            unknown_xfcc_keys: AtomicU64::new(0),
        }
    }

    /// Signs the assertions that rules ask for with `signer`.
    #[must_use]
    pub fn asserting(self, signer: Arc<Signer>) -> Self {
        Self { assertions: Some(Assertions::new(signer)), ..self }
    }

    /// Has the remote files of a trust domain fetched again where a certificate names an authority that it does not have.
    #[must_use]
    pub fn asking(self, remote: Arc<RemoteFiles>) -> Self {
        Self { remote: Some(remote), ..self }
    }

    /// Remembers one-time credentials in `store`, which replicas may share.
    #[must_use]
    pub fn sharing(self, store: Arc<Store>) -> Self {
        Self { store, ..self }
    }

    /// Throttles failed attempts as `options` say; replicas count together in the store that it has by now. Call it within a
    /// tokio runtime.
    #[must_use]
    pub fn throttling(self, options: ThrottleOptions) -> Self {
        let throttle = Throttle::start(options, Arc::clone(&self.clock), &self.store);
        Self { throttle, ..self }
    }

    /// Remembers each use of a token for `window`, where rules ask for signals about tokens.
    #[must_use]
    pub fn remembering_uses(self, window: Duration) -> Self {
        Self { token_uses: Some(TokenUses::new(window)), ..self }
    }

    /// How failed attempts are throttled, where they are.
    pub const fn throttle(&self) -> Option<&Throttle> {
        self.throttle.as_ref()
    }

    /// Turns introspection off: no issuer is asked about opaque tokens.
    #[must_use]
    pub fn without_introspection(mut self) -> Self {
        self.introspector = Introspector::https(Arc::clone(&self.clock), Arc::default());
        self
    }

    /// Puts `snapshot` in force and returns the previous one. Checks that have begun finish with the previous one.
    pub fn publish(&self, snapshot: Snapshot) -> RetiredSnapshot {
        if snapshot.policies().asserts() && self.assertions.is_none() {
            tracing::error!(
                "rules ask for assertions and the settings have no `assertion`: those requests are denied"
            );
        }
        if snapshot.policies().asks_for_signals() && self.token_uses.is_none() {
            tracing::error!(
                "rules ask for signals about tokens and the settings have no `anomalies`: those rules deny"
            );
        }
        let previous = self.current.load();
        self.keys.follow(snapshot.trust(), Some(previous.snapshot.trust()));
        self.introspector.follow(snapshot.trust(), Some(previous.snapshot.trust()));
        drop(previous);
        self.revocations.follow(snapshot.trust());
        RetiredSnapshot(
            self.current.swap(Arc::new(CurrentSnapshot::new(snapshot, &self.options.memory))),
        )
    }

    /// The revocations in force, from documents, lists and the API.
    pub const fn revocations(&self) -> &Arc<RevocationRegister> {
        &self.revocations
    }

    /// Refuses a TLS client of this server that is revoked: by a certificate that it sent, its key or its SPIFFE ID.
    ///
    /// # Errors
    /// `cert_revoked`.
    pub fn check_client(
        &self,
        presented: &[CertificateDer<'_>],
        authorities: &[CertificateDer<'_>],
    ) -> Result<(), Rejection> {
        let (current, revocations) = (self.current.load(), self.revocations.current());
        let trust = current.snapshot.trust();
        authn::check_client(presented, authorities, trust, &revocations, self.clock.now())
    }

    /// The revision of the documents in force.
    pub fn revision(&self) -> Revision {
        self.inspect(|snapshot| snapshot.revision().clone())
    }

    /// Reads the snapshot in force.
    pub fn inspect<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.current.load().snapshot)
    }

    /// How many unknown XFCC keys were ignored since the start (P33).
    pub fn unknown_xfcc_keys(&self) -> u64 {
        self.unknown_xfcc_keys.load(Ordering::Relaxed)
    }

    pub(super) fn count_unknown_keys(&self, xfcc: &Presented<Xfcc>) {
        let Presented::Present(xfcc) = xfcc else { return };
        if xfcc.unknown_keys > 0 {
            let keys = u64::try_from(xfcc.unknown_keys).unwrap_or(u64::MAX);
            self.unknown_xfcc_keys.fetch_add(keys, Ordering::Relaxed);
        }
    }

    /// How long a check may take.
    pub const fn deadline(&self) -> Duration {
        self.options.deadline
    }
}
