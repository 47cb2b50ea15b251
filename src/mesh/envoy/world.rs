//! Parts that refer to each other by name, in one configuration or in several.

use std::collections::{HashMap, HashSet};

use super::kind::{DIRECTIONS, word_of};
use super::parts::{Check, ConfigParts, Manager, Part};
use super::routes::{has_no_upstream, routes_of};
use super::runtime::Runtime;
use super::state;
use crate::document::Node;
use crate::mesh::format::States;

/// Everything that is linted together, by name.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) parts: ConfigParts<'a>,
    clusters: Named<'a>,
    routes: Named<'a>,
    /// Virtual hosts that an Envoy gets by themselves, by the route configuration that they are for.
    hosts: Named<'a>,
    scopes: Named<'a>,
    /// The tables of routes that no upstream gets requests of.
    silent: HashSet<*const Node>,
    pub(super) runtime: Runtime<'a>,
    /// The roles of proxies by the number of their tree.
    roles: HashMap<usize, Option<Role>>,
    /// The role that every proxy has.
    role_of_all: Option<Role>,
    /// The trees in which something asks.
    asking: HashSet<usize>,
    /// The sources of values in the filter state.
    pub(super) states: States,
    /// The namespaces of metadata that hold what callers send.
    pub(super) namespaces: HashSet<&'a str>,
}

/// Parts by their name.
#[derive(Debug, Default)]
struct Named<'a> {
    of_tree: HashMap<(usize, &'a str), Vec<Part<'a>>>,
    of_any: HashMap<&'a str, Vec<Part<'a>>>,
}

/// The part that a proxy has in a mesh of Istio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Sidecar,
    Gateway,
}

impl<'a> World<'a> {
    pub(super) fn of(parts: ConfigParts<'a>) -> Self {
        let name = |part: &Part<'a>| part.node.text_of("name");
        let table = |part: &Part<'a>| Some(name(part)?.rsplit_once('/')?.0);
        let roles: HashMap<_, _> =
            parts.proxies.iter().rev().map(|(of, id)| (*of, Role::of(id))).collect();
        let mut known = roles.values().filter_map(|role| *role);
        let first = known.next();
        let role_of_all = first.filter(|first| known.all(|other| other == *first));
        let mut world = Self {
            clusters: Named::by(&parts.clusters, name),
            routes: Named::by(&parts.routes, name),
            hosts: Named::by(&parts.hosts, table),
            scopes: Named::by(&parts.scopes, |_| Some("")),
            runtime: Runtime::of(&parts),
            asking: parts.checks.iter().map(|check| check.of).collect(),
            states: state::sources(&parts),
            namespaces: state::namespaces(&parts),
            parts,
            roles,
            role_of_all,
            silent: HashSet::new(),
        };
        let is_silent = |table: &&Part<'a>| {
            let hosts = world.hosts_of(table);
            let mut routes = hosts.iter().flat_map(|host| routes_of(host.node)).peekable();
            routes.peek().is_some() && routes.all(has_no_upstream)
        };
        let silent = world.parts.routes.iter().filter(is_silent);
        world.silent = silent.map(|table| std::ptr::from_ref(table.node)).collect();
        world
    }

    /// True if something asks in the tree `of`.
    pub(super) fn asks(&self, of: usize) -> bool {
        self.asking.contains(&of)
    }

    /// True if no upstream gets requests of the route configuration `table`.
    pub(super) fn is_silent(&self, table: &Part<'_>) -> bool {
        self.silent.contains(&std::ptr::from_ref(table.node))
    }

    /// The clusters `name`, for a part of the tree `of`.
    pub(super) fn clusters<'s>(&'s self, name: &'s str, of: usize) -> &'s [Part<'a>] {
        self.clusters.get(name, of)
    }

    /// The filters that ask in `manager`.
    pub(super) fn checks_of(&self, manager: &Manager<'_>) -> impl Iterator<Item = &Check<'a>> {
        manager.checks.iter().filter_map(|at| self.parts.checks.get(*at))
    }

    /// The route configurations of `manager`: its own, that of a name, and those of scopes.
    pub(super) fn routes_of(&self, manager: &Manager<'a>) -> Vec<Part<'a>> {
        let Part { of, node, .. } = manager.part;
        let part = |node| Part { node, ..manager.part };
        let mut found: Vec<_> = node.get("route_config").map(part).into_iter().collect();
        found.extend(self.routes_named(node.at(&["rds", "route_config_name"]), of));
        let Some(scoped) = node.get("scoped_routes") else { return found };
        let path = ["scoped_route_configurations_list", "scoped_route_configurations"];
        let inline = scoped.at(&path).map_or(&[][..], Node::items).iter().map(part);
        let later = scoped.get("scoped_rds").map_or(&[][..], |_| self.scopes.get("", of));
        for scope in inline.chain(later.iter().copied()) {
            let whole = scope.node.get("route_configuration");
            found.extend(whole.map(|node| Part { node, ..scope }));
            found.extend(self.routes_named(scope.node.get("route_configuration_name"), scope.of));
        }
        found
    }

    fn routes_named<'s>(&'s self, name: Option<&'s Node>, of: usize) -> &'s [Part<'a>] {
        name.and_then(Node::text).map_or(&[], |name| self.routes.get(name, of))
    }

    /// The virtual hosts of the route configuration `table`.
    pub(super) fn hosts_of(&self, table: &Part<'a>) -> Vec<Part<'a>> {
        let own = table.node.items_of("virtual_hosts").iter().map(|node| Part { node, ..*table });
        let name = table.node.get("vhds").and(table.node.text_of("name"));
        let later = name.map_or(&[][..], |name| self.hosts.get(name, table.of));
        own.chain(later.iter().copied()).collect()
    }

    /// True for a listener that carries what a sidecar's own workload sends.
    pub(super) fn is_outbound(&self, listener: &Node, of: usize) -> bool {
        if word_of(listener, "traffic_direction", &DIRECTIONS) != Some("OUTBOUND") {
            return false;
        }
        // Listeners of Istio's gateways say `OUTBOUND`, too.
        match self.roles.get(&of).copied().unwrap_or(self.role_of_all) {
            Some(role) => role == Role::Sidecar,
            // Those of sidecars take connections from another one, which is of a known name.
            None => {
                listener.text_of("name") == Some("virtualOutbound")
                    || listener.get("bind_to_port").is_some_and(Node::is_false)
            }
        }
    }
}

impl Role {
    /// The role of the proxy `id`, as in `sidecar~10.0.0.7~orders.shop~shop.svc.cluster.local`.
    fn of(id: &str) -> Option<Self> {
        match id.split_once('~')?.0 {
            "sidecar" => Some(Self::Sidecar),
            "router" | "waypoint" => Some(Self::Gateway),
            _ => None,
        }
    }
}

impl<'a> Named<'a> {
    fn by(parts: &[Part<'a>], name: impl Fn(&Part<'a>) -> Option<&'a str>) -> Self {
        let mut named = Self::default();
        for part in parts {
            let Some(name) = name(part) else { continue };
            named.of_tree.entry((part.of, name)).or_default().push(*part);
            named.of_any.entry(name).or_default().push(*part);
        }
        named
    }

    /// Those `name` of the tree `of`; of every tree if that one has none.
    fn get<'s>(&'s self, name: &'s str, of: usize) -> &'s [Part<'a>] {
        let found = self.of_tree.get(&(of, name)).or_else(|| self.of_any.get(name));
        found.map_or(&[], Vec::as_slice)
    }
}
