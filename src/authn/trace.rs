//! Watches an authentication: for `explain` and `inspect`. Serving watches nothing.

use super::{Hop, TokenCheck};

/// An observer of an authentication.
pub trait AuthenticationTrace {
    /// A step of the walk to the peer.
    fn hop(&mut self, hop: Hop<'_>);

    /// A check that a token passed. Each token begins with [`TokenCheck::Issuer`].
    fn passed(&mut self, check: TokenCheck);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuthenticationTrace;

impl AuthenticationTrace for NoAuthenticationTrace {
    fn hop(&mut self, _: Hop<'_>) {}

    fn passed(&mut self, _: TokenCheck) {}
}
