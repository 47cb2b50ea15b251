//! The word of documents about the tokens of a request, by its host: whose count (every issuer's, unless the documents about the host say which
//! ones do, P142), and whether their uses are remembered.
//!
//! A token is ignored only where it cannot be one of an issuer that counts. So no caller gets around a rule that looks at
//! tokens: such a rule names an issuer that counts, a token of that issuer stays refused however broken it is, and to leave a
//! token out is open to every caller anyway.

use std::collections::HashMap;

use crate::authn::TokenCache;
use crate::evidence::{Evidence, PresentedToken};
use crate::reason::{Reason, Rejection};
use crate::request::{RequestView, TokenPlace, parent_of};
use crate::trust::TrustStore;

/// The issuers whose tokens count, and whether uses are remembered, host by host. Empty where no document says anything of it.
#[derive(Clone, Debug, Default)]
pub struct TokenScope {
    exact: HashMap<Box<str>, HostScope>,
    one_label_below: HashMap<Box<str>, HostScope>,
    any: HostScope,
}

/// The hosts that a document is about.
#[derive(Clone, Copy, Debug)]
pub enum ScopedHosts<'a> {
    /// This name.
    Exact(&'a str),
    /// Names of one label before this name.
    OneLabelBelow(&'a str),
    /// Every name.
    Any,
}

/// The documents about some hosts say this of tokens.
#[derive(Clone, Debug, Default)]
struct HostScope {
    /// True if there is a document; `counts_all` if one of them says nothing of tokens.
    has_documents: bool,
    counts_all: bool,
    /// The issuers whose tokens count, where others are ignored.
    counting: Vec<Box<str>>,
    /// True if a rule asks for signals, which come of the uses of tokens.
    asks_for_signals: bool,
}

/// The issuers whose tokens count for a request: those that each document about its host names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting<'a>([&'a [Box<str>]; 3]);

impl TokenScope {
    /// Adds a document about `hosts`: the issuers whose tokens count there, or none where it says nothing of tokens.
    pub fn add(&mut self, hosts: ScopedHosts<'_>, counting: Option<&[Box<str>]>) {
        let own = self.at(hosts);
        own.has_documents = true;
        match counting {
            None => own.counts_all = true,
            Some(counting) => own.counting.extend_from_slice(counting),
        }
    }

    /// Adds a rule about `hosts` that asks for signals about tokens.
    pub fn add_signals(&mut self, hosts: ScopedHosts<'_>) {
        self.at(hosts).asks_for_signals = true;
    }

    fn at(&mut self, hosts: ScopedHosts<'_>) -> &mut HostScope {
        match hosts {
            ScopedHosts::Exact(name) => self.exact.entry(name.into()).or_default(),
            ScopedHosts::OneLabelBelow(name) => {
                self.one_label_below.entry(name.into()).or_default()
            }
            ScopedHosts::Any => &mut self.any,
        }
    }

    /// True if a rule about the host of `request` asks for signals about tokens.
    pub fn asks_for_signals(&self, request: &RequestView) -> bool {
        self.about(request).is_some_and(|own| own.iter().flatten().any(|own| own.asks_for_signals))
    }

    /// The issuers whose tokens count for `request`, where others are ignored: where every document about its host says so. Ports and
    /// paths do not matter: what one document does not ignore, is not ignored.
    pub fn of(&self, request: &RequestView) -> Option<Counting<'_>> {
        let own = self.about(request)?;
        let all = || own.into_iter().flatten();
        let ignores = all().any(|own| own.has_documents) && !all().any(|own| own.counts_all);
        ignores.then(|| Counting(own.map(|own| own.map_or(&[][..], |own| &own.counting))))
    }

    /// Of the host of `request`; none where nothing is said of any host.
    fn about(&self, request: &RequestView) -> Option<[Option<&HostScope>; 3]> {
        let any = &self.any;
        let is_empty = self.exact.is_empty() && self.one_label_below.is_empty();
        if is_empty && !any.has_documents && !any.asks_for_signals {
            return None;
        }
        let host = request.target.as_ref().ok()?.host.as_str();
        let below = parent_of(host).and_then(|parent| self.one_label_below.get(parent));
        Some([self.exact.get(host), below, Some(any)])
    }
}

impl Counting<'_> {
    /// True if tokens of the issuer document called `issuer` count.
    pub fn has(&self, issuer: &str) -> bool {
        self.0.iter().any(|own| own.iter().any(|own| **own == *issuer))
    }
}

/// `evidence` without the tokens that are of no issuer that `counts`, by the name of its document.
pub fn ignore_uncounted(
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

/// Why a token is ignored.
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
