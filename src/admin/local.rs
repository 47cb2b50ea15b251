//! Who is on this machine: changes without a token are for those alone.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpStream;

use crate::request::is_this_host;

/// The two ends of a connection, as the operating system has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The address that accepted it.
    pub(super) local: Option<IpAddr>,
    /// The address that it came from.
    pub(super) peer: IpAddr,
}

/// Headers that clients send of themselves. Any other may be from a proxy, which can call what it adds as it likes, or from a
/// browser.
const OF_CLIENTS: [&str; 15] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "pragma",
    "te",
    "transfer-encoding",
    "user-agent",
];

impl Ends {
    /// Those of `stream`, which came from `peer`.
    pub(super) fn of(stream: &TcpStream, peer: SocketAddr) -> Self {
        let local = stream.local_addr().ok().map(|address| address.ip().to_canonical());
        Self { local, peer: peer.ip().to_canonical() }
    }

    /// True if the other end is on this machine. The address that a connection comes from does not say so: a sidecar makes
    /// what came from elsewhere come from 127.0.0.6. It was accepted on loopback, which no other machine reaches, and
    /// came from where a process that asks for no address comes from.
    fn are_on_this_machine(self) -> bool {
        let Some(local) = self.local.filter(IpAddr::is_loopback) else { return false };
        let usual = match self.peer {
            IpAddr::V4(peer) => peer == std::net::Ipv4Addr::LOCALHOST,
            IpAddr::V6(peer) => peer == std::net::Ipv6Addr::LOCALHOST,
        };
        // Loopback has many addresses, and each of them reaches itself.
        usual || (self.peer == local && self.peer.is_loopback())
    }
}

/// Refuses a change that is not plainly from this machine.
pub(super) fn refuse_others(
    what: &str,
    ends: Ends,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Response> {
    let refuse = |message: String| Some((StatusCode::FORBIDDEN, message).into_response());
    let here = "use `kubectl port-forward`, or a shell on it";
    if !ends.are_on_this_machine() {
        return refuse(format!("{what} from this machine only, and not through a proxy: {here}\n"));
    }
    if let Some(name) = headers.keys().find(|name| !OF_CLIENTS.contains(&name.as_str())) {
        return refuse(format!(
            "{what} from this machine only, and not through a proxy: the request has the header `{name}`; {here}, and send no such header\n"
        ));
    }
    // A web page in an operator's browser can be made to be "from this machine" by a name that resolves to loopback.
    if uri.authority().is_some() || !is_plainly_local(headers) {
        return refuse("ask by address, such as `http://127.0.0.1:9002`\n".into());
    }
    None
}

/// True if the server was asked for by an address of this machine or as `localhost`, once and with nothing beside it.
fn is_plainly_local(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return false };
    let host = host.to_str().ok().filter(|host| !host.contains('@'));
    host.and_then(|host| host.parse::<Authority>().ok())
        .is_some_and(|host| is_this_host(host.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P284: a proxy may call what it adds as it likes, and a client on this machine adds nothing.
    #[test]
    fn a_request_with_a_header_of_a_proxy_is_refused() {
        let here = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let refused = |host: &'static str, more: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            headers.insert("user-agent", "curl/8".parse().unwrap());
            if !more.is_empty() {
                headers.insert(more, "x".parse().unwrap());
            }
            let ends = Ends { local: Some(here), peer: here };
            refuse_others("it is changed", ends, &Uri::from_static("/log-level"), &headers)
                .is_some()
        };
        let mut two = HeaderMap::new();
        two.append(HOST, "127.0.0.1".parse().unwrap());
        assert!(is_plainly_local(&two));
        two.append(HOST, "evil.example".parse().unwrap());
        assert!(!is_plainly_local(&two));
        let mut plain = HeaderMap::new();
        plain.insert(HOST, "127.0.0.1".parse().unwrap());
        let absolute = Uri::from_static("http://evil.example/log-level");
        let ends = Ends { local: Some(here), peer: here };
        assert!(refuse_others("it is changed", ends, &absolute, &plain).is_some());
        for name in ["", "accept", "content-type"] {
            assert!(!refused("127.0.0.1:9002", name), "{name}");
        }
        for name in [
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
            "via",
            "forwarded",
            "x-client-ip",
            "x-cluster-client-ip",
            "fly-client-ip",
            "x-amzn-trace-id",
            "x-b3-traceid",
            "traceparent",
            "x-forwarded-client-cert",
            "origin",
            "cookie",
            "sec-fetch-site",
        ] {
            assert!(refused("127.0.0.1:9002", name), "{name}");
        }
        for host in ["localhost:1", "[::1]:9002", "127.0.0.2"] {
            assert!(!refused(host, ""), "{host}");
        }
        for host in [
            "u@127.0.0.1",
            "10.0.0.1:9002",
            "admin.example.com",
            "0.0.0.0",
            "localhost.example.com",
        ] {
            assert!(refused(host, ""), "{host}");
        }
    }

    /// P166: a sidecar's pass-through comes from a loopback address, and from anywhere.
    #[test]
    fn where_a_connection_was_accepted_says_who_is_on_this_machine() {
        for (local, peer, is_local) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "::1", true),
            ("127.0.0.2", "127.0.0.2", true),
            ("127.0.0.2", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.6", false),
            ("10.1.2.3", "127.0.0.6", false),
            ("10.1.2.3", "127.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", false),
            ("127.0.0.1", "10.1.2.3", false),
            ("::1", "fe80::1", false),
        ] {
            let ends = Ends { local: local.parse().ok(), peer: peer.parse().unwrap() };
            assert_eq!(ends.are_on_this_machine(), is_local, "{local} from {peer}");
        }
        let unknown = Ends { local: None, peer: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };
        assert!(!unknown.are_on_this_machine());
    }
}
