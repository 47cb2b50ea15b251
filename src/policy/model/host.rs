//! Patterns over host names: exact, or with one leading wildcard label that stands for exactly one label; and over authorities,
//! which may have a port and a trailing dot beside the name.

use std::fmt;
use std::net::Ipv6Addr;

use crate::authn::ScopedHosts;
use crate::request::{Host, HostForm, parent_of};

/// A set of host names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::policy) enum HostPattern {
    /// This name.
    Exact(Box<str>),
    /// Names of one label before this name.
    OneLabelBelow(Box<str>),
}

/// A set of authorities: those of some hosts that are written in one form, as proxies compare them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct AuthorityPattern {
    pub(in crate::policy) host: HostPattern,
    pub(in crate::policy) form: HostForm,
}

impl AuthorityPattern {
    /// Reads a pattern; the error says what is wrong with it and what to do.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, (String, Option<&'static str>)> {
        if text.contains('/') {
            return HostPattern::parse(text).map(|host| Self { host, form: HostForm::default() });
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            let why = format!("`{text}` is not a host: an IPv6 address stands in brackets");
            return Err((why, Some("write it as `[2001:db8::1]`, or `[2001:db8::1]:8443`")));
        }
        let (host, form) = HostForm::split(text)
            .map_err(|why| (format!("`{text}` is not a host: {}", why.detail()), None))?;
        Ok(Self { host: HostPattern::parse(host)?, form })
    }

    /// True if every authority that `other` matches is matched by this one.
    pub(in crate::policy) fn covers(&self, other: &Self) -> bool {
        self.form == other.form && self.host.covers(&other.host)
    }
}

impl fmt::Display for AuthorityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostForm { port, trailing_dot } = self.form;
        write!(f, "{}{}", self.host, if trailing_dot { "." } else { "" })?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::OneLabelBelow(parent) => write!(f, "*.{parent}"),
        }
    }
}

impl HostPattern {
    /// Reads a pattern; the error says what is wrong with it and what to do.
    pub(in crate::policy) fn parse(text: &str) -> Result<Self, (String, Option<&'static str>)> {
        let wrong = |why: &str| format!("`{text}` is not a host: {why}");
        if let Some(parent) = text.strip_prefix("*.") {
            let host = Host::parse(parent).map_err(|why| (wrong(why.detail()), None))?;
            if ends_as_an_address(host.as_str()) {
                let help = "list each address; networks go under `source` and `destination`";
                return Err((
                    wrong("an address has no labels, and no name ends in a number"),
                    Some(help),
                ));
            }
            return Ok(Self::OneLabelBelow(host.as_str().into()));
        }
        if text.contains('*') {
            let why = "`*` can only be the whole first label";
            return Err((
                wrong(why),
                Some("write `*.example.com` for every host one label below `example.com`"),
            ));
        }
        if text.contains("://") || text.contains('/') {
            let help =
                "write the host only, as in `orders.example.com`; paths belong under `on.paths`";
            return Err((wrong("it has a scheme or a path"), Some(help)));
        }
        match Host::parse(text) {
            Ok(host) => Ok(Self::Exact(host.as_str().into())),
            Err(_) if has_port(text) => Err((wrong("it has a port"), None)),
            Err(why) => Err((wrong(why.detail()), None)),
        }
    }

    /// True if `name`, a host in canonical form, is in the set.
    pub(in crate::policy) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(host) => **host == *name,
            Self::OneLabelBelow(parent) => parent_of(name).is_some_and(|p| p == &**parent),
        }
    }

    /// The same for the scope of tokens.
    pub(in crate::policy) const fn scoped(&self) -> ScopedHosts<'_> {
        match self {
            Self::Exact(name) => ScopedHosts::Exact(name),
            Self::OneLabelBelow(parent) => ScopedHosts::OneLabelBelow(parent),
        }
    }

    /// True if every host that `other` matches is matched by this one.
    pub(in crate::policy) fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Exact(name) => self.matches(name),
            Self::OneLabelBelow(_) => self == other,
        }
    }
}

/// True if the last label is a number, as in an IPv4 address and in no name (RFC 1123 section 2.1).
fn ends_as_an_address(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

fn has_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P25, P186: a wildcard label is exactly one label, and an address has none.
    #[test]
    fn a_wildcard_label_stands_for_exactly_one_label() {
        let pattern = HostPattern::parse("*.Example.com.").unwrap();
        for (name, matches) in [
            ("a.example.com", true),
            ("example.com", false),
            ("a.b.example.com", false),
            ("aexample.com", false),
            (".example.com", false),
            ("a.example.com.evil", false),
        ] {
            assert_eq!(pattern.matches(name), matches, "{name}");
        }
        for none in ["*.0.0.1", "*.10", "*.2.3.4"] {
            assert!(HostPattern::parse(none).is_err(), "{none}");
        }
        assert_eq!(AuthorityPattern::parse("[::1]:8080").unwrap().form.port, Some(8080));
        assert!(AuthorityPattern::parse("::1").unwrap_err().0.contains("brackets"));
    }

    #[test]
    fn what_is_not_a_host_is_refused_with_advice() {
        for (text, why) in [
            ("", "empty"),
            ("*", "whole first label"),
            ("a.*.com", "whole first label"),
            ("*a.com", "whole first label"),
            ("*.", "empty"),
            ("*.*.com", "character"),
            ("a.com:80x", "port"),
            ("https://a.com", "scheme"),
            ("a.com/x", "path"),
            ("a b", "character"),
        ] {
            let (message, _) = AuthorityPattern::parse(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
