//! Selectors of policies that no workload of the files has the labels of.

use crate::document::Code;
use crate::mesh::faults::Faults;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::{Resource, WORKLOADS};

/// Lints whether `own` selects a workload, where the files have some of its namespace.
pub(super) fn lint(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    // A policy of the root namespace is about every other one.
    let selector = own.spec(&["selector"]).filter(|_| !mesh.roots.contains(own.namespace()));
    let Some(selector) = selector.filter(|own| !own.is_empty()) else { return };
    let all = |(group, kind)| mesh.resources.within(group, kind, own.namespace());
    let selected =
        |(group, kind)| mesh.resources.selected((group, kind, own.namespace()), selector);
    let has_some = WORKLOADS.into_iter().flat_map(all).next().is_some();
    if has_some && WORKLOADS.into_iter().flat_map(selected).next().is_none() {
        let message = format!(
            "{} selects labels that no workload of the files has in its namespace: nothing is checked there",
            own.described()
        );
        faults.warn(Code::UnknownTargetRef, own.tree.place(selector), message);
    }
}
