//! Token issuers: which tokens are accepted, under which rules, and how a `TokenIssuer` document is compiled to them.

mod binding;
mod claims;
mod compile;
mod compiler;
mod introspection;
mod keys;
mod kinds;
mod place_checks;
mod places;
mod secrets;
mod tenants;
mod token_issuer;

pub use compile::DEFAULT_MAX_LIFETIME;
pub(super) use compile::refuse_ambiguous;
pub(crate) use token_issuer::canonical_type;
pub use token_issuer::{Issuer, KeySource, TokenPeerBinding};

#[cfg(test)]
mod tests;
