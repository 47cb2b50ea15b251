//! Connecting outwards: the addresses are judged after the name was resolved and before anything is sent (P58), and tried one soon
//! after the other (RFC 8305).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// The pause before the next address is tried, too, while the ones before it do not answer (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to `host`, which may be a name or an address, at the first of its addresses that is permitted and answers.
///
/// # Errors
/// `PermissionDenied` where every address is one that is never connected to; else what connecting gave.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let found: Vec<_> = tokio::net::lookup_host((bare(host), port)).await?.collect();
    let permitted: Vec<_> = found.iter().copied().filter(|own| is_permitted(own.ip())).collect();
    if permitted.is_empty() && !found.is_empty() {
        return Err(refused());
    }
    race(interleaved(&permitted)).await
}

/// Refuses a host that is an address that is never connected to, where another machine resolves names.
///
/// # Errors
/// `PermissionDenied`.
pub(super) fn judge_literal(host: &str) -> io::Result<()> {
    match bare(host).parse() {
        Ok(address) if !is_permitted(address) => Err(refused()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn refused() -> io::Error {
    let message = "name leads to a link-local or metadata address";
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

/// The same addresses, with those of both families in turn: the first one is of the family that the system prefers (RFC 8305
/// section 4).
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other) = (
        addresses.iter().filter(|own| own.is_ipv6() == first),
        addresses.iter().filter(|own| own.is_ipv6() != first),
    );
    let turns = addresses.iter().flat_map(|_| [one.next(), other.next()]);
    turns.flatten().copied().collect()
}

/// The first connection to one of `addresses`. Each has its turn when the one before it has failed, or has not answered for a while.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "name has no address");
    loop {
        attempts.extend(waiting.next().map(open));
        tokio::select! {
            ended = attempts.next() => match ended {
                None => return Err(failed),
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = error,
            },
            () = tokio::time::sleep(STAGGER), if waiting.len() > 0 => {}
        }
    }
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

    /// P400: the next address is tried while one swallows packets, and no later than an answer of the first one.
    #[tokio::test]
    async fn an_address_that_swallows_packets_holds_up_no_other() {
        let silent = tokio::net::TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(1).unwrap();
        let hole = silent.local_addr().unwrap();
        // A listener that accepts nothing drops connections once its queue is full.
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(200), open(hole)).await
        {
            queued.push(stream);
        }
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = good.local_addr().unwrap();
        let began = crate::clock::Stopwatch::start();
        let stream = race(vec![hole, hole, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let took = began.elapsed();
        assert!(took >= 2 * STAGGER && took < Duration::from_secs(5), "{took:?}");
        let refused = "127.0.0.1:1".parse().unwrap();
        let began = crate::clock::Stopwatch::start();
        assert!(race(vec![refused, good]).await.is_ok());
        assert!(began.elapsed() < STAGGER, "a refusal is no reason to wait");
        assert!(race(vec![refused]).await.is_err() && race(Vec::new()).await.is_err());
    }

    #[test]
    fn families_take_turns() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(|own| own.parse().unwrap());
        let turns = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(|own| own.parse().unwrap());
        assert_eq!(interleaved(&all), turns);
    }

    #[tokio::test]
    async fn a_refused_address_is_named_as_such() {
        let error = connect("169.254.169.254", 80).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
