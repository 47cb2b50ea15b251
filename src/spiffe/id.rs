//! SPIFFE IDs and the names of trust domains (SPIFFE-ID section 2).

use std::fmt;
use std::str::FromStr;

use crate::limits::{MAX_SPIFFE_ID_BYTES, MAX_TRUST_DOMAIN_BYTES};

/// The name of a trust domain, such as `prod.example`: lower-case letters, digits, `.`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomainName(Box<str>);

/// A SPIFFE ID, such as `spiffe://prod.example/ns/web/sa/frontend`.
///
/// Holds the text as it was, which by the strict grammar is also its only form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    uri: Box<str>,
    /// The offset of the path in `uri`; its length where there is no path.
    path_at: usize,
}

/// Why a text is not a SPIFFE ID. One variant per rule of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// Section 2: the scheme is `spiffe`, in lower case.
    #[error("does not start with `spiffe://`")]
    Scheme,
    /// Section 2.1: the trust domain is not empty.
    #[error("trust domain is empty")]
    TrustDomainEmpty,
    /// Section 2.1: lower-case letters, digits, `.`, `-`, `_`; no port, no user info.
    #[error("trust domain has a character outside `a-z 0-9 . - _`")]
    TrustDomainCharacter,
    /// Section 2.1: at most 255 bytes.
    #[error("trust domain is longer than 255 bytes")]
    TrustDomainTooLong,
    /// Section 2.2: segments are not empty, so no `//` and no trailing slash.
    #[error("path has an empty segment or a trailing slash")]
    PathEmptySegment,
    /// Section 2.2: no `.` and `..` segments.
    #[error("path has a `.` or `..` segment")]
    PathDotSegment,
    /// Section 2.2: letters, digits, `.`, `-`, `_`; so no escapes, query or fragment.
    #[error("path has a character outside `a-z A-Z 0-9 . - _`")]
    PathCharacter,
    /// Section 2.3: at most 2048 bytes.
    #[error("longer than 2048 bytes")]
    TooLong,
}

pub(super) const SCHEME: &str = "spiffe://";

impl TrustDomainName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomainName {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        check_trust_domain(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TrustDomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SpiffeId {
    /// All of it, with the scheme.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The trust domain's name.
    pub fn trust_domain(&self) -> &str {
        self.uri.get(SCHEME.len()..self.path_at).unwrap_or_default()
    }

    /// The path with its leading slash; empty where the ID names the trust domain itself.
    pub fn path(&self) -> &str {
        self.uri.get(self.path_at..).unwrap_or_default()
    }

    /// The segments of the path.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path().split('/').skip(1)
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        if text.len() > MAX_SPIFFE_ID_BYTES {
            return Err(SpiffeError::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeError::Scheme)?;
        let (trust_domain, path) = match rest.split_once('/') {
            Some((domain, path)) => (domain, Some(path)),
            None => (rest, None),
        };
        check_trust_domain(trust_domain)?;
        if let Some(path) = path {
            path.split('/').try_for_each(check_segment)?;
        }
        let path_at = SCHEME.len().saturating_add(trust_domain.len());
        Ok(Self { uri: text.into(), path_at })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

pub(super) fn check_trust_domain(name: &str) -> Result<(), SpiffeError> {
    if name.is_empty() {
        return Err(SpiffeError::TrustDomainEmpty);
    }
    if name.len() > MAX_TRUST_DOMAIN_BYTES {
        return Err(SpiffeError::TrustDomainTooLong);
    }
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    if name.bytes().all(allowed) { Ok(()) } else { Err(SpiffeError::TrustDomainCharacter) }
}

pub(super) fn check_segment(segment: &str) -> Result<(), SpiffeError> {
    if segment.is_empty() {
        return Err(SpiffeError::PathEmptySegment);
    }
    if segment == "." || segment == ".." {
        return Err(SpiffeError::PathDotSegment);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if segment.bytes().all(allowed) { Ok(()) } else { Err(SpiffeError::PathCharacter) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_id_are_found() {
        let id: SpiffeId = "spiffe://prod.example/ns/web/sa/frontend".parse().unwrap();
        assert_eq!(id.trust_domain(), "prod.example");
        assert_eq!(id.path(), "/ns/web/sa/frontend");
        assert_eq!(id.segments().collect::<Vec<_>>(), ["ns", "web", "sa", "frontend"]);
        let domain: SpiffeId = "spiffe://prod.example".parse().unwrap();
        assert_eq!((domain.trust_domain(), domain.path()), ("prod.example", ""));
        assert_eq!(domain.segments().count(), 0);
    }

    /// P45: the strict SPIFFE ID grammar.
    #[test]
    fn what_breaks_a_rule_is_refused_with_that_rule() {
        use SpiffeError::*;
        let long_domain = format!("spiffe://{}", "a".repeat(256));
        let long_path = format!("spiffe://a/{}", "b".repeat(2048));
        for (text, rule) in [
            ("", Scheme),
            ("http://prod.example/a", Scheme),
            ("SPIFFE://prod.example/a", Scheme),
            ("spiffe:/prod.example", Scheme),
            ("spiffe://", TrustDomainEmpty),
            ("spiffe:///a", TrustDomainEmpty),
            ("spiffe://Prod.example/a", TrustDomainCharacter),
            ("spiffe://prod.example:443/a", TrustDomainCharacter),
            ("spiffe://me@prod.example/a", TrustDomainCharacter),
            ("spiffe://prod.example?x", TrustDomainCharacter),
            (&long_domain, TrustDomainTooLong),
            ("spiffe://prod.example/", PathEmptySegment),
            ("spiffe://prod.example/a/", PathEmptySegment),
            ("spiffe://prod.example//a", PathEmptySegment),
            ("spiffe://prod.example/a/../b", PathDotSegment),
            ("spiffe://prod.example/./b", PathDotSegment),
            ("spiffe://prod.example/%61", PathCharacter),
            ("spiffe://prod.example/a?b", PathCharacter),
            ("spiffe://prod.example/a#b", PathCharacter),
            ("spiffe://prod.example/a b", PathCharacter),
            ("spiffe://prod.example/a\0b", PathCharacter),
            ("spiffe://prod.example/é", PathCharacter),
            (&long_path, TooLong),
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(rule), "{text}");
        }
    }
}
