//! The `x-forwarded-client-cert` header that a caller may have written.

use super::cluster::is_secure;
use super::filters::writes;
use super::inner::Reached;
use super::kind::{FORWARD_DETAILS, asks, is_type, word_of};
use super::parts::{Manager, Part};
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::Faults;

/// Lints the words of the connection manager `node`: its own, and those for single requests.
pub(super) fn lint(tree: &Tree, node: &Node, listener: Option<&Node>, faults: &mut Faults) {
    lint_word(tree, node, (node, listener), faults);
    if let Some(matcher) = node.get("forward_client_cert_matcher") {
        lint_matched(tree, matcher, (node, listener), faults);
    }
}

/// Lints what becomes of the header that a caller may have written.
fn lint_word(
    tree: &Tree,
    node: &Node,
    (manager, listener): (&Node, Option<&Node>),
    faults: &mut Faults,
) {
    let Some(kept) = word_of(node, "forward_client_cert_details", &FORWARD_DETAILS) else { return };
    let is_internal = listener.is_some_and(|own| own.get("internal_listener").is_some());
    let place = || tree.key_place(node, "forward_client_cert_details");
    match kept {
        "ALWAYS_FORWARD_ONLY" | "FORWARD_ONLY" if !is_internal => {
            let message =
                format!("`{kept}` passes on what the caller wrote: it can claim any identity");
            faults.add(Code::CallersXfcc, place(), message);
        }
        "APPEND_FORWARD" if manager.has("use_remote_address") => {
            let message =
                "`APPEND_FORWARD` at an edge keeps what callers wrote in front of what Envoy saw";
            faults.add(Code::CallersXfcc, place(), message);
        }
        _ => {}
    }
}

/// Lints the same for single requests: `node` is a part of the matcher that says it.
fn lint_matched(tree: &Tree, node: &Node, around: (&Node, Option<&Node>), faults: &mut Faults) {
    lint_word(tree, node, around, faults);
    node.parts().for_each(|part| lint_matched(tree, part, around, faults));
}

/// Lints a manager within the proxy, to which connections come as callers send them: the header is theirs, unless a filter replaces it.
pub(super) fn lint_inner(manager: &Manager<'_>, reached: &Reached<'_>, faults: &mut Faults) {
    let Part { tree, node, of } = manager.part;
    let kept = word_of(node, "forward_client_cert_details", &FORWARD_DETAILS);
    let Some(kept @ ("ALWAYS_FORWARD_ONLY" | "FORWARD_ONLY")) = kept else { return };
    // Without TLS, Envoy removes the header unless it always forwards.
    let has_tls = manager.chain.and_then(|own| own.get("transport_socket")).is_some_and(is_secure);
    if kept == "FORWARD_ONLY" && !has_tls {
        return;
    }
    let is_reached = manager.listener.is_some_and(|own| {
        let name = own.text_of("name").unwrap_or_default();
        own.get("internal_listener").is_some() && reached.contains(&(of, name))
    });
    let filters = node.items_of("http_filters");
    let Some(at) = filters.iter().position(asks).filter(|_| is_reached) else { return };
    let mut front = filters.iter().take(at).filter(|own| is_always(own)).flat_map(writes);
    if !front.any(|own| own.overwrites("x-forwarded-client-cert")) {
        let message = format!(
            "`{kept}` passes on what the caller wrote, as another listener sends connections here as they are: it can claim any identity"
        );
        faults.add(Code::CallersXfcc, tree.key_place(node, "forward_client_cert_details"), message);
    }
}

/// True for a filter that sees every request.
fn is_always(filter: &Node) -> bool {
    let is_matched =
        filter.get("typed_config").is_some_and(|own| is_type(own, "ExtensionWithMatcher"));
    !filter.has("disabled") && !is_matched
}
