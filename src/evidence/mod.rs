//! The credentials that a caller presents, parsed and **unverified**. Nothing in this room may be relied on; its types say so by
//! being different from the verified ones in `authn`.
//!
//! The order inside: `presented`, `sources`, `names`, `authorization`, `jws`; then one file for each credential (`certificate`,
//! `client_cert`, `xfcc`, `dpop`, `token`); then `peer`, and `collect`, which reads all of a request.

mod authorization;
mod certificate;
mod client_cert;
mod collect;
mod dpop;
mod jws;
mod names;
mod peer;
mod presented;
mod sources;
mod token;
mod xfcc;

pub use authorization::TokenScheme;
pub use certificate::{DecodedCertificate, PresentedCertificate};
pub use collect::{Evidence, collect};
pub use dpop::DpopProof;
pub use jws::{CompactJws, JoseHeader};
pub use names::{is_dns_name, is_uri};
pub use peer::PeerEvidence;
pub use presented::Presented;
pub use sources::{PeerSource, PeerSources, PrincipalSource};
pub use token::{IgnoredToken, PresentedToken, UnreadableToken};
pub use xfcc::{Xfcc, XfccElement};
