//! Settings that leave the request that is decided about as the caller sent it. A control plane has no setting for most of them.

use super::kind::word_of;
use super::parts::Manager;
use super::world::World;
use crate::document::{Code, Node};
use crate::mesh::faults::Faults;

/// How headers with `_` are taken, by number.
const UNDERSCORES: [&str; 3] = ["ALLOW", "REJECT_REQUEST", "DROP_HEADER"];

/// Lints a connection manager that a person wrote, and that asks.
pub(super) fn lint(manager: &Manager<'_>, world: &World<'_>, faults: &mut Faults) {
    let (tree, node) = (manager.part.tree, manager.part.node);
    for key in ["normalize_path", "merge_slashes"] {
        if node.has(key) {
            let message = format!("`{key}: true` has rules see another path than the caller sent");
            faults.add(Code::PathRewritten, tree.key_place(node, key), message);
        }
    }
    lint_runtime(manager, world, faults);
    let options = node.get("common_http_protocol_options");
    let action =
        options.and_then(|own| word_of(own, "headers_with_underscores_action", &UNDERSCORES));
    if !matches!(action, Some("REJECT_REQUEST" | "DROP_HEADER")) {
        let message = "`headers_with_underscores_action` lets `x_subject` pass beside `x-subject`";
        let place = match options {
            Some(options) => tree.key_place(options, "headers_with_underscores_action"),
            None => tree.key_place(node, "http_filters"),
        };
        faults.add(Code::UnderscoresAllowed, place, message);
    }
    lint_host(manager, world, faults);
}

/// Lints the key in Envoy's runtime that counts where the settings do not say whether paths are normalized.
fn lint_runtime(manager: &Manager<'_>, world: &World<'_>, faults: &mut Faults) {
    let key = "http_connection_manager.normalize_path";
    let value = world.runtime.value(key, manager.part.of);
    if let Some(own) = value.filter(|_| manager.part.node.get("normalize_path").is_none()) {
        let message = format!(
            "the runtime sets `{key}`, which has rules see another path than the caller sent: write `normalize_path: false`"
        );
        faults.add(Code::PathRewritten, own.tree.place(own.node), message);
    }
}

/// Lints whether the host that is decided about is the one by which Envoy finds a virtual host.
fn lint_host(manager: &Manager<'_>, world: &World<'_>, faults: &mut Faults) {
    let (tree, node) = (manager.part.tree, manager.part.node);
    let tables = world.routes_of(manager);
    let ignores = |table: &Node| table.has("ignore_port_in_host_matching");
    let is_found = node.has("strip_any_host_port")
        || (!tables.is_empty() && tables.iter().all(|table| ignores(table.node)));
    let place = || tree.key_place(node, "http_filters");
    if !is_found {
        let message = match node.has("strip_matching_host_port") {
            true => {
                "`strip_matching_host_port` strips the listener's own port alone: a host with another port goes to another virtual host than rules are about"
            }
            false => {
                "without `strip_any_host_port` a host with a port goes to another virtual host than rules are about"
            }
        };
        faults.add(Code::HostKept, place(), message);
    }
    if !node.has("strip_trailing_host_dot") {
        let message = "without `strip_trailing_host_dot` a host that ends with a dot goes to another virtual host than rules are about";
        faults.add(Code::HostKept, place(), message);
    }
}
