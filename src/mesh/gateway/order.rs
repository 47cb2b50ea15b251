//! Envoy Gateway's `filterOrder`: filters that it is to put in front of the check.

use crate::document::Code;
use crate::mesh::faults::Faults;
use crate::mesh::resources::Resource;

/// The filter that asks.
const CHECK: &str = "envoy.filters.http.ext_authz";

/// Filters that answer, or write headers, without a look at who asks.
const ACTORS: [&str; 6] =
    ["lua", "wasm", "ext_proc", "dynamic_module", "credential_injector", "custom_response"];

/// Lints the order in `own`, an `EnvoyProxy`.
pub(super) fn lint(own: &Resource<'_>, faults: &mut Faults) {
    for entry in own.list(&["filterOrder"]) {
        let name = entry.text_of("name").unwrap_or_default();
        let before = entry.text_of("before").filter(|other| *other == CHECK).map(|_| name);
        let early = before.or_else(|| entry.text_of("after").filter(|_| name == CHECK));
        let Some(early) = early.filter(|own| is_actor(own)) else { continue };
        let message = format!(
            "{} puts `{early}` in front of the check: it may write each header that countersign trusts",
            own.described()
        );
        faults.add(Code::ActsBeforeCheck, own.tree.place(entry), message);
    }
}

fn is_actor(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| ACTORS.contains(&last))
}
