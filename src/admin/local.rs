//! Who is on this machine: changes without a token are for those alone.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpStream;

/// The two ends of a connection, as the operating system has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Where it was accepted.
    pub(super) local: Option<IpAddr>,
    /// Where it came from.
    pub(super) peer: IpAddr,
}

/// Headers that a proxy adds to a request. A client on this machine sends none of them.
const PROXIED: [&str; 6] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

impl Ends {
    /// Those of `stream`, which came from `peer`.
    pub(super) fn of(stream: &TcpStream, peer: SocketAddr) -> Self {
        let local = stream.local_addr().ok().map(|address| address.ip().to_canonical());
        Self { local, peer: peer.ip().to_canonical() }
    }

    /// Whether the other end is on this machine. The address that a connection comes from does not say so: a sidecar makes
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
pub(super) fn refuse_others(what: &str, ends: Ends, headers: &HeaderMap) -> Option<Response> {
    let refuse = |message: String| Some((StatusCode::FORBIDDEN, message).into_response());
    let proxied = |name: &str| PROXIED.contains(&name) || name.starts_with("x-envoy-");
    if !ends.are_on_this_machine() || headers.keys().any(|name| proxied(name.as_str())) {
        return refuse(format!(
            "{what} from this machine only, and not through a proxy: use `kubectl port-forward`, or a shell on it\n"
        ));
    }
    // A web page in an operator's browser can be made to be "from this machine" by a name that resolves to loopback.
    if !is_plainly_local(headers) {
        return refuse("ask by address, such as `http://127.0.0.1:9002`\n".into());
    }
    None
}

/// Whether the server was asked for by an address or as `localhost`, and not by a page of another origin.
fn is_plainly_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let local = host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse::<IpAddr>().is_ok()
    });
    local && !headers.contains_key("origin")
}

#[cfg(test)]
mod tests {
    use super::*;

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
