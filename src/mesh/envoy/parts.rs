//! Finding the parts of a configuration that matter, wherever they stand.

use super::kind::{asks_later, is_check, is_type, switches_off, type_of};
use crate::document::{Node, Tree};

/// The parts of everything that is linted together.
#[derive(Debug, Default)]
pub(super) struct ConfigParts<'a> {
    /// The filters that ask.
    pub(super) checks: Vec<Check<'a>>,
    pub(super) managers: Vec<Manager<'a>>,
    /// The filter chains of listeners.
    pub(super) chains: Vec<Chain<'a>>,
    /// The route configurations.
    pub(super) routes: Vec<Part<'a>>,
    /// Virtual hosts that an Envoy gets by themselves.
    pub(super) hosts: Vec<Part<'a>>,
    /// The scopes that say which route configuration is taken.
    pub(super) scopes: Vec<Part<'a>>,
    pub(super) clusters: Vec<Part<'a>>,
    /// The runtimes of bootstraps, and the layers that an Envoy gets later.
    pub(super) runtimes: Vec<Part<'a>>,
    /// The settings of clusters for HTTP.
    pub(super) upstreams: Vec<Part<'a>>,
    /// The listeners with filters of their own.
    pub(super) listeners: Vec<Part<'a>>,
    /// The values that are put into the filter state.
    pub(super) states: Vec<State<'a>>,
    /// The filters that put what a caller sent into metadata.
    pub(super) metadata: Vec<&'a Node>,
    /// The addresses of administration interfaces.
    pub(super) admins: Vec<Part<'a>>,
    /// The settings of routes that switch the filter off.
    pub(super) switched_off: Vec<&'a Node>,
    /// The ids of the proxies, by the number of their tree.
    pub(super) proxies: Vec<(usize, &'a str)>,
}

/// A part, and the tree that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) tree: &'a Tree,
    /// The number of the tree.
    pub(super) of: usize,
    pub(super) node: &'a Node,
}

/// An `ext_authz` filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check<'a> {
    pub(super) tree: &'a Tree,
    pub(super) of: usize,
    /// Its entry in a list of filters.
    pub(super) filter: &'a Node,
    /// Its own settings; none where an Envoy gets them later.
    pub(super) config: Option<&'a Node>,
    /// True for HTTP, and not for TCP.
    pub(super) is_http: bool,
    /// The connection manager that it is in.
    pub(super) manager: Option<&'a Node>,
    /// The filter chain that that is in.
    pub(super) chain: Option<&'a Node>,
}

/// An HTTP connection manager.
#[derive(Clone, Debug)]
pub(super) struct Manager<'a> {
    pub(super) part: Part<'a>,
    pub(super) listener: Option<&'a Node>,
    /// The filter chain that it is in.
    pub(super) chain: Option<&'a Node>,
    /// The numbers of its filters that ask.
    pub(super) checks: Vec<usize>,
}

/// A value that is put into the filter state.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'a> {
    pub(super) part: Part<'a>,
    /// True if it is of a connection that no connection manager takes.
    pub(super) is_raw: bool,
}

/// A filter chain of a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain<'a> {
    pub(super) part: Part<'a>,
    pub(super) listener: &'a Node,
}

/// The parts around a place in a tree.
#[derive(Clone, Copy, Debug)]
struct Within<'a> {
    tree: &'a Tree,
    of: usize,
    listener: Option<&'a Node>,
    chain: Option<&'a Node>,
    /// True if that chain has no connection manager.
    is_raw: bool,
    /// The number of the connection manager.
    manager: Option<usize>,
}

impl<'a> ConfigParts<'a> {
    /// The parts of the configurations `roots`, each with its tree.
    pub(super) fn of(roots: impl IntoIterator<Item = (&'a Tree, &'a Node)>) -> Self {
        let mut parts = Self::default();
        for (of, (tree, root)) in roots.into_iter().enumerate() {
            let within =
                Within { tree, of, listener: None, chain: None, is_raw: false, manager: None };
            parts.find(root, within);
            parts.proxies.extend(proxy(root).map(|id| (of, id)));
        }
        parts
    }

    /// True if nothing was found.
    pub(super) const fn is_empty(&self) -> bool {
        self.checks.is_empty()
            && self.managers.is_empty()
            && self.clusters.is_empty()
            && self.admins.is_empty()
    }

    fn find(&mut self, node: &'a Node, mut within: Within<'a>) {
        let part = Part { tree: within.tree, of: within.of, node };
        if node.get("filter_chains").is_some() || node.get("default_filter_chain").is_some() {
            within.listener = Some(node);
        }
        if node.get("filters").is_some() && within.manager.is_none() {
            within.chain = Some(node);
            within.is_raw = !has_manager(node);
            self.chains.extend(within.listener.map(|listener| Chain { part, listener }));
        }
        if is_type(node, "HttpConnectionManager") {
            within.manager = Some(self.managers.len());
            let Within { listener, chain, .. } = within;
            self.managers.push(Manager { part, listener, chain, checks: Vec::new() });
        }
        self.keep_named(part);
        self.keep_writers(part, within.is_raw);
        self.keep_check(node, within);
        let settings = node.get("typed_per_filter_config").into_iter().flat_map(Node::entries);
        let off = settings.filter(|(name, own)| switches_off(&name.value, own));
        self.switched_off.extend(off.map(|(_, own)| own));
        node.parts().for_each(|part| self.find(part, within));
    }

    /// Keeps what others refer to by its name.
    fn keep_named(&mut self, part: Part<'a>) {
        let node = part.node;
        if node.get("virtual_hosts").is_some() || is_type(node, ".RouteConfiguration") {
            self.routes.push(part);
        }
        if is_type(node, ".VirtualHost") {
            self.hosts.push(part);
        }
        if is_type(node, ".ScopedRouteConfiguration") {
            self.scopes.push(part);
        }
        if is_type(node, ".HttpProtocolOptions") {
            self.upstreams.push(part);
        }
        let runtime = node.get("layered_runtime").map(|node| Part { node, ..part });
        self.runtimes.extend(runtime.or(Some(part).filter(|own| is_type(own.node, ".Runtime"))));
        let is_cluster = node.get("load_assignment").is_some() || is_type(node, ".Cluster");
        if is_cluster && node.get("name").is_some() {
            self.clusters.push(part);
        }
        // Those of a bootstrap have no type, and those that get their addresses later nothing else.
        if let Some(resources) = node.get("static_resources") {
            let bare =
                |own: &&Node| own.get("load_assignment").is_none() && !is_type(own, ".Cluster");
            let clusters = resources.items_of("clusters").iter().filter(bare);
            self.clusters.extend(clusters.map(|node| Part { node, ..part }));
        }
    }

    /// Keeps what fills the state of requests, or of raw connections, and who can change the proxy.
    fn keep_writers(&mut self, part: Part<'a>, is_raw: bool) {
        let node = part.node;
        if node.get("object_key").is_some() {
            self.states.push(State { part, is_raw });
        }
        if type_of(node).contains("_to_metadata.") {
            self.metadata.push(node);
        }
        if node.get("listener_filters").is_some() {
            self.listeners.push(part);
        }
        if let Some(admin) = node.get("admin").filter(|own| own.get("address").is_some()) {
            self.admins.push(Part { node: admin, ..part });
        }
    }

    fn keep_check(&mut self, node: &'a Node, within: Within<'a>) {
        let preset = node.at(&["config_discovery", "default_config"]);
        let config = node.get("typed_config").or(preset).filter(|own| is_check(own));
        if config.is_none() && !asks_later(node) {
            return;
        }
        let is_http = config.is_none_or(|own| type_of(own).contains(".http."));
        let number = self.checks.len();
        let manager = within.manager.and_then(|at| self.managers.get_mut(at));
        if let Some(manager) = manager.filter(|_| is_http) {
            manager.checks.push(number);
        }
        let manager = within.manager.and_then(|at| Some(self.managers.get(at)?.part.node));
        let Within { tree, of, chain, .. } = within;
        self.checks.push(Check { tree, of, filter: node, config, is_http, manager, chain });
    }
}

/// True if the filter chain `chain` has a connection manager.
fn has_manager(chain: &Node) -> bool {
    let mut configs = chain.items_of("filters").iter().filter_map(|own| own.get("typed_config"));
    configs.any(|own| is_type(own, "HttpConnectionManager"))
}

/// The id of the proxy that has the bootstrap or dump `root`.
fn proxy(root: &Node) -> Option<&str> {
    let of_dump = || {
        let parts = root.items_of("configs").iter().chain([root]);
        parts.filter_map(|own| own.at(&["bootstrap", "node", "id"])).next()
    };
    root.at(&["node", "id"]).or_else(of_dump).and_then(Node::text)
}
