//! Addresses of servers. Values; `pdp` does the asking.

use std::fmt;
use std::net::Ipv4Addr;

use http::Uri;
use http::uri::Scheme;

use crate::document::has_placeholder;

/// An absolute `https` address, or `http` where the operator allows it. Comes from configuration, never from a token (P58).
#[derive(Clone, PartialEq, Eq)]
pub struct KeyUrl(Uri);

/// Why a text is not an address to fetch keys from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUrlError {
    /// Not an absolute URL.
    #[error("is not an absolute URL")]
    NotAbsolute,
    /// Another scheme than `https` or `http`.
    #[error("has a scheme other than `https`")]
    Scheme,
    /// `http` without leave.
    #[error("is not encrypted")]
    Plaintext,
    /// User name or password.
    #[error("has user information")]
    UserInfo,
    /// An IPv4 address that is not written as usual.
    #[error("has a host that is a number, and not an address as it is usually written")]
    OddAddress,
    /// A host with nothing between two dots.
    #[error("has a host with an empty part")]
    EmptyLabel,
    /// A port that is not one: the library would take the usual one in its place.
    #[error("has a port that is not 1 to 65535")]
    Port,
    /// A fragment.
    #[error("has a fragment")]
    Fragment,
    /// A variable that was not replaced.
    #[error("has a placeholder")]
    Placeholder,
}

impl KeyUrl {
    /// Reads an address; `http` needs `allow_plaintext`.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse(text: &str, allow_plaintext: bool) -> Result<Self, KeyUrlError> {
        if text.contains('#') {
            return Err(KeyUrlError::Fragment);
        }
        if has_placeholder(text) {
            return Err(KeyUrlError::Placeholder);
        }
        let uri: Uri = text.parse().map_err(|_| KeyUrlError::NotAbsolute)?;
        let scheme = uri.scheme().ok_or(KeyUrlError::NotAbsolute)?;
        if *scheme != Scheme::HTTPS && *scheme != Scheme::HTTP {
            return Err(KeyUrlError::Scheme);
        }
        let authority = uri.authority().ok_or(KeyUrlError::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(KeyUrlError::UserInfo);
        }
        if authority.host().is_empty() {
            return Err(KeyUrlError::NotAbsolute);
        }
        port_in(authority.as_str())?;
        if is_odd_number(authority.host()) {
            return Err(KeyUrlError::OddAddress);
        }
        if has_empty_label(authority.host()) {
            return Err(KeyUrlError::EmptyLabel);
        }
        if *scheme == Scheme::HTTP && !allow_plaintext {
            return Err(KeyUrlError::Plaintext);
        }
        Ok(Self(uri))
    }

    /// The address.
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_plaintext() { 80 } else { 443 })
    }

    /// True if it is `http`.
    pub fn is_plaintext(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTP)
    }
}

/// The port that an authority has, if it has one.
///
/// # Errors
/// It is not from 1 to 65535.
pub(crate) fn port_in(authority: &str) -> Result<Option<u16>, KeyUrlError> {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let parts =
        host.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match parts {
        None | Some((_, "")) => Ok(None),
        Some((_, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            port.map(Some).ok_or(KeyUrlError::Port)
        }
    }
}

/// True if a part of `host` is empty: resolvers differ about such names. A dot at the end is part of a name.
fn has_empty_label(host: &str) -> bool {
    host.strip_suffix('.').unwrap_or(host).split('.').any(str::is_empty)
}

/// True if `host` is a number that some resolvers take for an IPv4 address, such as `0x7f000001`, `127.1` or `169.254.169.254.`
/// (URL standard, "ends in a number"), and is not one as it is usually written.
pub(crate) fn is_odd_number(host: &str) -> bool {
    let bare = host.trim_end_matches('.');
    let last = bare.rsplit('.').next().unwrap_or_default();
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_number =
        digits(last, 10) || hexadecimal.is_some_and(|rest| rest.is_empty() || digits(rest, 16));
    is_number && host.parse::<Ipv4Addr>().is_err()
}

impl fmt::Display for KeyUrl {
    /// Scheme, host and port: a path or query may be confidential (P66).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}", self.0.authority().map_or("", |authority| authority.as_str()))
    }
}

impl fmt::Debug for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P58, P431: no scheme but https, unless asked for by name; no user information; no odd way of writing an address.
    #[test]
    fn only_a_plain_https_address_is_accepted() {
        use KeyUrlError::*;
        for (text, expected) in [
            ("https://issuer.example/jwks?tenant=a", Ok(())),
            ("https://issuer.example", Ok(())),
            ("https://169.254.10.1/", Ok(())),
            ("https://2852039166/", Err(OddAddress)),
            ("https://0xa9fea9fe/", Err(OddAddress)),
            ("https://0251.0376.0251.0376/", Err(OddAddress)),
            ("https://127.1/", Err(OddAddress)),
            // P655
            ("https://issuer.example:99999/", Err(Port)),
            ("https://issuer.example:0/", Err(Port)),
            ("https://[::1]:65536/", Err(Port)),
            ("https://169.254.169.254./", Err(OddAddress)),
            ("https://a.0x/", Err(OddAddress)),
            ("https://127.0.0.1../", Err(OddAddress)),
            ("https://a../", Err(EmptyLabel)),
            ("https://a..example/", Err(EmptyLabel)),
            ("https://.example/", Err(EmptyLabel)),
            ("https://./", Err(EmptyLabel)),
            ("https://a.example./", Ok(())),
            ("https://[::1]:8443/jwks", Ok(())),
            ("http://issuer.example/jwks", Err(Plaintext)),
            ("file:///etc/passwd", Err(NotAbsolute)),
            ("ftp://issuer.example/jwks", Err(Scheme)),
            ("/jwks", Err(NotAbsolute)),
            ("issuer.example", Err(NotAbsolute)),
            ("", Err(NotAbsolute)),
            ("https://", Err(NotAbsolute)),
            ("https://user:pass@issuer.example/", Err(UserInfo)),
            ("https://issuer.example/#a", Err(Fragment)),
            ("https://issuer.example/ a", Err(NotAbsolute)),
        ] {
            assert_eq!(KeyUrl::parse(text, false).map(|_| ()), expected, "{text}");
        }
        assert!(KeyUrl::parse("http://127.0.0.1:8080/jwks", true).is_ok());
        assert_eq!(KeyUrl::parse("file://host/a", true), Err(Scheme));
    }

    /// P66: what is printed of an address is its origin.
    #[test]
    fn an_address_is_printed_without_path_and_query() {
        let url = KeyUrl::parse("https://issuer.example:8443/secret?key=secret", false).unwrap();
        assert_eq!(url.to_string(), "https://issuer.example:8443");
        assert_eq!(format!("{url:?}"), "https://issuer.example:8443");
    }
}
