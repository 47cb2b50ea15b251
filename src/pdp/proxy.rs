//! The proxies that requests to other servers go through.

use std::fmt;
use std::net::IpAddr;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use ipnet::IpNet;

use crate::json::visible;
use crate::request::is_this_host;
use crate::secret::Secret;
use crate::trust::{KeyUrl, is_odd_number, port_in};

/// Which requests go through which proxy. Those to this host never do.
#[derive(Default)]
pub struct Proxies {
    http: Option<Secret<String>>,
    https: Option<Secret<String>>,
    direct: Vec<Direct>,
    /// Variables that hold no proxy.
    ignored: Vec<&'static str>,
}

/// Hosts that are asked directly, at one port or at any.
#[derive(Debug)]
struct Direct {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug)]
enum Hosts {
    All,
    Network(IpNet),
    /// This name, and all below it.
    Below(String),
}

/// Why proxies cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// A text names no proxy. It is not quoted: there may be a password in it.
    #[error("is no address of a proxy, expected one such as `http://proxy.example.com:3128`")]
    Address,
    /// An entry that no host can match.
    #[error(
        "has `{0}`, which no host can match; expected a name, an address or a network such as `10.0.0.0/8`, with a port or without, or `*`"
    )]
    Direct(String),
}

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
            return Err(ProxyError::Address);
        }
        let read = |entry: &str| {
            Direct::read(entry).ok_or_else(|| ProxyError::Direct(visible(entry).to_string()))
        };
        let direct = direct.iter().flat_map(|text| entries(text)).map(read);
        Ok(Self { http, https, direct: direct.collect::<Result<_, _>>()?, ignored: Vec::new() })
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
        // Other programs ignore what they do not understand, too.
        let direct = get("NO_PROXY")
            .map(|text| entries(text.expose()).filter_map(Direct::read).collect())
            .unwrap_or_default();
        Self { http: http.or_else(|| all.clone()), https: https.or(all), direct, ignored }
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
        if needs_no_proxy(host) {
            return None;
        }
        if self.direct.iter().any(|direct| direct.matches(host, url.port())) {
            return None;
        }
        proxy(own.as_ref()?.expose(), uri)
    }
}

fn proxy(text: &str, uri: &Uri) -> Option<Proxy> {
    // The library takes the usual port in the place of one that is none.
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let port = port_in(bare.split(['/', '?', '#']).next()?).ok()?;
    let matcher = Matcher::builder().all(text.to_owned()).build();
    let found = matcher.intercept(uri)?;
    let encrypted = match found.uri().scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return None,
    };
    let port = port.unwrap_or(if encrypted { 443 } else { 80 });
    let host = found.uri().host().filter(|host| !host.is_empty())?.to_owned();
    Some(Proxy { host, port, encrypted, authorization: found.basic_auth().cloned() })
}

impl Direct {
    /// An entry like `example.com:8443`, `*.example.com`, `[::1]:443`, `10.0.0.0/8`, `::1` or `*`; none where no host can match it.
    fn read(entry: &str) -> Option<Self> {
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok().filter(|port| *port > 0)?))
            }
            Some(_) | None => (entry, None),
        };
        if host == "*" {
            return Some(Self { hosts: Hosts::All, port });
        }
        let network = bare(host).parse().ok().or_else(|| Some(address(host)?.into()));
        if let Some(network) = network {
            return Some(Self { hosts: Hosts::Network(network), port });
        }
        let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let name = bare(name.strip_prefix('.').unwrap_or(name));
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let is_name = name.split('.').all(|part| !part.is_empty() && part.chars().all(known));
        let hosts = Hosts::Below(Some(name).filter(|name| is_name && !is_odd_number(name))?);
        Some(Self { hosts, port })
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        let is_host = match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network) => address(host).is_some_and(|own| network.contains(&own)),
            Hosts::Below(name) => {
                let above = bare(host);
                let above = above.strip_suffix(name.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
        };
        is_host && self.port.is_none_or(|own| own == port)
    }
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty())
}

/// A host without brackets, capitals and the dot at its end.
fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches([']']);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn address(host: &str) -> Option<IpAddr> {
    bare(host).parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// True for this host, and for names that resolve to it (RFC 6761 section 6.3).
fn needs_no_proxy(host: &str) -> bool {
    let name = bare(host);
    is_this_host(&name) || name.ends_with(".localhost")
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

    /// P406, P450: hosts with all below them, addresses, networks and ports; this host is never asked through a proxy.
    #[test]
    fn what_is_asked_directly() {
        let list = "corp.example, .dotted.example *.star.example,10.0.0.0/8,192.0.2.1:8443 [2001:db8::1]:443,fd00::/8 at.example:8443 Capital.EXAMPLE dot.example. .last.example.:8443 2001:DB8:1::/48";
        let some = proxies(list);
        for direct in [
            "https://corp.example/",
            // P450
            "https://capital.example/",
            "https://CORP.EXAMPLE./",
            "https://a.dot.example/",
            "https://dot.example./",
            "https://a.last.example:8443/",
            "https://[2001:db8:1::7]/",
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
        for wrong in [
            "socks5://canary.example:1080",
            "http://",
            "canary canary",
            "ftp://canary",
            "",
            // P655: the usual port is not taken for one that is none.
            "http://canary.example:99999",
            "http://user:pw@canary.example:0",
            "canary.example:99999",
            "http://[::1]:99999",
        ] {
            let wrong = Some(Secret::new(wrong.to_owned()));
            let error = Proxies::new(wrong, None, &[]).unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
        // P450: an entry that no host can match is a mistake.
        for wrong in [
            "https://a.example",
            "a.example/x",
            "10.0.0",
            "10.*",
            "a*.example",
            "a..b",
            "a:0",
            "a:b",
            ".",
        ] {
            let error = Proxies::new(None, None, &[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
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
