//! Connecting outwards: the address is judged after the name was resolved and before anything is sent (P58).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

/// Connects to `host`, which may be a name or an address, at the first of its addresses that is permitted and answers.
///
/// # Errors
/// `PermissionDenied` where every address is one that is never connected to; else what connecting gave.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        if !is_permitted(address.ip()) {
            refused = io::Error::new(
                io::ErrorKind::PermissionDenied,
                "name leads to a link-local or metadata address",
            );
            continue;
        }
        match open(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Addresses where cloud metadata services live, and those that are no single host. Private networks and this host
/// are permitted: issuers in a mesh are there.
fn is_permitted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_permitted_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_permitted_v4(v4),
            None => is_permitted_v6(v6),
        },
    }
}

fn is_permitted_v4(address: Ipv4Addr) -> bool {
    /// Alibaba Cloud's metadata service, the one outside the link-local range.
    const METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    !(address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || address == METADATA)
}

fn is_permitted_v6(address: Ipv6Addr) -> bool {
    /// The metadata service of Amazon EC2.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
    !(address.is_unicast_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address == METADATA)
}

/// The IPv4 address that an IPv6 one stands for: mapped (RFC 4291 section 2.5.5.2) or translated (RFC 6052 section 2.1).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, .., g, h] = address.segments();
    let translated = a == 0x64 && b == 0xff9b;
    let low = u32::from(g).wrapping_shl(16) | u32::from(h);
    address.to_ipv4_mapped().or_else(|| translated.then(|| Ipv4Addr::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P58: metadata services cannot be reached, however their address is written.
    #[test]
    fn link_local_and_metadata_addresses_are_not_connected_to() {
        for refused in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(!is_permitted(refused.parse().unwrap()), "{refused}");
        }
        for permitted in ["127.0.0.1", "10.0.0.1", "192.0.2.1", "::1", "fd00::1", "2001:db8::1"] {
            assert!(is_permitted(permitted.parse().unwrap()), "{permitted}");
        }
    }

    #[tokio::test]
    async fn a_refused_address_is_named_as_such() {
        let error = connect("169.254.169.254", 80).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
