//! The outcome of one request, and its observers.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::rand;

use super::collected::{CacheHits, Collected};
use super::sealed::SealedHeader;
use super::snapshot::Revision;
use crate::authn::Subject;
use crate::clock::{Deadline, UnixTime};
use crate::policy::{Answer, Decision, DecisionId, HeaderMutation};
use crate::reason::Rejection;
use crate::request::RequestView;
use crate::secret::{Fingerprint, Secret};

/// Everything that is known about one decided request.
#[derive(Debug)]
pub struct Outcome {
    /// Names the decision.
    pub id: DecisionId,
    /// The decision.
    pub decision: Decision,
    /// The response to the caller, where that is a denial.
    pub answer: Option<Answer>,
    /// Headers for the upstream that are credentials themselves: only the upstream may see them.
    pub sealed: Vec<SealedHeader>,
    /// Headers for the caller beside those that the rule sets.
    pub response_headers: Vec<HeaderMutation>,
    /// The caller; `None` where the request was refused before authentication.
    pub subject: Option<Subject>,
    /// Which documents were in force.
    pub revision: Revision,
    /// The moment that it was decided by: once keys and answers of issuers were there.
    pub at: UnixTime,
    /// From the arrival of the check to the decision, with the wait for one-time use and the signing of an assertion.
    pub elapsed: Duration,
    /// How that time was spent.
    pub phases: Phases,
    /// Verifications that the cache had.
    pub cache_hits: CacheHits,
}

/// When each step of a decision was done, since the arrival of the check. A step that was not reached has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Deciding began.
    pub began: Option<Duration>,
    /// Keys and answers of issuers were there.
    pub gathered: Option<Duration>,
    /// Peer and tokens were verified.
    pub authenticated: Option<Duration>,
    /// The rules were evaluated.
    pub evaluated: Option<Duration>,
    /// The store was asked for one-time use, and an assertion was signed.
    pub fulfilled: Option<Duration>,
}

/// Sees every decision after it was made and before it is answered. Must not block and cannot change it.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Looks at one decision.
    fn observe(&self, view: &RequestView, outcome: &Outcome);
}

/// Records every decision before it is answered, and may insist that there is a record.
pub trait AuditSink: fmt::Debug + Send + Sync {
    /// Records one decision, which is to be answered by `deadline`. Must not block. A denial is never refused.
    fn record(&self, view: &RequestView, outcome: &Outcome, deadline: &Deadline) -> Recording;
}

/// The recording of a decision.
pub enum Recording {
    /// It is, or the settings accept that it is not.
    Done,
    /// There is no room yet: resolves when there is, or after a bounded time.
    Pending(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// There is no room, and nothing may be allowed without a record.
    Refused(Rejection),
}

/// The caller of one check.
pub(super) struct Authenticated<'a> {
    pub(super) subject: Subject,
    pub(super) collected: &'a Collected<'a>,
    pub(super) at: UnixTime,
    /// When keys and answers of issuers were there, since the arrival of the check.
    pub(super) gathered: Duration,
    /// When peer and tokens were verified.
    pub(super) done: Duration,
}

/// A decision with everything that its fulfilment needs.
pub(super) struct Decided<'a> {
    pub(super) decision: Decision,
    pub(super) subject: Option<Subject>,
    /// `None` where the subject does not come from evidence.
    pub(super) collected: Option<&'a Collected<'a>>,
    pub(super) at: UnixTime,
    pub(super) phases: Phases,
}

/// Makes decision ids: unique across replicas, and without a hint of how many there were before.
///
/// A hash of a secret and a count, because a random number generator seeds itself on every thread, which takes
/// milliseconds.
#[derive(Debug)]
pub(super) struct DecisionIds {
    secret: Secret<[u8; 32]>,
    count: AtomicU64,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Pending(_) => f.write_str("Pending"),
            Self::Refused(why) => f.debug_tuple("Refused").field(why).finish(),
        }
    }
}

impl Outcome {
    /// When the check arrived.
    pub fn arrived(&self) -> UnixTime {
        self.at.minus(self.phases.gathered.unwrap_or(self.elapsed))
    }
}

impl Phases {
    /// The steps that were done: name, begin and end.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, Duration, Duration)> {
        let Self { began, gathered, authenticated, evaluated, fulfilled } = *self;
        [
            ("gather", began, gathered),
            ("authenticate", gathered, authenticated),
            ("evaluate", authenticated, evaluated),
            ("fulfil", evaluated, fulfilled),
        ]
        .into_iter()
        .filter_map(|(name, from, to)| Some((name, from?, to?)))
    }
}

impl DecisionIds {
    pub(super) fn new() -> Self {
        let mut secret = [0; 32];
        // Without random numbers there are ids that can be guessed: worse to find by, no less safe.
        let _ = rand::fill(&mut secret);
        Self { secret: Secret::new(secret), count: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> DecisionId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut input = [0; 40];
        let (secret, counted) = input.split_at_mut(32);
        secret.copy_from_slice(self.secret.expose());
        counted.copy_from_slice(&count.to_be_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(Fingerprint::of(&input).as_bytes().split_at(16).0);
        DecisionId::from_bytes(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_within_and_across_processes() {
        let (one, other) = (DecisionIds::new(), DecisionIds::new());
        let ids: HashSet<_> = (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 2000);
    }
}
