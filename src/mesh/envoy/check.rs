//! The filter that asks.

use super::cluster;
use super::parts::{Check, Parts, is_type};
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::{Faults, is_long};

/// Lints the whole filter `check`.
pub(super) fn lint(tree: &Tree, check: &Check<'_>, parts: &Parts<'_>, faults: &mut Faults) {
    lint_present(tree, check, faults);
    lint_connection(tree, check, parts, faults);
    if !check.is_http {
        return;
    }
    let config = check.config;
    if !config.has("encode_raw_headers") && !is_generated(check) {
        let message = "`encode_raw_headers` is not set";
        faults.add(Code::RawHeadersOff, tree.key_place(config, "encode_raw_headers"), message);
    }
    lint_certificates(tree, check, faults);
}

/// Lints what is set, and not what is missing.
pub(super) fn lint_present(tree: &Tree, check: &Check<'_>, faults: &mut Faults) {
    let config = check.config;
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
        && wait.text().is_some_and(is_long)
    {
        let message =
            format!("requests wait for {} when countersign hangs", wait.text().unwrap_or_default());
        faults.add(Code::LongWait, tree.place(wait), message);
    }
    lint_share(tree, check, faults);
}

/// Lints whether the filter asks about every request.
fn lint_share(tree: &Tree, check: &Check<'_>, faults: &mut Faults) {
    let (filter, config) = (check.filter, check.config);
    if let Some(enabled) = config.get("filter_enabled").filter(|own| !is_whole(own)) {
        let message = "`filter_enabled` checks a part of the requests, and lets the others pass";
        faults.add(Code::CheckInPart, tree.place(enabled), message);
    }
    let of_metadata = config.get("filter_enabled_metadata").filter(|_| !is_of_istio(config));
    if of_metadata.is_some() {
        let message = "`filter_enabled_metadata` lets requests pass that do not have the metadata";
        let place = tree.key_place(config, "filter_enabled_metadata");
        faults.add(Code::CheckInPart, place, message);
    }
    if filter.has("is_optional") {
        let message = "`is_optional: true` leaves the filter out where Envoy cannot load it";
        faults.add(Code::CheckInPart, tree.key_place(filter, "is_optional"), message);
    }
}

/// Lints whether countersign sees the certificate of the client.
fn lint_certificates(tree: &Tree, check: &Check<'_>, faults: &mut Faults) {
    let Some((manager, chain)) = check.manager.zip(check.chain) else { return };
    if check.config.has("include_peer_certificate") {
        return;
    }
    let Some(validation) = validation(chain) else { return };
    let forwards = manager.text_of("forward_client_cert_details").unwrap_or("SANITIZE");
    let details = manager.get("set_current_client_cert_details");
    let writes = matches!(forwards, "SANITIZE_SET" | "APPEND_FORWARD");
    let shows = writes && details.is_some_and(|own| own.has("cert") || own.has("chain"));
    if validation.text_of("trust_chain_verification") == Some("ACCEPT_UNTRUSTED") && !shows {
        let message =
            "`ACCEPT_UNTRUSTED` lets every certificate through, and countersign does not see it";
        let place = tree.key_place(validation, "trust_chain_verification");
        faults.add(Code::UntrustedCertificates, place, message);
    }
    if forwards == "SANITIZE" {
        let message = "clients show certificates, and neither `include_peer_certificate` nor `forward_client_cert_details` passes them on";
        faults.add(Code::NoCertificateShown, tree.place(check.config), message);
    }
}

/// Lints whether the question can be read or changed on its way.
fn lint_connection(tree: &Tree, check: &Check<'_>, parts: &Parts<'_>, faults: &mut Faults) {
    let Some(service) = check.config.get("grpc_service") else { return };
    let name = service.at(&["envoy_grpc", "cluster_name"]);
    let cluster = name.and_then(|name| parts.cluster(name.text()?));
    if let Some(cluster) = cluster.filter(|cluster| cluster::is_plaintext(cluster)) {
        let message = format!(
            "the cluster `{}` has no `transport_socket`, and is not on this machine",
            cluster.text_of("name").unwrap_or_default()
        );
        faults.add(Code::PlaintextCheck, tree.place(cluster), message);
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
fn is_generated(check: &Check<'_>) -> bool {
    let name = check.filter.text_of("name").unwrap_or_default();
    is_of_istio(check.config) || name.contains("/securitypolicy/")
}

/// True if Istio's own filter in front says which requests are checked: those of the rules of an `AuthorizationPolicy`.
fn is_of_istio(config: &Node) -> bool {
    let path = config.at(&["filter_enabled_metadata", "path"]).map_or(&[][..], Node::items);
    path.iter().any(|own| own.text_of("key").is_some_and(|key| key.starts_with("istio_ext_authz_")))
}

/// True if a share of requests is all of them.
fn is_whole(enabled: &Node) -> bool {
    let Some(share) = enabled.get("default_value") else { return false };
    let most = match share.text_of("denominator") {
        Some("MILLION") => 1_000_000,
        Some("TEN_THOUSAND") => 10_000,
        Some(_) | None => 100,
    };
    share.get("numerator").and_then(Node::number).is_some_and(|own| own >= most)
}

/// True unless it is `false` or nothing.
fn is_set(node: &Node) -> bool {
    node.is_true() || node.entries().next().is_some()
}

/// True for an HTTP status below 400, as a number or by the name that protobuf has for it.
fn is_success(status: &Node) -> bool {
    let names = ["Continue", "OK", "Created", "Accepted", "NoContent", "Found", "SeeOther"];
    status.number().is_some_and(|own| own < 400)
        || status.text().is_some_and(|own| names.contains(&own) || own.starts_with("Moved"))
}
