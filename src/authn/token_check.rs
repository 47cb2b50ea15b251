//! The checks of a token by name: for `countersign keys verify`. They are made where tokens are verified.

/// The checks of a token that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenCheck {
    /// An issuer that is configured, in a place where its tokens may be.
    Issuer,
    /// The issuer's keys are at hand, or what it says about an opaque token.
    Keys,
    /// The algorithm is one that the issuer uses.
    Algorithm,
    /// So is the `typ`.
    Type,
    /// The issuer has the key that the token names.
    Key,
    /// The signature is that key's.
    Signature,
    /// The registered claims are of their proper types.
    Claims,
    /// No claim says that it is of another kind than an access token.
    Kind,
    /// There is an `exp`, and it is in the future.
    Expiry,
    /// `nbf` and `iat` are not in the future.
    NotBefore,
    /// It lives no longer, and is no older, than the issuer allows.
    Lifetime,
    /// `aud` names us.
    Audience,
    /// The claims that the issuer always makes are there.
    RequiredClaims,
    /// The claims that tokens of the issuer's kind must have.
    Profile,
    /// It is bound to its presenter, if it has to be.
    Binding,
    /// It is not revoked, and neither is its subject, session, client, key or issuer.
    Revocation,
}

impl TokenCheck {
    /// All of them, in the order in which they are made: what fails is the first that was not passed.
    pub const ALL: [Self; 16] = [
        Self::Issuer,
        Self::Keys,
        Self::Algorithm,
        Self::Type,
        Self::Key,
        Self::Signature,
        Self::Claims,
        Self::Kind,
        Self::Expiry,
        Self::NotBefore,
        Self::Lifetime,
        Self::Audience,
        Self::RequiredClaims,
        Self::Profile,
        Self::Binding,
        Self::Revocation,
    ];

    /// Those that the word of its issuer stands for where a token is opaque (RFC 7662).
    pub(in crate::authn) const VOUCHED: [Self; 7] = [
        Self::Keys,
        Self::Algorithm,
        Self::Type,
        Self::Key,
        Self::Signature,
        Self::Claims,
        Self::Kind,
    ];

    /// Those that a remembered signature stands for.
    pub(in crate::authn) const SIGNED: [Self; 6] =
        [Self::Algorithm, Self::Type, Self::Key, Self::Signature, Self::Claims, Self::Kind];

    /// Its name in output, and the section that requires it.
    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Issuer => ("issuer", "RFC 7519 section 4.1.1"),
            Self::Keys => ("keys", "RFC 7517 section 5"),
            Self::Algorithm => ("algorithm", "RFC 8725 section 3.1"),
            Self::Type => ("type", "RFC 8725 section 3.11"),
            Self::Key => ("key", "RFC 7515 section 4.1.4"),
            Self::Signature => ("signature", "RFC 7515 section 5.2"),
            Self::Claims => ("claim types", "RFC 7519 section 4.1"),
            Self::Kind => ("kind", "RFC 8725 section 3.12"),
            Self::Expiry => ("expiry", "RFC 7519 section 4.1.4"),
            Self::NotBefore => ("not before", "RFC 7519 sections 4.1.5 and 4.1.6"),
            Self::Lifetime => ("lifetime", "RFC 8725 section 3.10"),
            Self::Audience => ("audience", "RFC 7519 section 4.1.3"),
            Self::RequiredClaims => ("required claims", "RFC 7519 section 4.1"),
            Self::Profile => ("profile", "RFC 9068 section 2.2"),
            Self::Binding => ("binding", "RFC 8705 section 3"),
            Self::Revocation => ("revocation", "RFC 7009 section 2"),
        }
    }

    /// Its name in output.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The section that requires it.
    pub const fn section(self) -> &'static str {
        self.row().1
    }
}
