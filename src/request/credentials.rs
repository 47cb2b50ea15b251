//! The credentials of one request, sealed: policies, logs and templates have no way to them.
//!
//! `tests/in_process/tidy.rs` lets only `request`, `envoy`, `pdp`, `evidence` and `cli` name [`CredentialHeaders`].

use std::fmt;

use crate::request::{HeaderValue, Headers, SealedNames, SealedParameters, Text};

/// The credentials that a caller and its proxy present. Only `evidence` opens them.
pub struct CredentialHeaders {
    headers: Headers,
    parameters: SealedParameters,
    source_certificate: Option<Text>,
    source_principal: Option<Text>,
}

impl CredentialHeaders {
    /// Splits `all` into what a policy may see and what is sealed.
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
    pub const fn source_certificate(&self) -> Option<&Text> {
        self.source_certificate.as_ref()
    }

    /// The caller's principal as the proxy names it (P46: text, not an identity).
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
