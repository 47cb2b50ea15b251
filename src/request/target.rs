//! The target of a request: host, port, path and query in the one form that rules are compared in.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits::{MAX_HOST_BYTES, MAX_PATH_BYTES};
use crate::reason::{Reason, Rejection};
use crate::request::{CanonicalPath, PathLeniency, Text};

/// A host name in lower case without a trailing dot, or an IP address; never user info, never a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Text);

/// The parts of an authority beside the name of its host. A proxy that compares whole authorities, as Envoy does by default,
/// routes `orders.example.com`, `orders.example.com:443` and `orders.example.com.` to three places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostForm {
    /// The port that the caller wrote. It says nothing about the connection.
    pub port: Option<u16>,
    /// True if a dot ends the name.
    pub trailing_dot: bool,
}

/// The canonical target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The parts of the authority beside the host's name: proxies may route each form to another place.
    pub form: HostForm,
    /// The path without query.
    pub path: CanonicalPath,
    /// The query as sent, but for the values of sealed parameters, without `?`; `None` where there is no `?`.
    pub query: Option<Text>,
}

/// The name without its first label; none for an address, which has no labels.
pub fn parent_of(name: &str) -> Option<&str> {
    let (label, parent) = name.split_once('.')?;
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    (!label.is_empty() && !is_address).then_some(parent)
}

impl Target {
    /// Reads the `:authority` and `:path` of a request. A path that some policy may accept is accepted here, and denied by
    /// evaluation if no policy does ([`CanonicalPath::leniency`]).
    ///
    /// # Errors
    /// `host_invalid` or `path_not_canonical` with the rule that is broken; `request_too_large`.
    pub fn parse(
        authority: impl Into<Text>,
        path_and_query: impl Into<Text>,
    ) -> Result<Self, Rejection> {
        let (host, form) = parse_authority(&authority.into())?;
        let whole = path_and_query.into();
        let path_and_query = whole.as_str();
        if path_and_query.len() > MAX_PATH_BYTES {
            return Err(Reason::RequestTooLarge.because("path is over the size limit"));
        }
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        if query.is_some_and(|q| q.contains('#')) {
            return Err(Reason::PathNotCanonical.because("query has a fragment"));
        }
        Ok(Self {
            host,
            form,
            path: CanonicalPath::parse(whole.within(path), PathLeniency::ALL)?,
            query: query.map(|query| whole.within(query)),
        })
    }
}

impl HostForm {
    /// Splits an authority into its host, which [`Host::parse`] reads, and what it has beside it.
    ///
    /// # Errors
    /// `host_invalid` where the port is none.
    pub fn split(authority: &str) -> Result<(&str, Self), Rejection> {
        // A `:` after the last `]` separates the port; inside the brackets it belongs to the address.
        let bracket = authority.rfind(']');
        let port_at = authority.rfind(':').filter(|at| bracket.is_none_or(|end| end < *at));
        let (host, port) = match port_at.and_then(|at| authority.split_at_checked(at)) {
            None => (authority, None),
            Some((host, port)) => {
                let port = parse_port(port.trim_start_matches(':'));
                let is_password =
                    |why| if authority.contains('@') { user_information() } else { why };
                (host, Some(port.map_err(is_password)?))
            }
        };
        Ok((host, Self { port, trailing_dot: host.ends_with('.') }))
    }

    /// Why a request whose authority has this form is refused where no policy asks for it; nothing for a plain host.
    pub fn refusal(self) -> Option<Rejection> {
        match self {
            Self { trailing_dot: true, .. } => {
                Some(refuse("ends with a dot, and no policy asks for that"))
            }
            Self { port: Some(port), .. } => Some(
                Reason::HostInvalid
                    .because(format!("host has port {port}, and no policy asks for that")),
            ),
            Self { port: None, trailing_dot: false } => None,
        }
    }

    /// True if there is nothing but the host's name.
    pub const fn is_plain(self) -> bool {
        self.port.is_none() && !self.trailing_dot
    }
}

impl Host {
    /// Reads a host without a port; an IPv6 address is in brackets.
    ///
    /// # Errors
    /// `host_invalid` with the rule that is broken.
    pub fn parse(text: impl Into<Text>) -> Result<Self, Rejection> {
        let whole = text.into();
        let text = whole.as_str();
        if let Some(address) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let canonical = address.parse::<Ipv6Addr>().map(|address| address.to_string());
            let canonical = canonical.map_err(|_| refuse("is not an IPv6 address in brackets"))?;
            // Proxies compare text: another spelling of the address is routed as another host.
            if !canonical.eq_ignore_ascii_case(address) {
                return Err(Reason::HostInvalid.because(format!(
                    "host is an IPv6 address that is not written as `{canonical}` (RFC 5952)"
                )));
            }
            return Ok(Self(whole.into_lowercase()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(refuse("is empty"));
        }
        if name.len() > MAX_HOST_BYTES {
            return Err(refuse("is longer than 253 bytes"));
        }
        if name.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err(refuse("has an empty label or one longer than 63 bytes"));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !name.bytes().all(allowed) {
            let odd = || refuse("has a character outside `a-z 0-9 - _ .`");
            return Err(if name.contains('@') { user_information() } else { odd() });
        }
        Ok(Self(whole.within(name).into_lowercase()))
    }

    /// The host's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn refuse(rule: &'static str) -> Rejection {
    Reason::HostInvalid.because(format!("host {rule}"))
}

/// RFC 3986 section 3.2.1: what stands before an `@` is a name and a password.
fn user_information() -> Rejection {
    refuse("has user information before it, which ends with `@`")
}

pub(super) fn parse_authority(whole: &Text) -> Result<(Host, HostForm), Rejection> {
    let (host, form) = HostForm::split(whole)?;
    Ok((Host::parse(whole.within(host))?, form))
}

fn parse_port(digits: &str) -> Result<u16, Rejection> {
    let canonical = !digits.is_empty()
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    canonical
        .then(|| digits.parse().ok())
        .flatten()
        .ok_or_else(|| refuse("has a port that is not 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P24: one canonical form for every way of writing the same host.
    #[test]
    fn hosts_have_one_canonical_form() {
        for (authority, host, port) in [
            ("example.com", "example.com", None),
            ("EXAMPLE.com.", "example.com", None),
            ("example.com.:443", "example.com", Some(443)),
            ("example.com:443", "example.com", Some(443)),
            ("orders.prod.svc.cluster.local:8080", "orders.prod.svc.cluster.local", Some(8080)),
            ("[::1]:80", "[::1]", Some(80)),
            ("[FE80::1]", "[fe80::1]", None),
            ("[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]", None),
            ("127.0.0.1:9000", "127.0.0.1", Some(9000)),
            ("my_service", "my_service", None),
        ] {
            let target = Target::parse(authority, "/").unwrap();
            assert_eq!((target.host.as_str(), target.form.port), (host, port), "{authority}");
            assert_eq!(
                target.form.trailing_dot,
                authority.contains(".:") || authority.ends_with('.')
            );
        }
    }

    #[test]
    fn user_information_is_called_so() {
        for authority in ["a@b", "user:pw@example.com", "user@example.com:443", "user:443@[::1]"] {
            let why = Target::parse(authority, "/").unwrap_err();
            assert!(why.detail().contains("user information"), "{authority}: {why}");
        }
    }

    /// P24: what is not a plain host is refused.
    #[test]
    fn what_is_not_a_plain_host_is_refused() {
        for authority in [
            "",
            ".",
            "a@b",
            "user:pw@example.com",
            "example.com\0",
            "example.com:",
            "example.com:0",
            "example.com:080",
            "example.com:65536",
            "example.com:+1",
            "example.com::1",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[1.2.3.4]",
            "[::1].",
            "[0:0:0:0:0:0:0:1]",
            "[::0001]",
            "[::ffff:a00:1]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "ex%61mple.com",
            "example.com..:443",
            "example.com:443.",
            "example.com:0443",
            "exa mple.com",
            "a..b",
            ".a",
            "a,b",
            "bücher.example",
            "xn--\u{fc}",
            "a/b",
            "example.com..",
            "*.example.com",
        ] {
            let refused = Target::parse(authority, "/").expect_err(authority);
            assert_eq!(refused.reason(), Reason::HostInvalid, "{authority}");
        }
        let long = vec!["a".repeat(63); 5].join(".");
        assert_eq!(Target::parse(long, "/").unwrap_err().reason(), Reason::HostInvalid);
    }

    #[test]
    fn the_query_starts_at_the_first_question_mark() {
        let target = Target::parse("a", "/b?c?d").unwrap();
        assert_eq!((target.path.as_str(), target.query.as_deref()), ("/b", Some("c?d")));
        assert_eq!(Target::parse("a", "/b?").unwrap().query.as_deref(), Some(""));
        assert_eq!(Target::parse("a", "/b").unwrap().query, None);
        // P22
        assert_eq!(Target::parse("a", "/b?c#d").unwrap_err().reason(), Reason::PathNotCanonical);
    }

    /// Invariant 9: the longest path and the longest host are taken, and one byte more is refused.
    #[test]
    fn the_bounds_of_a_target_are_exact() {
        let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert!(Target::parse("a.example", path(MAX_PATH_BYTES)).is_ok());
        let long = Target::parse("a.example", path(MAX_PATH_BYTES + 1)).unwrap_err();
        assert_eq!(long.reason(), Reason::RequestTooLarge);
        let host = |bytes: usize| {
            let name = format!("{}.", "a".repeat(49)).repeat(6);
            name.get(name.len() - bytes..).unwrap().trim_start_matches('.').to_owned()
        };
        let longest = format!("{}a", host(MAX_HOST_BYTES - 1));
        assert_eq!(longest.len(), MAX_HOST_BYTES);
        assert!(Target::parse(longest.as_str(), "/").is_ok());
        assert!(Target::parse(format!("a{longest}"), "/").is_err());
    }
}
