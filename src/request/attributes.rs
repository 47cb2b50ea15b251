//! Addresses and the server name, as the policy enforcement point describes them.

use std::net::{IpAddr, SocketAddr};

use crate::request::Text;

/// One end of the connection that carried the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address, where it is an IP address. Port 0 stands for a port that is not known.
    pub address: Option<SocketAddr>,
    /// Its principal as the proxy names it: a URI SAN, else a DNS SAN, else a Subject, so it is text and not an
    /// identity (P46). For the source this is evidence and is kept in
    /// [`CredentialHeaders`](crate::request::CredentialHeaders) instead.
    pub principal: Option<Text>,
}

impl Endpoint {
    /// Its IP address; `::ffff:10.0.0.1` is `10.0.0.1`.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical())
    }

    /// Its port. Pipes and internal connections have none.
    pub fn port(&self) -> Option<u16> {
        self.address.map(|address| address.port()).filter(|port| *port != 0)
    }
}

/// The address of the client, as far as the proxies in front send it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Client {
    /// At the other end of the connection.
    #[default]
    Connection,
    /// Behind a proxy, at this address.
    At(IpAddr),
    /// Behind a proxy that does not say where, or not in a trustworthy way.
    Unknown,
}

/// The server name (SNI) that the client's TLS handshake asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerName {
    /// The proxy reports no handshake: it is not configured to, or there was none.
    #[default]
    Unknown,
    /// There was a handshake, and it named no server.
    Absent,
    /// As the client wrote it.
    Name(Text),
}

impl ServerName {
    /// The name, where there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Unknown | Self::Absent => None,
        }
    }

    /// True if there was a handshake, as far as the proxy reports.
    pub fn is_known(&self) -> bool {
        *self != Self::Unknown
    }
}
