//! The address at which Envoy reaches us: a TCP port or a Unix socket.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use tokio::net::TcpListener;

use crate::envoy::{Socket, SocketOptions};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address and port, such as `127.0.0.1:9001`.
    Tcp(SocketAddr),
    /// A Unix socket, such as `unix:///run/countersign/ext_authz.sock`.
    Unix(PathBuf),
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// On TCP.
    Tcp(TcpListener),
    /// On a Unix socket.
    Unix(Socket),
}

impl ListenAddress {
    /// True if other machines can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(String::from(
                    "`unix:` needs a path, such as `unix:///run/countersign/ext_authz.sock`",
                )),
                path => Ok(Self::Unix(path.into())),
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!("`{text}` is not an address, expected an IP address with a port such as `127.0.0.1:9001`, or `unix:///path`")
        })
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ListenAddress {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ListenAddress")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl Listener {
    /// Binds `address`. A socket file without a listener is replaced.
    ///
    /// # Errors
    /// The operating system's error.
    pub async fn bind(address: &ListenAddress, socket: SocketOptions) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            ListenAddress::Unix(path) => Socket::bind(path, socket).map(Self::Unix),
        }
    }

    /// The address it is bound to, with the port that was chosen where 0 was asked for.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(socket) => Ok(ListenAddress::Unix(socket.path().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for text in ["127.0.0.1:9001", "[::1]:0", "unix:///run/a.sock"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for text in ["", "9001", "localhost:9001", "127.0.0.1", "unix:", "unix://"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_loopback_and_sockets_are_local() {
        let local = |text: &str| text.parse::<ListenAddress>().unwrap().is_local();
        assert!(local("127.0.0.1:1") && local("[::1]:1") && local("unix:/a"));
        assert!(!local("0.0.0.0:1") && !local("10.0.0.1:1"));
    }
}
