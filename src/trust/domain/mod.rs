//! A trust domain: the authorities whose certificates are accepted, and the rules for them.

mod authorities;
mod bundle;
mod compile;
mod crl;
mod draft;
mod extensions;
mod faults;
mod issuer_keys;
mod key;
mod leaf;
mod overlap;
mod pem_file;
mod revocation;
mod scope;
mod signature_checks;
mod signed;
mod standing;
mod trust_domain;
mod validity;

pub use authorities::Authority;
pub use bundle::{bundle_authorities, refresh_hint};
pub(super) use compile::{check_distinct, compile};
pub use crl::{Crl, IssuerId};
pub(super) use draft::settle;
pub use extensions::{extension_fault, issues_clients};
pub use issuer_keys::{IssuerKey, IssuerKeys, authority_key_id, subject_key_id};
pub use key::key_weakness;
pub(in crate::trust) use leaf::sha256;
pub use leaf::{LeafPin, LeafRules};
pub(super) use overlap::check_overlaps;
pub use revocation::Revocation;
pub use signature_checks::{BudgetSpent, SignatureBudget, SignatureChecks};
pub use standing::{CurrentList, KnownLists, StoredCrl};
pub use trust_domain::TrustDomain;
pub use validity::{LifePhase, Validity};

#[cfg(test)]
mod tests;
