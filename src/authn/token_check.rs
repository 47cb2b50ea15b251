//! The checks of a token by name: for `countersign keys verify`. They are made where tokens are verified.

/// One row for each check: its name in output, and the section that requires it.
macro_rules! checks {
    ($($(#[$doc:meta])* $check:ident $name:literal $section:literal,)*) => {
        /// The checks of a token that could be read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum TokenCheck {
            $($(#[$doc])* $check,)*
        }

        impl TokenCheck {
            /// All of them, in the order in which they are made: what fails is the first that was not passed.
            pub const ALL: &[Self] = &[$(Self::$check),*];

            /// Its name in output.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$check => $name,)* }
            }

            /// The section that requires it.
            pub const fn section(self) -> &'static str {
                match self { $(Self::$check => $section,)* }
            }
        }
    };
}

checks! {
    /// An issuer that is configured, in a place where its tokens may be.
    Issuer "issuer" "RFC 7519 section 4.1.1",
    /// The issuer's keys are at hand, or what it says about an opaque token.
    Keys "keys" "RFC 7517 section 5",
    /// The algorithm is one that the issuer uses.
    Algorithm "algorithm" "RFC 8725 section 3.1",
    /// So is the `typ`.
    Type "type" "RFC 8725 section 3.11",
    /// The issuer has the key that the token names.
    Key "key" "RFC 7515 section 4.1.4",
    /// The signature is that key's.
    Signature "signature" "RFC 7515 section 5.2",
    /// The registered claims are of their proper types.
    Claims "claim types" "RFC 7519 section 4.1",
    /// No claim says that it is of another kind than an access token.
    Kind "kind" "RFC 8725 section 3.12",
    /// There is an `exp`, and it is in the future.
    Expiry "expiry" "RFC 7519 section 4.1.4",
    /// `nbf` and `iat` are not in the future.
    NotBefore "not before" "RFC 7519 sections 4.1.5 and 4.1.6",
    /// It lives no longer, and is no older, than the issuer allows.
    Lifetime "lifetime" "RFC 8725 section 3.10",
    /// `aud` names us.
    Audience "audience" "RFC 7519 section 4.1.3",
    /// The claims that the issuer always makes are there.
    RequiredClaims "required claims" "RFC 7519 section 4.1",
    /// The claims that tokens of the issuer's kind must have.
    Profile "profile" "RFC 9068 section 2.2",
    /// It is bound to its presenter, if it has to be.
    Binding "binding" "RFC 8705 section 3",
    /// It is not revoked, and neither is its subject, session, client, key or issuer.
    Revocation "revocation" "RFC 7009 section 2",
}

impl TokenCheck {
    /// Those that a remembered signature stands for. Where a token is opaque (RFC 7662), the word of its issuer stands for
    /// these and for the keys.
    pub(in crate::authn) const SIGNED: [Self; 6] =
        [Self::Algorithm, Self::Type, Self::Key, Self::Signature, Self::Claims, Self::Kind];
}
