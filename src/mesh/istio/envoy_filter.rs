//! Istio's `EnvoyFilter`: patches of what istiod writes.

use crate::document::{Code, Node};
use crate::mesh::envoy;
use crate::mesh::faults::Faults;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::Resource;

/// Filters without which nothing is asked: Istio's own in front says which requests are.
const OURS: [&str; 2] = ["ext_authz", "rbac"];

/// Filters that Istio puts behind the check.
const BEHIND: [&str; 4] = ["router", "cors", "fault", "stats"];

const MANAGER: &str = "http_connection_manager";

/// A patch.
struct Patch<'p> {
    apply_to: &'p str,
    operation: &'p str,
    /// The filter that it is about.
    filter: Option<&'p str>,
    /// True for what the workload itself sends.
    is_outbound: bool,
    change: &'p Node,
}

/// Lints every patch of `own`.
pub(super) fn lint(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    for node in own.list(&["configPatches"]) {
        let Some(change) = node.get("patch") else { continue };
        let patch = Patch::of(node, change);
        let place = own.tree.place(change);
        if let Some(what) = patch.removes() {
            let message = format!("{} {what}", own.described());
            faults.add(Code::CheckSwitchedOff, place.clone(), message);
        }
        let Some(value) = change.get("value") else { continue };
        envoy::lint_patch(own.tree, value, mesh.identity, faults);
        if let Some(kind) = patch.merges_into(value) {
            lint_merged(mesh, own, (value, kind), faults);
        }
        lint_filter(mesh, own, (&patch, value), faults);
        if patch.adds_chains() {
            lint_chains(own, (&patch, value), faults);
        }
        if patch.apply_to == "CLUSTER" {
            lint_cluster(own, node, value, faults);
        }
    }
}

/// A filter that is put beside the one that asks.
fn lint_filter(
    mesh: &Mesh<'_>,
    own: &Resource<'_>,
    (patch, value): (&Patch<'_>, &Node),
    faults: &mut Faults,
) {
    let place = || own.tree.place(patch.change);
    let name = value.text_of("name").unwrap_or_default();
    if patch.is_in_front() {
        let early = envoy::acts_too_early(value, mesh.identity);
        if let Some(early) = early.filter(|own| !(own.answers() && patch.is_outbound)) {
            early.lint(place(), format!("the filter `{name}` {}", early.does), faults);
        }
        // Another proxy gets what the own workload sends, and writes what it sees.
        let writes = if patch.is_outbound { Vec::new() } else { envoy::writes(value) };
        let who = format!("the filter `{name}` writes");
        writes.iter().for_each(|write| write.lint_before(own.tree, &who, faults));
    }
    if patch.is_behind() {
        let who = format!("{} writes", own.described());
        for write in envoy::writes(value) {
            write.lint_behind(own.tree, &who, mesh.identity, faults);
        }
        if let Some(at) = envoy::chooses_route(value) {
            let message =
                format!("{} has the route chosen again after the decision", own.described());
            faults.add(Code::RouteChosenAgain, own.tree.place(at), message);
        }
        if let Some(name) = envoy::retargets(value) {
            let message =
                format!("{who} `{name}` after the check, maybe from what the caller sends");
            faults.warn(Code::SteeredByCaller, place(), message);
        }
    }
    let config = value.get("typed_config").filter(|own| envoy::is_terminal(own));
    if patch.takes_connections() && config.is_some_and(|own| !envoy::asks(own)) {
        let message = format!(
            "{} puts `{name}` in front of the filters that ask: it takes every connection, and they see none",
            own.described()
        );
        faults.add(Code::CheckSwitchedOff, place(), message);
    }
}

/// Listeners and chains that Istio's policies are not about.
fn lint_chains(own: &Resource<'_>, (patch, value): (&Patch<'_>, &Node), faults: &mut Faults) {
    match patch.apply_to {
        "LISTENER" => envoy::lint_added(own.tree, value, faults),
        _ => {
            let listener = value.clone().below(["filter_chains"].into_iter());
            envoy::lint_added(own.tree, &listener, faults);
        }
    }
}

/// A value that Istio merges into settings of the type `kind`, whatever type it says.
fn lint_merged(
    mesh: &Mesh<'_>,
    own: &Resource<'_>,
    (value, kind): (&Node, &str),
    faults: &mut Faults,
) {
    let Some(config) = value.get("typed_config") else { return };
    let head = config.with_text(kind).below(["@type"].into_iter());
    let filter = config.clone().with_entries_of(head).below(["typed_config"].into_iter());
    envoy::lint_patch(own.tree, &filter, mesh.identity, faults);
}

/// A cluster of countersign, or of everything, that becomes plaintext.
fn lint_cluster(own: &Resource<'_>, node: &Node, value: &Node, faults: &mut Faults) {
    let of = node.at(&["match", "cluster"]);
    let named = of.and_then(|own| own.text_of("service").or(own.text_of("name")));
    let is_ours = named.is_none_or(|name| name.contains("countersign"));
    let socket = value.get("transport_socket");
    if let Some(socket) = socket.filter(|own| is_ours && !envoy::is_secure(own)) {
        let message = format!("{} makes the connection to countersign plaintext", own.described());
        faults.add(Code::PlaintextCheck, own.tree.place(socket), message);
    }
}

impl<'p> Patch<'p> {
    fn of(node: &'p Node, change: &'p Node) -> Self {
        let filter = node.at(&["match", "listener", "filterChain", "filter"]);
        let sub = filter.and_then(|own| own.get("subFilter"));
        let apply_to = node.text_of("applyTo").unwrap_or_default();
        let matched = if apply_to == "HTTP_FILTER" { sub } else { filter };
        Self {
            apply_to,
            operation: change.text_of("operation").unwrap_or_default(),
            filter: matched.and_then(|own| own.text_of("name")),
            is_outbound: node.at(&["match", "context"]).and_then(Node::text)
                == Some("SIDECAR_OUTBOUND"),
            change,
        }
    }

    fn is_of_filters(&self) -> bool {
        matches!(self.apply_to, "HTTP_FILTER" | "NETWORK_FILTER")
    }

    /// The way in which it takes the check away.
    fn removes(&self) -> Option<&'static str> {
        let value = self.change.get("value");
        let asks = value.is_some_and(envoy::asks);
        let is_manager = self.is_about(&[MANAGER]);
        let is_ours = self.is_of_filters() && self.is_about(&OURS);
        match self.operation {
            "REMOVE" if is_ours => Some("removes the filter that asks"),
            // A patch without a filter is about each.
            "REMOVE" if self.is_of_filters() && self.filter.is_none() && !self.is_outbound => {
                Some("removes every filter, with the one that asks")
            }
            "REMOVE"
                if self.apply_to == "EXTENSION_CONFIG" && mentions(self.change, "ext_authz") =>
            {
                Some("removes the settings of the filter that asks")
            }
            "REPLACE" if is_ours && !asks => Some("replaces the filter that asks by another one"),
            "REPLACE" if self.apply_to == "NETWORK_FILTER" && is_manager && !asks => {
                Some("replaces all HTTP filters, and the new ones do not ask")
            }
            _ if is_ours && value.is_some_and(|own| own.has("disabled")) => {
                Some("switches the filter that asks off")
            }
            _ => None,
        }
    }

    /// The type of the settings that get those of the value, if that says another one: a patch without a filter is about each.
    fn merges_into(&self, value: &Node) -> Option<&'static str> {
        let kind = match self.apply_to {
            "HTTP_FILTER" if self.filter.is_none() || self.is_about(&["ext_authz"]) => {
                envoy::EXT_AUTHZ
            }
            "NETWORK_FILTER" if self.is_about(&["ext_authz"]) => envoy::NETWORK_EXT_AUTHZ,
            "NETWORK_FILTER" if self.filter.is_none() || self.is_about(&[MANAGER]) => {
                envoy::MANAGER
            }
            _ => return None,
        };
        let own = value.at(&["typed_config", "@type"]).and_then(Node::text);
        (self.operation == "MERGE" && own != Some(kind)).then_some(kind)
    }

    /// True if the new filter stands in front of the check, or may.
    fn is_in_front(&self) -> bool {
        self.apply_to == "HTTP_FILTER"
            && match self.operation {
                "INSERT_FIRST" => true,
                "INSERT_BEFORE" => !self.is_about(&BEHIND),
                "INSERT_AFTER" => {
                    self.filter.is_some()
                        && !self.is_about(&BEHIND)
                        && !self.is_about(&["ext_authz"])
                }
                _ => false,
            }
    }

    /// True if the new filter for connections stands in front of those that ask, or may.
    fn takes_connections(&self) -> bool {
        let is_last = self.is_about(&[MANAGER, "tcp_proxy"]);
        self.apply_to == "NETWORK_FILTER"
            && !self.is_outbound
            && match self.operation {
                "INSERT_FIRST" | "INSERT_BEFORE" => true,
                "INSERT_AFTER" | "REPLACE" => self.filter.is_some() && !is_last,
                _ => false,
            }
    }

    /// True if the value has chains of filters beside those of istiod.
    fn adds_chains(&self) -> bool {
        matches!(self.apply_to, "LISTENER" | "FILTER_CHAIN")
            && !self.is_outbound
            && self.operation != "REMOVE"
    }

    /// True if the new filter stands behind the check.
    fn is_behind(&self) -> bool {
        let is_after = self.operation == "INSERT_AFTER" && self.is_about(&["ext_authz"]);
        let is_inserted = matches!(self.operation, "INSERT_BEFORE" | "INSERT_AFTER");
        self.apply_to == "HTTP_FILTER" && (is_after || (is_inserted && self.is_about(&BEHIND)))
    }

    fn is_about(&self, words: &[&str]) -> bool {
        self.filter.is_some_and(|name| words.iter().any(|own| name.contains(own)))
    }
}

/// True if a text anywhere in `node` has `word` in it.
fn mentions(node: &Node, word: &str) -> bool {
    node.text().is_some_and(|text| text.contains(word))
        || node.parts().any(|part| mentions(part, word))
}
