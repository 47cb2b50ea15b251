//! Credentials that work once.

use super::pinned::Pinned;
use crate::authn::Subject;
use crate::reason::{Reason, Rejection};
use crate::store::FirstUse;

/// Why an obligation cannot be fulfilled.
pub(super) struct Unusable {
    pub(super) rejection: Rejection,
    /// True if the proof is at fault: then the token is as good as before (RFC 9449 section 11.1).
    pub(super) proof: bool,
    /// The cookie whose token is at fault.
    pub(super) cookie: Option<String>,
}

impl From<Rejection> for Unusable {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, proof: false, cookie: None }
    }
}

impl Pinned<'_> {
    /// Uses up everything of `subject` that works once.
    pub(super) async fn enforce_single_use(&self, subject: &Subject) -> Result<(), Unusable> {
        for once in subject.one_time_uses() {
            let enforce_single_use = self.pdp.store.first_use(once.key(), once.expires());
            let first = self.deadline.meet(enforce_single_use).await;
            match first
                .ok_or_else(|| Reason::Deadline.because("the store did not answer in time"))?
            {
                Ok(FirstUse::First) => {}
                Ok(FirstUse::Seen) => {
                    let detail = format!("{} was used before", once.kind());
                    let rejection = Reason::TokenReplayed.because(detail);
                    let cookie = subject.cookie_of(once).map(str::to_owned);
                    return Err(Unusable { rejection, proof: once.is_proof(), cookie });
                }
                Err(error) => {
                    let detail = format!(
                        "the store cannot say whether the {} was used before: {error}",
                        once.kind()
                    );
                    return Err(Reason::StoreUnavailable.because(detail).into());
                }
            }
        }
        Ok(())
    }
}
