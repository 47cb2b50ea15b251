//! Failed attempts to authenticate: counted, and throttled where a source has too many.

use std::iter;

use super::pinned::Pinned;
use crate::authn::Subject;
use crate::policy::Denial;
use crate::reason::{ClientAnswer, Reason, Rejection};
use crate::request::RequestView;

impl Pinned<'_> {
    /// `denial`, counted where the attempt failed; where its source has too many of them, the one that takes its place. It has no
    /// rule and no words of a document, so that it is the same everywhere.
    pub(super) fn throttled(
        &self,
        view: &RequestView,
        subject: Option<&Subject>,
        denial: Denial,
    ) -> Denial {
        let Some(throttle) = &self.pdp.throttle else { return denial };
        let Some(why) = failed_attempt(&denial, subject) else { return denial };
        let peer = subject.and_then(|subject| subject.peer().verified());
        let source = throttle.source(view, peer);
        let Some(throttling) = source.and_then(|source| throttle.failed(source, why.reason()))
        else {
            return denial;
        };
        if !throttling.enforced {
            return denial.throttled(throttling);
        }
        let rejection = Reason::Throttled.because(format!("the source is over its limit; {why}"));
        Denial::new(rejection).throttled(throttling)
    }

    /// Counts the attempt of a caller who is allowed without a cookie whose token failed. It changes nothing for that caller.
    pub(super) fn count_ignored(&self, view: &RequestView, subject: Option<&Subject>) {
        let Some((throttle, subject)) = self.pdp.throttle.as_ref().zip(subject) else { return };
        let failed = subject.ignored().iter().find(|own| {
            // A token of an issuer that does not count here was not looked at.
            let is_foreign = own.rejection.reason() == Reason::IssuerUnknown;
            own.place.cookie().is_some() && !is_foreign && own.rejection.is_failed_attempt()
        });
        let Some(failed) = failed else { return };
        if let Some(source) = throttle.source(view, subject.peer().verified()) {
            let _ = throttle.failed(source, failed.rejection.reason());
        }
    }
}

/// Why the attempt failed, if it did and the trouble is not ours. The request may be denied for something else that was found
/// first.
fn failed_attempt<'a>(denial: &'a Denial, subject: Option<&'a Subject>) -> Option<&'a Rejection> {
    if denial.rejection.client_answer() == ClientAnswer::Unavailable {
        return None;
    }
    let of = |subject: &'a Subject| {
        let cookies = subject.rejected_cookies().iter().map(|cookie| &cookie.rejection);
        [subject.peer().rejection(), subject.tokens().rejection()]
            .into_iter()
            .flatten()
            .chain(cookies)
    };
    let shown = subject.into_iter().flat_map(of);
    iter::once(&denial.rejection).chain(shown).find(|why| why.is_failed_attempt())
}
