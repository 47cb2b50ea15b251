//! Istio's `AuthorizationPolicy`, where it asks countersign.

use super::ports::{self, Services};
use super::selector;
use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::Resource;

/// Lints `own`, if it asks.
pub(super) fn lint(
    mesh: &Mesh<'_>,
    services: &Services<'_>,
    own: &Resource<'_>,
    faults: &mut Faults,
) {
    if own.spec(&["action"]).and_then(Node::text) != Some("CUSTOM") {
        return;
    }
    let dry_run = own.node.at(&["metadata", "annotations", "istio.io/dry-run"]);
    if let Some(dry_run) = dry_run.filter(|own| own.is_true()) {
        let message = format!("{} is a dry run: no request is refused", own.described());
        faults.add(Code::CheckSwitchedOff, own.tree.place(dry_run), message);
    }
    lint_provider(mesh, own, faults);
    lint_rules(own, faults);
    ports::lint(mesh, services, own, faults);
    selector::lint(mesh, own, faults);
    for target in own.targets() {
        lint_target(mesh, own, target, faults);
    }
    lint_own_checks(mesh, own, faults);
}

/// A provider that the mesh does not have.
fn lint_provider(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    if let Some(node) = own.spec(&["provider", "name"])
        && let Some(name) = node.text()
        && !mesh.providers.is_empty()
        && !mesh.providers.contains(name)
    {
        let message = format!(
            "{} names the provider `{name}`, which the mesh does not have: requests are refused",
            own.described()
        );
        faults.add(Code::UnknownProvider, own.tree.place(node), message);
    }
}

/// A target that another kind of object has the name of, or nothing.
fn lint_target(mesh: &Mesh<'_>, own: &Resource<'_>, target: &Node, faults: &mut Faults) {
    let wanted = own.target(target);
    if mesh.resources.get(&wanted).is_some() {
        return;
    }
    mesh.lint_missing(own, target, &wanted, faults);
    if let Some(group) = mesh.resources.other_group(&wanted) {
        let message = format!(
            "{} is for the `{}` `{}` of `{}`, and the files have one of `{group}`: nothing is checked there",
            own.described(),
            wanted.kind,
            wanted.name,
            wanted.group,
        );
        faults.add(Code::UnknownTargetRef, own.tree.place(target), message);
    }
}

/// A policy that covers countersign's own proxy.
fn lint_own_checks(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let selects = own.spec(&["selector"]).is_some_and(|own| !own.is_empty());
    if selects || own.targets().next().is_some() {
        return;
    }
    let mut operations = own.list(&["rules"]).iter().flat_map(|rule| rule.items_of("to"));
    if operations.any(|to| to.at(&["operation", "notPorts"]).is_some()) {
        return;
    }
    let is_root = mesh.roots.contains(own.namespace());
    let is_here = mesh.asked_namespaces.contains(own.namespace());
    if is_root || is_here {
        let message = format!(
            "{} covers every workload of {}, and so the proxy in front of countersign: each check is checked, and all requests fail once their connections end",
            own.described(),
            if is_root { "the mesh" } else { "the namespace of countersign" }
        );
        faults.add(Code::LocksItselfOut, own.tree.place(own.node), message);
    }
}

/// Which requests the rules are about: those that none is about are not checked.
fn lint_rules(own: &Resource<'_>, faults: &mut Faults) {
    let rules = own.list(&["rules"]);
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
