//! Answers that hide a refusal.

use super::check::is_success;
use super::filters::mentioned;
use super::kind::{asks, type_of};
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::Faults;

/// Statuses of refusals, as matchers name them.
const REFUSALS: [&str; 5] = ["401", "403", "503", "4xx", "5xx"];

/// Lints the status that callers get where countersign denies.
pub(super) fn lint(tree: &Tree, node: &Node, faults: &mut Faults) {
    let filters = node.items_of("http_filters");
    // A patch has no list of its own.
    if !filters.is_empty() && !filters.iter().any(asks) {
        return;
    }
    let mappers = node.at(&["local_reply_config", "mappers"]).map_or(&[][..], Node::items);
    let of_mappers = mappers.iter().filter_map(|own| own.get("status_code"));
    let configs = filters.iter().filter_map(|own| own.get("typed_config"));
    let of_filters = configs.flat_map(hidden_refusals);
    for at in of_mappers.filter(|own| is_success(own)).chain(of_filters) {
        let message = "a refusal gets a status of success";
        faults.warn(Code::StatusAllows, tree.place(at), message);
    }
}

/// The statuses of success that the filter `config` puts in the place of refusals.
fn hidden_refusals(config: &Node) -> Vec<&Node> {
    let refusal = |text: &str| REFUSALS.into_iter().find(|own| *own == text);
    let is_ours = type_of(config).contains(".http.custom_response.");
    let is_about = || {
        let matcher = config.get("custom_response_matcher");
        matcher.is_some_and(|own| own.get("on_no_match").is_some())
            || mentioned(config, &refusal).is_some()
    };
    let mut found = Vec::new();
    if is_ours && is_about() {
        find_statuses(config, &mut found);
    }
    found
}

fn find_statuses<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
    found.extend(node.get("status_code").filter(|own| is_success(own)));
    node.parts().for_each(|part| find_statuses(part, found));
}
