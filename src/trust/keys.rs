//! Key sets: an issuer's public keys, each with its one algorithm fixed when it was read.

/// The usable keys of one issuer.
#[derive(Debug, Default)]
pub struct KeySet {}
