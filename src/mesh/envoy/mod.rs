//! Envoy's own configuration: bootstraps, resources of xDS, and what `/config_dump` prints, joined by names.

mod address;
mod admin;
mod chain;
mod check;
mod cluster;
mod early;
mod filters;
mod inner;
mod kind;
mod manager;
mod parts;
mod replies;
mod route;
mod routes;
mod runtime;
mod state;
mod steering;
mod strict;
mod world;
mod xfcc;

use manager::Sides;
use parts::ConfigParts;
use runtime::Runtime;
use world::World;

use super::faults::{Faults, IdentityHeaders};
use crate::document::{Code, Node, Tree};

pub(super) use chain::is_terminal;
pub(super) use cluster::{is_local, is_secure};
pub(super) use early::acts_too_early;
pub(super) use filters::{chooses_route, retargets, writes};
pub(super) use kind::{EXT_AUTHZ, MANAGER, NETWORK_EXT_AUTHZ, asks};

/// True if `tree` is a bootstrap, a dump or a resource of Envoy's.
pub(super) fn is_configuration(tree: &Tree) -> bool {
    let root = &tree.root;
    let keys =
        ["static_resources", "dynamic_resources", "configs", "filter_chains", "virtual_hosts"];
    let has_type = |node: &Node| node.text_of("@type").is_some_and(|own| own.contains("envoy."));
    let is_list = root.items_of("resources").iter().chain(root.items()).any(has_type);
    keys.iter().any(|key| root.get(key).is_some())
        || has_type(root)
        || is_list
        || !ConfigParts::of([(tree, root)]).is_empty()
}

/// Lints everything of Envoy in `trees` together.
pub(super) fn lint<'a>(
    trees: impl Iterator<Item = &'a Tree>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let world = World::of(ConfigParts::of(trees.map(|tree| (tree, &tree.root))));
    let parts = &world.parts;
    let reached = inner::reached(&world);
    for check in &parts.checks {
        check::lint(check, &world, faults);
    }
    for manager in &parts.managers {
        manager::lint(manager, &world, identity, faults);
        xfcc::lint_inner(manager, &reached, faults);
    }
    chain::lint(&world, faults);
    inner::lint_lent(&world, faults);
    address::lint(&world, faults);
    state::lint(parts, &world.states, faults);
    for part in &parts.admins {
        admin::lint(part, faults);
    }
    admin::lint_routes(&world, faults);
    route::lint_coverage(&world, faults);
    let sides = Sides::of(&parts.managers);
    for table in parts.routes.iter().chain(&parts.hosts) {
        route::lint_headers(table.tree, table.node, (identity, &world.states), &sides, faults);
    }
    for cluster in &parts.clusters {
        steering::lint_within(cluster.tree, cluster.node, faults);
        state::lint_metadata(cluster.tree, cluster.node, &world.namespaces, faults);
    }
    for upstream in &parts.upstreams {
        manager::lint_upstream(upstream, &world, identity, faults);
    }
}

/// Lints `patch`, a part of a configuration that is merged into a whole: what is not in it may be elsewhere.
pub(super) fn lint_patch(
    tree: &Tree,
    patch: &Node,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let world = World::of(ConfigParts::of([(tree, patch)]));
    let parts = &world.parts;
    for check in &parts.checks {
        check::lint_present(check, &Runtime::default(), faults);
    }
    for upstream in &parts.upstreams {
        manager::lint_upstream(upstream, &world, identity, faults);
    }
    for own in &parts.managers {
        manager::lint_present(own, &world, identity, faults);
        // Gateways of Istio replace the header, its sidecars append to it.
        manager::lint_early(&own.part, "APPEND_FORWARD", &world, faults);
    }
    route::lint_headers(tree, patch, (identity, &world.states), &Sides::default(), faults);
    address::lint_patch(tree, patch, faults);
    state::lint(parts, &world.states, faults);
    for cluster in &parts.clusters {
        state::lint_metadata(tree, cluster.node, &world.namespaces, faults);
    }
    for part in &parts.admins {
        admin::lint(part, faults);
    }
    for node in &parts.switched_off {
        let place = tree.key_place(node, "disabled");
        faults.add(Code::CheckSwitchedOff, place, "the patch switches the check off for a route");
    }
}

/// Lints `bootstrap`, a part of one.
pub(super) fn lint_bootstrap(tree: &Tree, bootstrap: &Node, faults: &mut Faults) {
    for part in &ConfigParts::of([(tree, bootstrap)]).admins {
        admin::lint(part, faults);
    }
}

/// Lints `filter`, settings that are merged into those of a filter that asks.
pub(super) fn lint_merged(tree: &Tree, filter: &Node, faults: &mut Faults) {
    for check in &ConfigParts::of([(tree, filter)]).checks {
        check::lint_present(check, &Runtime::default(), faults);
    }
}

/// Lints `part`, a listener or filter chain that a patch adds beside those that a control plane has ask.
pub(super) fn lint_added(tree: &Tree, part: &Node, faults: &mut Faults) {
    let world = World::of(ConfigParts::of([(tree, part)]));
    for manager in &world.parts.managers {
        manager::lint_unasked(manager, &world, faults);
    }
    for chain in &world.parts.chains {
        chain::lint_chain(chain, &world, faults);
    }
}
