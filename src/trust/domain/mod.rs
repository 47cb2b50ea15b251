//! A trust domain: the authorities whose certificates are accepted, and the rules for them.

mod authorities;
mod bundle;
mod compile;
mod crl;
mod draft;
mod extensions;
mod faults;
mod key;
mod leaf;
mod overlap;
mod pem_file;
mod revocation;
mod scope;
mod signed;
mod standing;
mod trust_domain;
mod validity;

pub use authorities::Authority;
pub(super) use compile::{check_distinct, compile};
pub use crl::{Crl, IssuerId};
pub(super) use draft::settle;
pub use extensions::{extension_fault, issues_clients};
pub use key::key_weakness;
pub(in crate::trust) use leaf::sha256;
pub use leaf::{ExtendedKeyUsageRules, LeafRules, Pin};
pub(super) use overlap::check_overlaps;
pub use revocation::Revocation;
pub use signed::is_signed_by;
pub use standing::{KnownLists, StandingList, StoredList};
pub use trust_domain::TrustDomain;
pub use validity::Validity;

#[cfg(test)]
mod tests;
