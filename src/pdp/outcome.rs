//! What happened to one request, and who is told.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand;

use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::pdp::Revision;
use crate::policy::Decision;
use crate::request::RequestView;
use crate::secret::hex;

/// Everything that is known about one decided request.
#[derive(Debug)]
pub struct Outcome {
    /// Names the decision.
    pub id: DecisionId,
    /// The answer.
    pub decision: Decision,
    /// Who asked; `None` where the request was refused before anybody was authenticated.
    pub subject: Option<Subject>,
    /// Which documents were in force.
    pub revision: Revision,
    /// When it was decided.
    pub at: UnixTime,
    /// From the decoded request to the decision.
    pub elapsed: Duration,
}

/// Told of every decision, after it was made and before it is answered. Must not block and cannot change it.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Looks at one decision.
    fn observe(&self, view: &RequestView, outcome: &Outcome);
}

/// 128 random bits that name a decision in the answer, the audit record and the logs of every replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionId([u8; 16]);

// === impl DecisionId ===

impl DecisionId {
    /// A new id.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        // Random numbers that cannot be had leave an id of zeros: worse to find by, no less safe.
        let _ = rand::fill(&mut bytes);
        Self(bytes)
    }

    /// An id that was given out before.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
