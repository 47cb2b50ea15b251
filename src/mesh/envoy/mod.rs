//! Envoy's own configuration: a bootstrap, resources of xDS, or what `/config_dump` prints.

mod check;
mod cluster;
mod manager;
mod parts;
mod route;

use parts::Parts;

use super::faults::{Faults, IdentityHeaders};
use crate::document::{Code, Node, Tree};

/// Lints everything of Envoy in `tree`.
pub(super) fn lint(tree: &Tree, identity: &IdentityHeaders, faults: &mut Faults) {
    let parts = Parts::of(&tree.root);
    for check in &parts.checks {
        check::lint(tree, check, &parts, faults);
    }
    for manager in &parts.managers {
        manager::lint(tree, manager, identity, faults);
        route::lint_coverage(tree, manager, &parts, faults);
    }
    for routes in &parts.routes {
        route::lint_headers(tree, routes, identity, faults);
    }
}

/// Lints `patch`, a part of a configuration that is merged into a whole: what is not in it may be elsewhere.
pub(super) fn lint_patch(
    tree: &Tree,
    patch: &Node,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    let parts = Parts::of(patch);
    for check in &parts.checks {
        check::lint_present(tree, check, faults);
    }
    for manager in &parts.managers {
        manager::lint_present(tree, manager, identity, faults);
    }
    for routes in &parts.routes {
        route::lint_headers(tree, routes, identity, faults);
    }
    for node in &parts.switched_off {
        let place = tree.key_place(node, "disabled");
        faults.add(Code::CheckSwitchedOff, place, "the patch switches the check off for a route");
    }
}
