//! Filter chains without a connection manager: connections that nothing asks about.

use super::cluster;
use super::kind::{asks, is_check, is_type, type_of};
use super::parts::Chain;
use super::world::World;
use crate::document::{Code, Node};
use crate::mesh::faults::Faults;

/// Lints the chains for raw connections in trees in which others ask.
pub(super) fn lint(world: &World<'_>, faults: &mut Faults) {
    for chain in &world.parts.chains {
        let of = chain.part.of;
        let is_own = world.is_outbound(chain.listener, of) || is_of_tunnel(chain.listener);
        if world.asks(of) && !is_own {
            lint_chain(chain, world, faults);
            lint_certificates(chain, faults);
        }
    }
}

/// True for the settings of a filter after which Envoy looks at no other one of the chain.
pub(in crate::mesh) fn is_terminal(config: &Node) -> bool {
    cluster::is_raw(config)
        || ["HttpConnectionManager", ".echo.v3.Echo", ".direct_response.v3.Config"]
            .iter()
            .any(|end| is_type(config, end))
}

/// A chain that is to require certificates, and names nothing by which Envoy could verify one: it then asks for none.
fn lint_certificates(chain: &Chain<'_>, faults: &mut Faults) {
    let socket = chain.part.node.get("transport_socket");
    let Some(context) = socket.and_then(|own| with_key(own, "require_client_certificate")) else {
        return;
    };
    let common = context.get("common_tls_context");
    if !context.has("require_client_certificate") || common.is_some_and(verifies) {
        return;
    }
    let place = chain.part.tree.key_place(context, "require_client_certificate");
    let message = "`require_client_certificate: true` has no effect without `trusted_ca`: clients pass without a certificate";
    faults.add(Code::CertificateNotRequired, place, message);
}

/// True if settings of TLS have authorities or pins, or get them later.
fn verifies(common: &Node) -> bool {
    let combined = common.get("combined_validation_context");
    let of_default = combined.and_then(|own| own.get("default_validation_context"));
    let contexts = [common.get("validation_context"), of_default, combined, Some(common)];
    let keys = [
        "trusted_ca",
        "verify_certificate_spki",
        "verify_certificate_hash",
        "system_root_certs",
        "custom_validator_config",
        "ca_certificate_provider_instance",
        "validation_context_sds_secret_config",
        "validation_context_certificate_provider",
        "validation_context_certificate_provider_instance",
    ];
    contexts.into_iter().flatten().any(|own| keys.iter().any(|key| own.get(key).is_some()))
}

/// The value in `node` that has the key `name`.
fn with_key<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let here = node.get(name).map(|_| node);
    here.or_else(|| node.parts().find_map(|part| with_key(part, name)))
}

pub(super) fn lint_chain(chain: &Chain<'_>, world: &World<'_>, faults: &mut Faults) {
    let filters = chain.part.node.items_of("filters");
    let configs = || filters.iter().filter_map(|own| own.get("typed_config"));
    let is_asked = configs().any(is_check)
        || configs().any(|own| is_type(own, "HttpConnectionManager") || asks(own));
    let Some(raw) = configs().find(|own| cluster::is_raw(own)) else { return };
    if is_asked || goes_on_here(raw, chain, world) {
        return;
    }
    let name = chain.listener.text_of("name").unwrap_or("without a name");
    let kind = type_of(raw).rsplit('.').next().unwrap_or_default();
    let message = format!(
        "the listener `{name}` has a chain with `{kind}` and no `envoy.filters.network.ext_authz`: nothing is asked about its connections"
    );
    faults.add(Code::ListenerWithoutCheck, chain.part.tree.place(raw), message);
}

/// True for the listener through which Istio's proxies send into a tunnel: nothing but the same Envoy reaches it.
pub(super) fn is_of_tunnel(listener: &Node) -> bool {
    let name = listener.text_of("name").unwrap_or_default();
    listener.get("internal_listener").is_some() && name.ends_with("connect_originate")
}

/// True if the connections go to another listener of the same Envoy, or nowhere.
fn goes_on_here(raw: &Node, chain: &Chain<'_>, world: &World<'_>) -> bool {
    let is_here = |name: &&str| {
        let clusters = world.clusters(name, chain.part.of);
        *name == "BlackHoleCluster"
            || (!clusters.is_empty() && clusters.iter().all(|own| cluster::is_internal(own.node)))
    };
    let names = cluster::names(raw);
    !names.is_empty() && names.iter().all(is_here)
}
