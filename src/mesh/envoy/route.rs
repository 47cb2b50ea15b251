//! Routes: which of them are checked, and what they write afterwards.

use std::collections::HashSet;

use super::early::acts_on_route;
use super::filters::{parameters, writes};
use super::kind::{asks, is_type};
use super::manager::Sides;
use super::parts::{Check, Part};
use super::routes::{answers_itself, routes_of};
use super::steering;
use super::world::World;
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::{Faults, IdentityHeaders};
use crate::mesh::format::{Origins, Source, States};
use crate::mesh::written::Write;

/// The word of one level of settings about a filter.
enum FilterSetting<'a> {
    On,
    Off(Part<'a>),
}

/// A table of routes, and the filters that ask about its requests.
struct Table<'w, 'a> {
    part: Part<'a>,
    checks: Vec<&'w Check<'a>>,
}

/// Lints which routes are checked.
pub(super) fn lint_coverage(world: &World<'_>, faults: &mut Faults) {
    for Table { part, checks } in tables(world) {
        lint_other(&part, &checks, faults);
        for host in world.hosts_of(&part) {
            lint_other(&host, &checks, faults);
            for node in routes_of(host.node).into_iter().filter(|own| !answers_itself(own)) {
                lint_route([Part { node, ..host }, host, part], &checks, faults);
            }
        }
    }
}

/// Each table once for the same filters, however many listeners have it.
fn tables<'w, 'a>(world: &'w World<'a>) -> Vec<Table<'w, 'a>> {
    let (mut seen, mut tables) = (HashSet::new(), Vec::new());
    for manager in &world.parts.managers {
        let checks: Vec<_> = world.checks_of(manager).collect();
        if checks.is_empty() {
            continue;
        }
        let filter = |own: &&Check<'a>| (own.filter.text_of("name"), own.filter.has("disabled"));
        let filters: Vec<_> = checks.iter().map(filter).collect();
        for part in world.routes_of(manager) {
            if seen.insert((std::ptr::from_ref(part.node), filters.clone())) {
                tables.push(Table { part, checks: checks.clone() });
            }
        }
    }
    tables
}

fn lint_route(levels: [Part<'_>; 3], checks: &[&Check<'_>], faults: &mut Faults) {
    let [route, host, _] = levels;
    let host = host.node.text_of("name").unwrap_or_default();
    let route_name = described(route.node);
    lint_other(&route, checks, faults);
    let split = route.node.at(&["route", "weighted_clusters", "clusters"]);
    for node in split.map_or(&[][..], Node::items) {
        let part = Part { node, ..route };
        lint_other(&part, checks, faults);
        if let Some(FilterSetting::Off(off)) = checks.iter().find_map(|check| says(&part, check)) {
            let message = format!("a cluster of {route_name} in `{host}` switches the check off");
            faults.add(Code::CheckSwitchedOff, off.tree.place(off.node), message);
        }
    }
    let mut off = None;
    for check in checks {
        match levels.iter().find_map(|level| says(level, check)) {
            Some(FilterSetting::On) => return,
            Some(FilterSetting::Off(part)) => off = off.or(Some(part)),
            None if !check.filter.has("disabled") => return,
            None => {}
        }
    }
    let (part, why) = match off {
        Some(part) => (part, "switches the check off"),
        None => (route, "does not switch the filter on, which is `disabled: true`"),
    };
    let message = format!("{route_name} in the virtual host `{host}` {why}");
    faults.add(Code::CheckSwitchedOff, part.tree.place(part.node), message);
}

/// The word of `level` about the filter `check`.
fn says<'a>(level: &Part<'a>, check: &Check<'_>) -> Option<FilterSetting<'a>> {
    // Without the filter whose metadata says which requests are checked, none is.
    let metadata = check.config.and_then(|own| own.get("filter_enabled_metadata"));
    let gate = metadata.and_then(|own| own.text_of("filter"));
    let gate_off = settings(level.node, gate).filter(|own| own.has("disabled"));
    if let Some(node) = gate_off {
        return Some(FilterSetting::Off(Part { node, ..*level }));
    }
    let own = settings(level.node, check.filter.text_of("name"))?;
    let of_filter = is_type(own, "ExtAuthzPerRoute") || is_type(own, ".FilterConfig");
    let within = own.get("config").filter(|_| is_type(own, ".FilterConfig"));
    let is_off =
        of_filter && (own.has("disabled") || within.is_some_and(|own| own.has("disabled")));
    Some(if is_off { FilterSetting::Off(Part { node: own, ..*level }) } else { FilterSetting::On })
}

/// A level at which another filter takes the name of the one that asks, in a list of filters within a filter.
fn lint_replaced(level: &Part<'_>, checks: &[&Check<'_>], faults: &mut Faults) {
    let settings = level.node.get("typed_per_filter_config").into_iter().flat_map(Node::entries);
    for (_, own) in settings {
        let own = own.get("config").filter(|_| is_type(own, ".FilterConfig")).unwrap_or(own);
        let chain = own.get("filter_chain").filter(|_| is_type(own, ".FilterChainConfigPerRoute"));
        let filters = chain.map_or(&[][..], |own| own.items_of("filters"));
        let is_named = |own: &&Node| {
            let name = own.text_of("name");
            checks.iter().any(|check| name.is_some() && check.filter.text_of("name") == name)
        };
        for filter in filters.iter().filter(is_named).filter(|own| !asks(own)) {
            let message = "a filter of the route replaces the one that asks, by its name";
            faults.add(Code::CheckSwitchedOff, level.tree.place(filter), message);
        }
    }
}

/// A level whose requests another service is asked about.
fn lint_other(level: &Part<'_>, checks: &[&Check<'_>], faults: &mut Faults) {
    lint_replaced(level, checks, faults);
    for check in checks {
        let Some(own) = settings(level.node, check.filter.text_of("name")) else { continue };
        let own = own.get("config").filter(|_| is_type(own, ".FilterConfig")).unwrap_or(own);
        let asked = |key| own.get("check_settings").and_then(|own| own.get(key));
        if let Some(asked) = asked("grpc_service").or(asked("http_service")) {
            let message = "`check_settings` asks another service than the filter does";
            faults.add(Code::OtherService, level.tree.place(asked), message);
        }
    }
}

/// The settings that `level` has for the filter `name`.
fn settings<'a>(level: &'a Node, name: Option<&str>) -> Option<&'a Node> {
    let settings = level.get("typed_per_filter_config")?;
    settings.entries().find(|(key, _)| Some(key.value.as_str()) == name).map(|(_, own)| own)
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

/// Lints what a route configuration writes into requests, by itself or by filters of `sides`, and who chooses the upstream.
pub(super) fn lint_headers(
    tree: &Tree,
    config: &Node,
    (identity, states): (&IdentityHeaders, &States),
    sides: &Sides<'_>,
    faults: &mut Faults,
) {
    let origins = Origins { address: Source::Address, states };
    let settings = config.get("typed_per_filter_config").into_iter().flat_map(Node::entries);
    for (filter, own) in settings {
        let filter = &filter.value;
        let who = format!("a route has the filter `{filter}` write");
        for write in writes(own).into_iter().map(|own| own.within(&origins)) {
            if sides.is_in_front(filter) {
                write.lint_before(tree, &who, faults);
            }
            if sides.is_behind(filter) {
                write.lint_behind(tree, &who, identity, faults);
            }
        }
        let early = acts_on_route(own, identity).filter(|_| sides.is_in_front(filter));
        if let Some(early) = early {
            let message = format!("a route has the filter `{filter}`, which {}", early.does);
            early.lint(tree.place(own), message, faults);
        }
        for own in parameters(own).into_iter().filter(|_| sides.is_behind(filter)) {
            own.within(&origins).lint_parameter(tree, &who, faults);
        }
    }
    let mut added = Vec::new();
    for key in ["request_headers_to_add", "request_headers_mutations"] {
        config.items_of(key).iter().for_each(|own| Write::all(own, &mut added));
    }
    for own in added.into_iter().map(|own| own.within(&origins)) {
        own.lint_behind(tree, "a route writes", identity, faults);
    }
    steering::lint(tree, config, faults);
    config.parts().for_each(|part| lint_headers(tree, part, (identity, states), sides, faults));
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::document::{NodeBudget, SourceFile};
    use crate::mesh::envoy::parts::ConfigParts;

    /// P601: a table of routes that many listeners name is looked at once.
    #[test]
    fn a_table_that_many_listeners_name_is_looked_at_once() {
        let mut text = String::from("{ name: shop, virtual_hosts: [] }\n");
        for number in 0..500 {
            let filter = if number == 7 { "another" } else { "authz" };
            write!(
                text,
                "---\n\"@type\": x.HttpConnectionManager\nrds: {{ route_config_name: shop }}\nhttp_filters: [{{ name: {filter}, typed_config: {{ \"@type\": x.http.ext_authz.v3.ExtAuthz }} }}]\n"
            )
            .unwrap();
        }
        let file = SourceFile::foreign("listeners.yaml", text);
        let trees = Tree::read(&file, &mut NodeBudget::new(100_000, 0), &mut Vec::new());
        let world = World::of(ConfigParts::of(trees.iter().map(|tree| (tree, &tree.root))));
        assert_eq!((trees.len(), world.parts.managers.len()), (501, 500));
        assert_eq!(tables(&world).len(), 2, "one for each name of the filter");
    }
}
