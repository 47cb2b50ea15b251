//! The connection to countersign.

use super::kind::{is_type, type_of, word_of};
use crate::document::Node;
use crate::mesh::filler::FILLER;
use crate::request::is_this_host;

/// Filters that take a connection as it is.
const RAW: [&str; 10] = [
    ".TcpProxy",
    ".RedisProxy",
    ".MongoProxy",
    ".ThriftProxy",
    ".DubboProxy",
    ".GenericProxy",
    ".KafkaMesh",
    ".RocketmqProxy",
    ".SipProxy",
    ".ReverseTunnel",
];

/// True if what is sent to `cluster` crosses a network in plaintext.
pub(super) fn is_plaintext(cluster: &Node) -> bool {
    let own = cluster.get("transport_socket").filter(|own| is_secure(own));
    let matches = cluster.items_of("transport_socket_matches").iter();
    // Some endpoints get TLS: a control plane chose them by their labels.
    let mut matched = matches.filter_map(|own| own.get("transport_socket"));
    let has_tls = own.is_some() || matched.any(is_secure);
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

/// True if `cluster` encrypts, and takes every certificate for countersign's.
pub(super) fn is_unverified(cluster: &Node) -> bool {
    let context = cluster.at(&["transport_socket", "typed_config"]);
    let Some(context) = context.filter(|own| is_type(own, ".UpstreamTlsContext")) else {
        return false;
    };
    let common = context.get("common_tls_context");
    let keys = ["combined_validation_context", "validation_context_sds_secret_config"];
    let later = || common.is_some_and(|own| keys.iter().any(|key| own.get(key).is_some()));
    let verifies = |own: &Node| {
        let words = ["VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"];
        let how = word_of(own, "trust_chain_verification", &words);
        !own.is_empty() && how != Some("ACCEPT_UNTRUSTED")
    };
    let own = common.and_then(|own| own.get("validation_context"));
    !own.is_some_and(verifies) && (own.is_some() || !later())
}

/// True if a transport socket encrypts: one around another does what that one does.
pub(in crate::mesh) fn is_secure(socket: &Node) -> bool {
    let config = socket.get("typed_config");
    if let Some(inner) = config.and_then(|own| own.get("transport_socket")) {
        return is_secure(inner);
    }
    let name = socket.text_of("name").unwrap_or_default();
    let kind = config.map(type_of).unwrap_or_default();
    let is_open = |text: &str| text.contains("raw_buffer") || text.contains("starttls");
    let is_empty = name.is_empty() && kind.is_empty();
    !is_empty && !is_open(kind) && (!kind.is_empty() || !is_open(name))
}

/// True for an address of this machine, and for a placeholder, which may be one.
pub(in crate::mesh) fn is_local(address: &str) -> bool {
    if address.starts_with("unix:") || address.contains(FILLER) {
        return true;
    }
    // An IPv6 address without brackets is no host and port.
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    is_this_host(address) || is_this_host(host)
}

/// True if every endpoint of `cluster` is a listener of the same Envoy.
pub(super) fn is_internal(cluster: &Node) -> bool {
    let localities = cluster.at(&["load_assignment", "endpoints"]).map_or(&[][..], Node::items);
    let mut endpoints = localities.iter().flat_map(|own| own.items_of("lb_endpoints")).peekable();
    let is_here = |own: &Node| own.at(&["endpoint", "address", "envoy_internal_address"]).is_some();
    endpoints.peek().is_some() && endpoints.all(is_here)
}

/// True for the settings of a proxy for raw connections.
pub(super) fn is_raw(config: &Node) -> bool {
    RAW.iter().any(|end| is_type(config, end))
}

/// The clusters to which a proxy for raw connections sends them.
pub(super) fn names(config: &Node) -> Vec<&str> {
    let weighted = config.at(&["weighted_clusters", "clusters"]).map_or(&[][..], Node::items);
    let weighted = weighted.iter().filter_map(|own| own.text_of("name"));
    config.text_of("cluster").into_iter().chain(weighted).collect()
}

/// The addresses of the endpoints of `cluster`, as far as it shows them.
pub(super) fn addresses(cluster: &Node) -> impl Iterator<Item = &Node> {
    let localities = cluster.at(&["load_assignment", "endpoints"]).map_or(&[][..], Node::items);
    let endpoints = localities.iter().flat_map(|own| own.items_of("lb_endpoints"));
    endpoints.filter_map(|own| own.at(&["endpoint", "address", "socket_address"]))
}

/// The listeners of the same Envoy that are endpoints of `cluster`.
pub(super) fn inner_listeners(cluster: &Node) -> impl Iterator<Item = &str> {
    let localities = cluster.at(&["load_assignment", "endpoints"]).map_or(&[][..], Node::items);
    let endpoints = localities.iter().flat_map(|own| own.items_of("lb_endpoints"));
    let path = ["endpoint", "address", "envoy_internal_address", "server_listener_name"];
    endpoints.filter_map(move |own| own.at(&path)?.text())
}

/// The settings of TLS by which `cluster` shows a certificate of the proxy.
pub(super) fn certificate(cluster: &Node) -> Option<&Node> {
    fn within(socket: &Node) -> Option<&Node> {
        let config = socket.get("typed_config")?;
        if let Some(inner) = config.get("transport_socket") {
            return within(inner);
        }
        let common = config.get("common_tls_context")?;
        let keys = [
            "tls_certificates",
            "tls_certificate_sds_secret_configs",
            "tls_certificate_provider_instance",
            "custom_tls_certificate_selector",
        ];
        keys.iter().find_map(|key| common.get(key)).filter(|own| !own.is_empty())
    }
    within(cluster.get("transport_socket")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for local in
            ["127.0.0.1", "127.1.2.3", "::1", "[::1]:9001", "localhost:9001", "unix:/run/a"]
        {
            assert!(is_local(local), "{local}");
        }
        for remote in
            ["127.0.0.1.example.com", "localhost.example.com:9001", "10.0.0.7:9001", "::2"]
        {
            assert!(!is_local(remote), "{remote}");
        }
    }
}
