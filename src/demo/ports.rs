//! Free ports for programs that are to listen.
//!
//! A port that the operating system chooses is one that it also gives to outgoing connections: one of them may have it before the program
//! does, or while the program restarts; a connection to it may even reach itself. So these are from below that range.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ranges for outgoing connections of Linux (32768) and of RFC 6335 (49152), above the ports of well-known services.
const FIRST: u16 = 10_240;
const LAST: u16 = 32_000;

/// A port of the loopback interface that is free, and another one each time.
pub(crate) fn free_port() -> io::Result<u16> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let of_process = std::process::id().wrapping_mul(7_919) % u32::from(LAST - FIRST);
    let start = u16::try_from(of_process).unwrap_or_default();
    let mut failed = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in FIRST..LAST {
        let at = TAKEN.fetch_add(1, Ordering::Relaxed).wrapping_add(start) % (LAST - FIRST);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST + at)) {
            Ok(_) => return Ok(FIRST + at),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    /// P770: a port is free, is not one that outgoing connections get, and is given once.
    #[test]
    fn each_port_is_another_one_that_no_connection_gets() {
        let ports: Vec<_> = (0..64).map(|_| super::free_port().unwrap()).collect();
        let others: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(others.len(), ports.len());
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        let lowest = range.ok().and_then(|range| range.split_whitespace().next()?.parse().ok());
        let lowest: u16 = lowest.unwrap_or(32_768);
        assert!(ports.iter().all(|port| *port < lowest), "{ports:?}, below {lowest}");
    }
}
