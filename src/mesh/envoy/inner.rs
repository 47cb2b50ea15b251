//! Listeners within the proxy, and the connections that get to them as callers send them.

use std::collections::HashSet;

use super::chain::is_of_tunnel;
use super::cluster;
use super::parts::{Chain, Part};
use super::routes::routes_of;
use super::world::World;
use crate::document::{Code, Node};
use crate::mesh::faults::Faults;

/// Listeners, or clusters, by tree and name.
pub(super) type Reached<'a> = HashSet<(usize, &'a str)>;

/// The internal listeners to which a filter for raw connections or a route for tunnels sends connections.
pub(super) fn reached<'a>(world: &World<'a>) -> Reached<'a> {
    let mut found = raw(world, |_| true);
    for table in &world.parts.routes {
        for host in world.hosts_of(table) {
            for route in routes_of(host.node) {
                let action = route.get("route").filter(|own| is_tunnel(own));
                let names = action.into_iter().flat_map(clusters_of);
                found.extend(names.filter_map(|name| place(world, name, host.of)));
            }
        }
    }
    let clusters = world.parts.clusters.iter().filter(|own| is_in(own, &found));
    let inner = |own: &Part<'a>| {
        let Part { of, node, .. } = *own;
        cluster::inner_listeners(node).map(move |name| (of, name))
    };
    clusters.flat_map(inner).collect()
}

/// Lints clusters that show the proxy's own certificate to a listener of it: it is then every caller's whose connection gets there as it is.
pub(super) fn lint_lent(world: &World<'_>, faults: &mut Faults) {
    let is_of_caller = |own: &Chain<'_>| {
        let of = own.part.of;
        world.asks(of) && !world.is_outbound(own.listener, of) && !is_of_tunnel(own.listener)
    };
    let reached = raw(world, is_of_caller);
    let clusters = world.parts.clusters.iter().filter(|own| is_in(own, &reached));
    for own in clusters.filter(|own| cluster::is_internal(own.node)) {
        let Some(at) = cluster::certificate(own.node) else { continue };
        let message = format!(
            "connections that another listener sends on as they are get to the next one with the certificate of the cluster `{}`, and not with that of the caller",
            own.node.text_of("name").unwrap_or_default()
        );
        faults.add(Code::IdentityForged, own.tree.place(at), message);
    }
}

/// The clusters to which filters for raw connections send those of the chains that `is_wanted` takes, by tree and name.
fn raw<'a>(world: &World<'a>, is_wanted: impl Fn(&Chain<'a>) -> bool) -> Reached<'a> {
    let mut found = Reached::new();
    for chain in world.parts.chains.iter().filter(|own| is_wanted(own)) {
        let configs = chain.part.node.items_of("filters").iter();
        let configs = configs.filter_map(|own| own.get("typed_config"));
        let names = configs.filter(|own| cluster::is_raw(own)).flat_map(cluster::names);
        found.extend(names.filter_map(|name| place(world, name, chain.part.of)));
    }
    found
}

/// The tree that has the cluster `name` which a part of the tree `of` means, with the name.
fn place<'a>(world: &World<'a>, name: &'a str, of: usize) -> Option<(usize, &'a str)> {
    Some((world.clusters(name, of).first()?.of, name))
}

fn is_in(cluster: &Part<'_>, found: &Reached<'_>) -> bool {
    cluster.node.text_of("name").is_some_and(|name| found.contains(&(cluster.of, name)))
}

/// True for a route that takes the tunnel of a CONNECT request apart.
fn is_tunnel(action: &Node) -> bool {
    action.items_of("upgrade_configs").iter().any(|own| own.get("connect_config").is_some())
}

fn clusters_of(action: &Node) -> impl Iterator<Item = &str> {
    let weighted = action.at(&["weighted_clusters", "clusters"]).map_or(&[][..], Node::items);
    let weighted = weighted.iter().filter_map(|own| own.text_of("name"));
    action.text_of("cluster").into_iter().chain(weighted)
}
