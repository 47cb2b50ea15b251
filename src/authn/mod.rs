//! The only room that turns evidence into identity. Every check cites the section it enforces.
//!
//! Values that leave this room are verified: their fields are private, their only constructors are here, and none of
//! them implements `Deserialize`, `Default` or `From`.

mod binding;
mod claims;
mod introspected;
mod peer;
mod profile;
mod signature;
mod signed;
mod token;
mod trace;

pub use crate::evidence::PeerSource;
pub use binding::Binding;
pub use peer::{
    CertificateDescription, CertificateKey, CertificateMemory, DomainVerdict, Hop, HopFinding,
    HopPlace, NoMemory, PeerFacts, PeerIdentity, VerifiedCertificate, verdicts,
    verify as verify_peer, verify_traced as verify_peer_traced,
};
pub use signed::{SignedToken, TokenMemory};
pub use token::{TokenCheck, TokenIdentity, verify_all as verify_tokens_traced};
pub use trace::{NoTrace, Trace};

use crate::clock::UnixTime;
use crate::evidence::Evidence;
use crate::reason::Rejection;
use crate::trust::{Material, TrustStore};

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
    let peer = peer::verify_traced(&evidence.peer, trust, memory.certificates, now, hop);
    let tokens = match &evidence.tokens {
        Err(rejection) => Credential::Rejected(rejection.clone()),
        Ok(presented) if presented.is_empty() => Credential::Absent,
        Ok(presented) => {
            let passed = &mut |check| trace.passed(check);
            match token::verify_all(presented, &peer, trust, material, memory.tokens, now, passed) {
                Ok(verified) => Credential::Verified(verified),
                Err(rejection) => Credential::Rejected(rejection),
            }
        }
    };
    Subject { peer, tokens }
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

    /// A subject that somebody vouches for instead of evidence: for policy tests and `explain` only.
    /// `tests/tidy.rs` keeps it out of the serving path.
    #[must_use]
    pub const fn assertion(
        peer: Credential<PeerIdentity>,
        tokens: Credential<Vec<TokenIdentity>>,
    ) -> Self {
        Self { peer, tokens }
    }
}
