//! Istio's resources.

use super::envoy;
use super::faults::{Faults, IdentityHeaders};
use super::mesh_config::MeshConfig;
use super::resources::Resource;
use crate::document::{Code, Node};

const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";

/// Everything that is known of the mesh.
pub(super) struct Mesh<'a> {
    pub(super) resources: &'a [Resource<'a>],
    pub(super) configs: &'a [MeshConfig<'a>],
    pub(super) identity: &'a IdentityHeaders,
}

impl Mesh<'_> {
    /// Lints every resource of Istio.
    pub(super) fn lint(&self, faults: &mut Faults) {
        for config in self.configs {
            config.lint(faults);
        }
        for own in self.resources {
            match (own.group, own.kind) {
                (SECURITY, "AuthorizationPolicy") => self.lint_authorization(own, faults),
                (SECURITY, "PeerAuthentication") => lint_peers(own, faults),
                (NETWORKING, "DestinationRule") => self.lint_destination(own, faults),
                (NETWORKING, "EnvoyFilter") => self.lint_envoy_filter(own, faults),
                (NETWORKING, "VirtualService") => self.lint_virtual_service(own, faults),
                _ => {}
            }
        }
    }

    fn lint_authorization(&self, own: &Resource<'_>, faults: &mut Faults) {
        if own.spec(&["action"]).and_then(Node::text) != Some("CUSTOM") {
            return;
        }
        let tree = own.tree;
        let provider = own.spec(&["provider", "name"]);
        let mut known = self.configs.iter().flat_map(MeshConfig::provider_names).peekable();
        if let Some(node) = provider
            && let Some(name) = node.text()
            && known.peek().is_some()
            && !known.any(|own| own == name)
        {
            let message = format!(
                "{} names the provider `{name}`, which the mesh does not have: requests are refused",
                own.described()
            );
            faults.add(Code::UnknownProvider, tree.place(node), message);
        }
        lint_rules(own, faults);
        for target in own.targets() {
            self.lint_target(own, target, faults);
        }
        self.lint_own_checks(own, faults);
    }

    /// A target that another kind of object has the name of.
    fn lint_target(&self, own: &Resource<'_>, target: &Node, faults: &mut Faults) {
        let wanted = own.reference(target);
        if self.resources.iter().any(|other| other.is_meant_by(&wanted)) {
            return;
        }
        let alike = self.resources.iter().find(|other| {
            (other.kind, other.name(), other.namespace())
                == (wanted.kind, wanted.name, wanted.namespace)
        });
        if let Some(alike) = alike {
            let message = format!(
                "{} is for the `{}` `{}` of `{}`, and the files have one of `{}`: nothing is checked there",
                own.described(),
                wanted.kind,
                wanted.name,
                wanted.group,
                alike.group
            );
            faults.add(Code::UnknownTargetRef, own.tree.place(target), message);
        }
    }

    /// A policy that covers countersign's own proxy.
    fn lint_own_checks(&self, own: &Resource<'_>, faults: &mut Faults) {
        let selects = own.spec(&["selector"]).is_some_and(|own| !own.is_empty());
        if selects || own.targets().next().is_some() {
            return;
        }
        let rules = own.spec(&["rules"]).map_or(&[][..], Node::items);
        let operations = rules.iter().flat_map(|rule| rule.items_of("to"));
        let excludes = operations.into_iter().any(|to| to.at(&["operation", "notPorts"]).is_some());
        if excludes {
            return;
        }
        let roots = self.configs.iter().filter_map(MeshConfig::root_namespace);
        let is_root = own.namespace() == "istio-system"
            || roots.into_iter().any(|root| root == own.namespace());
        let services = self.configs.iter().flat_map(MeshConfig::services);
        let is_here =
            services.into_iter().any(|name| name.split('.').nth(1) == Some(own.namespace()));
        if is_root || is_here {
            let message = format!(
                "{} covers every workload of {}, and so the proxy in front of countersign: each check is checked, and all requests fail once their connections end",
                own.described(),
                if is_root { "the mesh" } else { "the namespace of countersign" }
            );
            faults.add(Code::LocksItselfOut, own.tree.place(own.node), message);
        }
    }

    fn lint_destination(&self, own: &Resource<'_>, faults: &mut Faults) {
        let Some(host) = own.spec(&["host"]).and_then(Node::text) else { return };
        let mut services = self.configs.iter().flat_map(MeshConfig::services);
        let is_ours =
            services.any(|name| name == host) || host.split('.').next() == Some("countersign");
        let policy = own.spec(&["trafficPolicy"]);
        let ports = policy.map_or(&[][..], |own| own.items_of("portLevelSettings"));
        for level in policy.into_iter().chain(ports) {
            let Some(mode) = level.at(&["tls", "mode"]) else { continue };
            if is_ours && mode.text() == Some("DISABLE") {
                let message = format!("{} asks countersign in plaintext", own.described());
                faults.add(Code::PlaintextCheck, own.tree.place(mode), message);
            }
        }
    }

    fn lint_envoy_filter(&self, own: &Resource<'_>, faults: &mut Faults) {
        for patch in own.spec(&["configPatches"]).map_or(&[][..], Node::items) {
            let Some(change) = patch.get("patch") else { continue };
            if change.text_of("operation") == Some("REMOVE") && mentions(patch, "ext_authz") {
                let message = format!("{} removes the filter that asks", own.described());
                faults.add(Code::CheckSwitchedOff, own.tree.place(change), message);
            }
            if let Some(value) = change.get("value") {
                envoy::lint_patch(own.tree, value, self.identity, faults);
            }
        }
    }

    fn lint_virtual_service(&self, own: &Resource<'_>, faults: &mut Faults) {
        for route in own.spec(&["http"]).map_or(&[][..], Node::items) {
            let parts = route.items_of("route").iter().chain([route]);
            let changes = parts.filter_map(|part| part.at(&["headers", "request"]));
            for names in changes.flat_map(|own| [own.get("set"), own.get("add")]).flatten() {
                for (key, value) in names.entries().filter(|(key, _)| self.identity.has(&key.value))
                {
                    let message =
                        format!("{} writes `{}` after the check", own.described(), key.value);
                    faults.add(Code::IdentityOverwritten, own.tree.place(value), message);
                }
            }
        }
    }
}

/// Which requests the rules are about: those that none is about are not checked.
fn lint_rules(own: &Resource<'_>, faults: &mut Faults) {
    let rules = own.spec(&["rules"]).map_or(&[][..], Node::items);
    if rules.is_empty() {
        let message = format!(
            "{} has no rules, so it is about no request: write `rules: [{{}}]`",
            own.described()
        );
        let place = own
            .spec(&["rules"])
            .map_or_else(|| own.tree.place(own.node), |own_rules| own.tree.place(own_rules));
        faults.add(Code::CheckInPart, place, message);
        return;
    }
    if rules.iter().any(is_about_all) {
        return;
    }
    for rule in rules {
        for key in ["from", "when"].iter().filter(|key| rule.get(key).is_some()) {
            let message = format!("{} checks only requests that its `{key}` fits", own.described());
            faults.add(Code::CheckInPart, own.tree.key_place(rule, key), message);
        }
        for operation in rule.items_of("to").iter().filter_map(|to| to.get("operation")) {
            for (key, _) in operation.entries().filter(|(key, _)| !is_of_ports(&key.value)) {
                let what = match key.value.starts_with("not") {
                    true => "lets requests pass unchecked that its",
                    false => "checks only requests that its",
                };
                let message = format!("{} {what} `{}` fits", own.described(), key.value);
                faults.add(Code::CheckInPart, own.tree.key_place(operation, &key.value), message);
            }
        }
    }
}

/// True for a rule about every request of its ports.
fn is_about_all(rule: &Node) -> bool {
    let narrows = |to: &Node| {
        let operation = to.get("operation");
        operation.is_some_and(|own| own.entries().any(|(key, _)| !is_of_ports(&key.value)))
    };
    rule.get("from").is_none()
        && rule.get("when").is_none()
        && !rule.items_of("to").iter().all(narrows)
        || rule.is_empty()
}

/// Ports tell requests from other connections, and countersign's own from those of others.
fn is_of_ports(key: &str) -> bool {
    matches!(key, "ports" | "notPorts")
}

fn lint_peers(own: &Resource<'_>, faults: &mut Faults) {
    let selector = own.spec(&["selector", "matchLabels", "app.kubernetes.io/name"]);
    let is_ours = selector.and_then(Node::text) == Some("countersign");
    // Probes and metrics of countersign come from outside of the mesh.
    let ports = own.spec(&["portLevelMtls"]).into_iter().flat_map(|own| own.entries());
    let ports = ports.filter(|(port, _)| !is_ours || port.value != "9002").map(|(_, level)| level);
    for level in own.spec(&["mtls"]).into_iter().chain(ports) {
        let Some(mode) = level.get("mode") else { continue };
        if let Some(name @ ("PERMISSIVE" | "DISABLE")) = mode.text() {
            let message = format!(
                "{} with mode `{name}` takes callers without a certificate",
                own.described()
            );
            faults.add(Code::PlaintextCallers, own.tree.place(mode), message);
        }
    }
}

/// True if a text anywhere in `node` has `word` in it.
fn mentions(node: &Node, word: &str) -> bool {
    node.text().is_some_and(|text| text.contains(word))
        || node.parts().any(|part| mentions(part, word))
}
