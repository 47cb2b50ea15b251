//! The request as a policy may see it: without any credential.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::attributes::{Client, Endpoint, ServerName};
use super::headers::Headers;
use super::target::Target;
use super::text::Text;
use crate::clock::UnixTime;
use crate::reason::Rejection;

/// The request as the policy enforcement point describes it, without any credential.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// The proxy's request id, for correlation only.
    pub id: Text,
    /// The method as sent: case matters (P29), and method override headers are not looked at.
    pub method: Text,
    /// `http` or `https`, as the proxy says.
    pub scheme: Text,
    /// The authority as sent; rules compare [`Target::host`].
    pub raw_host: Text,
    /// The path with query as sent, but for the values of sealed parameters; rules compare [`Target::path`].
    pub raw_path: Text,
    /// The canonical host, path and query, or why there is none. A request without one is denied.
    pub target: Result<Target, Rejection>,
    /// The headers that are not credentials.
    pub headers: Headers,
    /// The other end of the connection to the proxy.
    pub source: Endpoint,
    /// The address of the client, by the listener's settings.
    pub client: Client,
    /// The workload the proxy stands in front of.
    pub destination: Endpoint,
    /// The server name of the TLS handshake, if the proxy sends it.
    pub sni: ServerName,
    /// Parameters that the proxy's configuration attaches to the route.
    pub context_extensions: BTreeMap<String, String>,
    /// When the proxy received it, by the proxy's clock: for comparing clocks, and nothing is decided by it.
    pub sent_at: Option<UnixTime>,
}

impl RequestView {
    /// The address of the client, where it is known; `::ffff:10.0.0.1` is `10.0.0.1`.
    pub fn client_ip(&self) -> Option<IpAddr> {
        match self.client {
            Client::Connection => self.source.ip(),
            Client::At(ip) => Some(ip.to_canonical()),
            Client::Unknown => None,
        }
    }

    /// Of a request of which nothing is known, and `why`.
    pub fn unreadable(why: Rejection) -> Self {
        Self {
            id: Text::default(),
            method: Text::default(),
            scheme: Text::default(),
            raw_host: Text::default(),
            raw_path: Text::default(),
            target: Err(why),
            headers: Headers::default(),
            source: Endpoint::default(),
            client: Client::Connection,
            destination: Endpoint::default(),
            sni: ServerName::Unknown,
            sent_at: None,
            context_extensions: BTreeMap::new(),
        }
    }
}
