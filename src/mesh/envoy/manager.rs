//! The connection manager: what it takes from callers, and the order of its filters.

use std::collections::HashSet;

use super::check::is_generated;
use super::filters::{acts_too_early, retargets, writes};
use super::kind::{FORWARD_DETAILS, asks, is_type, word_of};
use super::parts::{Manager, Part};
use super::strict;
use super::world::World;
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::{Faults, IdentityHeaders};

/// Lints the whole of `manager`.
pub(super) fn lint(
    manager: &Manager<'_>,
    world: &World<'_>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let Part { tree, node, .. } = manager.part;
    lint_present(&manager.part, manager.listener, identity, faults);
    lint_early(tree, node, "SANITIZE", faults);
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

/// Lints what is set, and not what is missing.
pub(super) fn lint_present(
    part: &Part<'_>,
    listener: Option<&Node>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let Part { tree, node, .. } = *part;
    lint_xfcc(tree, node, listener, faults);
    lint_order(tree, node, identity, faults);
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

/// Lints what becomes of the header that a caller may have written.
fn lint_xfcc(tree: &Tree, node: &Node, listener: Option<&Node>, faults: &mut Faults) {
    let Some(kept) = word_of(node, "forward_client_cert_details", &FORWARD_DETAILS) else { return };
    let is_internal = listener.is_some_and(|own| own.get("internal_listener").is_some());
    let place = || tree.key_place(node, "forward_client_cert_details");
    match kept {
        "ALWAYS_FORWARD_ONLY" | "FORWARD_ONLY" if !is_internal => {
            let message =
                format!("`{kept}` passes on what the caller wrote: it can claim any identity");
            faults.add(Code::CallersXfcc, place(), message);
        }
        "APPEND_FORWARD" if node.has("use_remote_address") => {
            let message =
                "`APPEND_FORWARD` at an edge keeps what callers wrote in front of what Envoy saw";
            faults.add(Code::CallersXfcc, place(), message);
        }
        _ => {}
    }
}

/// Lints the mutations that come before everything else, also before Envoy writes what it saw of the caller.
///
/// Envoy overwrites `x-forwarded-client-cert` afterwards, unless it forwards or appends. `usual` says what it does where `node` says nothing.
pub(super) fn lint_early(tree: &Tree, node: &Node, usual: &str, faults: &mut Faults) {
    let kept = word_of(node, "forward_client_cert_details", &FORWARD_DETAILS).unwrap_or(usual);
    let is_replaced = kept.starts_with("SANITIZE");
    let key = "early_header_mutation_extensions";
    for own in node.items_of(key).iter().flat_map(writes) {
        own.lint_early(tree, key, is_replaced.then_some(kept), faults);
    }
}

/// Lints the filters in front of the one that asks, and those behind it.
fn lint_order(tree: &Tree, node: &Node, identity: &IdentityHeaders, faults: &mut Faults) {
    let filters = node.items_of("http_filters");
    let Some(at) = filters.iter().position(asks) else { return };
    let (before, rest) = filters.split_at(at);
    for filter in before {
        if let Some(why) = acts_too_early(filter, identity) {
            let message = format!("{} {why}", called(filter));
            faults.add(Code::ActsBeforeCheck, tree.place(filter), message);
        }
        let who = format!("{} writes", called(filter));
        writes(filter).iter().for_each(|own| own.lint_before(tree, &who, faults));
    }
    for filter in rest.iter().skip(1) {
        let who = format!("{} writes", called(filter));
        writes(filter).iter().for_each(|own| own.lint_behind(tree, &who, identity, faults));
        if let Some(name) = retargets(filter) {
            let message =
                format!("{who} `{name}` after the check, maybe from what the caller sends");
            faults.warn(Code::SteeredByCaller, tree.place(filter), message);
        }
    }
    for filter in filters {
        let matched = filter.get("typed_config").filter(|own| is_type(own, "ExtensionWithMatcher"));
        if matched.is_some() && asks(filter) {
            let message = "the filter is in an `ExtensionWithMatcher`, which may ignore it";
            faults.add(Code::CheckInPart, tree.place(filter), message);
        }
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
pub(super) fn lint_upstream(part: &Part<'_>, identity: &IdentityHeaders, faults: &mut Faults) {
    for filter in part.node.items_of("http_filters") {
        let who = format!("{} of a cluster writes", called(filter));
        let writes = writes(filter);
        writes.iter().for_each(|own| own.lint_behind(part.tree, &who, identity, faults));
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
