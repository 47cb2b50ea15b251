//! The agreement of a token's claim with the peer that presents it: the sibling of a bound certificate that outlives its rotation.

use serde_json::Value;

use crate::authn::{Credential, PeerIdentity};
use crate::evidence_level::EvidenceLevel;
use crate::identity_map::{IdentityMap, PeerName};
use crate::reason::{Reason, Rejection};
use crate::spiffe::SpiffeId;
use crate::trust::TokenPeerBinding;

/// The result of comparing a claim with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFit {
    /// It names this peer.
    Same,
    /// It names another peer, or none.
    Other,
    /// Too little is known of the peer.
    Unknown,
}

/// The least that has to be shown of the peer's certificate to compare a name of this kind, where a document asks for
/// `evidence`. Below `leaf` its SPIFFE ID is all that is known (P212).
pub fn needed(map: &IdentityMap, evidence: EvidenceLevel) -> EvidenceLevel {
    match map.to() {
        PeerName::Spiffe => evidence,
        PeerName::Dns | PeerName::Uri => evidence.max(EvidenceLevel::Leaf),
    }
}

/// Compares `claim` with the name of `peer` that `map` says. A name that the peer lacks, with all of its certificate that is needed,
/// is another name.
pub fn fit(
    map: &IdentityMap,
    evidence: EvidenceLevel,
    claim: Option<&Value>,
    peer: Option<&PeerIdentity>,
) -> NameFit {
    let least = needed(map, evidence);
    let Some(peer) = peer.filter(|peer| peer.level() >= least) else { return NameFit::Unknown };
    let spiffe = peer.spiffe.as_ref().map(SpiffeId::as_str);
    let (names, others): (&[String], _) = match map.to() {
        PeerName::Spiffe => (&[], spiffe),
        PeerName::Dns => (&peer.dns, None),
        PeerName::Uri => (&peer.uris, None),
    };
    let expected = claim.and_then(|claim| map.expected(claim));
    let same =
        expected.is_some_and(|expected| names.contains(&expected) || others == Some(&expected));
    if same { NameFit::Same } else { NameFit::Other }
}

/// Checks the `bind` of the issuer, which holds for every presenter of its tokens.
///
/// # Errors
/// `identity_token_mismatch`, or `binding_unavailable` where too little is known of the peer.
pub(super) fn check(
    bind: Option<&TokenPeerBinding>,
    claim: impl FnOnce(&str) -> Option<Value>,
    peer: &Credential<PeerIdentity>,
) -> Result<(), Rejection> {
    let Some(TokenPeerBinding { map, evidence }) = bind else { return Ok(()) };
    match fit(map, *evidence, claim(map.pointer()).as_ref(), peer.verified()) {
        NameFit::Same => Ok(()),
        NameFit::Other => {
            let detail =
                format!("claim `{}` does not name the peer that presents the token", map.pointer());
            Err(Reason::IdentityTokenMismatch.because(detail))
        }
        NameFit::Unknown => {
            let (claim, least) = (map.pointer(), needed(map, *evidence));
            let detail = format!(
                "claim `{claim}` has to name the peer, and evidence `{least}` of it is needed"
            );
            Err(Reason::BindingUnavailable.because(detail))
        }
    }
}
