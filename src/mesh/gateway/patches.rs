//! Envoy Gateway's `EnvoyPatchPolicy`: JSON patches of what it writes.

use crate::document::{Code, Node};
use crate::mesh::envoy;
use crate::mesh::faults::Faults;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::Resource;
use crate::mesh::written::Write;

/// The list of filters, of which one asks.
const FILTERS: &str = "http_filters";

/// Lints every patch of `own`.
pub(super) fn lint(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    for patch in own.list(&["jsonPatches"]) {
        let Some(operation) = patch.get("operation") else { continue };
        let place = own.tree.place(operation);
        let name = own.described();
        let path = path_of(operation, "path");
        let value = operation.get("value");
        match operation.text_of("op").unwrap_or_default() {
            "remove" if takes_away(&path) => {
                let message = format!("{name} removes a part of the check, or may");
                faults.add(Code::CheckSwitchedOff, place, message);
            }
            "move" if takes_away(&path_of(operation, "from")) => {
                let message = format!("{name} moves a part of the check, or may");
                faults.add(Code::CheckSwitchedOff, place, message);
            }
            "replace" | "add" => {
                let Some(value) = value else { continue };
                if is_replaced(operation, &path) && !envoy::asks(value) {
                    let message =
                        format!("{name} puts another filter into the place of the check, or may");
                    faults.add(Code::CheckSwitchedOff, place.clone(), message);
                }
                if value.is_true() && switches_off(&path) {
                    let message = format!("{name} switches the check off, or may");
                    faults.add(Code::CheckSwitchedOff, place, message);
                }
                envoy::lint_patch(own.tree, value, mesh.identity, faults);
                lint_placed(mesh, own, (operation, &path), value, faults);
                lint_within(mesh, own, &path, value, faults);
            }
            _ => {}
        }
    }
}

/// The keys and indices that a patch is about: those of `jsonPath`, then those of the pointer at the key `name`.
pub(super) fn path_of(operation: &Node, name: &str) -> Vec<String> {
    let pointer = operation.text_of(name).unwrap_or_default();
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let query = operation.text_of("jsonPath").unwrap_or_default();
    let keys = query.split(['.', '[', ']', '\'', '"']).map(str::to_owned);
    keys.chain(pointer.split('/').map(unescaped)).filter(|part| !part.is_empty()).collect()
}

/// True if `path` is of the filter that asks, or of one of which only the index is known.
fn is_of_check(path: &[String]) -> bool {
    let at = path.iter().rposition(|key| key == FILTERS);
    let named = path.iter().any(|key| key.contains("ext_authz"));
    let rest = at.and_then(|at| path.get(at.saturating_add(1)..)).unwrap_or_default();
    let is_index =
        |key: &String| key == "-" || key == "*" || key.bytes().all(|b| b.is_ascii_digit());
    named || (at.is_some() && (rest.is_empty() || rest.first().is_some_and(is_index)))
}

/// True if removing what is at `path` takes the check away, or may.
fn takes_away(path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    let is_index = last.bytes().all(|b| b.is_ascii_digit());
    let is_whole = last == FILTERS || last == "typed_per_filter_config";
    let named = path.iter().any(|key| key.contains("ext_authz"));
    let is_filter = path.iter().rev().nth(1).is_some_and(|key| key == FILTERS) && is_index;
    // `disabled: true` of a filter that routes switch on is no setting that protects.
    named && last != "disabled" || is_whole || is_filter
}

/// True if the value stands in the place of the filter that asks afterwards.
fn is_replaced(operation: &Node, path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    let is_whole = last == FILTERS;
    let is_entry = path.iter().rev().nth(1).is_some_and(|key| key == FILTERS);
    let is_named = last.contains("ext_authz") && path.iter().any(|key| key == FILTERS);
    is_whole || (operation.text_of("op") == Some("replace") && (is_entry || is_named))
}

/// True if `true` at `path` switches the check off, or may.
fn switches_off(path: &[String]) -> bool {
    let is_route = path.iter().any(|key| key == "typed_per_filter_config");
    path.last().is_some_and(|key| key == "disabled")
        && (is_of_check(path) || (is_route && path.iter().any(|key| key.contains("ext_authz"))))
}

/// Lints a filter or chain that is put beside those that ask, maybe in front of them.
fn lint_placed(
    mesh: &Mesh<'_>,
    own: &Resource<'_>,
    (operation, path): (&Node, &[String]),
    value: &Node,
    faults: &mut Faults,
) {
    let mut last = path.iter().rev();
    let (index, list) = (last.next().map(String::as_str), last.next().map(String::as_str));
    let is_add = operation.text_of("op") == Some("add") && index != Some("-");
    let name = value.text_of("name").unwrap_or_default();
    let config = value.get("typed_config");
    match list {
        Some(FILTERS) if is_add && !envoy::asks(value) => {
            if let Some(early) = envoy::acts_too_early(value, mesh.identity) {
                let message = format!("the filter `{name}` {}, or may", early.does);
                early.lint(own.tree.place(operation), message, faults);
            }
            let who = format!("the filter `{name}` may stand early, and writes");
            let writes = envoy::writes(value);
            writes.iter().for_each(|write| write.lint_before(own.tree, &who, faults));
        }
        Some("filters")
            if is_add && config.is_some_and(envoy::is_terminal) && !envoy::asks(value) =>
        {
            let message = format!(
                "{} puts `{name}` in front of the filters that ask, or may: it takes every connection",
                own.described()
            );
            faults.add(Code::CheckSwitchedOff, own.tree.place(operation), message);
        }
        _ if [list, index].contains(&Some("filter_chains"))
            || index == Some("default_filter_chain") =>
        {
            let listener = value.clone().below(["filter_chains"].into_iter());
            envoy::lint_added(own.tree, &listener, faults);
        }
        _ => {}
    }
}

/// Lints a value at a path within the settings of a filter, as if the settings were written out.
fn lint_within(
    mesh: &Mesh<'_>,
    own: &Resource<'_>,
    path: &[String],
    value: &Node,
    faults: &mut Faults,
) {
    let below = |key: &str| {
        path.iter().rposition(|own| own == key).and_then(|at| path.split_at_checked(at))
    };
    if let Some((_, inner)) = below("typed_per_filter_config") {
        let settings = value.clone().below(inner.iter().map(String::as_str));
        return envoy::lint_patch(own.tree, &settings, mesh.identity, faults);
    }
    let Some((outer, [_, inner @ ..])) = below("typed_config") else {
        return lint_headers(mesh, own, path, value, faults);
    };
    if inner.is_empty() {
        return;
    }
    let settings = value.clone().below(inner.iter().map(String::as_str));
    let is_check = is_of_check(outer);
    let kind = if is_check { envoy::EXT_AUTHZ } else { envoy::MANAGER };
    let head = value.with_text(kind).below(["@type"].into_iter());
    let filter = settings.with_entries_of(head).below(["typed_config"].into_iter());
    match is_check {
        true => envoy::lint_merged(own.tree, &filter, faults),
        false => envoy::lint_patch(own.tree, &filter, mesh.identity, faults),
    }
}

/// Lints headers that a patch of a route writes.
fn lint_headers(
    mesh: &Mesh<'_>,
    own: &Resource<'_>,
    path: &[String],
    value: &Node,
    faults: &mut Faults,
) {
    let writes = path.iter().any(|key| key == "request_headers_to_add");
    let mut found = Vec::new();
    if writes {
        Write::all(value, &mut found);
    }
    let who = format!("{} writes", own.described());
    found.iter().for_each(|write| write.lint_behind(own.tree, &who, mesh.identity, faults));
}
