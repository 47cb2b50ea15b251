//! Routes: which of them are checked, and what they write afterwards.

use super::parts::{Check, Manager, Parts, is_type};
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::{Faults, IdentityHeaders};

/// The word of one level of settings about a filter.
enum Says<'a> {
    On,
    Off(&'a Node),
}

/// True if no upstream gets requests of `route`.
pub(super) fn answers_itself(route: &Node) -> bool {
    route.get("direct_response").is_some() || route.get("redirect").is_some()
}

/// Lints which routes of `manager` are checked.
pub(super) fn lint_coverage(
    tree: &Tree,
    manager: &Manager<'_>,
    parts: &Parts<'_>,
    faults: &mut Faults,
) {
    let checks: Vec<_> = parts.checks_of(manager.node).collect();
    if checks.is_empty() {
        return;
    }
    let named = manager.node.at(&["rds", "route_config_name"]).and_then(Node::text);
    let of_name =
        parts.routes.iter().copied().filter(|own| named.is_some() && own.text_of("name") == named);
    let inline = manager.node.get("route_config");
    for config in inline.into_iter().chain(of_name) {
        for host in config.items_of("virtual_hosts") {
            for route in host.items_of("routes").iter().filter(|route| !answers_itself(route)) {
                lint_route(tree, &checks, [route, host, config], faults);
            }
        }
    }
}

fn lint_route(tree: &Tree, checks: &[&Check<'_>], levels: [&Node; 3], faults: &mut Faults) {
    let [route, host, _] = levels;
    let host = host.text_of("name").unwrap_or_default();
    let route_name = described(route);
    let split = route.at(&["route", "weighted_clusters", "clusters"]);
    for part in split.map_or(&[][..], Node::items) {
        if let Some(off) = checks.iter().find_map(|check| says(part, check)).and_then(Says::off) {
            let message = format!("a cluster of {route_name} in `{host}` switches the check off");
            faults.add(Code::CheckSwitchedOff, tree.place(off), message);
        }
    }
    let mut off = None;
    for check in checks {
        match levels.iter().find_map(|level| says(level, check)) {
            Some(Says::On) => return,
            Some(Says::Off(node)) => off = off.or(Some(node)),
            None if !check.filter.has("disabled") => return,
            None => {}
        }
    }
    let (place, why) = match off {
        Some(node) => (tree.place(node), "switches the check off"),
        None => (tree.place(route), "does not switch the filter on, which is `disabled: true`"),
    };
    let message = format!("{route_name} in the virtual host `{host}` {why}");
    faults.add(Code::CheckSwitchedOff, place, message);
}

impl<'a> Says<'a> {
    fn off(self) -> Option<&'a Node> {
        match self {
            Self::Off(node) => Some(node),
            Self::On => None,
        }
    }
}

/// The word of `level` about the filter `check`.
fn says<'a>(level: &'a Node, check: &Check<'_>) -> Option<Says<'a>> {
    let name = check.filter.text_of("name")?;
    let settings = level.get("typed_per_filter_config")?;
    let own = settings.entries().find(|(key, _)| key.value == name).map(|(_, own)| own)?;
    let of_filter = is_type(own, "ExtAuthzPerRoute") || is_type(own, ".FilterConfig");
    let within = own.get("config").filter(|_| is_type(own, ".FilterConfig"));
    let is_off =
        of_filter && (own.has("disabled") || within.is_some_and(|own| own.has("disabled")));
    Some(if is_off { Says::Off(own) } else { Says::On })
}

/// How a message names a route.
fn described(route: &Node) -> String {
    if let Some(name) = route.text_of("name") {
        return format!("the route `{name}`");
    }
    let of_match = ["prefix", "path", "path_separated_prefix"];
    let path = of_match.iter().find_map(|key| route.at(&["match", key])?.text());
    path.map_or_else(|| String::from("a route"), |path| format!("the route for `{path}`"))
}

/// Lints what a route configuration writes into requests after the check.
pub(super) fn lint_headers(
    tree: &Tree,
    config: &Node,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    for added in config.items_of("request_headers_to_add") {
        let key = added.at(&["header", "key"]);
        if let Some((name, key)) = key.and_then(|key| Some((key.text()?, key)))
            && identity.has(name)
        {
            let message = format!("a route writes `{name}` after the check");
            faults.add(Code::IdentityOverwritten, tree.place(key), message);
        }
    }
    config.parts().for_each(|part| lint_headers(tree, part, identity, faults));
}
