//! Cookies whose tokens were refused, of a caller who may not need them (P141).
//!
//! They deny like every refused credential. Only a rule that says so, and that does not need them, lets a caller pass who has
//! them: as a caller without them, and never as one with a better cookie.

use crate::evidence::IgnoredToken;
use crate::reason::Rejection;
use crate::request::TokenPlace;
use crate::trust::TrustStore;

/// A cookie whose token was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedCookie {
    /// Its name.
    pub name: String,
    /// The names of the issuers whose tokens are in it: one of them was meant.
    pub issuers: Vec<String>,
    /// Why it was refused.
    pub rejection: Rejection,
}

impl RejectedCookie {
    /// The token that was refused in `place`, if that is a cookie.
    pub(super) fn at(place: &TokenPlace, why: &Rejection, trust: &TrustStore) -> Option<Self> {
        let TokenPlace::Cookie(name) = place else { return None };
        let own = trust.issuers().iter().filter(|issuer| issuer.places.contains(place));
        let issuers = own.map(|issuer| issuer.name.to_owned()).collect();
        Some(Self { name: name.clone(), issuers, rejection: why.clone() })
    }

    pub(super) fn ignored(&self) -> IgnoredToken {
        let place = TokenPlace::Cookie(self.name.clone());
        IgnoredToken { place, rejection: self.rejection.clone(), fingerprint: None }
    }
}
