//! From the evidence of a certificate to a verified peer.

use super::certificate::CertificateVerifier;
use super::identity::PeerIdentity;
use super::trace::Hop;
use super::walk;
use crate::authn::cache::CertificateCache;
use crate::authn::credential::Credential;
use crate::clock::UnixTime;
use crate::evidence::PeerEvidence;
use crate::trust::{RevocationView, TrustStore};

/// Verifies the evidence of the peer. A source that is malformed or does not verify is a rejection even if another source
/// would do: evidence that contradicts itself is not accepted in parts (P69).
pub fn verify(
    evidence: &PeerEvidence,
    trust: &TrustStore,
    memory: &dyn CertificateCache,
    now: UnixTime,
) -> Credential<PeerIdentity> {
    verify_traced(evidence, trust, memory, now, &mut |_| {})
}

/// As [`verify`]; `trace` sees every step.
pub fn verify_traced(
    evidence: &PeerEvidence,
    trust: &TrustStore,
    memory: &dyn CertificateCache,
    now: UnixTime,
    trace: &mut impl FnMut(Hop<'_>),
) -> Credential<PeerIdentity> {
    verify_unless_revoked(evidence, trust, trust.revocations(), memory, now, trace)
}

/// The same with `revocations` instead of those of the documents of `trust`.
pub(in crate::authn) fn verify_unless_revoked(
    evidence: &PeerEvidence,
    trust: &TrustStore,
    revocations: &RevocationView,
    memory: &dyn CertificateCache,
    now: UnixTime,
    trace: &mut impl FnMut(Hop<'_>),
) -> Credential<PeerIdentity> {
    let verifier = CertificateVerifier::new(trust, revocations, memory, now);
    match walk::caller(evidence, &verifier, trace) {
        Ok(None) => Credential::Absent,
        Ok(Some(peer)) => Credential::Verified(peer),
        Err(rejection) => Credential::Rejected(rejection),
    }
}
