//! Envoy Gateway's `ClientTrafficPolicy`: what is taken from callers.

use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::resources::Resource;
use crate::mesh::written::Write;

/// Lints what `own` takes from callers.
pub(super) fn lint(own: &Resource<'_>, faults: &mut Faults) {
    let (tree, name) = (own.tree, own.described());
    let mode = own.spec(&["headers", "xForwardedClientCert", "mode"]);
    if let Some(mode) = mode
        && let Some(kept @ ("ForwardOnly" | "AlwaysForwardOnly" | "AppendForward")) = mode.text()
    {
        let message = format!(
            "{name} with mode `{kept}` keeps what the caller wrote: it can claim any identity"
        );
        faults.add(Code::CallersXfcc, tree.place(mode), message);
    }
    let slashes = own.spec(&["path", "escapedSlashesAction"]);
    if let Some(slashes) = slashes.filter(|own| own.text() == Some("UnescapeAndForward")) {
        let message = "`UnescapeAndForward` makes two segments of one before the check";
        faults.add(Code::PathRewritten, tree.place(slashes), message);
    }
    let underscores = own.spec(&["headers", "withUnderscoresAction"]);
    if let Some(node) = underscores.filter(|own| own.text() == Some("Allow")) {
        let message = format!("{name} lets `x_subject` pass beside `x-subject`");
        faults.add(Code::UnderscoresAllowed, tree.place(node), message);
    }
    lint_address(own, faults);
    lint_early(own, mode.and_then(Node::text).unwrap_or("Sanitize"), faults);
    lint_certificates(own, faults);
    let shown = own.spec(&["headers", "xForwardedClientCert", "certDetailsToAdd"]);
    let shows = shown.map_or(&[][..], Node::items).iter().any(|own| own.text() == Some("Cert"));
    let validation = own.spec(&["tls", "clientValidation", "mode"]);
    if let Some(validation) = validation.filter(|_| !shows)
        && let Some(mode @ ("RequireAny" | "Request")) = validation.text()
    {
        let message = format!(
            "{name} with mode `{mode}` takes certificates that it does not verify, and does not show them"
        );
        faults.add(Code::UntrustedCertificates, tree.place(validation), message);
    }
}

/// Lints by what the gateway knows the client.
fn lint_address(own: &Resource<'_>, faults: &mut Faults) {
    let (tree, name) = (own.tree, own.described());
    if let Some(protocol) = own.spec(&["proxyProtocol"]).filter(|own| own.has("optional")) {
        let message = format!(
            "{name} lets callers connect without the PROXY protocol (`optional`), and one of them may write the address of another client"
        );
        faults.add(Code::AddressForged, tree.key_place(protocol, "optional"), message);
    }
    if let Some(header) = own.spec(&["clientIPDetection", "customHeader"]) {
        let message = format!(
            "{name} takes the address of the client from `{}`, which a caller may have written",
            header.text_of("name").unwrap_or_default()
        );
        faults.add(Code::AddressForged, tree.place(header), message);
    }
}

/// Lints the headers that are written before Envoy writes what it saw of the caller; `mode` says what it then does.
fn lint_early(own: &Resource<'_>, mode: &str, faults: &mut Faults) {
    let key = "earlyRequestHeaders";
    let Some(early) = own.spec(&["headers", key]) else { return };
    let replaced = mode.starts_with("Sanitize").then_some(mode);
    let lists = ["set", "add", "addIfAbsent"].into_iter().flat_map(|list| early.items_of(list));
    for (at, name) in lists.filter_map(|header| Some((header, header.text_of("name")?))) {
        Write::formatted(name, at.text_of("value"), at).lint_early(own.tree, key, replaced, faults);
    }
}

/// Certificates that are to be verified, without anything to verify them by.
fn lint_certificates(own: &Resource<'_>, faults: &mut Faults) {
    let Some(validation) = own.spec(&["tls", "clientValidation"]) else { return };
    let keys = ["caCertificateRefs", "spkiHashes", "certificateHashes"];
    let has_some = keys.iter().any(|key| !validation.items_of(key).is_empty());
    let verifies = matches!(validation.text_of("mode"), None | Some("RequireAndVerify"));
    if verifies && !has_some && !validation.has("optional") {
        let message = format!(
            "{} names no `caCertificateRefs` for its `clientValidation`: no certificate is required",
            own.described()
        );
        let place = own.tree.place(validation);
        faults.add(Code::CertificateNotRequired, place, message);
    }
}
