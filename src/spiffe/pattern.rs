//! Patterns over SPIFFE IDs: literal trust domain, whole segments, nothing that needs backtracking.

use std::fmt;
use std::str::FromStr;

use super::id::{SCHEME, SpiffeError, SpiffeId, check_segment, check_trust_domain};
use crate::limits::MAX_SPIFFE_ID_BYTES;

/// A set of SPIFFE IDs, such as `spiffe://prod.example/ns/web/sa/*`.
///
/// `*` stands for exactly one whole segment. `**` may stand at the end only and stands for one or more segments, so
/// `spiffe://prod.example/**` means every workload of the trust domain and not the trust domain itself. The trust
/// domain is always literal. A match is always of the whole ID (P42).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffePattern {
    text: Box<str>,
    trust_domain: Box<str>,
    segments: Box<[PatternSegment]>,
    /// True if it ends in `**`.
    open_ended: bool,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpiffePatternError {
    /// A literal part breaks a rule of SPIFFE IDs.
    #[error(transparent)]
    Id(#[from] SpiffeError),
    /// The trust domain decides which authorities count, so it is never a wildcard.
    #[error("trust domain cannot have a wildcard")]
    TrustDomainWildcard,
    /// `web-*` would match IDs that its author did not think of.
    #[error("`*` must be a whole segment")]
    PartialWildcard,
    /// `**` in the middle could match in several ways.
    #[error("`**` must be the last segment")]
    OpenEndInside,
    /// X.509-SVID section 3.1, JWT-SVID section 3.2: no workload is called as its trust domain.
    #[error("has no path, and every workload's ID has one")]
    NoPath,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum PatternSegment {
    Literal(Box<str>),
    Any,
}

impl SpiffePattern {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one trust domain whose IDs can match.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// True if every ID with a path in the trust domain is in the set.
    pub fn covers_everything(&self) -> bool {
        self.open_ended && self.segments.is_empty()
    }

    /// True if `id` is in the set.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        if id.trust_domain() != &*self.trust_domain {
            return false;
        }
        let mut rest = id.segments();
        let fits = self.segments.iter().all(|segment| match (segment, rest.next()) {
            (PatternSegment::Literal(literal), Some(found)) => **literal == *found,
            (PatternSegment::Any, Some(_)) => true,
            (PatternSegment::Literal(_) | PatternSegment::Any, None) => false,
        });
        fits && rest.next().is_some() == self.open_ended
    }
}

impl FromStr for SpiffePattern {
    type Err = SpiffePatternError;

    fn from_str(text: &str) -> Result<Self, SpiffePatternError> {
        if text.len() > MAX_SPIFFE_ID_BYTES {
            return Err(SpiffeError::TooLong.into());
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeError::Scheme)?;
        let (trust_domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        if trust_domain.contains('*') {
            return Err(SpiffePatternError::TrustDomainWildcard);
        }
        check_trust_domain(trust_domain)?;
        if trust_domain.len() == rest.len() {
            return Err(SpiffePatternError::NoPath);
        }
        let (segments, open_ended) = parse_path(path)?;
        Ok(Self {
            text: text.into(),
            trust_domain: trust_domain.into(),
            segments: segments.into(),
            open_ended,
        })
    }
}

impl fmt::Display for SpiffePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The segments of a path without its leading slash, and whether `**` follows them.
fn parse_path(path: &str) -> Result<(Vec<PatternSegment>, bool), SpiffePatternError> {
    let mut segments = Vec::new();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "**" if parts.peek().is_none() => return Ok((segments, true)),
            "**" => return Err(SpiffePatternError::OpenEndInside),
            "*" => segments.push(PatternSegment::Any),
            partial if partial.contains('*') => return Err(SpiffePatternError::PartialWildcard),
            literal => {
                check_segment(literal)?;
                segments.push(PatternSegment::Literal(literal.into()));
            }
        }
    }
    Ok((segments, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, id: &str) -> bool {
        let pattern: SpiffePattern = pattern.parse().unwrap();
        assert_eq!(pattern.as_str(), pattern.to_string());
        pattern.matches(&id.parse().unwrap())
    }

    #[test]
    fn a_pattern_matches_whole_ids_segment_by_segment() {
        for (pattern, id, expected) in [
            ("spiffe://a.example/ns/web/sa/x", "spiffe://a.example/ns/web/sa/x", true),
            ("spiffe://a.example/ns/web/sa/x", "spiffe://a.example/ns/web/sa/X", false),
            ("spiffe://a.example/ns/web/sa/*", "spiffe://a.example/ns/web/sa/x", true),
            ("spiffe://a.example/ns/web/sa/*", "spiffe://a.example/ns/web/sa", false),
            ("spiffe://a.example/ns/web/sa/*", "spiffe://a.example/ns/web/sa/x/y", false),
            ("spiffe://a.example/ns/*/sa/x", "spiffe://a.example/ns/web/sa/x", true),
            ("spiffe://a.example/ns/*/sa/x", "spiffe://a.example/ns/web/other/sa/x", false),
            ("spiffe://a.example/ns/web/**", "spiffe://a.example/ns/web/sa/x", true),
            ("spiffe://a.example/ns/web/**", "spiffe://a.example/ns/web/sa", true),
            ("spiffe://a.example/ns/web/**", "spiffe://a.example/ns/web", false),
            ("spiffe://a.example/ns/web/**", "spiffe://a.example/ns/website/sa", false),
            ("spiffe://a.example/*/**", "spiffe://a.example/ns/web", true),
            ("spiffe://a.example/*/**", "spiffe://a.example/ns", false),
            ("spiffe://a.example/**", "spiffe://a.example", false),
            ("spiffe://a.example/**", "spiffe://b.example/ns/web", false),
        ] {
            assert_eq!(matches(pattern, id), expected, "{pattern} on {id}");
        }
    }

    /// P42: what is longer than the pattern at either end does not match.
    #[test]
    fn a_match_is_never_of_a_part() {
        let pattern: SpiffePattern = "spiffe://a.example/ns/web".parse().unwrap();
        for id in ["spiffe://a.example/ns/webx", "spiffe://xa.example/ns/web"] {
            assert!(!pattern.matches(&id.parse().unwrap()), "{id}");
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused_with_the_rule_it_breaks() {
        use SpiffePatternError::*;
        let long = format!("spiffe://a/{}", "b".repeat(2048));
        for (text, rule) in [
            ("ns/web", Id(SpiffeError::Scheme)),
            ("spiffe://*.example/a", TrustDomainWildcard),
            ("spiffe://*", TrustDomainWildcard),
            ("spiffe://A/a", Id(SpiffeError::TrustDomainCharacter)),
            ("spiffe://a/web-*", PartialWildcard),
            ("spiffe://a/***", PartialWildcard),
            ("spiffe://a/**/b", OpenEndInside),
            ("spiffe://a.example", NoPath),
            ("spiffe://a/", Id(SpiffeError::PathEmptySegment)),
            ("spiffe://a/*/", Id(SpiffeError::PathEmptySegment)),
            ("spiffe://a/../b", Id(SpiffeError::PathDotSegment)),
            ("spiffe://a/b?c", Id(SpiffeError::PathCharacter)),
            (&long, Id(SpiffeError::TooLong)),
        ] {
            assert_eq!(text.parse::<SpiffePattern>(), Err(rule), "{text}");
        }
    }
}
