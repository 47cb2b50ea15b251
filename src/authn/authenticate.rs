//! From all evidence of a request to its caller.

use super::cache::{Caches, TokenCache};
use super::credential::Credential;
use super::dpop::{self, DpopChallenge};
use super::peer::{self, Hop, PeerIdentity};
use super::subject::{OtherTokens, Subject};
use super::token::{self, Presenter, TokenResults, TokenVerifier};
use super::trace::{AuthenticationTrace, NoAuthenticationTrace};
use crate::clock::UnixTime;
use crate::document::BindingFloor;
use crate::evidence::{Evidence, Presented, TokenScheme};
use crate::trust::{Issuer, Material, TrustStore};

/// Verifies the evidence of a request. Pure: the same arguments always give the same subject.
pub fn authenticate(
    evidence: &Evidence,
    trust: &TrustStore,
    material: &Material,
    memory: Caches<'_>,
    now: UnixTime,
) -> Subject {
    authenticate_traced(evidence, trust, material, memory, now, &mut NoAuthenticationTrace)
}

/// Verifies like [`authenticate`], watched by `trace`.
pub fn authenticate_traced(
    evidence: &Evidence,
    trust: &TrustStore,
    material: &Material,
    memory: Caches<'_>,
    now: UnixTime,
    trace: &mut impl AuthenticationTrace,
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
pub fn with_tokens(
    peer: Credential<PeerIdentity>,
    evidence: &Evidence,
    trust: &TrustStore,
    material: &Material,
    memory: &dyn TokenCache,
    now: UnixTime,
    trace: &mut impl AuthenticationTrace,
) -> Subject {
    let passed = &mut |check| trace.passed(check);
    let by = Presenter { peer: &peer, proof: &evidence.proof, request: evidence.request.as_ref() };
    let verifier = TokenVerifier { by, trust, material, memory, now };
    let TokenResults { verified, cookies, refused } =
        token::verify_shown(evidence, verifier, passed);
    let (tokens, others) = match (refused, cookies.first()) {
        (Some(rejection), _) => (Credential::Rejected(rejection), None),
        (None, Some(first)) => {
            let rejection = first.rejection.clone();
            let others = OtherTokens { verified, cookies, foreign: None };
            (Credential::Rejected(rejection), Some(Box::new(others)))
        }
        (None, None) if verified.is_empty() => (Credential::Absent, None),
        (None, None) => (Credential::Verified(verified), None),
    };
    Subject { peer, tokens, others, ignored: evidence.ignored.clone() }
}

/// The DPoP challenge for a denied caller, or `None` if a proof is not what is missing.
///
/// There is a challenge if the caller used the scheme `DPoP`, if it is denied `for_want` of a proof, if the issuer of its
/// token wants proofs, or if it has no token and some issuer wants proofs.
pub fn dpop_challenge(
    evidence: &Evidence,
    trust: &TrustStore,
    for_want: bool,
    now: UnixTime,
) -> Option<DpopChallenge> {
    let presented = evidence.presented();
    let named = presented.iter().find_map(|token| token::issuer_of(token, trust).ok());
    let wants_proofs = |issuer: &&Issuer| issuer.binding == BindingFloor::Dpop;
    let with_scheme = presented.iter().any(|token| token.scheme == TokenScheme::Dpop);
    // Two tokens in one place have no scheme; the proof shows what the caller means.
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
    Some(DpopChallenge::of(&issuer.dpop, now))
}

/// A nonce for the next proof of a caller who proved now that it holds its token's key, before its last nonce is refused for
/// its age (RFC 9449 sections 8.2 and 9).
pub fn next_dpop_nonce(
    evidence: &Evidence,
    subject: &Subject,
    trust: &TrustStore,
    now: UnixTime,
) -> Option<String> {
    let Presented::Present(proof) = &evidence.proof else { return None };
    let proven = subject.tokens().verified()?.iter().find(|token| token.proof().is_some())?;
    let issuer = trust.issuers().iter().find(|issuer| issuer.name == proven.issuer_name())?;
    dpop::next_nonce(proof, &issuer.dpop, now)
}
