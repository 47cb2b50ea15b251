//! State of requests that chooses their upstream: the filter state and metadata, which filters fill.

use std::collections::HashSet;

use super::kind::type_of;
use super::parts::{ConfigParts, State};
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::Faults;
use crate::mesh::format::{DECISION, Origins, Source, States, Steering};

/// Keys of the filter state by which Envoy chooses an upstream, or knows the one it has.
const OF_UPSTREAM: [&str; 10] = [
    "envoy.filters.listener.original_dst.local_ip",
    "envoy.network.network_namespace",
    "envoy.network.transport_socket.http_11_proxy.info",
    "envoy.network.transport_socket.original_dst_address",
    "envoy.network.upstream_server_name",
    "envoy.network.upstream_subject_alt_names",
    "envoy.tcp_proxy.cluster",
    "envoy.udp_proxy.cluster",
    "envoy.upstream.dynamic_host",
    "envoy.upstream.dynamic_port",
];

/// The namespace into which headers go where nothing names another one.
const USUAL: &str = "envoy.lb";

/// How often values are looked up that are made of other ones.
const ROUNDS: usize = 8;

/// The sources of the values that `parts` put into the filter state: of several for one key, the least trusted one.
pub(super) fn sources(parts: &ConfigParts<'_>) -> States {
    let mut states = States::new();
    for _ in 0..ROUNDS {
        let mut next = States::new();
        for state in &parts.states {
            let Some(key) = state.part.node.text_of("object_key") else { continue };
            let source = source(state, &states);
            let kept = next.entry(key.to_owned()).or_insert(source);
            *kept = source.max(*kept);
        }
        if next == states {
            return states;
        }
        states = next;
    }
    // Values that are made of so many others are nothing to rely on.
    states.values_mut().for_each(|own| *own = (*own).max(Source::Unknown));
    states
}

/// The source of the value of `state`.
fn source(state: &State<'_>, states: &States) -> Source {
    let origins = Origins { address: Source::Address, states };
    let format = state.part.node.get("format_string");
    format.and_then(|own| within(own, &origins)).unwrap_or(Source::Caller)
}

/// The source of all texts in `format`; none where it has none, or where they are in another file.
fn within(format: &Node, origins: &Origins<'_>) -> Option<Source> {
    if format.get("filename").is_some() || format.get("inline_bytes").is_some() {
        return None;
    }
    let keys = ["text_format", "text_format_source", "json_format", "inline_string"];
    let here = format.text().map(|own| origins.source(own));
    let parts = match keys.iter().any(|key| format.get(key).is_some()) {
        true => keys.iter().filter_map(|key| format.get(key)).collect(),
        false => format.parts().collect::<Vec<_>>(),
    };
    let mut found = here;
    for part in parts {
        found = found.max(Some(within(part, origins)?));
    }
    found
}

/// Lints the values by which Envoy chooses an upstream.
pub(super) fn lint(parts: &ConfigParts<'_>, states: &States, faults: &mut Faults) {
    for state in parts.states.iter().filter(|own| !own.is_raw) {
        let (tree, node) = (state.part.tree, state.part.node);
        let keys = ["factory_key", "object_key"];
        let mut keys = keys.iter().filter_map(|key| node.text_of(key));
        let Some(key) = keys.find(|key| OF_UPSTREAM.contains(key)) else { continue };
        let place = tree.place(node);
        match source(state, states).steering() {
            Some(Steering::Caller) => {
                let message = format!("`{key}` lets what the caller sends choose the upstream");
                faults.add(Code::SteeredByCaller, place, message);
            }
            Some(Steering::Unknown) => {
                let message = format!(
                    "`{key}` lets state choose the upstream, and no file shows who fills it"
                );
                faults.warn(Code::SteeredByCaller, place, message);
            }
            None => {}
        }
    }
}

/// The namespaces of metadata that `parts` fill with what callers send.
pub(super) fn namespaces<'a>(parts: &ConfigParts<'a>) -> HashSet<&'a str> {
    let mut found = HashSet::new();
    for config in &parts.metadata {
        if type_of(config).contains(".header_to_metadata.") {
            found.insert(USUAL);
        }
        find_namespaces(config, &mut found);
    }
    found
}

fn find_namespaces<'a>(node: &'a Node, found: &mut HashSet<&'a str>) {
    found.extend(node.text_of("metadata_namespace"));
    node.parts().for_each(|part| find_namespaces(part, found));
}

/// Lints the metadata by which `cluster` chooses an endpoint.
pub(super) fn lint_metadata(
    tree: &Tree,
    cluster: &Node,
    of_callers: &HashSet<&str>,
    faults: &mut Faults,
) {
    let of_original = cluster.at(&["original_dst_lb_config", "metadata_key"]);
    let sources = cluster.items_of("override_host_sources").iter();
    for key in of_original.into_iter().chain(sources.filter_map(|own| own.get("metadata"))) {
        let namespace = key.text_of("key").unwrap_or_default();
        if of_callers.contains(namespace) {
            let message = format!(
                "metadata of `{namespace}` says the address of the upstream, and a filter puts there what the caller sends"
            );
            faults.add(Code::SteeredByCaller, tree.place(key), message);
        } else if namespace != DECISION {
            let message = format!(
                "metadata of `{namespace}` says the address of the upstream, and no file shows who fills it"
            );
            faults.warn(Code::SteeredByCaller, tree.place(key), message);
        }
    }
    let is_policy = type_of(cluster).ends_with(".subset.v3.Subset");
    let subsets = cluster.get("lb_subset_config").or(Some(cluster).filter(|_| is_policy));
    if let Some(at) = subsets.filter(|_| of_callers.contains(USUAL)) {
        let message = format!(
            "metadata of `{USUAL}` chooses the endpoints, and a filter puts there what the caller sends"
        );
        faults.warn(Code::SteeredByCaller, tree.place(at), message);
    }
    cluster.parts().for_each(|part| lint_metadata(tree, part, of_callers, faults));
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::document::{NodeBudget, SourceFile};

    /// The source of `first`, which is made of `length` other values, of which the last one has the format `last`.
    fn first_of(length: usize, last: &str) -> Source {
        let mut text = String::from("states:\n");
        let state = |key: &str, format: &str| {
            format!("  - {{ object_key: {key}, format_string: {{ text_format: \"{format}\" }} }}\n")
        };
        text.push_str(&state("first", "%FILTER_STATE(envoy.0)%"));
        for number in 0..length {
            let next = format!("%FILTER_STATE(envoy.{})%", number + 1);
            write!(text, "{}", state(&format!("envoy.{number}"), &next)).unwrap();
        }
        text.push_str(&state(&format!("envoy.{length}"), last));
        let file = SourceFile::foreign("states.yaml", text);
        let trees = Tree::read(&file, &mut NodeBudget::new(100_000, 0), &mut Vec::new());
        let parts = ConfigParts::of(trees.iter().map(|tree| (tree, &tree.root)));
        sources(&parts)["first"]
    }

    /// P715: a value has the source of those that it is made of.
    #[test]
    fn state_that_is_made_of_other_state_has_its_source() {
        for length in [1, 2, ROUNDS - 3] {
            assert_eq!(first_of(length, "%REQ(x)%"), Source::Caller, "{length}");
            assert_eq!(first_of(length, "%DOWNSTREAM_PEER_URI_SAN%"), Source::Proxy, "{length}");
        }
        assert!(first_of(ROUNDS * 2, "%REQ(x)%") >= Source::Unknown);
    }
}
