//! The only room that turns evidence into identity. Every check cites the section it enforces.
//!
//! Values that leave this room are verified: their fields are private, their only constructors are here, and none of
//! them implements `Deserialize`, `Default` or `From`.
//!
//! The order inside: `credential`, `facts`, `claims` and `revoked`, which need nothing else; `verified`, `signed` and `cache`;
//! `peer`, which verifies certificates; `token`, which verifies tokens for the peer that presents them; `subject`, which holds
//! both; and `authenticate`, which reads all evidence of a request.

mod authenticate;
mod binding;
mod cache;
mod claims;
mod credential;
mod dpop;
mod facts;
mod heap_size;
mod identity;
mod introspected;
mod kind;
mod once;
mod peer;
mod profile;
mod rejected_cookie;
mod revoked;
mod scope;
mod shown;
mod signature;
mod signed;
mod subject;
mod token;
mod token_check;
mod trace;
mod verified;

pub use crate::evidence::PeerSource;
pub use authenticate::{authenticate, authenticate_traced, with_tokens};
pub use binding::Binding;
pub use cache::{Caches, CertificateCache, KnownOnly, NoCache, TokenCache, is_cached};
pub use credential::Credential;
pub use facts::PeerFacts;
pub use identity::{NameFit, fit as fit_names, needed as evidence_for_names};
pub use once::OneTimeUse;
pub use peer::{
    CertificateDescription, DomainVerdict, Hop, HopFinding, HopPlace, PeerIdentity, check_client,
    signed_intermediates, verdicts, verify as verify_peer, verify_traced as verify_peer_traced,
    with_unknown_authorities,
};
pub use rejected_cookie::RejectedCookie;
pub use scope::{Counting, ScopedHosts, TokenScope, ignore_uncounted};
pub use signed::SignedToken;
pub use subject::Subject;
pub use token::{Presenter, TokenIdentity, TokenUsage, verify_all as verify_tokens_traced};
pub use token_check::TokenCheck;
pub use trace::{AuthenticationTrace, NoAuthenticationTrace};
pub use verified::{CertificateKey, VerifiedCertificate};
