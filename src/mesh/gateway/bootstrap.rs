//! JSON patches of the bootstrap of Envoy Gateway's proxies, in its `EnvoyProxy`.

use super::patches::path_of;
use crate::mesh::envoy;
use crate::mesh::faults::Faults;
use crate::mesh::resources::Resource;

/// Lints the patches in `own`, an `EnvoyProxy`. A bootstrap that stands there as text is linted as one.
pub(super) fn lint(own: &Resource<'_>, faults: &mut Faults) {
    for operation in own.list(&["bootstrap", "jsonPatches"]) {
        let path = path_of(operation, "path");
        if let Some(value) = operation.get("value") {
            let whole = value.clone().below(path.iter().map(String::as_str));
            envoy::lint_bootstrap(own.tree, &whole, faults);
        }
    }
}
