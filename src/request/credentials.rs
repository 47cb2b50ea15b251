//! The credentials of one request, sealed: policies, logs and templates have no way to them.
//!
//! `tests/in_process/tidy.rs` lets only `request`, `envoy`, `pdp`, `evidence` and `cli` name [`CredentialHeaders`].

use std::collections::BTreeSet;
use std::fmt;

use crate::request::{HeaderValue, Headers, SealedParameters, Text};

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

/// What a caller and its proxy present to prove who the caller is. Opened by `evidence` only.
pub struct CredentialHeaders {
    headers: Headers,
    parameters: SealedParameters,
    source_certificate: Option<Text>,
    source_principal: Option<Text>,
}

/// RFC 6750 section 2.3: a credential wherever it appears, also where nobody asked for it.
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

// === impl SealedNames ===

impl SealedNames {
    /// The built-in names and `more`, in any case.
    #[must_use]
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
    #[must_use]
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
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.headers.iter().any(|own| own == name)
    }

    /// Whether the query parameter `name`, decoded, carries a credential.
    #[must_use]
    pub fn contains_parameter(&self, name: &str) -> bool {
        self.parameters.contains(name)
    }
}

impl Default for SealedNames {
    fn default() -> Self {
        Self::with([])
    }
}

// === impl CredentialHeaders ===

impl CredentialHeaders {
    /// Splits `all` into what a policy may see and what is sealed.
    #[must_use]
    pub fn split(
        all: Headers,
        sealed: &SealedNames,
        source_certificate: Option<Text>,
        source_principal: Option<Text>,
    ) -> (Headers, Self) {
        let (mut open, mut headers) = (all.none_like(), all.none_like());
        open.lines.reserve_exact(all.len());
        for (name, value) in all.lines {
            if sealed.contains(&name) {
                headers.lines.push((name, value));
            } else {
                let value = sealed.cut_header(&name, value);
                open.lines.push((name, value));
            }
        }
        let parameters = SealedParameters::default();
        (open, Self { headers, parameters, source_certificate, source_principal })
    }

    /// These credentials and those in the query.
    #[must_use]
    pub fn with_parameters(self, parameters: SealedParameters) -> Self {
        Self { parameters, ..self }
    }

    /// Every value of the sealed query parameter `name`.
    pub fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HeaderValue> {
        self.parameters.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value)
    }

    /// Every line of the sealed header `name`, which is given in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HeaderValue> {
        self.headers.all(name)
    }

    /// The leaf certificate that the proxy itself verified: URL-encoded PEM.
    #[must_use]
    pub const fn source_certificate(&self) -> Option<&Text> {
        self.source_certificate.as_ref()
    }

    /// The caller's principal as the proxy names it (P46: text, not an identity).
    #[must_use]
    pub const fn source_principal(&self) -> Option<&Text> {
        self.source_principal.as_ref()
    }
}

impl fmt::Debug for CredentialHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[credentials redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant 3, P80: what is sealed is neither in the view nor in any formatter's output.
    #[test]
    fn credentials_leave_the_view_and_are_not_printed() {
        let mut all = Headers::default();
        for name in [
            "Authorization",
            "X-Forwarded-Client-Cert",
            "DPoP",
            "Cookie",
            "X-Partner-Token",
            "accept",
        ] {
            all.push(name, HeaderValue::new(b"canary".to_vec()));
        }
        let sealed = SealedNames::with(["X-Partner-Token"]);
        let (open, credentials) =
            CredentialHeaders::split(all, &sealed, Some("canary".into()), None);
        assert_eq!(open.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["accept"]);
        assert_eq!(credentials.all("x-partner-token").count(), 1);
        assert!(!format!("{credentials:?}").contains("canary"));
    }
}
