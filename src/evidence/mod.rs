//! What the caller shows, parsed and **unverified**. Nothing in this room may be relied on; its types say so by
//! being different from the verified ones in `authn`.

mod authorization;
mod certificate;
mod client_cert;
mod dpop;
mod jws;
mod names;
mod peer;
mod token;
mod xfcc;

pub use authorization::TokenScheme;
pub use certificate::{DecodedCertificate, PresentedCertificate};
pub use dpop::DpopProof;
pub use jws::{CompactJws, JoseHeader};
pub use names::{is_dns_name, is_uri};
pub use peer::{PeerEvidence, PeerSource, PeerSources, PrincipalSource};
pub use token::PresentedToken;
pub use xfcc::{Xfcc, XfccElement};

use crate::reason::Rejection;
use crate::request::{CredentialHeaders, RequestLine, Text, TokenPlace};

/// Everything one request shows.
#[derive(Debug)]
pub struct Evidence {
    /// What is shown of the peer's certificate.
    pub peer: PeerEvidence,
    /// The tokens, in no particular order; empty where none was sent.
    pub tokens: Result<Vec<PresentedToken>, Rejection>,
    /// The proof that their sender holds a key (RFC 9449).
    pub proof: Presented<DpopProof>,
    /// What such a proof must be for. Whoever collects the evidence of a request adds it where there is a proof.
    pub request: Option<RequestLine>,
}

/// Something a caller may show: absent, unreadable, or readable and still unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented<T> {
    /// It was not sent.
    Absent,
    /// It was sent and cannot be read.
    Malformed(Rejection),
    /// It was sent and could be read.
    Present(T),
}

/// Opens the sealed credentials and reads what is in them.
///
/// `destination_principal` is the proxy's own identity as it tells it; `sources` says which places of peer
/// evidence are believed here; `places` are all the places where any issuer's tokens may be.
#[must_use]
pub fn collect(
    credentials: &CredentialHeaders,
    destination_principal: Option<&Text>,
    sources: &PeerSources,
    places: &[TokenPlace],
) -> Evidence {
    Evidence {
        peer: PeerEvidence::collect(credentials, destination_principal, sources),
        tokens: token::collect(credentials, places),
        proof: DpopProof::find(credentials),
        request: None,
    }
}
