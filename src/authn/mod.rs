//! The only room that turns evidence into identity. Every check cites the section it enforces.
//!
//! Values that leave this room are verified: their fields are private, their only constructors are here, and none of
//! them implements `Deserialize`, `Default` or `From`.

mod binding;
mod claims;
mod dpop;
mod excuse;
mod identity;
mod introspected;
mod kind;
mod once;
mod peer;
mod profile;
mod revoked;
mod scope;
mod signature;
mod signed;
mod token;
mod trace;

pub use crate::evidence::PeerSource;
pub use binding::Binding;
pub use dpop::DpopChallenge;
pub use excuse::RejectedCookie;
pub use identity::{NameFit, fit as fit_names};
pub use once::OneTimeUse;
pub use peer::{
    CertificateDescription, CertificateKey, CertificateMemory, DomainVerdict, Hop, HopFinding,
    HopPlace, NoMemory, PeerFacts, PeerIdentity, VerifiedCertificate, check_client, verdicts,
    verify as verify_peer, verify_traced as verify_peer_traced,
};
pub use scope::pass_over;
pub use signed::{SignedToken, TokenMemory, is_remembered};
pub use token::{Presenter, TokenCheck, TokenIdentity, verify_all as verify_tokens_traced};
pub use trace::{NoTrace, Trace};

use self::excuse::Aside;
use self::token::{Shown, Verifier};
use crate::clock::UnixTime;
use crate::document::BindingFloor;
use crate::evidence::{Evidence, IgnoredToken, Presented, TokenScheme};
use crate::reason::Rejection;
use crate::trust::{Issuer, Material, TrustStore};

/// A credential is one of three things, and the middle one is never the first (P69): a rejected credential denies even
/// where none was needed.
#[derive(Clone, Debug)]
pub enum Credential<T> {
    /// None was presented.
    Absent,
    /// One was presented and refused.
    Rejected(Rejection),
    /// One was presented and verified.
    Verified(T),
}

/// Who is asking: everything that is known for certain about the caller of one request.
#[derive(Debug)]
pub struct Subject {
    peer: Credential<PeerIdentity>,
    tokens: Credential<Vec<TokenIdentity>>,
    /// What else there is where they count as refused.
    aside: Option<Box<Aside>>,
    ignored: Vec<IgnoredToken>,
}

/// What was verified before and may be relied on again. Implementations decide how much they keep; they never outlive
/// what they are told.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// Certificates whose chain was verified.
    pub certificates: &'a dyn CertificateMemory,
    /// Tokens whose signature was verified, under the same trust store.
    pub tokens: &'a dyn TokenMemory,
}

/// Verifies what was shown. Pure: the same arguments always give the same subject.
#[must_use]
pub fn authenticate(
    evidence: &Evidence,
    trust: &TrustStore,
    material: &Material,
    memory: Memory<'_>,
    now: UnixTime,
) -> Subject {
    authenticate_traced(evidence, trust, material, memory, now, &mut NoTrace)
}

/// Verifies like [`authenticate`], watched by `trace`.
#[must_use]
pub fn authenticate_traced(
    evidence: &Evidence,
    trust: &TrustStore,
    material: &Material,
    memory: Memory<'_>,
    now: UnixTime,
    trace: &mut impl Trace,
) -> Subject {
    let hop = &mut |hop: Hop<'_>| trace.hop(hop);
    let revocations = material.revocations(trust);
    let peer = peer::verify_unless_revoked(
        &evidence.peer,
        trust,
        revocations,
        memory.certificates,
        now,
        hop,
    );
    with_tokens(peer, evidence, trust, material, memory.tokens, now, trace)
}

/// The caller with this `peer` and the tokens in `evidence`.
#[must_use]
pub fn with_tokens(
    peer: Credential<PeerIdentity>,
    evidence: &Evidence,
    trust: &TrustStore,
    material: &Material,
    memory: &dyn TokenMemory,
    now: UnixTime,
    trace: &mut impl Trace,
) -> Subject {
    let passed = &mut |check| trace.passed(check);
    let by = Presenter { peer: &peer, proof: &evidence.proof, request: evidence.request.as_ref() };
    let verifier = Verifier { by, trust, material, memory, now };
    let Shown { verified, cookies, refused } = token::verify_shown(evidence, verifier, passed);
    let (tokens, aside) = match (refused, cookies.first()) {
        (Some(rejection), _) => (Credential::Rejected(rejection), None),
        (None, Some(first)) => {
            let rejection = first.rejection.clone();
            let aside = Aside { verified, cookies, foreign: None };
            (Credential::Rejected(rejection), Some(Box::new(aside)))
        }
        (None, None) if verified.is_empty() => (Credential::Absent, None),
        (None, None) => (Credential::Verified(verified), None),
    };
    Subject { peer, tokens, aside, ignored: evidence.ignored.clone() }
}

/// What whoever is denied has to bring where its token is bound to a key; none where proofs are not what is missing.
///
/// That is so where the caller used the scheme `DPoP`, or sent a proof `for_want` of which it is denied, or where the issuer of
/// its token wants proofs anyway, or where it has no token and some issuer wants proofs.
#[must_use]
pub fn dpop_challenge(
    evidence: &Evidence,
    trust: &TrustStore,
    for_want: bool,
    now: UnixTime,
) -> Option<DpopChallenge> {
    let presented = evidence.presented();
    let named = presented.iter().find_map(|token| token::issuer_of(token, trust).ok());
    let wants_proofs = |issuer: &&Issuer| issuer.binding() == BindingFloor::Dpop;
    let with_scheme = presented.iter().any(|token| token.scheme() == TokenScheme::Dpop);
    // Two tokens in one place have no scheme; the proof tells what the caller means.
    let unread = evidence.tokens.is_err() && !matches!(evidence.proof, Presented::Absent);
    let by_scheme = with_scheme || unread || for_want;
    let by_issuer = || trust.issuers().iter().find(wants_proofs);
    let issuer = match (named, by_scheme) {
        (Some(issuer), true) => Some(issuer),
        (Some(issuer), false) => Some(issuer).filter(wants_proofs),
        (None, true) => by_issuer().or_else(|| trust.issuers().first()),
        (None, false) if presented.is_empty() && evidence.tokens.is_ok() => by_issuer(),
        (None, false) => None,
    }?;
    Some(DpopChallenge::of(issuer.dpop(), now))
}

/// A nonce for the next proof of a caller who proved now that it holds its token's key, before its last nonce is refused for
/// its age (RFC 9449 sections 8.2 and 9).
#[must_use]
pub fn next_dpop_nonce(
    evidence: &Evidence,
    subject: &Subject,
    trust: &TrustStore,
    now: UnixTime,
) -> Option<String> {
    let Presented::Present(proof) = &evidence.proof else { return None };
    let proven = subject.tokens().verified()?.iter().find(|token| token.proof().is_some())?;
    let issuer = trust.issuers().iter().find(|issuer| issuer.name() == proven.issuer_name())?;
    dpop::next_nonce(proof, issuer.dpop(), now)
}

// === impl Credential ===

impl<T> Credential<T> {
    /// The verified value, if there is one.
    pub const fn verified(&self) -> Option<&T> {
        match self {
            Self::Verified(value) => Some(value),
            Self::Absent | Self::Rejected(_) => None,
        }
    }

    /// Why it was refused, if it was.
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Absent | Self::Verified(_) => None,
        }
    }
}

// === impl Subject ===

impl Subject {
    /// The peer on the wire.
    #[must_use]
    pub const fn peer(&self) -> &Credential<PeerIdentity> {
        &self.peer
    }

    /// The tokens it carries: at most one of each issuer.
    #[must_use]
    pub const fn tokens(&self) -> &Credential<Vec<TokenIdentity>> {
        &self.tokens
    }

    /// The verified token of the issuer document called `issuer`.
    #[must_use]
    pub fn token(&self, issuer: &str) -> Option<&TokenIdentity> {
        self.tokens.verified()?.iter().find(|token| token.issuer_name() == issuer)
    }

    /// Everything among its credentials that works once, those first whose loss costs least.
    pub fn one_time_uses(&self) -> impl Iterator<Item = &OneTimeUse> {
        let tokens = self.tokens.verified().map(Vec::as_slice).unwrap_or_default();
        let proofs = tokens.iter().filter_map(TokenIdentity::proof);
        proofs.chain(tokens.iter().filter_map(TokenIdentity::single_use))
    }

    /// Whether anything of it works once.
    #[must_use]
    pub fn works_once(&self) -> bool {
        self.one_time_uses().next().is_some()
    }

    /// A subject that somebody vouches for instead of evidence: for policy tests and `explain` only.
    /// `tests/in_process/tidy.rs` keeps it out of the serving path.
    #[must_use]
    pub const fn assertion(
        peer: Credential<PeerIdentity>,
        tokens: Credential<Vec<TokenIdentity>>,
    ) -> Self {
        Self { peer, tokens, aside: None, ignored: Vec::new() }
    }
}
