//! The administration interface: a caller that reaches it reads every setting, changes the runtime and stops the proxy.

use std::collections::HashSet;

use super::cluster;
use super::parts::Part;
use super::routes::routes_of;
use super::world::World;
use crate::document::{Code, Node};
use crate::mesh::faults::Faults;

/// Paths that show measurements and readiness alone.
const HARMLESS: [&str; 2] = ["/ready", "/stats"];

/// Lints the interface `part`.
pub(super) fn lint(part: &Part<'_>, faults: &mut Faults) {
    let address = part.node.at(&["address", "socket_address", "address"]);
    let Some((at, text)) = address.and_then(|own| Some((own, own.text()?))) else { return };
    if cluster::is_local(text) || is_harmless(part.node.items_of("allow_paths")) {
        return;
    }
    let message = format!(
        "the administration interface listens at `{text}`: a caller that reaches it changes what protects requests, and stops the proxy"
    );
    faults.add(Code::AdminExposed, part.tree.place(at), message);
}

/// Lints routes by which requests that nothing is asked about get to the interface. Each table is looked at once.
pub(super) fn lint_routes(world: &World<'_>, faults: &mut Faults) {
    let clusters = clusters(world);
    let mut seen = HashSet::new();
    for manager in &world.parts.managers {
        let of = manager.part.of;
        let is_own = manager.listener.is_some_and(|own| world.is_outbound(own, of));
        if !manager.checks.is_empty() || is_own || clusters.is_empty() {
            continue;
        }
        for table in world.routes_of(manager) {
            if seen.insert(std::ptr::from_ref(table.node)) {
                lint_table(&table, world, &clusters, faults);
            }
        }
    }
}

fn lint_table<'a>(
    table: &Part<'a>,
    world: &World<'a>,
    clusters: &HashSet<(usize, &str)>,
    faults: &mut Faults,
) {
    for host in world.hosts_of(table) {
        for route in routes_of(host.node) {
            let name = route.at(&["route", "cluster"]).and_then(Node::text).unwrap_or_default();
            let of = world.clusters(name, host.of).first().map(|own| own.of);
            if of.is_some_and(|of| clusters.contains(&(of, name))) && !shows_measurements(route) {
                let message = "a route leads to the administration interface, and no filter asks about its requests";
                faults.add(Code::AdminExposed, host.tree.place(route), message);
            }
        }
    }
}

/// The clusters of an administration interface on this machine, by tree and name.
fn clusters<'a>(world: &World<'a>) -> HashSet<(usize, &'a str)> {
    let ports: HashSet<_> = world.parts.admins.iter().filter_map(port).collect();
    let is_admin = |address: &Node| {
        let port = address.get("port_value").and_then(Node::number);
        address.text_of("address").is_some_and(cluster::is_local)
            && port.is_some_and(|own| ports.contains(&own))
    };
    let found =
        world.parts.clusters.iter().filter(|own| cluster::addresses(own.node).any(is_admin));
    found.filter_map(|own| Some((own.of, own.node.text_of("name")?))).collect()
}

/// The port of the interface `admin`.
fn port(admin: &Part<'_>) -> Option<i64> {
    admin.node.at(&["address", "socket_address", "port_value"])?.number()
}

/// True if `route` is for measurements and readiness alone.
fn shows_measurements(route: &Node) -> bool {
    let path = ["path", "prefix", "path_separated_prefix"];
    let path = path.iter().find_map(|key| route.at(&["match", key])?.text());
    path.is_some_and(|own| HARMLESS.iter().any(|path| own.starts_with(path)))
}

/// True if `paths`, patterns, allow nothing but measurements and readiness.
fn is_harmless(paths: &[Node]) -> bool {
    let allows_no_more = |own: &Node| {
        let text = ["exact", "prefix"].iter().find_map(|key| own.text_of(key));
        text.is_some_and(|own| HARMLESS.iter().any(|path| own.starts_with(path)))
    };
    !paths.is_empty() && paths.iter().all(allows_no_more)
}
