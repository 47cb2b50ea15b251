//! Finding the parts of a configuration that matter, wherever they stand.

use crate::document::Node;

/// The parts of a configuration.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// The filters that ask.
    pub(super) checks: Vec<Check<'a>>,
    pub(super) managers: Vec<Manager<'a>>,
    /// The route configurations.
    pub(super) routes: Vec<&'a Node>,
    pub(super) clusters: Vec<&'a Node>,
    /// The settings of routes that switch the filter off.
    pub(super) switched_off: Vec<&'a Node>,
}

/// An `ext_authz` filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check<'a> {
    /// Its entry in a list of filters.
    pub(super) filter: &'a Node,
    /// Its own settings.
    pub(super) config: &'a Node,
    /// True for HTTP, and not for TCP.
    pub(super) is_http: bool,
    /// The connection manager that it is in.
    pub(super) manager: Option<&'a Node>,
    /// The filter chain that that is in.
    pub(super) chain: Option<&'a Node>,
}

/// An HTTP connection manager.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manager<'a> {
    pub(super) node: &'a Node,
    pub(super) listener: Option<&'a Node>,
}

/// The parts around a place in the tree.
#[derive(Clone, Copy, Debug, Default)]
struct Within<'a> {
    listener: Option<&'a Node>,
    chain: Option<&'a Node>,
    manager: Option<&'a Node>,
}

impl<'a> Parts<'a> {
    /// The parts of the configuration in `root`.
    pub(super) fn of(root: &'a Node) -> Self {
        let mut parts = Self::default();
        parts.find(root, Within::default());
        parts
    }

    fn find(&mut self, node: &'a Node, mut within: Within<'a>) {
        if node.get("filter_chains").is_some() || node.get("default_filter_chain").is_some() {
            within.listener = Some(node);
        }
        if node.get("filters").is_some() && within.manager.is_none() {
            within.chain = Some(node);
        }
        if is_type(node, "HttpConnectionManager") {
            within.manager = Some(node);
            self.managers.push(Manager { node, listener: within.listener });
        }
        if node.get("virtual_hosts").is_some() {
            self.routes.push(node);
        }
        let is_cluster = node.get("load_assignment").is_some() || is_type(node, ".Cluster");
        if is_cluster && node.get("name").is_some() {
            self.clusters.push(node);
        }
        if switches_off(node) {
            self.switched_off.push(node);
        }
        if let Some(config) = node.get("typed_config").filter(|own| is_type(own, ".ExtAuthz")) {
            let is_http = type_of(config).contains(".http.");
            let Within { manager, chain, .. } = within;
            self.checks.push(Check { filter: node, config, is_http, manager, chain });
        }
        node.parts().for_each(|part| self.find(part, within));
    }

    /// The cluster `name`.
    pub(super) fn cluster(&self, name: &str) -> Option<&'a Node> {
        self.clusters.iter().copied().find(|cluster| cluster.text_of("name") == Some(name))
    }

    /// The filters that ask in `manager`.
    pub(super) fn checks_of(&self, manager: &Node) -> impl Iterator<Item = &Check<'a>> {
        self.checks.iter().filter(move |check| {
            check.is_http && check.manager.is_some_and(|own| std::ptr::eq(own, manager))
        })
    }
}

/// The protobuf type of a message in an `Any`.
pub(super) fn type_of(node: &Node) -> &str {
    node.text_of("@type").unwrap_or_default()
}

/// True if the protobuf type of `node` ends like this.
pub(super) fn is_type(node: &Node, end: &str) -> bool {
    type_of(node).ends_with(end)
}

/// True if settings of a route switch `ext_authz` off.
pub(super) fn switches_off(settings: &Node) -> bool {
    is_type(settings, "ExtAuthzPerRoute") && settings.has("disabled")
}

/// True if an `ext_authz` filter is in `node`.
pub(super) fn asks(node: &Node) -> bool {
    is_type(node, ".http.ext_authz.v3.ExtAuthz") || node.parts().any(asks)
}
