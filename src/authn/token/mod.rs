//! Tokens, verified: signature, type, issuer, audience, time and binding.

mod identity;
mod presenter;
mod usage;
mod verify;

pub use identity::TokenIdentity;
pub use presenter::Presenter;
pub use usage::TokenUsage;
pub use verify::verify_all;
pub(super) use verify::{TokenResults, TokenVerifier, issuer_of, verify_shown};

#[cfg(test)]
mod shared_secret_tests;
#[cfg(test)]
mod tests;
