//! Settings by which a header of the caller changes the request after the decision, or chooses its upstream.

use super::kind::type_of;
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::Faults;
use crate::mesh::format::Source;

/// Keys that name a header, and what its value is afterwards.
const BY_HEADER: [(&str, &str); 2] = [
    ("host_rewrite_header", "the host that the upstream gets"),
    ("cluster_header", "the cluster that gets the request"),
];

/// Keys that have a text in Envoy's format.
const BY_FORMAT: [(&str, &str); 3] = [
    ("host_id_format", "the connection that gets the request"),
    ("host_rewrite", "the host that the upstream gets"),
    ("path_rewrite", "the path that the upstream gets"),
];

/// Programs that choose a cluster, by parts of their types.
const PROGRAMS: [&str; 3] = [
    ".cluster_specifiers.lua.",
    ".cluster_specifiers.dynamic_modules.",
    ".cluster_specifier.golang.",
];

/// countersign has Envoy remove it.
const REMOVED: &str = "x-envoy-original-dst-host";

/// Lints the keys of `node`, and none below it.
pub(super) fn lint(tree: &Tree, node: &Node, faults: &mut Faults) {
    for (key, what) in BY_HEADER {
        if node.text_of(key).is_some_and(|own| !own.is_empty()) {
            let message = format!("`{key}` lets a header of the caller say {what}");
            faults.add(Code::SteeredByCaller, tree.key_place(node, key), message);
        }
    }
    for (key, what) in BY_FORMAT {
        if node.text_of(key).is_some_and(|own| Source::of(own) == Source::Caller) {
            let message = format!("`{key}` lets the caller say {what}, after the decision");
            faults.add(Code::SteeredByCaller, tree.key_place(node, key), message);
        }
    }
    if node.get("host_rewrite_path_regex").is_some() {
        let message =
            "`host_rewrite_path_regex` makes the host that the upstream gets of the caller's path";
        let place = tree.key_place(node, "host_rewrite_path_regex");
        faults.warn(Code::SteeredByCaller, place, message);
    }
    if let Some(own) = node.get("original_dst_lb_config").filter(|own| own.has("use_http_header")) {
        let name = own.text_of("http_header_name").unwrap_or_default();
        if !name.is_empty() && !name.eq_ignore_ascii_case(REMOVED) {
            let message = format!("`use_http_header` lets the caller say the address in `{name}`");
            faults.add(Code::SteeredByCaller, tree.key_place(own, "use_http_header"), message);
        }
    }
    if PROGRAMS.iter().any(|own| type_of(node).contains(own)) {
        let message = "a program chooses the cluster, maybe by what the caller sends";
        faults.warn(Code::SteeredByCaller, tree.place(node), message);
    }
    if let Some(name) = node.at(&["weighted_clusters", "header_name"]) {
        let message = "`header_name` lets a header of the caller choose one of the clusters";
        faults.warn(Code::SteeredByCaller, tree.place(name), message);
    }
    for source in node.items_of("override_host_sources") {
        if let Some(name) = source.get("header") {
            let message = "`override_host_sources` takes the address from a header, which a caller may have written";
            faults.warn(Code::SteeredByCaller, tree.place(name), message);
        }
    }
}

/// Lints the keys of `node`, and all below it.
pub(super) fn lint_within(tree: &Tree, node: &Node, faults: &mut Faults) {
    lint(tree, node, faults);
    node.parts().for_each(|part| lint_within(tree, part, faults));
}
