//! The trust and the time that evidence is verified with.

use crate::clock::UnixTime;
use crate::trust::TrustStore;

#[derive(Clone, Copy, Debug)]
pub(super) struct VerificationContext<'a> {
    pub(super) trust: &'a TrustStore,
    /// The revision of the documents, if there are any. Without them, no verdicts are shown: everything would be refused.
    pub(super) revision: Option<&'a str>,
    pub(super) now: UnixTime,
}
