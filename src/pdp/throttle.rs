//! Throttling of failed attempts to authenticate.
//!
//! An attempt counts for the source that it came from: the verified peer, and the network of the client as the transport or a
//! trusted proxy says. Nothing that an unverified credential says is part of it, so that forging a name locks no one out. An
//! address may be that of many: only what fails is throttled, and an allow touches nothing here but
//! where a rule ignores a cookie that failed.

mod limiter;
mod options;
mod share;
mod steady;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ipnet::IpNet;

use self::limiter::{AttemptResult, Limiter};
pub use self::options::{ThrottleMode, ThrottleOptions};
use self::share::SharedCount;
use self::steady::Steady;
use crate::authn::PeerIdentity;
use crate::clock::Clock;
use crate::policy::Throttling;
use crate::reason::Reason;
use crate::request::RequestView;
use crate::secret::Fingerprint;
use crate::store::{Store, StoreKey};

/// Failed attempts by source.
#[derive(Debug)]
pub struct Throttle {
    options: ThrottleOptions,
    limiter: Arc<Limiter>,
    sharing: Option<SharedCount>,
    counts: [AtomicU64; 3],
}

/// How throttling does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleStatus {
    /// The settings.
    pub options: ThrottleOptions,
    /// Failed attempts since the start: those within the limit, those over it, and those over it that were not verified.
    pub attempts: [(&'static str, u64); 3],
    /// Sources that are remembered.
    pub sources: usize,
    /// Attempts that replicas did not count together although they should.
    pub unshared: u64,
}

/// The place in `counts`, and the label of the metric.
const LABELS: [&str; 3] = ["within", "over", "unverified"];

/// The source that an attempt counts for.
#[derive(Debug)]
pub(super) struct ThrottledSource {
    shown: String,
    key: StoreKey,
}

impl Throttle {
    /// Throttling as `options` say; none where they disable it. Call it within a tokio runtime.
    pub(super) fn start(
        options: ThrottleOptions,
        clock: Arc<dyn Clock>,
        store: &Arc<Store>,
    ) -> Option<Self> {
        if options.mode == ThrottleMode::Disabled {
            return None;
        }
        let limiter = Arc::new(Limiter::new(&options, Steady::new(clock)));
        let share = || SharedCount::start(&options, Arc::clone(store), Arc::clone(&limiter));
        let sharing = options.shared.then(share);
        Some(Self { options, limiter, sharing, counts: Default::default() })
    }

    /// The source of a request with this verified peer; none where nothing is known of where it comes from.
    pub(super) fn source(
        &self,
        view: &RequestView,
        peer: Option<&PeerIdentity>,
    ) -> Option<ThrottledSource> {
        let peer = peer.and_then(|peer| {
            let certificate =
                || Some(format!("certificate {}", peer.certificate.as_ref()?.to_hex()));
            peer.spiffe.as_ref().map(ToString::to_string).or_else(certificate)
        });
        // If a trusted proxy does not tell its client, all that is known is the proxy.
        let address = view.client_ip().or_else(|| view.source.ip());
        let network = address.map(|address| self.network(address));
        let shown = match (peer, network) {
            (Some(peer), Some(network)) => format!("{peer} at {network}"),
            (Some(peer), None) => peer,
            (None, network) => network?.to_string(),
        };
        let key = *Fingerprint::of(shown.as_bytes()).as_bytes();
        Some(ThrottledSource { shown, key })
    }

    fn network(&self, address: IpAddr) -> IpNet {
        let length = match address {
            IpAddr::V4(_) => self.options.ipv4_prefix,
            IpAddr::V6(_) => self.options.ipv6_prefix,
        };
        IpNet::new(address, length).map_or_else(|_| IpNet::from(address), |network| network.trunc())
    }

    /// Counts an attempt of `source` that failed for `reason`. Over the limit, what that means for its answer.
    pub(super) fn failed(&self, source: ThrottledSource, reason: Reason) -> Option<Throttling> {
        let retry_after = match self.limiter.count(&source.key) {
            AttemptResult::Within => {
                self.count(0);
                self.sharing.iter().for_each(|sharing| sharing.count(source.key));
                return None;
            }
            AttemptResult::Over(retry_after) => retry_after,
        };
        self.count(1);
        let enforced = self.options.mode == ThrottleMode::Enforce;
        Some(Throttling { source: source.shown, failed: Some(reason), retry_after, enforced })
    }

    /// True if anything is refused without being verified. Without an attack it costs a look at one number.
    pub(super) fn is_any_spent(&self) -> bool {
        self.options.mode == ThrottleMode::Enforce && self.limiter.is_any_spent()
    }

    /// True if credentials that `source` shows are refused where they were not verified before.
    pub(super) fn is_spent(&self, source: &ThrottledSource) -> bool {
        self.limiter.is_spent(&source.key)
    }

    /// The refusal of what `source` shows without verifying it.
    pub(super) fn unverified(&self, source: ThrottledSource) -> Throttling {
        self.count(2);
        let retry_after = Duration::from_secs(1);
        Throttling { source: source.shown, failed: None, retry_after, enforced: true }
    }

    fn count(&self, place: usize) {
        self.counts.get(place).into_iter().for_each(|count| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// How it does.
    pub fn status(&self) -> ThrottleStatus {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let mut attempts = LABELS.map(|label| (label, 0));
        for (own, count) in attempts.iter_mut().zip(counts) {
            own.1 = count;
        }
        let unshared = self.sharing.as_ref().map_or(0, SharedCount::unshared);
        ThrottleStatus { options: self.options, attempts, sources: self.limiter.len(), unshared }
    }
}
