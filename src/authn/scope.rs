//! Whose tokens count for a request: every issuer's, unless the documents about its host say which ones do (P142).
//!
//! A token is passed over only where it cannot be one of an issuer that counts. So no caller gets around a rule that looks at
//! tokens: such a rule names an issuer that counts, a token of that issuer stays refused however broken it is, and to leave a
//! token out is open to every caller anyway.

use crate::authn::TokenCache;
use crate::evidence::{Evidence, PresentedToken};
use crate::reason::{Reason, Rejection};
use crate::request::TokenPlace;
use crate::trust::TrustStore;

/// `evidence` without the tokens that are of no issuer that `counts`, by the name of its document.
pub fn pass_over(
    evidence: Evidence,
    trust: &TrustStore,
    memory: &dyn TokenCache,
    counts: impl Fn(&str) -> bool,
) -> Evidence {
    let scope = TargetIssuers { trust, counts: &counts };
    let of_none = |token: &PresentedToken| {
        let known = memory.lookup(&token.fingerprint).filter(|known| known.is(token));
        let own = known.map_or_else(|| scope.may_count(token), |known| counts(known.issuer_name()));
        (!own).then(foreign)
    };
    // Several tokens in one place have no issuer, so the place decides.
    evidence.ignoring(of_none, |place| (!scope.uses(&place.place)).then(foreign))
}

/// Why a token is passed over.
pub(super) fn foreign() -> Rejection {
    Reason::IssuerUnknown
        .because("token's issuer does not count at this target, which ignores the token")
}

struct TargetIssuers<'a> {
    trust: &'a TrustStore,
    counts: &'a dyn Fn(&str) -> bool,
}

impl TargetIssuers<'_> {
    /// True if `token` may be one of an issuer that counts: in a place of its tokens (P331).
    fn may_count(&self, token: &PresentedToken) -> bool {
        if !self.uses(&token.place) {
            return false;
        }
        if token.jws().is_ok() {
            return self.may_be_from(token);
        }
        // A JWT that was broken on the way says no issuer, and another reader may still see one.
        token.begins_as_jose() || self.asks_about(&token.place)
    }

    /// True if a JWT says that it is from an issuer that counts, in so many words or nearly.
    fn may_be_from(&self, token: &PresentedToken) -> bool {
        let (iss, sub) = (token.claimed_issuer(), token.claimed_subject());
        let named = self.trust.issuers_named(iss, sub).any(|issuer| (self.counts)(&issuer.name));
        let near = || {
            let mut counting = self.trust.issuers().iter().filter(|own| (self.counts)(&own.name));
            iss.is_some_and(|iss| counting.any(|own| own.iss.is_near(iss)))
        };
        named || near() || token.claims_odd_issuer()
    }

    /// True if an issuer that counts has its tokens in `place`.
    fn uses(&self, place: &TokenPlace) -> bool {
        let mut issuers = self.trust.issuers().iter();
        issuers.any(|issuer| (self.counts)(&issuer.name) && issuer.places.contains(place))
    }

    /// True if an issuer that counts is asked about opaque tokens in `place`.
    fn asks_about(&self, place: &TokenPlace) -> bool {
        self.trust.introspecting_at(place).is_some_and(|issuer| (self.counts)(&issuer.name))
    }
}

#[cfg(test)]
mod tests;
