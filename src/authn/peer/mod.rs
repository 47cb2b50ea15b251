//! The peer on the wire: evidence of a certificate, verified.

mod cause;
mod certificate;
mod client;
mod constraints;
mod describe;
mod distinguished_name;
mod element;
mod identity;
mod names;
mod path;
mod policies;
mod position;
mod profile;
mod signers;
mod trace;
mod unknown;
mod verdicts;
mod verify;
mod walk;

pub use client::check_client;
pub use describe::CertificateDescription;
pub use identity::PeerIdentity;
pub use signers::signed_intermediates;
pub use trace::{Hop, HopFinding, HopPlace};
pub use unknown::with_unknown_authorities;
pub use verdicts::{DomainVerdict, verdicts};
pub(super) use verify::verify_unless_revoked;
pub use verify::{verify, verify_traced};

#[cfg(test)]
mod tests;
