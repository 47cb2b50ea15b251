//! SPIFFE IDs, trust domain names and patterns over them, strictly parsed (SPIFFE-ID section 2). There is no lenient
//! form.

mod id;
mod pattern;
mod within;

pub use id::{SpiffeError, SpiffeId, TrustDomainName};
pub use pattern::{SpiffePattern, SpiffePatternError};
