//! The routes of a virtual host.

use super::kind::is_type;
use crate::document::Node;

/// Clusters of the proxy itself and of its agent.
const OWN_CLUSTERS: [&str; 5] =
    ["prometheus_stats", "agent", "sds-grpc", "xds-grpc", "envoy-gateway-proxy-ready"];

/// True if `route` is answered by the proxy itself, or by its agent.
pub(super) fn has_no_upstream(route: &Node) -> bool {
    let cluster = route.at(&["route", "cluster"]).and_then(Node::text);
    answers_itself(route) || cluster.is_some_and(|name| OWN_CLUSTERS.contains(&name))
}

/// True if no upstream gets requests of `route`.
pub(super) fn answers_itself(route: &Node) -> bool {
    route.get("direct_response").is_some() || route.get("redirect").is_some()
}

/// The routes of a virtual host: in its list, or in the tree of its matcher.
pub(super) fn routes_of(host: &Node) -> Vec<&Node> {
    let mut found: Vec<_> = host.items_of("routes").iter().collect();
    if let Some(matcher) = host.get("matcher") {
        find_routes(matcher, &mut found);
    }
    found
}

fn find_routes<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
    if is_type(node, ".route.v3.Route") {
        found.push(node);
    } else if is_type(node, ".route.v3.RouteList") {
        found.extend(node.items_of("routes"));
    } else {
        node.parts().for_each(|part| find_routes(part, found));
    }
}
