//! The signature algorithms that are accepted (RFC 7518 section 3.1, RFC 8037, RFC 9864).

use crate::words::words;

words! {
    /// A JWS signature algorithm. `none` has no variant, so nothing can choose it. The symmetric ones are for issuers whose
    /// document has a shared secret, and for those they are the only ones (P48). Names are case-sensitive (RFC 7515 section 4.1.1).
    pub enum Algorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 "RS256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        Rs384 "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        Rs512 "RS512",
        /// RSASSA-PSS with SHA-256.
        Ps256 "PS256",
        /// RSASSA-PSS with SHA-384.
        Ps384 "PS384",
        /// RSASSA-PSS with SHA-512.
        Ps512 "PS512",
        /// ECDSA on P-256 with SHA-256.
        Es256 "ES256",
        /// ECDSA on P-384 with SHA-384.
        Es384 "ES384",
        /// ECDSA on P-521 with SHA-512.
        Es512 "ES512",
        /// EdDSA on Ed25519 (RFC 8037 section 3.1).
        EdDsa "EdDSA",
        /// EdDSA on Ed25519 under its fully specified name (RFC 9864 section 2.2).
        Ed25519 "Ed25519",
        /// HMAC with SHA-256.
        Hs256 "HS256",
        /// HMAC with SHA-384.
        Hs384 "HS384",
        /// HMAC with SHA-512.
        Hs512 "HS512",
    }
}

impl Algorithm {
    /// True if a holder of the verification key can also sign.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}
