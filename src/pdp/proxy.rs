//! The proxies that requests to other servers go through.

use std::fmt;
use std::net::IpAddr;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::secret::Secret;
use crate::trust::KeyUrl;

/// Which requests go through which proxy. Those to this host never do.
#[derive(Default)]
pub struct Proxies {
    http: Option<Secret<String>>,
    https: Option<Secret<String>>,
    direct: Vec<(String, Option<u16>)>,
    /// Variables that hold no proxy.
    ignored: Vec<&'static str>,
}

/// Why a text names no proxy. It is not quoted: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no address of a proxy, expected one such as `http://proxy.example.com:3128`")]
pub struct ProxyError;

/// The proxy for one request.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encrypted: bool,
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxies {
    /// `http` for addresses of that scheme, `https` for the others, and none for what is `direct`: hosts with all below them,
    /// addresses and networks, each with a port or without, or `*`.
    ///
    /// # Errors
    /// One of them is no proxy.
    pub fn new(
        http: Option<Secret<String>>,
        https: Option<Secret<String>>,
        direct: &[String],
    ) -> Result<Self, ProxyError> {
        let is_one =
            |text: &Secret<String>| proxy(text.expose(), &Uri::from_static("http://x")).is_some();
        if !http.iter().chain(&https).all(is_one) {
            return Err(ProxyError);
        }
        let direct = direct.iter().flat_map(|text| text.split([',', ' '])).map(str::trim);
        let direct = direct.filter(|text| !text.is_empty()).map(with_port).collect();
        Ok(Self { http, https, direct, ignored: Vec::new() })
    }

    /// The same from variables by the names that other programs know: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or in
    /// lower case. One that holds no proxy that can be used is ignored.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            let found = variable(&name.to_ascii_lowercase()).or_else(|| variable(name));
            found.filter(|text| !text.is_empty()).map(Secret::new)
        };
        let mut ignored = Vec::new();
        let [http, https, all] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| {
            let found = get(name)?;
            if Self::new(None, Some(found.clone()), &[]).is_ok() {
                return Some(found);
            }
            ignored.push(name);
            None
        });
        let direct: Vec<_> =
            get("NO_PROXY").map(|text| text.expose().clone()).into_iter().collect();
        let found = Self::new(http.or_else(|| all.clone()), https.or(all), &direct);
        Self { ignored, ..found.unwrap_or_default() }
    }

    /// The variables that hold no proxy that can be used.
    pub fn ignored(&self) -> &[&'static str] {
        &self.ignored
    }

    /// The proxy for requests to `url`.
    pub(super) fn for_address(&self, url: &KeyUrl) -> Option<Proxy> {
        let uri = url.uri();
        let own = if url.is_plaintext() { &self.http } else { &self.https };
        let host = uri.host()?;
        if is_this_host(host) {
            return None;
        }
        let port = url.port();
        let direct = self.direct.iter().filter(|(_, own)| own.is_none_or(|own| own == port));
        let direct: Vec<_> = direct.map(|(host, _)| host.as_str()).collect();
        // The matcher passes over `*` for addresses.
        let text = own.as_ref().filter(|_| !direct.contains(&"*"))?.expose();
        proxy_unless(text, uri, &direct.join(","))
    }
}

fn proxy(text: &str, uri: &Uri) -> Option<Proxy> {
    proxy_unless(text, uri, "")
}

fn proxy_unless(text: &str, uri: &Uri, direct: &str) -> Option<Proxy> {
    let matcher = Matcher::builder().all(text.to_owned()).no(direct.to_owned()).build();
    let found = matcher.intercept(uri)?;
    let encrypted = match found.uri().scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return None,
    };
    let port = found.uri().port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let host = found.uri().host().filter(|host| !host.is_empty())?.to_owned();
    Some(Proxy { host, port, encrypted, authorization: found.basic_auth().cloned() })
}

/// An entry like `example.com:8443`, `[::1]:443`, `10.0.0.0/8` or `::1`.
fn with_port(entry: &str) -> (String, Option<u16>) {
    let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (bare(host), Some(port)),
            Err(_) => (entry.to_owned(), None),
        },
        Some(_) | None => (bare(entry), None),
    }
}

fn is_this_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
    let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
    address.is_ok_and(|address| address.is_loopback())
        || host == "localhost"
        || host.ends_with(".localhost")
}

impl fmt::Debug for Proxies {
    /// No address: there may be a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("direct", &self.direct).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(direct: &str) -> Proxies {
        let proxy = Some(Secret::new(String::from("http://user:canary@proxy.example:3128")));
        Proxies::new(None, proxy, &[direct.to_owned()]).unwrap()
    }

    fn is_direct(proxies: &Proxies, url: &str) -> bool {
        proxies.for_address(&KeyUrl::parse(url, true).unwrap()).is_none()
    }

    /// P406: hosts with all below them, addresses, networks and ports; this host is never asked through a proxy.
    #[test]
    fn what_is_asked_directly() {
        let list = "corp.example, .dotted.example *.star.example,10.0.0.0/8,192.0.2.1:8443 [2001:db8::1]:443,fd00::/8 at.example:8443";
        let some = proxies(list);
        for direct in [
            "https://corp.example/",
            "https://a.CORP.example:9443/",
            "https://a.dotted.example/",
            "https://a.star.example/",
            "https://10.1.2.3/",
            "https://192.0.2.1:8443/",
            "https://[2001:db8::1]/",
            "https://[fd00::1]:8443/",
            "https://at.example:8443/",
            "https://localhost/",
            "https://LOCALHOST:8443/",
            "https://app.localhost/",
            "https://127.0.0.9/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "http://plain.example/",
        ] {
            assert!(is_direct(&some, direct), "{direct}");
        }
        for through in [
            "https://notcorp.example/",
            "https://corp.example.org/",
            "https://11.0.0.1/",
            "https://192.0.2.1/",
            "https://[2001:db8::1]:8443/",
            "https://at.example/",
            "https://localhost.example/",
        ] {
            assert!(!is_direct(&some, through), "{through}");
        }
        for everything in ["https://a.example/", "https://192.0.2.1/"] {
            assert!(is_direct(&proxies("*"), everything) && !is_direct(&proxies(""), everything));
            assert!(is_direct(&Proxies::default(), everything));
        }
    }

    /// P406: no password of a proxy is shown, and what is no proxy is refused without being quoted.
    #[test]
    fn a_proxy_is_an_address_of_http() {
        let proxies = proxies("");
        let url = KeyUrl::parse("https://a.example/", false).unwrap();
        let proxy = proxies.for_address(&url).unwrap();
        assert_eq!((&*proxy.host, proxy.port, proxy.encrypted), ("proxy.example", 3128, false));
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dXNlcjpjYW5hcnk=");
        let shown = format!("{proxies:?} {proxy:?}");
        assert!(!shown.contains("canary") && !shown.contains("dXNl"), "{shown}");
        for wrong in
            ["socks5://canary.example:1080", "http://", "canary canary", "ftp://canary", ""]
        {
            let wrong = Some(Secret::new(wrong.to_owned()));
            let error = Proxies::new(wrong, None, &[]).unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn the_environment_says_it_as_to_every_program() {
        let found = |variables: &[(&str, &str)]| {
            let own: Vec<_> =
                variables.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
            Proxies::from_environment(|name| {
                own.iter().find(|(own, _)| own == name).map(|(_, text)| text.clone())
            })
        };
        let host = |proxies: &Proxies, url: &str| {
            let proxy = proxies.for_address(&KeyUrl::parse(url, true).unwrap());
            proxy.map(|proxy| (proxy.host, proxy.port, proxy.encrypted))
        };
        let own = |host: &str, port, encrypted| Some((host.to_owned(), port, encrypted));
        let proxies = found(&[
            ("HTTPS_PROXY", "https://one.example"),
            ("https_proxy", "two.example:3128"),
            ("ALL_PROXY", "http://three.example"),
            ("NO_PROXY", "a.example"),
        ]);
        assert_eq!(host(&proxies, "https://b.example/"), own("two.example", 3128, false));
        assert_eq!(host(&proxies, "http://b.example/"), own("three.example", 80, false));
        assert_eq!(host(&proxies, "https://a.example/"), None);
        let proxies = found(&[("HTTPS_PROXY", "https://one.example")]);
        assert_eq!(host(&proxies, "https://b.example/"), own("one.example", 443, true));
        let proxies = found(&[("HTTPS_PROXY", "socks5://x"), ("HTTP_PROXY", "")]);
        assert_eq!(
            (proxies.ignored(), host(&proxies, "https://b.example/")),
            (&["HTTPS_PROXY"][..], None)
        );
    }
}
