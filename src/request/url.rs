//! The target of a request as its caller writes it: a method and a URL, compared in the normal form of RFC 3986 section 6.

use crate::limits::MAX_PATH_BYTES;
use crate::request::target::parse_authority;
use crate::request::{Host, RequestView, Target, Text};

/// The parts of a request that a proof of possession is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    /// The method as sent.
    pub method: Text,
    /// The path without query, in normal form.
    path: String,
    /// The place that the proxy says the request was sent to; none where it names no usable scheme.
    origin: Option<UrlOrigin>,
}

/// A scheme and an authority, and the path that a proxy took away before we saw the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlOrigin {
    secure: bool,
    host: Host,
    port: u16,
    base: String,
}

/// An `http` or `https` URL without query and fragment, in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalUrl {
    origin: UrlOrigin,
    path: String,
}

impl RequestLine {
    /// Of `view`; none where its target is not canonical, which denies it anyway.
    pub fn of(view: &RequestView) -> Option<Self> {
        let target = view.target.as_ref().ok()?;
        let path = normal_path(target.path.as_str())?;
        Some(Self {
            method: view.method.clone(),
            path,
            origin: UrlOrigin::of(&view.scheme, target),
        })
    }

    /// True if `url` is the request's, with one of `origins` or, where there are none, with the one of the proxy.
    pub fn is_for(&self, url: &NormalUrl, origins: &[UrlOrigin]) -> bool {
        let own = self.origin.as_slice();
        let origins = if origins.is_empty() { own } else { origins };
        origins.iter().any(|origin| {
            let place = UrlOrigin { base: String::new(), ..origin.clone() };
            let rest = url.path.strip_prefix(origin.base.as_str());
            place == url.origin && rest == Some(self.path.as_str())
        })
    }
}

impl UrlOrigin {
    /// Reads an origin, such as `https://api.example.com`, perhaps with a path without a slash at its end.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains(['?', '#']) || text.ends_with('/') {
            return None;
        }
        let url = NormalUrl::parse(text)?;
        let base = if url.path == "/" { String::new() } else { url.path };
        Some(Self { base, ..url.origin })
    }

    fn of(scheme: &str, target: &Target) -> Option<Self> {
        let secure = is_secure(scheme)?;
        let port = target.form.port.unwrap_or_else(|| default_port(secure));
        Some(Self { secure, host: target.host.clone(), port, base: String::new() })
    }
}

impl NormalUrl {
    /// Reads a URL without its query and fragment (RFC 9449 section 4.2).
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_PATH_BYTES || !text.bytes().all(|b| matches!(b, 0x21..=0x7e)) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let secure = is_secure(scheme)?;
        let rest = rest.split(['?', '#']).next()?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        // User info is refused with every character that is not one of a host.
        let (host, form) = parse_authority(&authority.into()).ok()?;
        let port = form.port.unwrap_or_else(|| default_port(secure));
        let origin = UrlOrigin { secure, host, port, base: String::new() };
        Some(Self { origin, path: normal_path(path)? })
    }
}

/// Schemes are compared without case (RFC 3986 section 6.2.2.1).
fn is_secure(scheme: &str) -> Option<bool> {
    let known = [("https", true), ("http", false)];
    known.into_iter().find_map(|(name, secure)| scheme.eq_ignore_ascii_case(name).then_some(secure))
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// RFC 3986 sections 6.2.2.2, 6.2.2.3 and 6.2.3: percent-encodings in one form, no dot segments, never empty.
fn normal_path(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        let (digits, tail) = after.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.contains('+'))?;
        out.push_str(before);
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&digits.to_ascii_uppercase());
        }
        rest = tail;
    }
    out.push_str(rest);
    Some(without_dots(&out))
}

/// RFC 3986 section 5.2.4, of a path that begins with a slash or is empty.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.iter().enumerate() {
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if at == last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(scheme: &str, authority: &str, path: &str) -> RequestLine {
        let target = Target::parse(authority, path).unwrap();
        RequestLine {
            method: "GET".into(),
            path: normal_path(target.path.as_str()).unwrap(),
            origin: UrlOrigin::of(scheme, &target),
        }
    }

    /// RFC 9449 section 4.3, check 9.
    #[test]
    fn urls_are_compared_in_their_normal_form() {
        let request = line("https", "api.example.com", "/v1/orders/7?x=y");
        for (htu, same) in [
            ("https://api.example.com/v1/orders/7", true),
            ("https://api.example.com/v1/orders/7?x=z#f", true),
            ("HTTPS://API.Example.com:443/v1/orders/7", true),
            ("https://api.example.com./v1/orders/7", true),
            ("https://api.example.com/v1/./x/../orders/%37", true),
            ("https://api.example.com/v1/orders/7/", false),
            ("https://api.example.com/v1/orders/8", false),
            ("https://api.example.com/V1/orders/7", false),
            ("https://api.example.com/v1/orders%2F7", false),
            ("https://api.example.com:8443/v1/orders/7", false),
            ("http://api.example.com/v1/orders/7", false),
            ("https://other.example.com/v1/orders/7", false),
            ("https://me@api.example.com/v1/orders/7", false),
            ("https://api.example.com/v1/orders/7%", false),
            ("https://api.example.com/v1/orders/7 ", false),
            ("/v1/orders/7", false),
            ("ftp://api.example.com/v1/orders/7", false),
            ("", false),
        ] {
            let found = NormalUrl::parse(htu).is_some_and(|url| request.is_for(&url, &[]));
            assert_eq!(found, same, "{htu}");
        }
        let dots = "./".repeat(MAX_PATH_BYTES / 2);
        let long = format!("https://api.example.com/{dots}v1/orders/7");
        assert!(NormalUrl::parse(&long).is_none(), "bounded before dots are removed");
        let root = line("http", "a:80", "/");
        assert!(root.is_for(&NormalUrl::parse("http://a").unwrap(), &[]));
        let accent = line("https", "a", "/caf%c3%a9");
        assert!(accent.is_for(&NormalUrl::parse("https://a/caf%C3%A9").unwrap(), &[]));
    }

    #[test]
    fn behind_a_proxy_the_configured_origins_count_and_no_other() {
        let request = line("http", "orders.svc:8080", "/v1/orders");
        let origins = ["https://api.example.com", "https://shop.example.com/api"];
        let origins = origins.map(|text| UrlOrigin::parse(text).unwrap());
        for (htu, same) in [
            ("https://api.example.com/v1/orders", true),
            ("https://shop.example.com/api/v1/orders", true),
            ("https://shop.example.com/v1/orders", false),
            ("https://api.example.com/api/v1/orders", false),
            ("http://orders.svc:8080/v1/orders", false),
        ] {
            assert_eq!(request.is_for(&NormalUrl::parse(htu).unwrap(), &origins), same, "{htu}");
        }
        for wrong in ["api.example.com", "https://a/", "https://a?x", "https://a/b/", "https://u@a"]
        {
            assert_eq!(UrlOrigin::parse(wrong), None, "{wrong}");
        }
    }
}
