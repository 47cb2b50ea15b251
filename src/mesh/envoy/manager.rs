//! The connection manager: what it takes from callers, and the order of its filters.

use std::collections::HashSet;

use super::check::is_generated;
use super::early::acts_too_early;
use super::filters::{bridges, chooses_route, parameters, retargets, session_header, writes};
use super::kind::{FORWARD_DETAILS, asks, is_type, word_of};
use super::parts::{Manager, Part};
use super::world::World;
use super::{address, replies, strict, xfcc};
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::{Faults, IdentityHeaders};
use crate::mesh::format::{Origins, Source};

/// Lints the whole of `manager`.
pub(super) fn lint(
    manager: &Manager<'_>,
    world: &World<'_>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    lint_present(manager, world, identity, faults);
    lint_early(&manager.part, "SANITIZE", world, faults);
    lint_unasked(manager, world, faults);
    let mut checks = world.checks_of(manager).peekable();
    if checks.peek().is_some() && !checks.any(is_generated) {
        strict::lint(manager, world, faults);
    }
}

/// Lints whether `manager` asks at all.
pub(super) fn lint_unasked(manager: &Manager<'_>, world: &World<'_>, faults: &mut Faults) {
    let Part { tree, node, .. } = manager.part;
    let filters = node.items_of("http_filters");
    if !filters.iter().any(asks) && !filters.is_empty() && !is_exempt(manager, world) {
        let name = manager.listener.and_then(|own| own.text_of("name")).unwrap_or("without a name");
        let message = format!("the listener `{name}` has no `ext_authz` filter");
        faults.add(Code::ListenerWithoutCheck, tree.key_place(node, "http_filters"), message);
    }
}

/// The lists of filters in `manager` of which one asks: its own, those of upgrades, and those within filters.
fn lists(manager: &Node) -> Vec<&[Node]> {
    let upgrades = manager.items_of("upgrade_configs").iter().map(|own| own.items_of("filters"));
    let mut found = vec![manager.items_of("http_filters")];
    found.extend(upgrades);
    let outer: Vec<_> = found.iter().flat_map(|own| own.iter()).filter(|own| asks(own)).collect();
    outer.into_iter().for_each(|own| find_lists(own, &mut found));
    found
}

fn find_lists<'a>(node: &'a Node, found: &mut Vec<&'a [Node]>) {
    let items = node.items();
    let is_filter = |own: &&Node| own.get("typed_config").is_some();
    if items.len() > 1 && items.iter().filter(is_filter).any(asks) {
        found.push(items);
    }
    node.parts().for_each(|part| find_lists(part, found));
}

/// Lints what is set, and not what is missing.
pub(super) fn lint_present(
    manager: &Manager<'_>,
    world: &World<'_>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let Manager { part: Part { tree, node, .. }, listener, chain, .. } = *manager;
    xfcc::lint(tree, node, listener, faults);
    let origins = Origins { address: address::source(node), states: &world.states };
    for filters in lists(node) {
        lint_order(tree, filters, &origins, identity, faults);
    }
    address::lint_manager(tree, node, (listener, chain), faults);
    replies::lint(tree, node, faults);
    let actions =
        ["", "KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD"];
    let action = word_of(node, "path_with_escaped_slashes_action", &actions);
    if action == Some("UNESCAPE_AND_FORWARD") {
        let place = tree.key_place(node, "path_with_escaped_slashes_action");
        let message = "`UNESCAPE_AND_FORWARD` makes two segments of one: rules see another path than the caller sent";
        faults.add(Code::PathRewritten, place, message);
    }
    for upgrade in node.items_of("upgrade_configs") {
        let filters = upgrade.items_of("filters");
        if !filters.is_empty() && !filters.iter().any(asks) {
            let kind = upgrade.text_of("upgrade_type").unwrap_or_default();
            let message = format!("requests that are upgraded to `{kind}` pass other filters");
            faults.add(Code::UpgradeWithoutCheck, tree.key_place(upgrade, "filters"), message);
        }
    }
}

/// Lints the mutations that come before everything else, also before Envoy writes what it saw of the caller.
///
/// Envoy overwrites `x-forwarded-client-cert` afterwards, unless it forwards or appends. `usual` says what it does where `node` says nothing.
pub(super) fn lint_early(part: &Part<'_>, usual: &str, world: &World<'_>, faults: &mut Faults) {
    let Part { tree, node, .. } = *part;
    let origins = Origins { address: address::source(node), states: &world.states };
    let kept = word_of(node, "forward_client_cert_details", &FORWARD_DETAILS).unwrap_or(usual);
    let is_replaced = kept.starts_with("SANITIZE");
    let key = "early_header_mutation_extensions";
    for own in node.items_of(key).iter().flat_map(writes) {
        own.within(&origins).lint_early(tree, key, is_replaced.then_some(kept), faults);
    }
}

/// Lints the filters in front of the one that asks, and those behind it.
fn lint_order(
    tree: &Tree,
    filters: &[Node],
    origins: &Origins<'_>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let Some(at) = filters.iter().position(asks) else { return };
    let (before, rest) = filters.split_at(at);
    for filter in before {
        if let Some(early) = acts_too_early(filter, identity) {
            let message = format!("{} {}", called(filter), early.does);
            early.lint(tree.place(filter), message, faults);
        }
        let who = format!("{} writes", called(filter));
        let writes = writes(filter).into_iter().map(|own| own.within(origins));
        writes.for_each(|own| own.lint_before(tree, &who, faults));
    }
    for filter in rest.iter().skip(1) {
        let who = format!("{} writes", called(filter));
        let writes = writes(filter).into_iter().map(|own| own.within(origins));
        writes.for_each(|own| own.lint_behind(tree, &who, identity, faults));
        lint_behind(tree, filter, origins, faults);
        if let Some(name) = retargets(filter) {
            let message =
                format!("{who} `{name}` after the check, maybe from what the caller sends");
            faults.warn(Code::SteeredByCaller, tree.place(filter), message);
        }
    }
    for filter in filters {
        if let Some(name) = session_header(filter) {
            let message =
                "the session is in a header: a caller may write the address of any endpoint";
            faults.warn(Code::SteeredByCaller, tree.place(name), message);
        }
        let matched = filter.get("typed_config").filter(|own| is_type(own, "ExtensionWithMatcher"));
        if matched.is_some() && asks(filter) {
            let message = "the filter is in an `ExtensionWithMatcher`, which may ignore it";
            faults.add(Code::CheckInPart, tree.place(filter), message);
        }
    }
}

/// Lints what `filter` changes behind the check, beside headers.
fn lint_behind(tree: &Tree, filter: &Node, origins: &Origins<'_>, faults: &mut Faults) {
    let who = format!("{} writes", called(filter));
    let parameters = parameters(filter).into_iter().map(|own| own.within(origins));
    parameters.for_each(|own| own.lint_parameter(tree, &who, faults));
    if bridges(filter) {
        let message = format!(
            "{} makes the path and the method of the body, after the decision: put it in front of the check",
            called(filter)
        );
        faults.warn(Code::SteeredByCaller, tree.place(filter), message);
    }
    if let Some(at) = chooses_route(filter) {
        let message = format!(
            "{} has the route chosen again after the decision, which was about another one",
            called(filter)
        );
        faults.add(Code::RouteChosenAgain, tree.place(at), message);
    }
}

/// The names of filters by their side of the check.
#[derive(Debug, Default)]
pub(super) struct Sides<'a> {
    front: HashSet<&'a str>,
    behind: HashSet<&'a str>,
}

impl<'a> Sides<'a> {
    pub(super) fn of(managers: &[Manager<'a>]) -> Self {
        let mut sides = Self::default();
        for manager in managers {
            let filters = manager.part.node.items_of("http_filters");
            let at = filters.iter().position(asks).unwrap_or_default();
            let names =
                filters.iter().enumerate().filter_map(|(n, own)| Some((n, own.text_of("name")?)));
            for (number, name) in names {
                let side = if number < at { &mut sides.front } else { &mut sides.behind };
                side.insert(name);
            }
        }
        sides
    }

    /// True if the filter `name` stands in front of a check.
    pub(super) fn is_in_front(&self, name: &str) -> bool {
        self.front.contains(name)
    }

    /// True if the filter `name` stands behind a check, or no list shows it.
    pub(super) fn is_behind(&self, name: &str) -> bool {
        self.behind.contains(name) || !self.front.contains(name)
    }
}

/// Lints the filters that requests pass on their way to a cluster.
pub(super) fn lint_upstream(
    part: &Part<'_>,
    world: &World<'_>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let origins = Origins { address: Source::Address, states: &world.states };
    for filter in part.node.items_of("http_filters") {
        let who = format!("{} of a cluster writes", called(filter));
        for own in writes(filter).into_iter().map(|own| own.within(&origins)) {
            own.lint_behind(part.tree, &who, identity, faults);
        }
        for own in parameters(filter).into_iter().map(|own| own.within(&origins)) {
            own.lint_parameter(part.tree, &who, faults);
        }
    }
}

fn called(filter: &Node) -> String {
    format!("the filter `{}`", filter.text_of("name").unwrap_or_default())
}

/// True for a listener that carries what this machine sends itself, or that answers without an upstream.
fn is_exempt(manager: &Manager<'_>, world: &World<'_>) -> bool {
    let of = manager.part.of;
    let is_outbound = manager.listener.is_some_and(|listener| world.is_outbound(listener, of));
    let tables = world.routes_of(manager);
    is_outbound || (!tables.is_empty() && tables.iter().all(|table| world.is_silent(table)))
}
