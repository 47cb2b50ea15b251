//! The address of a request's client, by the words of those proxies in front that a listener's settings name.
//!
//! A proxy adds to the right of `x-forwarded-for`, so that what is left of the trusted proxies' own entries can have been
//! written by the client. Nothing of that is ever taken: where the trusted part is missing or malformed, the client's address
//! is unknown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::request::{Client, HeaderValue, RequestView};

/// How the address of the client is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ClientAddress {
    /// The client is the other end of the connection to Envoy; with PROXY protocol, the address that it names.
    #[default]
    Connection,
    /// Trusted proxies in front of Envoy tell it in `x-forwarded-for`.
    XForwardedFor(ForwardedFor),
    /// A proxy tells it in `x-envoy-external-address`.
    XEnvoyExternalAddress(ExternalAddress),
}

/// The entries of `x-forwarded-for` that are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForwardedFor {
    /// How many proxies in front of Envoy each add the address that connected to them, at least one: as many entries from
    /// the right as this are looked at.
    pub trusted_hops: usize,
    /// Networks that these proxies are in. A connection from elsewhere is the client's own.
    #[schemars(with = "Vec<String>")]
    pub proxies: Vec<IpNet>,
    /// True if Envoy itself adds the address of the connection (`use_remote_address: true`). The last entry must be that
    /// address then, and is no hop.
    #[serde(default = "yes")]
    pub appended_by_envoy: bool,
}

/// The connections whose `x-envoy-external-address` is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalAddress {
    /// Networks of the proxies that write it or, where Envoy itself does, of the clients that connect to it. A connection from elsewhere
    /// is the client's own.
    #[schemars(with = "Vec<String>")]
    pub proxies: Vec<IpNet>,
}

const FORWARDED_FOR: &str = "x-forwarded-for";
const EXTERNAL_ADDRESS: &str = "x-envoy-external-address";

const fn yes() -> bool {
    true
}

impl ClientAddress {
    /// Checks that something can be found.
    pub(super) fn check(&self) -> Result<(), String> {
        let proxies = match self {
            Self::Connection => return Ok(()),
            Self::XForwardedFor(ForwardedFor { trusted_hops: 0, .. }) => {
                return Err("`listener.clientAddress.xForwardedFor.trustedHops` is 0: without a proxy in front, remove `clientAddress`".into());
            }
            Self::XForwardedFor(own) => &own.proxies,
            Self::XEnvoyExternalAddress(own) => &own.proxies,
        };
        if proxies.is_empty() {
            return Err("`listener.clientAddress` names no `proxies`, so that no header would be read: list the networks of the proxies in front".into());
        }
        Ok(())
    }

    /// `view` with the address of its client.
    pub fn placed(&self, view: RequestView) -> RequestView {
        RequestView { client: self.find(&view), ..view }
    }

    /// The address of the client of `view`.
    pub(super) fn find(&self, view: &RequestView) -> Client {
        match self {
            Self::Connection => Client::Connection,
            Self::XForwardedFor(own) => own.find(view),
            Self::XEnvoyExternalAddress(own) => own.find(view),
        }
    }
}

impl ForwardedFor {
    fn find(&self, view: &RequestView) -> Client {
        let Some(connected) = view.source.ip() else { return Client::Unknown };
        if !is_in(&self.proxies, connected) {
            return Client::Connection;
        }
        self.walk(view, connected).map_or(Client::Unknown, Client::At)
    }

    /// From the right, past as many trusted proxies as there are, to the first address that is none of theirs.
    fn walk(&self, view: &RequestView, connected: IpAddr) -> Option<IpAddr> {
        let lines: Option<Vec<&str>> =
            view.headers.all(FORWARDED_FOR).map(|line| HeaderValue::as_str(line).ok()).collect();
        let lines = lines?;
        let mut entries = lines.iter().rev().flat_map(|line| line.rsplit(',')).map(address);
        if self.appended_by_envoy {
            let appended = entries.next()??;
            if appended != connected && !is_local(connected) {
                return None;
            }
        }
        let mut found = entries.next()??;
        for _ in 1..self.trusted_hops {
            if !is_in(&self.proxies, found) {
                break;
            }
            found = entries.next()??;
        }
        Some(found)
    }
}

impl ExternalAddress {
    fn find(&self, view: &RequestView) -> Client {
        let Some(connected) = view.source.ip() else { return Client::Unknown };
        if !is_in(&self.proxies, connected) {
            return Client::Connection;
        }
        let address_line = view.headers.single(EXTERNAL_ADDRESS).ok().flatten();
        address_line.and_then(address).map_or(Client::Unknown, Client::At)
    }
}

/// For connections from these Envoy adds the address of its own machine instead.
fn is_local(ip: IpAddr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
}

fn is_in(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip))
}

/// An address, in brackets or not, with a port or without. Anything else, such as `unknown`, is none.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let alone = bare.parse::<IpAddr>().ok();
    let ip = alone.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;
    use crate::request::Endpoint;

    fn settings(json: &str) -> ClientAddress {
        serde_json::from_str(json).unwrap()
    }

    fn view(source: Option<&str>, name: &str, lines: &[&[u8]]) -> RequestView {
        let mut view = RequestView::unreadable(Reason::HostInvalid.because("not of interest"));
        let address = source.map(|text| SocketAddr::new(text.parse().unwrap(), 4711));
        view.source = Endpoint { address, principal: None };
        for line in lines {
            view.headers.push(name, HeaderValue::new(line.to_vec()));
        }
        view
    }

    /// P122: entries are counted from the right, and what is left of those of trusted proxies is never taken.
    #[test]
    fn the_client_is_who_the_trusted_proxies_name() {
        let hops = |hops: usize, appended: bool| {
            settings(&format!(
                r#"{{"xForwardedFor": {{"trustedHops": {hops}, "appendedByEnvoy": {appended}, "proxies": ["10.0.0.0/8", "2001:db8::/32", "127.0.0.0/8"]}}}}"#
            ))
        };
        let (one, own) = (hops(1, false), hops(1, true));
        let (two, most) = (hops(2, false), hops(9, false));
        let at = |text: &str| Client::At(text.parse().unwrap());
        let lb = Some("10.0.0.1");
        for (settings, source, lines, expected) in [
            (&one, lb, &["203.0.113.7"][..], at("203.0.113.7")),
            (&one, lb, &["6.6.6.6, 203.0.113.7"], at("203.0.113.7")),
            (&one, lb, &["6.6.6.6", "7.7.7.7 ,\t203.0.113.7 "], at("203.0.113.7")),
            (&one, lb, &["junk, %, \"x\", 203.0.113.7"], at("203.0.113.7")),
            (&one, lb, &["203.0.113.7:4711"], at("203.0.113.7")),
            (&one, lb, &["[2001:db8::7]:443"], at("2001:db8::7")),
            (&one, lb, &["[2001:db8::7]"], at("2001:db8::7")),
            (&one, lb, &["::ffff:203.0.113.7"], at("203.0.113.7")),
            (&one, Some("::ffff:10.0.0.1"), &["203.0.113.7"], at("203.0.113.7")),
            // The entry was not written by the last proxy, or is not an address.
            (&one, lb, &[], Client::Unknown),
            (&one, lb, &[""], Client::Unknown),
            (&one, lb, &["203.0.113.7,"], Client::Unknown),
            (&one, lb, &["203.0.113.7, unknown"], Client::Unknown),
            (&one, lb, &["203.0.113.7, 10.0.0"], Client::Unknown),
            (&one, lb, &["203.0.113.7 10.0.0.1"], Client::Unknown),
            (&one, lb, &["203.0.113.7", "\u{ff11}"], Client::Unknown),
            // Past no more proxies than there are, and not past what is no proxy.
            (&two, lb, &["6.6.6.6, 203.0.113.7, 10.0.0.2"], at("203.0.113.7")),
            (&two, lb, &["6.6.6.6, 203.0.113.7"], at("203.0.113.7")),
            (&two, lb, &["6.6.6.6, 10.9.9.9, 10.0.0.2"], at("10.9.9.9")),
            (&two, lb, &["10.0.0.2"], Client::Unknown),
            (&most, lb, &["10.0.0.3, 10.0.0.2"], Client::Unknown),
            // Envoy adds the connection's own address.
            (&own, lb, &["6.6.6.6, 203.0.113.7, 10.0.0.1"], at("203.0.113.7")),
            (&own, lb, &["6.6.6.6, 203.0.113.7"], Client::Unknown),
            (&own, lb, &["10.0.0.1"], Client::Unknown),
            // To one on the same machine it gives the machine's address.
            (&own, Some("127.0.0.1"), &["6.6.6.6, 203.0.113.7, 192.0.2.5"], at("203.0.113.7")),
            (&own, Some("127.0.0.1"), &["6.6.6.6, 203.0.113.7, x"], Client::Unknown),
            (&own, Some("127.0.0.2"), &["6.6.6.6, 203.0.113.7, 192.0.2.5"], Client::Unknown),
            (&own, lb, &[], Client::Unknown),
            // A connection that does not come through a trusted proxy is the client's own, whatever it writes.
            (&one, Some("203.0.113.9"), &["6.6.6.6"], Client::Connection),
            (&own, Some("203.0.113.9"), &["6.6.6.6, 203.0.113.9"], Client::Connection),
            (&one, None, &["6.6.6.6"], Client::Unknown),
            (&ClientAddress::Connection, lb, &["6.6.6.6"], Client::Connection),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
            let found = settings.find(&view(source, FORWARDED_FOR, &lines));
            assert_eq!(found, expected, "{settings:?} {source:?} {lines:?}");
        }
        let view = view(lb, FORWARDED_FOR, &[b"203.0.113.7", b"\xff"]);
        assert_eq!(one.find(&view), Client::Unknown);
    }

    /// P122: one address that a trusted proxy wrote, or none.
    #[test]
    fn the_external_address_is_trusted_from_proxies_only() {
        let settings = settings(r#"{"xEnvoyExternalAddress": {"proxies": ["10.0.0.0/8"]}}"#);
        for (source, lines, expected) in [
            (Some("10.0.0.1"), &["203.0.113.7"][..], Client::At("203.0.113.7".parse().unwrap())),
            (Some("10.0.0.1"), &["6.6.6.6", "203.0.113.7"], Client::Unknown),
            (Some("10.0.0.1"), &["6.6.6.6, 203.0.113.7"], Client::Unknown),
            (Some("10.0.0.1"), &[], Client::Unknown),
            (Some("203.0.113.9"), &["6.6.6.6"], Client::Connection),
            (None, &["6.6.6.6"], Client::Unknown),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
            let found = settings.find(&view(source, EXTERNAL_ADDRESS, &lines));
            assert_eq!(found, expected, "{source:?} {lines:?}");
        }
    }

    #[test]
    fn settings_that_find_nothing_are_refused() {
        for (json, expected) in [
            (r#"{"xForwardedFor": {"trustedHops": 0, "proxies": ["10.0.0.0/8"]}}"#, "trustedHops"),
            (r#"{"xForwardedFor": {"trustedHops": 1, "proxies": []}}"#, "`proxies`"),
            (r#"{"xEnvoyExternalAddress": {"proxies": []}}"#, "`proxies`"),
        ] {
            let problem = settings(json).check().unwrap_err();
            assert!(problem.contains(expected), "{json}: {problem}");
        }
        assert_eq!(settings(r#""connection""#).check(), Ok(()));
        let unguarded = r#"{"xForwardedFor": {"trustedHops": 1}}"#;
        assert!(serde_json::from_str::<ClientAddress>(unguarded).is_err());
    }
}
