//! The resources for Istio, by their effect: which of them are about which workloads, ports and paths when they are applied
//! together, as istiod decides it (`pilot/pkg/model/policyattachment.go`). No control plane takes part.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chart::{MINIMAL, one, rendered, text};
use crate::foreign::resources;
use crate::tools;

const FOLDER: &str = "envoy/istio";
const ROOT_NAMESPACE: &str = "istio-system";
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// A path of nothing that countersign serves.
const OTHER: &str = "/v1/orders";
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// A set of pods behind one proxy.
#[derive(Clone, Debug)]
struct Workload {
    namespace: String,
    labels: BTreeMap<String, String>,
    service_account: String,
    waypoint: bool,
}

/// Files of the folder that are applied together.
struct Applied(Vec<Value>);

impl Applied {
    fn with(names: &[&str]) -> Self {
        let found = resources(&tools::root().join(FOLDER));
        let of = |path: &str| names.iter().any(|name| path.ends_with(name));
        Self(found.into_iter().filter(|(path, _)| of(path)).map(|(_, value)| value).collect())
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |resource| resource["kind"] == kind)
    }

    fn policies<'a>(&'a self, action: &'a str) -> impl Iterator<Item = &'a Value> {
        self.of("AuthorizationPolicy").filter(move |policy| policy["spec"]["action"] == action)
    }

    /// The pods of every gateway here.
    fn gateways(&self) -> Vec<Workload> {
        let all = self.of("Gateway").map(|gateway| {
            let (name, namespace) =
                (text(gateway, "/metadata/name"), text(gateway, "/metadata/namespace"));
            let class = gateway["spec"]["gatewayClassName"].as_str();
            let service_account = match class {
                Some("istio") => format!("{name}-istio"),
                Some(_) => name.to_owned(),
                // By the installation of Istio's own gateways.
                None => format!("istio-{}", text(gateway, "/spec/selector/istio")),
            };
            let labels = match class {
                Some(_) => BTreeMap::from([(GATEWAY_NAME.to_owned(), name.to_owned())]),
                None => labels(&gateway["spec"]["selector"]),
            };
            let waypoint = class == Some("istio-waypoint");
            Workload { namespace: namespace.to_owned(), labels, service_account, waypoint }
        });
        all.collect()
    }

    /// True if a CUSTOM policy has `workload` ask about this.
    fn asks(&self, workload: &Workload, port: u16, path: Option<&str>) -> bool {
        self.policies("CUSTOM")
            .any(|policy| attaches(policy, workload) && about(policy, port, path))
    }

    /// The policies about requests to countersign itself.
    fn who_may_ask(&self) -> impl Iterator<Item = &Value> {
        self.policies("ALLOW").filter(|policy| policy["metadata"]["namespace"] == "auth")
    }

    /// True if a policy lets `workload` ask countersign.
    fn admits(&self, workload: &Workload) -> bool {
        let domain = trust_domain();
        let caller = format!("{domain}/ns/{}/sa/{}", workload.namespace, workload.service_account);
        self.who_may_ask().flat_map(|policy| list(&policy["spec"]["rules"])).any(|rule| {
            let sources = list(&rule["from"]).iter();
            let mut principals = sources.flat_map(|from| list(&from["source"]["principals"]));
            principals.any(|principal| matches(principal.as_str().unwrap(), &caller))
        })
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Istio's patterns: exact, or with a `*` at one end.
fn matches(pattern: &str, value: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => value.ends_with(end),
        (None, Some(start)) => value.starts_with(start),
        (None, None) => value == pattern,
    }
}

/// `ShouldAttachPolicy` of istiod.
fn attaches(policy: &Value, workload: &Workload) -> bool {
    let namespace = text(policy, "/metadata/namespace");
    if namespace != workload.namespace && namespace != ROOT_NAMESPACE {
        return false;
    }
    let spec = &policy["spec"];
    let references = list(&spec["targetRefs"]);
    let selector = &spec["selector"]["matchLabels"];
    let selected = selector.is_null()
        || labels(selector).iter().all(|(key, value)| workload.labels.get(key) == Some(value));
    let Some(gateway) = workload.labels.get(GATEWAY_NAME) else {
        return references.is_empty() && selected;
    };
    if references.is_empty() {
        return selected && !workload.waypoint;
    }
    references.iter().any(|reference| match text(reference, "/kind") {
        "GatewayClass" => {
            workload.waypoint
                && namespace == ROOT_NAMESPACE
                && reference["name"] == "istio-waypoint"
        }
        "Gateway" => namespace == workload.namespace && reference["name"] == gateway.as_str(),
        other => panic!("{other}"),
    })
}

/// True if a rule of `policy` is about this port and path; a connection has no path, and istiod drops paths from its rule.
fn about(policy: &Value, port: u16, path: Option<&str>) -> bool {
    list(&policy["spec"]["rules"]).iter().any(|rule| {
        let known = |key: &&String| *key == "to";
        assert!(rule.as_object().unwrap().keys().all(|key| known(&key)), "{rule}");
        let operations = list(&rule["to"]);
        operations.is_empty() || operations.iter().any(|to| includes(&to["operation"], port, path))
    })
}

fn includes(operation: &Value, port: u16, path: Option<&str>) -> bool {
    operation.as_object().unwrap().iter().all(|(key, values)| {
        let any = |value: &str| {
            list(values).iter().any(|pattern| matches(pattern.as_str().unwrap(), value))
        };
        match (key.as_str(), path) {
            ("ports", _) => any(&port.to_string()),
            ("notPorts", _) => !any(&port.to_string()),
            ("paths" | "notPaths", None) => true,
            ("paths", Some(path)) => any(path),
            ("notPaths", Some(path)) => !any(path),
            _ => panic!("{key}"),
        }
    })
}

fn mesh_config() -> Value {
    serde_saphyr::from_str(&tools::read("envoy/istio/mesh-config.yaml")).unwrap()
}

fn trust_domain() -> String {
    text(&mesh_config(), "/meshConfig/trustDomain").to_owned()
}

/// The two ways of saying who asks, each with all that it is applied with.
fn ways() -> [Applied; 2] {
    ["authorization-policies.yaml", "whole-mesh.yaml"]
        .map(|who| Applied::with(&[who, "gateways.yaml", "countersign.yaml"]))
}

/// A workload of the namespace that the examples are about.
fn orders() -> Workload {
    Workload {
        namespace: "shop".into(),
        labels: BTreeMap::from([("app".into(), "orders".into())]),
        service_account: "orders".into(),
        waypoint: false,
    }
}

/// The pods of a release behind sidecars, and the ports of its listener and its admin listener.
fn countersign() -> Option<(Workload, [u16; 2])> {
    let manifests = rendered(MINIMAL, &["--set", "fullnameOverride=countersign"])?;
    let pod = &one(&manifests, "Deployment", "")["spec"]["template"];
    let port = |name: &str| {
        let ports = list(&pod["spec"]["containers"][0]["ports"]).iter();
        let found = ports.clone().find(|port| port["name"] == name).unwrap();
        u16::try_from(found["containerPort"].as_u64().unwrap()).unwrap()
    };
    let workload = Workload {
        namespace: "auth".into(),
        labels: labels(&pod["metadata"]["labels"]),
        service_account: text(&pod["spec"], "/serviceAccountName").to_owned(),
        waypoint: false,
    };
    Some((workload, [port("grpc"), port("admin")]))
}

/// P521: a gateway, a waypoint or a workload without a policy is open, although all that is shipped was applied.
#[test]
fn what_is_shipped_has_every_gateway_and_workload_ask_about_every_request() {
    for applied in ways() {
        let gateways = applied.gateways();
        assert!(gateways.len() >= 3, "{gateways:?}");
        for workload in gateways.into_iter().chain([orders()]) {
            for port in [80, 443, 8080, 9001, 9002, 15008] {
                for path in ["/", OTHER] {
                    assert!(
                        applied.asks(&workload, port, Some(path)),
                        "{port} {path}: {workload:?}"
                    );
                }
            }
        }
    }
}

/// P521: two kinds are called Gateway, and a policy for one of them is nothing to the other of the same name.
#[test]
fn a_policy_for_another_kind_of_gateway_would_be_noticed() {
    let mut applied = Applied::with(&["authorization-policies.yaml", "gateways.yaml"]);
    applied.0.retain(|resource| resource["metadata"]["name"] != "countersign-ingressgateway");
    let open =
        applied.gateways().into_iter().filter(|gateway| !applied.asks(gateway, 443, Some("/")));
    let open: Vec<_> = open.map(|gateway| gateway.service_account).collect();
    assert_eq!(open, ["istio-ingressgateway"]);
}

/// P522: a check that is checked is a check more, and so on: nothing in the mesh is allowed any more.
#[test]
fn nothing_that_is_shipped_has_countersign_ask_itself() {
    let Some((pods, [listener, admin])) = countersign() else { return };
    let mut served = vec![(listener, CHECK.to_owned())];
    served.extend(["Check", "Watch"].map(|m| (listener, format!("/grpc.health.v1.Health/{m}"))));
    for file in ["src/admin/mod.rs", "src/admin/revocations.rs"] {
        let text = tools::read(file);
        let routes = text.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        served.extend(routes.map(|route| (admin, route.replace("{id}", "a1b2"))));
    }
    assert!(served.len() >= 10, "{served:?}");
    for applied in ways() {
        for (port, path) in &served {
            assert!(!applied.asks(&pods, *port, Some(path)), "{port} {path}");
        }
    }
    // The ports alone are no way around it for others.
    let [_, whole] = ways();
    assert!(whole.asks(&orders(), listener, None) && whole.asks(&orders(), admin, None));
    // The policy that was shipped for the whole mesh before.
    let mut every = whole;
    for policy in &mut every.0 {
        if policy["spec"]["action"] == "CUSTOM" {
            policy["spec"]["rules"] = serde_json::json!([{}]);
        }
    }
    assert!(every.asks(&pods, listener, Some(CHECK)), "this test can see it");
}

/// P523: what has to ask and may not gets 503 for every request.
#[test]
fn everything_that_asks_may_ask() {
    for applied in ways() {
        for workload in applied.gateways().into_iter().chain([orders()]) {
            assert!(applied.admits(&workload), "{workload:?}");
        }
    }
    let Some((pods, [listener, admin])) = countersign() else { return };
    for applied in ways() {
        for policy in applied.who_may_ask() {
            assert!(attaches(policy, &pods), "{policy}");
        }
        let open = |port: u16| {
            let rules = applied.who_may_ask().flat_map(|policy| list(&policy["spec"]["rules"]));
            let about = |rule: &&Value| {
                list(&rule["to"]).iter().any(|to| includes(&to["operation"], port, None))
            };
            rules.filter(about).all(|rule| rule.get("from").is_some())
        };
        assert!(open(listener) && !open(admin), "who may ask is said, and probes are for all");
    }
}

/// P521: a namespace without the labels is not reached by the waypoint that stands in it, and a pod's address is a way around.
#[test]
fn a_waypoint_is_on_the_way() {
    let applied = Applied::with(&["gateways.yaml"]);
    let waypoint = applied.gateways().into_iter().find(|gateway| gateway.waypoint).unwrap();
    let is_there = |r: &&Value| r["metadata"]["name"] == waypoint.namespace.as_str();
    let namespace = applied.of("Namespace").find(is_there).unwrap();
    let labels = labels(&namespace["metadata"]["labels"]);
    assert_eq!(labels["istio.io/dataplane-mode"], "ambient");
    assert_eq!(labels["istio.io/use-waypoint"], waypoint.labels[GATEWAY_NAME]);
    let alone = applied
        .policies("ALLOW")
        .find(|p| attaches(p, &Workload { namespace: waypoint.namespace.clone(), ..orders() }));
    let by =
        format!("{}/ns/{}/sa/{}", trust_domain(), waypoint.namespace, waypoint.service_account);
    let rules = &alone.unwrap()["spec"]["rules"];
    assert_eq!(*rules, serde_json::json!([{ "from": [{ "source": { "principals": [by] } }] }]));
}

/// One name for one thing in all of the files, and in the chart.
#[test]
fn the_files_name_the_same_provider_service_and_trust_domain() {
    let mesh = mesh_config();
    let provider = &mesh["meshConfig"]["extensionProviders"][0];
    let domain = trust_domain();
    let applied = Applied::with(&[".yaml"]);
    for policy in applied.policies("CUSTOM") {
        assert_eq!(policy["spec"]["provider"]["name"], provider["name"]);
    }
    let principals = applied.policies("ALLOW").flat_map(|policy| list(&policy["spec"]["rules"]));
    let principals = principals.flat_map(|rule| list(&rule["from"]));
    for principal in principals.flat_map(|from| list(&from["source"]["principals"])) {
        assert!(principal.as_str().unwrap().starts_with(&format!("{domain}/")), "{principal}");
    }
    let Some((pods, [listener, admin])) = countersign() else { return };
    let manifests = rendered(MINIMAL, &["--set", "fullnameOverride=countersign"]).unwrap();
    let service = text(one(&manifests, "Service", "countersign"), "/metadata/name");
    let host = format!("{service}.{}.svc.cluster.local", pods.namespace);
    let provider = &provider["envoyExtAuthzGrpc"];
    assert_eq!(
        (&provider["service"], &provider["port"]),
        (&host.as_str().into(), &listener.into())
    );
    let rule = applied.of("DestinationRule").next().unwrap();
    assert_eq!(rule["spec"]["host"], host);
    let name = format!("spiffe://{domain}/ns/{}/sa/{}", pods.namespace, pods.service_account);
    assert_eq!(rule["spec"]["trafficPolicy"]["tls"]["subjectAltNames"], serde_json::json!([name]));
    for (kind, pointer) in [
        ("Sidecar", "/spec/workloadSelector/labels"),
        ("PeerAuthentication", "/spec/selector/matchLabels"),
    ] {
        let about = applied.of(kind).find_map(|resource| resource.pointer(pointer)).unwrap();
        assert!(labels(about).iter().all(|(key, value)| pods.labels.get(key) == Some(value)));
    }
    let sidecar = applied.of("Sidecar").next().unwrap();
    assert_eq!(sidecar["spec"]["ingress"][0]["port"]["number"], listener);
    let peers = applied.of("PeerAuthentication").find(|r| !r["spec"]["portLevelMtls"].is_null());
    assert!(peers.unwrap()["spec"]["portLevelMtls"].get(admin.to_string()).is_some());
}
