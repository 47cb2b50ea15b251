//! Filters beside the one that asks.

use super::kind::{is_type, type_of};
use crate::document::Node;
use crate::mesh::faults::IdentityHeaders;
use crate::mesh::written::{Source, Write, trusted_within};

/// Filters whose settings say on which headers they act.
const READERS: [&str; 5] =
    [".rbac.", ".header_to_metadata.", ".lua.", ".set_metadata.", ".ratelimit."];

/// Filters that are programs: they may write each header that they name.
const PROGRAMS: [&str; 4] = [".lua.", ".golang.", ".wasm.", ".dynamic_modules."];

/// Keys of filters that name a header for what they verified.
const NAMING: [&str; 3] = ["forward_payload_header", "forward_username_header", "header_name"];

/// The header in which a credential is injected where nothing names one.
const AUTHORIZATION: &str = "authorization";

/// Why a filter must not stand in front of the check: that of a filter in another one counts, too.
pub(in crate::mesh) fn acts_too_early(filter: &Node, identity: &IdentityHeaders) -> Option<String> {
    too_early(filter.get("typed_config")?, identity)
}

fn too_early(config: &Node, identity: &IdentityHeaders) -> Option<String> {
    let kind = type_of(config);
    if kind.contains(".http.cache.") {
        return Some(String::from("answers from its memory before the check"));
    }
    if kind.contains(".http.router.") {
        return Some(String::from("sends requests on before the check"));
    }
    let is_of = |kinds: &[&str]| kinds.iter().any(|own| kind.contains(own));
    let named = || mentioned(config, &|text| identity.within(text));
    let trusted = || mentioned(config, &trusted_within);
    let read = is_of(&READERS).then(named).flatten();
    let name = read.or_else(|| is_of(&PROGRAMS).then(|| named().or_else(trusted)).flatten());
    let why =
        |name| format!("acts on `{name}` before the check, where a caller may have written it");
    name.map(why).or_else(|| config.parts().find_map(|part| too_early(part, identity)))
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
fn mentioned<'i>(node: &Node, find: &dyn Fn(&str) -> Option<&'i str>) -> Option<&'i str> {
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
    let is_mutation = [".HeaderMutation", ".HeaderMutationPerRoute"];
    if is_mutation.iter().any(|end| is_type(node, end)) {
        // Those in front of everything have one list, which is about requests.
        let mutations = node.get("mutations");
        let of_requests = mutations.and_then(|own| own.get("request_mutations"));
        let all = of_requests.or(mutations.filter(|own| !own.items().is_empty()));
        return all.into_iter().for_each(|own| Write::all(own, found));
    }
    let named = NAMING.iter().filter_map(|key| node.get(key));
    // A header that is looked at is called `header_name`, too, but not beside a claim.
    let named =
        named.filter(|_| node.get("header_name").is_none() || node.get("claim_name").is_some());
    let forwarded = node.at(&["forwarding", "header"]);
    for at in named.chain(forwarded) {
        let own = at.text().map(|name| Write { name, source: Source::Credential, at });
        found.extend(own);
    }
    if type_of(node).contains(".injected_credentials.") {
        let name = node.text_of("header").unwrap_or(AUTHORIZATION);
        found.push(Write { name, source: Source::Settings, at: node });
    }
    node.parts().for_each(|part| find_writes(part, found));
}
