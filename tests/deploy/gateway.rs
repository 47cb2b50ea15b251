//! The resources for Envoy Gateway, by their effect: whether each listener, route and rule of a route asks, as Envoy Gateway
//! decides it (`internal/gatewayapi/securitypolicy.go`). No control plane takes part.

use serde_json::{Value, json};

use crate::chart::{MINIMAL, one, rendered, text};
use crate::foreign::resources;
use crate::tools;

fn shipped() -> Vec<Value> {
    let found = resources(&tools::root().join("envoy/gateway"));
    found.into_iter().map(|(_, value)| value).collect()
}

fn of<'a>(resources: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    resources.iter().filter(move |resource| resource["kind"] == kind)
}

/// A request goes by a listener, a route and a rule of the route.
struct Way {
    gateway: &'static str,
    listener: &'static str,
    route: &'static str,
    rule: &'static str,
}

const WAY: Way = Way { gateway: "edge", listener: "https", route: "orders", rule: "read" };

/// How near to the request the policy stands: a policy that is nearer replaces the others.
fn nearness(policy: &Value, way: &Way) -> Option<usize> {
    let targets = policy["spec"]["targetRefs"].as_array().unwrap();
    let nearness = targets.iter().filter_map(|target| {
        let section = target["sectionName"].as_str();
        let (name, own, base) = match text(target, "/kind") {
            "Gateway" => (way.gateway, way.listener, 0),
            "HTTPRoute" => (way.route, way.rule, 2),
            other => panic!("{other}"),
        };
        let fits = target["name"] == name && section.is_none_or(|section| section == own);
        fits.then_some(base + usize::from(section.is_some()))
    });
    nearness.max()
}

/// True if a request on this way is asked about.
fn asks(resources: &[Value], way: &Way) -> bool {
    let mut about: Vec<_> = of(resources, "SecurityPolicy")
        .filter_map(|policy| Some((nearness(policy, way)?, &policy["spec"])))
        .collect();
    about.sort_by_key(|(near, _)| *near);
    let mut asks = false;
    for (near, spec) in about {
        // Only policies of routes are merged with what is above them.
        let merged = near >= 2 && spec.get("mergeType").is_some();
        asks = spec.get("extAuth").is_some() || (merged && asks);
    }
    asks
}

/// A SecurityPolicy with CORS alone, as a team would add it.
fn cors(target: &Value, merge: bool) -> Value {
    let mut policy = json!({
        "kind": "SecurityPolicy",
        "spec": { "targetRefs": [target], "cors": { "allowOrigins": ["https://shop.example"] } },
    });
    if merge {
        policy["spec"]["mergeType"] = json!("StrategicMerge");
    }
    policy
}

/// P525: a SecurityPolicy that stands nearer replaces the Gateway's, with what it does not say.
#[test]
fn every_request_is_asked_about_until_a_nearer_policy_says_nothing_of_it() {
    assert!(asks(&shipped(), &WAY));
    let page = tools::read("docs/envoy-gateway.md");
    for (kind, name, section, merge, asked) in [
        ("Gateway", "edge", Some("https"), false, false),
        ("Gateway", "edge", Some("https"), true, false),
        ("Gateway", "edge", Some("http"), false, true),
        ("HTTPRoute", "orders", None, false, false),
        ("HTTPRoute", "orders", None, true, true),
        ("HTTPRoute", "orders", Some("read"), false, false),
        ("HTTPRoute", "orders", Some("read"), true, true),
        ("HTTPRoute", "orders", Some("write"), false, true),
    ] {
        let mut target = json!({ "kind": kind, "name": name });
        if let Some(section) = section {
            target["sectionName"] = json!(section);
        }
        let mut resources = shipped();
        resources.push(cors(&target, merge));
        assert_eq!(asks(&resources, &WAY), asked, "{target} {merge}");
    }
    for said in ["`sectionName`", "`mergeType: StrategicMerge`", "`Overridden`"] {
        assert!(page.contains(said), "{said}");
    }
}

/// Every reference of a resource leads to one that is shipped with it, is the chart's, or is a certificate that the operator has.
#[test]
fn references_lead_somewhere() {
    let resources = shipped();
    let Some(manifests) = rendered(MINIMAL, &["--set", "fullnameOverride=countersign"]) else {
        return;
    };
    let service = one(&manifests, "Service", "countersign");
    let port = &service["spec"]["ports"][0]["port"];
    let is_there = |kind: &str, name: &str| {
        of(&resources, kind).any(|resource| resource["metadata"]["name"] == name)
            || (kind == "Service" && service["metadata"]["name"] == name)
    };
    let mut seen = 0;
    for resource in &resources {
        let spec = &resource["spec"];
        let targets = spec["targetRefs"].as_array().into_iter().flatten();
        let parameters = spec.pointer("/infrastructure/parametersRef");
        for reference in targets.chain(spec.get("targetRef")).chain(parameters) {
            assert!(is_there(text(reference, "/kind"), text(reference, "/name")), "{resource}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
    let gateway = of(&resources, "Gateway").next().unwrap();
    assert!(is_there("GatewayClass", text(gateway, "/spec/gatewayClassName")));
    let policy = of(&resources, "SecurityPolicy").next().unwrap();
    let backend = &policy["spec"]["extAuth"]["grpc"]["backendRefs"][0];
    assert!(is_there("Service", text(backend, "/name")));
    assert_eq!(&backend["port"], port);
    let grant = of(&resources, "ReferenceGrant").next().unwrap();
    assert_eq!(grant["metadata"]["namespace"], backend["namespace"]);
    assert_eq!(grant["spec"]["from"][0]["namespace"], policy["metadata"]["namespace"]);
    // The patches name the filter and the listener as Envoy Gateway does.
    let generated = tools::read("envoy/gateway/generated/gateway.yaml");
    let patches =
        of(&resources, "EnvoyPatchPolicy").next().unwrap()["spec"]["jsonPatches"].as_array();
    for patch in patches.unwrap() {
        let listener = format!("\n    - name: {}\n", text(patch, "/name"));
        assert!(generated.contains(&listener), "{patch}");
        let filter = text(patch, "/operation/jsonPath").split('\'').nth(1).unwrap();
        assert!(generated.contains(&format!("- name: {filter}\n")), "{patch}");
    }
}
