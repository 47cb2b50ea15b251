//! Which headers and query parameters of a request carry credentials.

use std::collections::BTreeSet;

/// Which headers and query parameters carry credentials: a built-in set and those that token issuers name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedNames {
    /// A few names, of which most differ from what is looked for in their length.
    headers: Vec<String>,
    parameters: BTreeSet<String>,
}

/// A place in a request where an issuer's tokens may be (RFC 6750 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenPlace {
    /// `Authorization: Bearer`, or `DPoP` for a token with a proof (RFC 9449 section 7.1).
    Authorization,
    /// The header of this lower-case name, whose whole value is the token.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name, as it is when decoded.
    Query(String),
}

/// RFC 6750 section 2.3: a credential wherever it appears, even if no issuer's tokens are expected there.
const ALWAYS_SEALED_PARAMETER: &str = "access_token";

/// Sealed whatever the configuration says: they are credentials wherever they appear.
const ALWAYS_SEALED: [&str; 7] = [
    "authorization",
    "client-cert",
    "client-cert-chain",
    "cookie",
    "dpop",
    "proxy-authorization",
    "x-forwarded-client-cert",
];

impl SealedNames {
    /// The built-in names and `more`, in any case.
    pub fn with<'a>(more: impl IntoIterator<Item = &'a str>) -> Self {
        let more = more.into_iter().map(str::to_ascii_lowercase);
        let headers: BTreeSet<_> =
            ALWAYS_SEALED.iter().map(ToString::to_string).chain(more).collect();
        Self {
            headers: headers.into_iter().collect(),
            parameters: BTreeSet::from([ALWAYS_SEALED_PARAMETER.to_owned()]),
        }
    }

    /// The built-in names and the headers that `places` are in.
    pub fn for_places<'a>(places: impl IntoIterator<Item = &'a TokenPlace>) -> Self {
        let mut sealed = Self::default();
        for place in places {
            match place {
                TokenPlace::Header(name) if !sealed.contains(name) => {
                    sealed.headers.push(name.clone());
                }
                TokenPlace::Query(name) => drop(sealed.parameters.insert(name.clone())),
                // Always sealed.
                TokenPlace::Header(_) | TokenPlace::Authorization | TokenPlace::Cookie(_) => {}
            }
        }
        sealed
    }

    /// Whether the header `name`, in lower case, carries a credential.
    pub fn contains(&self, name: &str) -> bool {
        self.headers.iter().any(|own| own == name)
    }

    /// Whether the query parameter `name`, decoded, carries a credential.
    pub fn contains_parameter(&self, name: &str) -> bool {
        self.parameters.contains(name)
    }
}

impl Default for SealedNames {
    fn default() -> Self {
        Self::with([])
    }
}
