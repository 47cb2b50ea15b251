//! The address of the client: whether a caller can write another one.

use super::cluster;
use super::kind::{is_type, type_of};
use super::parts::Part;
use super::world::World;
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::Faults;
use crate::mesh::format::Source;

/// Lints the listeners of configurations in which something asks.
pub(super) fn lint(world: &World<'_>, faults: &mut Faults) {
    for part in &world.parts.listeners {
        if world.asks(part.of) && !world.is_outbound(part.node, part.of) {
            lint_proxied(part, faults);
            lint_datagrams(part, faults);
        }
    }
}

/// A listener that takes the address of the client from whatever connects.
fn lint_proxied(part: &Part<'_>, faults: &mut Faults) {
    let configs = part.node.items_of("listener_filters").iter();
    let mut configs = configs.filter_map(|own| own.get("typed_config"));
    let Some(config) = configs.find(|own| is_proxy_protocol(own)) else { return };
    let is_known = has_known_peers(part.node);
    if is_known || lint_optional(part.tree, config, faults) {
        return;
    }
    let message = format!(
        "the listener `{}` takes the address of the client from the PROXY protocol, whatever connects to it",
        part.node.text_of("name").unwrap_or_default()
    );
    faults.add(Code::AddressForged, part.tree.place(config), message);
}

/// Lints `config` alone, without the listener that it is for.
fn lint_optional(tree: &Tree, config: &Node, faults: &mut Faults) -> bool {
    let key = "allow_requests_without_proxy_protocol";
    let is_optional = config.has(key);
    if is_optional {
        let message = format!(
            "`{key}: true` lets callers connect without a proxy, and one of them may write the address of another client"
        );
        faults.add(Code::AddressForged, tree.key_place(config, key), message);
    }
    is_optional
}

/// Lints `node`, a part of a configuration that is merged into a whole.
pub(super) fn lint_patch(tree: &Tree, node: &Node, faults: &mut Faults) {
    if is_proxy_protocol(node) {
        lint_optional(tree, node, faults);
    }
    node.parts().for_each(|part| lint_patch(tree, part, faults));
}

fn is_proxy_protocol(config: &Node) -> bool {
    is_type(config, ".proxy_protocol.v3.ProxyProtocol")
}

/// Lints by what `manager` knows the client.
pub(super) fn lint_manager(
    tree: &Tree,
    manager: &Node,
    (listener, chain): (Option<&Node>, Option<&Node>),
    faults: &mut Faults,
) {
    let ranges = ["direct_source_prefix_ranges", "source_prefix_ranges"];
    let is_known =
        listener.is_some_and(is_here) || chain.is_some_and(|own| is_narrow(own, &ranges));
    let detections = manager.items_of("original_ip_detection_extensions");
    for config in detections.iter().filter_map(|own| own.get("typed_config")) {
        if type_of(config).contains(".custom_header.") && !is_known {
            let name = config.text_of("header_name").unwrap_or_default();
            let message = format!(
                "Envoy takes the address of the client from `{name}`, which a caller may have written"
            );
            faults.add(Code::AddressForged, tree.place(config), message);
        }
    }
    let is_edge = match manager.get("use_remote_address") {
        // A patch says nothing of it, and has no filters.
        None => manager.get("http_filters").is_none(),
        Some(own) => own.is_true(),
    };
    if manager.has("skip_xff_append") && is_edge && !is_known {
        let message = "`skip_xff_append` leaves `x-forwarded-for` as the caller wrote it";
        faults.add(Code::AddressForged, tree.key_place(manager, "skip_xff_append"), message);
    }
}

/// The source of the address that `manager` takes for the client's.
pub(super) fn source(manager: &Node) -> Source {
    let detections = manager.items_of("original_ip_detection_extensions");
    let hops = manager.get("xff_num_trusted_hops").and_then(Node::number).unwrap_or_default();
    match manager.has("use_remote_address") {
        true if hops == 0 && detections.is_empty() => Source::Proxy,
        true => Source::Address,
        false => Source::Caller,
    }
}

/// True if only peers of known addresses get to `listener`, whatever the PROXY protocol says.
fn has_known_peers(listener: &Node) -> bool {
    let ranges = ["direct_source_prefix_ranges"];
    let chains = listener.items_of("filter_chains");
    let is_by_chains = !chains.is_empty()
        && chains.iter().all(|own| is_narrow(own, &ranges))
        && listener.get("default_filter_chain").is_none();
    is_here(listener) || is_by_chains
}

/// True if nothing but this machine gets to `listener`.
fn is_here(listener: &Node) -> bool {
    let address = listener.at(&["address", "socket_address", "address"]).and_then(Node::text);
    listener.get("internal_listener").is_some()
        || listener.at(&["address", "pipe"]).is_some()
        || address.is_some_and(cluster::is_local)
}

/// True if the filter chain `chain` takes connections of some addresses alone, by one of the keys `ranges`.
fn is_narrow(chain: &Node, ranges: &[&str]) -> bool {
    let lists = ranges.iter().map(|key| chain.at(&["filter_chain_match", key]));
    lists.flatten().any(|own| !own.items().is_empty() && own.items().iter().all(is_part))
}

/// True for a range that is not every address.
fn is_part(range: &Node) -> bool {
    range.get("prefix_len").and_then(Node::number).is_some_and(|own| own > 0)
}

/// A listener for datagrams, which pass no filter that asks.
fn lint_datagrams(part: &Part<'_>, faults: &mut Faults) {
    let configs = part.node.items_of("listener_filters").iter();
    let mut configs = configs.filter_map(|own| own.get("typed_config"));
    let Some(config) = configs.find(|own| is_type(own, ".UdpProxyConfig")) else { return };
    let name = part.node.text_of("name").unwrap_or("without a name");
    let message = format!(
        "the listener `{name}` sends datagrams on (`UdpProxyConfig`): no filter asks about them"
    );
    faults.add(Code::ListenerWithoutCheck, part.tree.place(config), message);
}
