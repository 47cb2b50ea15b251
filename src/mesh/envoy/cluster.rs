//! The connection to countersign.

use crate::document::Node;
use crate::mesh::faults::FILLER;

/// True if what is sent to `cluster` crosses a network in plaintext.
pub(super) fn is_plaintext(cluster: &Node) -> bool {
    let has_tls = ["transport_socket", "transport_socket_matches"]
        .iter()
        .any(|key| cluster.get(key).is_some_and(|own| !own.is_empty()));
    let localities = cluster.at(&["load_assignment", "endpoints"]).map_or(&[][..], Node::items);
    let endpoints = localities.iter().flat_map(|own| own.items_of("lb_endpoints"));
    let addresses = endpoints.filter_map(|own| own.at(&["endpoint", "address"]));
    let is_remote = |address: &Node| {
        let named = address.at(&["socket_address", "address"]).and_then(Node::text);
        named.is_some_and(|own| !is_local(own))
    };
    let mut addresses = addresses.peekable();
    // Addresses that a control plane gives are on other machines.
    !has_tls && (addresses.peek().is_none() || addresses.any(is_remote))
}

/// True for an address of this machine, and for a placeholder, which may be one.
pub(super) fn is_local(address: &str) -> bool {
    let local = ["127.", "localhost", "::1", "[::1]", "unix:"];
    local.iter().any(|own| address.starts_with(own)) || address.contains(FILLER)
}
