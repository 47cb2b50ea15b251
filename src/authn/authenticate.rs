//! From all evidence of a request to its caller.

use super::cache::{Caches, TokenCache};
use super::credential::Credential;
use super::dpop;
use super::peer::{self, Hop, PeerIdentity};
use super::subject::{OtherTokens, Subject};
use super::token::{self, Presenter, TokenIdentity, TokenResults, TokenVerifier};
use super::trace::{AuthenticationTrace, NoAuthenticationTrace};
use crate::clock::UnixTime;
use crate::evidence::{Evidence, Presented, PresentedToken};
use crate::trust::{Material, TrustStore};

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
    let next_nonce = next_dpop_nonce(evidence, &verified, trust, now);
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
    let claimed_issuer =
        tokens.rejection().and_then(|_| claimed_issuer(evidence.presented(), trust));
    let ignored = evidence.ignored.clone();
    Subject { peer, tokens, others, ignored, claimed_issuer, next_nonce }
}

/// The issuer that the first of these tokens names, of those whose issuer is known.
fn claimed_issuer(presented: &[PresentedToken], trust: &TrustStore) -> Option<String> {
    let named = presented.iter().find_map(|token| token::issuer_of(token, trust).ok());
    named.map(|issuer| issuer.name.clone())
}

/// A nonce for the next proof of a caller who proved now that it holds the key of one of its `tokens`, before its last nonce is
/// refused for its age (RFC 9449 sections 8.2 and 9).
fn next_dpop_nonce(
    evidence: &Evidence,
    tokens: &[TokenIdentity],
    trust: &TrustStore,
    now: UnixTime,
) -> Option<String> {
    let Presented::Present(proof) = &evidence.proof else { return None };
    let proven = tokens.iter().find(|token| token.proof().is_some())?;
    let issuer = trust.issuers().iter().find(|issuer| issuer.name == proven.issuer_name())?;
    dpop::next_nonce(proof, &issuer.dpop, now)
}
