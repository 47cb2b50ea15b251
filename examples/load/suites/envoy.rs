//! Through a real Envoy: what a request costs with no authorization, with an always-allow server, with countersign, and with
//! Envoy's own filters.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::testbed::client::Client;
use crate::testbed::envoy::Bootstrap;
use crate::testbed::envoy_binary::{EnvoyBinary, Search};
use crate::testbed::http1::Request;
use crate::testbed::mint::ISSUER;
use crate::testbed::pki::{FRONTEND, HOST};
use serde_json::{Value, json};

use super::Bench;
use crate::contest::{Contender, take_turns};
use crate::drive::answer_of;
use crate::process::{Empty, Server};
use crate::report::Table;
use crate::world::{Evidence, Setup, World};

const TEMPLATE: &str = include_str!("../envoy.yaml");
const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters.http";

pub(super) async fn run(bench: &mut Bench<'_>) {
    let (world, options) = (Arc::clone(&bench.world), bench.options);
    let binary = find(options.envoy.clone()).await;
    let stage = Stage { world: &world, binary: &binary };
    let empty = Arc::new(Server::always_allow(world.cores, Empty::Usual).await);
    let ours = world.start(Setup::EVERYTHING).await;
    let other = bench.other_build().await;
    let same = Arc::new(same_answer(&world, ours.address).await);
    let cache = Some(json!({ "jwt_cache_size": 1000 }));
    let mut all = vec![
        stage.contender("always-allow ext_authz", &ext_authz(), Some(empty)).await,
        stage.contender("the same with countersign's answer", &ext_authz(), Some(same)).await,
        stage.contender("countersign, everything on", &ext_authz(), Some(ours)).await,
        stage.contender("jwt_authn + rbac", &own_filters(&world, None), None).await,
        stage.contender("jwt_authn + rbac, token cache", &own_filters(&world, cache), None).await,
        stage.contender("no authorization", &[], None).await,
    ];
    if let Some((name, server)) = other {
        all.push(stage.contender(&name, &ext_authz(), Some(server)).await);
    }
    let mut turns: Vec<&mut Contender> = all.iter_mut().collect();
    let rate = take_turns(&mut turns, true, options).await.unwrap_or_default();
    let title = format!(
        "HTTPS through Envoy {} with one worker, on one core with the server that it asks",
        binary.version()
    );
    bench.report.show(Table::of_turns("envoy", &title, rate, &turns), options);
    let [empty, _, ours, filters, ..] = &*all else { return };
    let mut at_least = |figure, asked, other: &Contender, least: f64| {
        let ratio = ours.closed.ratio(&other.closed, |f| f.per_second);
        bench.report.target(figure, asked, format!("{ratio:.2}"), ratio >= least);
    };
    at_least("through Envoy, everything on / always-allow", ">= 0.97", empty, 0.97);
    at_least(
        "through Envoy, everything on / `jwt_authn` + `rbac` without its cache",
        ">= 1.0",
        filters,
        1.0,
    );
}

/// A server that gives the answer of countersign at `ours` without any work of its own: what Envoy does with such an answer.
async fn same_answer(world: &World, ours: SocketAddr) -> Server {
    let workload = world.warm(Evidence::Leaf);
    let answer = answer_of(ours, workload.frame(0)).await;
    world.folder.write("answer.bin", answer).unwrap();
    Server::always_allow(world.cores, Empty::Answering(&world.folder.join("answer.bin"))).await
}

async fn find(program: Option<std::path::PathBuf>) -> EnvoyBinary {
    let cache = std::env::home_dir().map(|home| home.join(".cache"));
    let search = Search { program, cache };
    EnvoyBinary::find(&search).await.unwrap_or_else(|error| panic!("{error}"))
}

struct Stage<'a> {
    world: &'a World,
    binary: &'a EnvoyBinary,
}

// === impl Stage ===

impl Stage<'_> {
    /// An Envoy with `filters`, which asks `server`, if any.
    async fn contender(
        &self,
        name: &str,
        filters: &[Value],
        server: Option<Arc<Server>>,
    ) -> Contender {
        let Self { world, binary } = self;
        let file = |name: &str| world.folder.join(name).display().to_string();
        let router = filter("envoy.filters.http.router", "router.v3.Router", json!({}));
        let filters = Value::Array(filters.iter().cloned().chain([router]).collect());
        // JSON is YAML, and stands in the template: what is filled in later cannot hold quotes.
        let template = TEMPLATE.replace("${FILTERS}", &filters.to_string());
        let bootstrap = Bootstrap::new(&template)
            .set("SERVER_CERTIFICATE_FILE", file("envoy/envoy.pem"))
            .set("SERVER_KEY_FILE", file("envoy/envoy.key"))
            .set("CLIENT_CA_FILE", file("ca/prod.pem"))
            .set("AUTHORIZATION_PORT", server.as_ref().map_or(1, |server| server.address.port()));
        let envoy = Arc::new(Server::envoy(world.cores, binary, &bootstrap).await);
        let (ca, frontend) = (world.pki.ca().der(), Some(&world.pki.frontend));
        let client = Client::new(envoy.address, ca, frontend).unwrap();
        let request = Arc::new(Request::get(HOST, "/v1/orders").bearer(&world.rs256));
        let servers = std::iter::once(envoy).chain(server).collect();
        Contender::https(name, servers, client, &request)
    }
}

fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    if let Some(fields) = config.as_object_mut() {
        fields.insert("@type".to_owned(), json!(format!("{FILTERS}.{kind}")));
    }
    json!({ "name": name, "typed_config": config })
}

/// The fields of the shipped configuration.
fn ext_authz() -> Vec<Value> {
    let config = json!({
        "transport_api_version": "V3",
        "grpc_service": { "envoy_grpc": { "cluster_name": "authorization" }, "timeout": "5s" },
        "include_peer_certificate": true,
        "encode_raw_headers": true,
    });
    vec![filter("envoy.filters.http.ext_authz", "ext_authz.v3.ExtAuthz", config)]
}

/// As near to the policy as Envoy's filters come: the token's signature, issuer and audience, and the caller's SPIFFE ID.
fn own_filters(world: &World, cache: Option<Value>) -> Vec<Value> {
    let mut provider = json!({
        "issuer": ISSUER,
        "audiences": ["orders"],
        "local_jwks": { "filename": world.folder.join("keys/corp.jwks.json") },
        "claim_to_headers": [{ "header_name": "x-subject", "claim_name": "sub" }],
    });
    if let (Some(cache), Some(fields)) = (cache, provider.as_object_mut()) {
        fields.insert("jwt_cache_config".to_owned(), cache);
    }
    let authn = json!({
        "providers": { "corp": provider },
        "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "corp" } }],
    });
    let principal = json!({ "authenticated": { "principal_name": { "exact": FRONTEND } } });
    let permission = json!({ "url_path": { "path": { "exact": "/v1/orders" } } });
    let policy = json!({ "permissions": [permission], "principals": [principal] });
    let rbac = json!({ "rules": { "action": "ALLOW", "policies": { "orders": policy } } });
    vec![
        filter("envoy.filters.http.jwt_authn", "jwt_authn.v3.JwtAuthentication", authn),
        filter("envoy.filters.http.rbac", "rbac.v3.RBAC", rbac),
    ]
}
