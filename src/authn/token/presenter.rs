//! The presenter of a token.

use crate::authn::credential::Credential;
use crate::authn::peer::PeerIdentity;
use crate::evidence::{DpopProof, Presented};
use crate::request::RequestLine;

/// The presenter of a token, and what it sends beside it.
#[derive(Clone, Copy, Debug)]
pub struct Presenter<'a> {
    /// The peer.
    pub peer: &'a Credential<PeerIdentity>,
    /// The proof that it holds a key.
    pub proof: &'a Presented<DpopProof>,
    /// The request that such a proof must be for.
    pub request: Option<&'a RequestLine>,
}

#[cfg(test)]
impl Presenter<'_> {
    /// A caller without a verified peer and without a proof.
    pub(in crate::authn) const NO_PEER: Self =
        Self { peer: &Credential::Absent, proof: &Presented::Absent, request: None };
}
