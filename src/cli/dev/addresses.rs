//! The addresses at which both programs listen, and the processes that have them already.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use super::holders::holders;
use super::programs::ENVOY;
use crate::config::Config;
use crate::demo::server::SETTINGS;
use crate::document::{Node, NodeBudget, SourceFile, Tree};
use crate::envoy::ListenAddress;
use crate::limits::{MAX_MESH_NODES, MAX_MESH_REPEATED};

/// An address, and the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    address: SocketAddr,
    setting: String,
}

/// The addresses of countersign.
pub(super) fn of_server(config: &Config) -> Vec<Wanted> {
    let checks = match config.listener.address {
        ListenAddress::Tcp(address) => Some((address, "listener.address")),
        // The server replaces a socket file without a listener, and names one with a listener.
        ListenAddress::Unix(_) => None,
    };
    let admin = config.admin.as_ref().map(|admin| (admin.address, "admin.address"));
    let named = checks.into_iter().chain(admin);
    named
        .map(|(address, key)| Wanted { address, setting: format!("`{key}` in `{SETTINGS}`") })
        .collect()
}

/// The TCP addresses in `text`, a configuration of Envoy. One that Envoy does not take has what can be found.
pub(super) fn of_envoy(text: &str) -> Vec<Wanted> {
    let file: Arc<SourceFile> = SourceFile::foreign(ENVOY, text);
    let mut budget = NodeBudget::new(MAX_MESH_NODES, MAX_MESH_REPEATED);
    let trees = Tree::read(&file, &mut budget, &mut Vec::new());
    let mut wanted = Vec::new();
    for tree in &trees {
        let mut add = |node: &Node| wanted.extend(tcp_address(tree, node));
        tree.root.at(&["admin", "address"]).into_iter().for_each(&mut add);
        for listener in
            tree.root.get("static_resources").iter().flat_map(|own| own.items_of("listeners"))
        {
            listener.get("address").into_iter().for_each(&mut add);
            let others = listener.items_of("additional_addresses").iter();
            others.filter_map(|own| own.get("address")).for_each(&mut add);
        }
    }
    wanted
}

fn tcp_address(tree: &Tree, node: &Node) -> Option<Wanted> {
    let socket = node.get("socket_address")?;
    let is_udp = socket.get("protocol").and_then(|own| own.word(&["TCP", "UDP"])) == Some("UDP");
    let ip: IpAddr = socket.text_of("address")?.parse().ok()?;
    let port = u16::try_from(socket.get("port_value")?.number()?).ok()?;
    let setting = format!("`{}`", tree.place(socket));
    // Port 0 is whichever one is free.
    (port > 0 && !is_udp).then(|| Wanted { address: (ip, port).into(), setting })
}

/// A message about those of `wanted` that other processes have: `None` where all are free. The ports of `own`, which our programs
/// have, are not looked at.
pub(super) fn taken(wanted: &[Wanted], own: &[Wanted]) -> Option<String> {
    let is_own = |one: &Wanted| own.iter().any(|own| own.address.port() == one.address.port());
    let is_taken = |one: &Wanted| {
        let bound = TcpListener::bind(one.address);
        bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    };
    let mut lines = Vec::new();
    let mut processes = Vec::new();
    for one in wanted.iter().filter(|one| !is_own(one) && is_taken(one)) {
        let found = holders(one.address);
        let by: Vec<_> =
            found.iter().map(|own| format!("process {} ({})", own.id, own.name)).collect();
        let by = match by.is_empty() {
            true => String::from("a process that cannot be seen from here"),
            false => by.join(" and "),
        };
        processes.extend(found.iter().map(|own| own.id.to_string()));
        lines.push(format!("{} ({}) is taken by {by}", one.address, one.setting));
    }
    if lines.is_empty() {
        return None;
    }
    processes.sort();
    processes.dedup();
    let end = match processes.is_empty() {
        true => String::from("end the process"),
        false => format!("end it with `kill {}`", processes.join(" ")),
    };
    Some(format!("{}: {end}, or set other addresses", lines.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVOY_FILE: &str = "
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }
staticResources:
  listeners:
    - address: { socketAddress: { address: '::1', portValue: 8443 } }
      additional_addresses: [{ address: { socket_address: { address: 127.0.0.1, port_value: 8444 } } }]
    - address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    - address: { socket_address: { address: 127.0.0.1, port_value: 8443, protocol: UDP } }
    - address: { pipe: { path: /tmp/socket } }
";

    #[test]
    fn the_addresses_of_an_envoy_are_found() {
        let found: Vec<_> =
            of_envoy(ENVOY_FILE).iter().map(|own| own.address.to_string()).collect();
        assert_eq!(found, ["127.0.0.1:9901", "[::1]:8443", "127.0.0.1:8444"]);
        assert_eq!(of_envoy(ENVOY_FILE)[1].setting, "`envoy.yaml:5:33`");
        assert_eq!(of_envoy("a: [").len(), 0);
    }

    /// P735: the process that has an address is named, with the setting, and our own programs are not in the way.
    #[test]
    fn a_process_that_has_an_address_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let wanted = [Wanted { address, setting: String::from("`admin.address`") }];
        let said = taken(&wanted, &[]).unwrap();
        for part in [
            format!("{address} (`admin.address`) is taken by "),
            format!("process {} (", std::process::id()),
            format!("`kill {}`", std::process::id()),
        ] {
            assert!(said.contains(&part), "{part} in {said}");
        }
        assert_eq!(taken(&wanted, &wanted), None);
        drop(listener);
        assert_eq!(taken(&wanted, &[]), None);
    }
}
