//! Filters beside the one that asks.

use super::kind::{is_type, type_of};
use crate::document::Node;
use crate::mesh::faults::IdentityHeaders;
use crate::mesh::format::Source;
use crate::mesh::written::{Write, trusted_within};

/// Filters whose settings say on which headers they act.
pub(super) const READERS: [&str; 5] =
    [".rbac.", ".header_to_metadata.", ".lua.", ".set_metadata.", ".ratelimit."];

/// Filters that are programs: they may write each header that they name.
const PROGRAMS: [&str; 4] = [".lua.", ".golang.", ".wasm.", ".dynamic_modules."];

/// Keys of filters that name a header for what they verified.
const NAMING: [&str; 3] = ["forward_payload_header", "forward_username_header", "header_name"];

/// Filters that put a credential of the proxy's into the request.
const SIGNERS: [&str; 4] =
    [".injected_credentials.", ".aws_request_signing.", ".aws_lambda.", ".gcp_authn."];

/// The header in which a credential is injected where nothing names one.
const AUTHORIZATION: &str = "authorization";

/// A header that a program names, and may write: one that says who the caller is, or that countersign trusts.
pub(super) fn named_by_program<'i>(
    config: &Node,
    identity: &'i IdentityHeaders,
) -> Option<&'i str> {
    let is_program = PROGRAMS.iter().any(|own| type_of(config).contains(own));
    let named = || mentioned(config, &|text| identity.within(text));
    is_program.then(|| named().or_else(|| mentioned(config, &trusted_within))).flatten()
}

/// A part of the request's target that a program in Lua writes, anywhere in `filter`.
pub(in crate::mesh) fn retargets(filter: &Node) -> Option<&'static str> {
    let names = [":path", ":authority", ":method"];
    let is_written = |text: &str, name: &str| {
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        [format!("replace(\"{name}\""), format!("replace('{name}'")]
            .iter()
            .any(|call| plain.contains(call))
    };
    let find = |text: &str| names.into_iter().find(|name| is_written(text, name));
    let here = Some(filter).filter(|own| type_of(own).contains(".lua."));
    here.and_then(|own| mentioned(own, &find)).or_else(|| filter.parts().find_map(retargets))
}

/// A header that `find` finds in a text anywhere in `node`.
pub(super) fn mentioned<'i>(
    node: &Node,
    find: &dyn Fn(&str) -> Option<&'i str>,
) -> Option<&'i str> {
    let here = node.text().and_then(find);
    here.or_else(|| node.parts().find_map(|part| mentioned(part, find)))
}

/// The headers that filters write into requests: `filter` itself, or one anywhere in it.
///
/// Filters stand in an `ExtensionWithMatcher`, in actions of a composite filter, and before the codec of an upstream.
pub(in crate::mesh) fn writes(filter: &Node) -> Vec<Write<'_>> {
    let mut found = Vec::new();
    find_writes(filter, &mut found);
    found
}

fn find_writes<'a>(node: &'a Node, found: &mut Vec<Write<'a>>) {
    if let Some(mutations) = mutations_of(node) {
        return mutations.into_iter().for_each(|own| Write::all(own, found));
    }
    find_named(node, found);
    find_looked_up(node, found);
    if SIGNERS.iter().any(|own| type_of(node).contains(own)) && node.get("query_string").is_none() {
        let name =
            node.text_of("header").or(node.at(&["token_header", "name"]).and_then(Node::text));
        found.push(Write::new(name.unwrap_or(AUTHORIZATION), Source::Settings, node));
    }
    for (key, part) in node.entries() {
        match key.value.replace('_', "").to_ascii_lowercase() {
            key if key.starts_with("requestheaderstoadd") => Write::all(part, found),
            // Headers for a service that a filter asks are not for the upstream.
            key if key.starts_with("response") || key == "httpservice" => {}
            _ => find_writes(part, found),
        }
    }
    node.items().iter().for_each(|part| find_writes(part, found));
}

/// The mutations of requests that `node` has, if it is a filter for mutations.
fn mutations_of(node: &Node) -> Option<Vec<&Node>> {
    let is_type = |ends: &[&str]| ends.iter().any(|end| is_type(node, end));
    if is_type(&[".TransformConfig"]) {
        return Some(
            node.at(&["request_transformation", "headers_mutations"]).into_iter().collect(),
        );
    }
    if !is_type(&[".HeaderMutation", ".HeaderMutationPerRoute"]) {
        return None;
    }
    // Those in front of everything have one list, which is about requests.
    let mutations = node.get("mutations");
    let of_requests = mutations.and_then(|own| own.get("request_mutations"));
    Some(of_requests.or(mutations.filter(|own| !own.items().is_empty())).into_iter().collect())
}

/// Headers for what a filter verified.
fn find_named<'a>(node: &'a Node, found: &mut Vec<Write<'a>>) {
    let named = NAMING.iter().filter_map(|key| node.get(key));
    // A header that is looked at is called `header_name`, too, but not beside a claim.
    let named =
        named.filter(|_| node.get("header_name").is_none() || node.get("claim_name").is_some());
    let forwarded = node.at(&["forwarding", "header"]);
    for at in named.chain(forwarded) {
        found.extend(at.text().map(|name| Write::new(name, Source::Credential, at)));
    }
}

/// Headers for what a list or a database has about the client's address.
fn find_looked_up<'a>(node: &'a Node, found: &mut Vec<Write<'a>>) {
    if type_of(node).contains(".geoip.") {
        let source = match node.get("custom_header_config") {
            Some(_) => Source::Caller,
            None => Source::Lookup,
        };
        for key in ["geo_headers_to_add", "geo_field_keys"] {
            let path = ["provider", "typed_config", "common_provider_config", key];
            for (_, at) in node.at(&path).into_iter().flat_map(Node::entries) {
                found.extend(at.text().map(|name| Write::new(name, source, at)));
            }
        }
    }
    let tags = node.at(&["ip_tag_header", "header"]);
    found.extend(tags.and_then(|at| Some(Write::new(at.text()?, Source::Lookup, at))));
}

/// The parameters of the query that `filter` writes, or a filter in it.
pub(super) fn parameters(filter: &Node) -> Vec<Write<'_>> {
    let mut found = Vec::new();
    find_parameters(filter, &mut found);
    found
}

fn find_parameters<'a>(node: &'a Node, found: &mut Vec<Write<'a>>) {
    for mutation in node.items_of("query_parameter_mutations") {
        let append = mutation.get("append");
        let record = append.and_then(|own| own.get("record").or(own.get("entry")));
        found.extend(record.and_then(Write::of));
    }
    node.parts().for_each(|part| find_parameters(part, found));
}

/// The header in which a caller says which endpoint its session has, where `filter` or a filter in it has such sessions.
pub(super) fn session_header(filter: &Node) -> Option<&Node> {
    let is_session = type_of(filter).contains(".http.stateful_session.header.");
    let here = filter.get("name").filter(|_| is_session);
    here.or_else(|| filter.parts().find_map(session_header))
}

/// True if `filter`, or a filter in it, makes the path and the method of the body.
pub(in crate::mesh) fn bridges(filter: &Node) -> bool {
    type_of(filter).contains(".http.mcp_json_rest_bridge.") || filter.parts().any(bridges)
}

/// The place at which `filter`, or a filter in it, has the route chosen again.
pub(in crate::mesh) fn chooses_route(filter: &Node) -> Option<&Node> {
    let actions = ["DEFAULT", "CLEAR", "RETAIN"];
    let clears = |own: &Node| {
        ["clear_route_cache", "clear_cluster_cache"].iter().any(|key| own.has(key))
            || own.get("route_cache_action").and_then(|own| own.word(&actions)) == Some("CLEAR")
    };
    let call = "clearRouteCache(";
    let is_call = |own: &Node| {
        type_of(own).contains(".lua.")
            && mentioned(own, &|text| text.contains(call).then_some(call)).is_some()
    };
    let here = Some(filter).filter(|own| clears(own) || is_call(own));
    here.or_else(|| filter.parts().find_map(chooses_route))
}
