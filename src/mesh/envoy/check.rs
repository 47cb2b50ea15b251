//! The filter that asks.

use super::cluster;
use super::kind::{FORWARD_DETAILS, is_check, is_type, word_of};
use super::parts::{Check, Part};
use super::runtime::{Runtime, Share, is_whole};
use super::world::World;
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::Faults;
use crate::mesh::wait::{self, Reader};

/// Lints the whole filter `check`.
pub(super) fn lint(check: &Check<'_>, world: &World<'_>, faults: &mut Faults) {
    lint_present(check, &world.runtime, faults);
    let Some(config) = check.config else { return };
    let tree = check.tree;
    lint_connection(check, config, world, faults);
    if !check.is_http {
        return;
    }
    if !is_generated(check) {
        if !config.has("encode_raw_headers") {
            let message = "`encode_raw_headers` is not set";
            faults.add(Code::RawHeadersOff, tree.key_place(config, "encode_raw_headers"), message);
        }
        if !config.has("validate_mutations") {
            let message = "`validate_mutations` is not set";
            let place = tree.key_place(config, "validate_mutations");
            faults.add(Code::MutationsUnchecked, place, message);
        }
    }
    lint_certificates(tree, check, config, faults);
}

/// Lints what is set, and not what is missing.
pub(super) fn lint_present(check: &Check<'_>, runtime: &Runtime<'_>, faults: &mut Faults) {
    lint_entry(check.tree, check.filter, faults);
    let Some(config) = check.config else { return };
    let tree = check.tree;
    if config.has("failure_mode_allow") {
        let message =
            "`failure_mode_allow: true` lets every request pass while countersign is away or late";
        faults.add(Code::FailsOpen, tree.key_place(config, "failure_mode_allow"), message);
    }
    if config.get("http_service").is_some() {
        let message = "`http_service` asks over HTTP";
        faults.add(Code::WrongProtocol, tree.key_place(config, "http_service"), message);
    }
    if config.has("clear_route_cache") {
        let message = "`clear_route_cache: true` lets headers that are injected choose another route than the one that was decided about";
        faults.add(Code::RouteChosenAgain, tree.key_place(config, "clear_route_cache"), message);
    }
    if let Some(status) = config.at(&["status_on_error", "code"]).filter(|own| is_success(own)) {
        let message = "`status_on_error` is a status of success";
        faults.add(Code::StatusAllows, tree.place(status), message);
    }
    for key in ["allowed_headers", "disallowed_headers"] {
        if config.get(key).is_some() {
            let message = format!(
                "`{key}` keeps headers from countersign: a rule that is about one of them cannot see it"
            );
            faults.add(Code::HeadersHidden, tree.key_place(config, key), message);
        }
    }
    let rules = config.get("decoder_header_mutation_rules");
    for key in ["disallow_all", "disallow_expression"] {
        if let Some(rules) = rules.filter(|rules| rules.get(key).is_some_and(is_set)) {
            let message = format!("`{key}` keeps copies of identity headers that a caller sent");
            faults.add(Code::RemovalForbidden, tree.key_place(rules, key), message);
        }
    }
    if let Some(wait) = config.at(&["grpc_service", "timeout"])
        && let Some(fault) = wait::fault(wait, Reader::Envoy)
    {
        let waits = "when countersign hangs, requests wait";
        faults.add_wait(tree.place(wait), waits, fault);
    }
    lint_share(check, config, runtime, faults);
}

/// Lints whether the filter asks about every request.
fn lint_share(check: &Check<'_>, config: &Node, runtime: &Runtime<'_>, faults: &mut Faults) {
    let tree = check.tree;
    if let Some(enabled) = config.get("filter_enabled") {
        if enabled.get("default_value").is_some_and(is_whole) {
            lint_key(check, enabled, runtime, faults);
        } else {
            let message =
                "`filter_enabled` checks a part of the requests, and lets the others pass";
            faults.add(Code::CheckInPart, tree.place(enabled), message);
        }
    }
    let of_metadata = config.get("filter_enabled_metadata").filter(|_| !is_of_istio(config));
    if of_metadata.is_some() {
        let message = "`filter_enabled_metadata` lets requests pass that do not have the metadata";
        let place = tree.key_place(config, "filter_enabled_metadata");
        faults.add(Code::CheckInPart, place, message);
    }
}

/// Lints the key whose value in Envoy's runtime stands above the share in the settings.
fn lint_key(check: &Check<'_>, enabled: &Node, runtime: &Runtime<'_>, faults: &mut Faults) {
    let Some(key) = enabled.text_of("runtime_key").filter(|key| !key.is_empty()) else { return };
    match runtime.share(key, check.of) {
        Share::All => {}
        Share::Part(Part { tree, node, .. }) => {
            let message = format!(
                "the runtime sets `{key}`, by which `filter_enabled` checks a part of the requests, and lets the others pass"
            );
            faults.add(Code::CheckInPart, tree.place(node), message);
        }
        Share::Unknown => {
            let message = format!(
                "the value of `{key}` in the runtime says which part of the requests `filter_enabled` checks, and the files do not show it"
            );
            faults.warn(Code::CheckInPart, check.tree.key_place(enabled, "runtime_key"), message);
        }
    }
}

/// Lints whether the entry of the filter is the filter that asks, always.
fn lint_entry(tree: &Tree, filter: &Node, faults: &mut Faults) {
    if filter.has("is_optional") {
        let message = "`is_optional: true` leaves the filter out where Envoy cannot load it";
        faults.add(Code::CheckInPart, tree.key_place(filter, "is_optional"), message);
    }
    let Some(discovery) = filter.get("config_discovery") else { return };
    let is_ours = |own: &&Node| own.text().is_some_and(|own| own.ends_with(".ExtAuthz"));
    if let Some(other) = discovery.items_of("type_urls").iter().find(|own| !is_ours(own)) {
        let message = "`type_urls` lets another filter take the place of the one that asks";
        faults.add(Code::CheckInPart, tree.place(other), message);
    }
    if let Some(preset) = discovery.get("default_config").filter(|own| !is_check(own)) {
        let message =
            "`default_config` is another filter, which stands in the place of the one that asks";
        faults.add(Code::CheckInPart, tree.place(preset), message);
    }
}

/// Lints whether countersign sees the certificate of the client.
fn lint_certificates(tree: &Tree, check: &Check<'_>, config: &Node, faults: &mut Faults) {
    let Some((manager, chain)) = check.manager.zip(check.chain) else { return };
    if config.has("include_peer_certificate") {
        return;
    }
    let Some(validation) = validation(chain) else { return };
    let forwards =
        word_of(manager, "forward_client_cert_details", &FORWARD_DETAILS).unwrap_or("SANITIZE");
    let details = manager.get("set_current_client_cert_details");
    let writes = matches!(forwards, "SANITIZE_SET" | "APPEND_FORWARD");
    let shows = writes && details.is_some_and(|own| own.has("cert") || own.has("chain"));
    let verifications = ["VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"];
    let verification = word_of(validation, "trust_chain_verification", &verifications);
    if verification == Some("ACCEPT_UNTRUSTED") && !shows {
        let message =
            "`ACCEPT_UNTRUSTED` lets every certificate through, and countersign does not see it";
        let place = tree.key_place(validation, "trust_chain_verification");
        faults.add(Code::UntrustedCertificates, place, message);
    }
    if forwards == "SANITIZE" {
        let message = "clients show certificates, and neither `include_peer_certificate` nor `forward_client_cert_details` passes them on";
        faults.add(Code::NoCertificateShown, tree.place(config), message);
    }
}

/// Lints whether the question can be read or changed on its way.
fn lint_connection(check: &Check<'_>, config: &Node, world: &World<'_>, faults: &mut Faults) {
    let tree = check.tree;
    let Some(service) = config.get("grpc_service") else { return };
    let name = service.at(&["envoy_grpc", "cluster_name"]).and_then(Node::text).unwrap_or_default();
    for cluster in world.clusters(name, check.of) {
        let fault = if cluster::is_plaintext(cluster.node) {
            "has no `transport_socket` that encrypts, and is not on this machine"
        } else if cluster::is_unverified(cluster.node) {
            "verifies no certificate of countersign (`validation_context`)"
        } else {
            continue;
        };
        let message = format!("the cluster `{name}` {fault}");
        faults.add(Code::PlaintextCheck, cluster.tree.place(cluster.node), message);
    }
    let google = service.get("google_grpc");
    if let Some(google) = google.filter(|own| own.get("channel_credentials").is_none())
        && google.text_of("target_uri").is_some_and(|target| !cluster::is_local(target))
    {
        let message = "`google_grpc` has no `channel_credentials`";
        faults.add(Code::PlaintextCheck, tree.place(google), message);
    }
}

/// The settings of a filter chain for the certificates of clients.
fn validation(chain: &Node) -> Option<&Node> {
    let context = chain.at(&["transport_socket", "typed_config"])?;
    let context = Some(context).filter(|own| is_type(own, "DownstreamTlsContext"))?;
    let common = context.get("common_tls_context")?;
    let combined = common.at(&["combined_validation_context", "default_validation_context"]);
    common.get("validation_context").or(combined)
}

/// Written by a control plane that has no setting for more.
pub(super) fn is_generated(check: &Check<'_>) -> bool {
    let name = check.filter.text_of("name").unwrap_or_default();
    check.config.is_none_or(is_of_istio) || name.contains("/securitypolicy/")
}

/// True if Istio's own filter in front says which requests are checked: those of the rules of an `AuthorizationPolicy`.
fn is_of_istio(config: &Node) -> bool {
    let path = config.at(&["filter_enabled_metadata", "path"]).map_or(&[][..], Node::items);
    path.iter().any(|own| own.text_of("key").is_some_and(|key| key.starts_with("istio_ext_authz_")))
}

/// True unless it is `false` or nothing.
fn is_set(node: &Node) -> bool {
    node.is_true() || node.entries().next().is_some()
}

/// True for an HTTP status below 400, as a number or by the name that protobuf has for it.
pub(super) fn is_success(status: &Node) -> bool {
    let names = ["Continue", "OK", "Created", "Accepted", "NoContent", "Found", "SeeOther"];
    status.number().is_some_and(|own| own < 400)
        || status.text().is_some_and(|own| names.contains(&own) || own.starts_with("Moved"))
}
