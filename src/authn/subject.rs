//! The caller of one request: its peer and its tokens, as far as they were verified.

use super::credential::Credential;
use super::once::OneTimeUse;
use super::peer::PeerIdentity;
use super::rejected_cookie::RejectedCookie;
use super::scope;
use super::token::{TokenIdentity, TokenUsage};
use crate::evidence::IgnoredToken;
use crate::reason::{RefusedCredential, Rejection};
use crate::request::TokenPlace;

/// The caller of one request: everything that was verified about it.
#[derive(Debug)]
pub struct Subject {
    pub(super) peer: Credential<PeerIdentity>,
    pub(super) tokens: Credential<Vec<TokenIdentity>>,
    /// The tokens and cookies behind a refusal.
    pub(super) others: Option<Box<OtherTokens>>,
    pub(super) ignored: Vec<IgnoredToken>,
    /// The known issuer that its refused tokens name, **unverified**.
    pub(super) claimed_issuer: Option<String>,
    /// The nonce for its next proof of possession, where it needs another one.
    pub(super) next_nonce: Option<String>,
}

/// The other tokens of a caller whose tokens count as refused.
#[derive(Clone, Debug, Default)]
pub(super) struct OtherTokens {
    /// The tokens that were verified.
    pub(super) verified: Vec<TokenIdentity>,
    /// The cookies by which they count as refused.
    pub(super) cookies: Vec<RejectedCookie>,
    /// A token of an issuer that no document names; only in policy tests and `explain`.
    pub(super) foreign: Option<Rejection>,
}

impl Subject {
    /// The peer on the wire.
    pub const fn peer(&self) -> &Credential<PeerIdentity> {
        &self.peer
    }

    /// The tokens it carries: at most one of each issuer.
    pub const fn tokens(&self) -> &Credential<Vec<TokenIdentity>> {
        &self.tokens
    }

    /// The name of the `TokenIssuer` document that decides how a caller with a token in `place` has to prove possession of its key:
    /// that of the verified token, or of refused tokens the one that they name.
    pub fn issuer_to_prove_to(&self, place: &TokenPlace) -> Option<&str> {
        let tokens = self.tokens.verified().map(Vec::as_slice).unwrap_or_default();
        let own = tokens.iter().find(|token| token.places().any(|own| own == place));
        own.map(TokenIdentity::issuer_name).or(self.claimed_issuer.as_deref())
    }

    /// The nonce for its next proof of possession (RFC 9449 section 8.2), where it needs another one.
    pub fn next_nonce(&self) -> Option<&str> {
        self.next_nonce.as_deref()
    }

    /// The verified token of the issuer document called `issuer`.
    pub fn token(&self, issuer: &str) -> Option<&TokenIdentity> {
        self.tokens.verified()?.iter().find(|token| token.issuer_name() == issuer)
    }

    /// Notes the use of each of its verified tokens.
    pub fn note_usage(&mut self, usage: impl Fn(&TokenIdentity) -> TokenUsage) {
        let own = match &mut self.tokens {
            Credential::Verified(tokens) => tokens.as_mut_slice(),
            Credential::Absent | Credential::Rejected(_) => &mut [],
        };
        let others = self.others.iter_mut().flat_map(|others| &mut others.verified);
        for token in own.iter_mut().chain(others) {
            *token = token.clone().used_as(usage(token));
        }
    }

    /// Everything among its credentials that works once, those first whose loss costs least.
    pub fn one_time_uses(&self) -> impl Iterator<Item = &OneTimeUse> {
        let tokens = self.tokens.verified().map(Vec::as_slice).unwrap_or_default();
        let proofs = tokens.iter().filter_map(TokenIdentity::proof);
        proofs.chain(tokens.iter().filter_map(TokenIdentity::single_use))
    }

    /// The cookie of the token that works once as `once`.
    pub fn cookie_of(&self, once: &OneTimeUse) -> Option<&str> {
        let tokens = self.tokens.verified()?;
        let token = tokens.iter().find(|token| token.single_use() == Some(once))?;
        token.places().find_map(TokenPlace::cookie)
    }

    /// True if anything of it works once.
    pub fn works_once(&self) -> bool {
        self.one_time_uses().next().is_some()
    }

    /// A subject that is asserted without evidence: for policy tests and `explain` only. `tests/in_process/tidy.rs` keeps it
    /// out of the serving path.
    pub const fn assertion(
        peer: Credential<PeerIdentity>,
        tokens: Credential<Vec<TokenIdentity>>,
    ) -> Self {
        Self {
            peer,
            tokens,
            others: None,
            ignored: Vec::new(),
            claimed_issuer: None,
            next_nonce: None,
        }
    }

    /// The cookies by which alone its tokens count as refused; none where anything else was refused.
    pub fn rejected_cookies(&self) -> &[RejectedCookie] {
        let others = self.others.as_deref().filter(|others| others.foreign.is_none());
        others.map(|others| others.cookies.as_slice()).unwrap_or_default()
    }

    /// The same caller without those cookies; none where they are not all that was refused.
    pub fn without_rejected_cookies(&self) -> Option<Self> {
        let others = self.others.as_deref().filter(|others| others.foreign.is_none())?;
        let rest = OtherTokens { verified: others.verified.clone(), ..OtherTokens::default() };
        let ignored = others.cookies.iter().map(RejectedCookie::ignored);
        Some(Self {
            peer: self.peer.clone(),
            tokens: rest.credential(),
            others: None,
            ignored: self.ignored.iter().cloned().chain(ignored).collect(),
            claimed_issuer: self.claimed_issuer.clone(),
            next_nonce: self.next_nonce.clone(),
        })
    }

    /// The credentials of it that are revoked. They are no part of the identity.
    pub fn refused(&self) -> impl Iterator<Item = (&Rejection, &RefusedCredential)> {
        let own = self.peer.rejection().into_iter().chain(self.tokens.rejection());
        let all = own.chain(self.ignored.iter().map(|ignored| &ignored.rejection));
        all.filter_map(|why| Some((why, why.refused()?)))
    }

    /// The tokens that were ignored. They are no part of the identity.
    pub fn ignored(&self) -> &[IgnoredToken] {
        &self.ignored
    }

    /// An assumed subject, beside whose tokens there are cookies that were refused, or a token of an issuer
    /// that no document names: for policy tests and `explain` only. `tests/in_process/tidy.rs` keeps it out of the serving path.
    pub fn assertion_beside(
        peer: Credential<PeerIdentity>,
        verified: Vec<TokenIdentity>,
        cookies: Vec<RejectedCookie>,
        foreign: Option<Rejection>,
    ) -> Self {
        let others = OtherTokens { verified, cookies, foreign };
        let tokens = others.credential();
        let others = tokens.rejection().is_some().then(|| Box::new(others));
        Self { others, ..Self::assertion(peer, tokens) }
    }

    /// A copy of an assumed subject.
    pub fn copy_of_assertion(&self) -> Self {
        let (others, ignored) = (self.others.clone(), self.ignored.clone());
        Self { others, ignored, ..Self::assertion(self.peer.clone(), self.tokens.clone()) }
    }

    /// An assumed subject as a server would see it at a target where the tokens of the issuers that `counts`
    /// count and others are ignored.
    #[must_use]
    pub fn where_count(self, counts: impl Fn(&str) -> bool) -> Self {
        let others = match (&self.tokens, &self.others) {
            (_, Some(others)) => (**others).clone(),
            (Credential::Verified(verified), None) => {
                OtherTokens { verified: verified.clone(), ..OtherTokens::default() }
            }
            (Credential::Absent | Credential::Rejected(_), None) => return self,
        };
        let mut ignored = self.ignored;
        let OtherTokens { verified, cookies, foreign } = others;
        let (verified, others): (Vec<_>, Vec<_>) =
            verified.into_iter().partition(|token| counts(token.issuer_name()));
        let foreign_of = |token: &TokenIdentity| IgnoredToken {
            place: token.place().clone(),
            rejection: scope::foreign(),
            fingerprint: None,
        };
        ignored.extend(others.iter().map(foreign_of));
        let (cookies, others): (Vec<_>, Vec<_>) =
            cookies.into_iter().partition(|cookie| cookie.issuers.iter().any(|own| counts(own)));
        ignored.extend(others.iter().map(RejectedCookie::ignored));
        let place = TokenPlace::Authorization;
        ignored.extend(foreign.map(|rejection| IgnoredToken {
            place,
            rejection,
            fingerprint: None,
        }));
        Self { ignored, ..Self::assertion_beside(self.peer, verified, cookies, None) }
    }
}

impl OtherTokens {
    fn rejection(&self) -> Option<&Rejection> {
        self.foreign.as_ref().or_else(|| self.cookies.first().map(|cookie| &cookie.rejection))
    }

    /// The tokens of this caller.
    fn credential(&self) -> Credential<Vec<TokenIdentity>> {
        match self.rejection() {
            Some(rejection) => Credential::Rejected(rejection.clone()),
            None if self.verified.is_empty() => Credential::Absent,
            None => Credential::Verified(self.verified.clone()),
        }
    }
}
