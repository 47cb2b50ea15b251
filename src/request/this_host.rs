//! The names of the machine that this process runs on.

use std::net::IpAddr;

/// True for `localhost` and for a loopback address, an IPv6 one with or without brackets, in the form of IPv4 too. `host` has no port.
pub fn is_this_host(host: &str) -> bool {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = inside.unwrap_or(host).parse::<IpAddr>();
    address.is_ok_and(|address| address.to_canonical().is_loopback())
        || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_and_localhost_are_this_host() {
        for host in
            ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "::ffff:127.0.0.1"]
        {
            assert!(is_this_host(host), "{host}");
        }
        for host in [
            "",
            "0.0.0.0",
            "10.0.0.7",
            "127.0.0.1.example.com",
            "localhost.example.com",
            "a.localhost",
            "[::1",
            "::2",
            "127.1",
        ] {
            assert!(!is_this_host(host), "{host}");
        }
    }
}
