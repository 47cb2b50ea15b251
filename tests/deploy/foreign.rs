//! Resources of Istio, Envoy Gateway and Prometheus' operator, whose schemas Kubernetes does not have: against the parts of
//! them that are used here, in `foreign.json`, written from their references. A key that is misspelt is found; that a
//! cluster takes them is not tried.

use std::path::Path;

use serde_json::{Value, json};

use crate::tools;

fn definitions() -> Value {
    serde_json::from_str(&tools::read("tests/deploy/foreign.json")).unwrap()
}

/// The faults of `value` by the definition `name`.
fn problems(name: &str, value: &Value) -> Vec<String> {
    let definitions = definitions();
    if definitions.get(name).is_none() {
        return vec![format!("tests/deploy/foreign.json does not know `{name}`")];
    }
    let schema = json!({ "$defs": definitions, "$ref": format!("#/$defs/{}", name.replace('/', "~1").replace(' ', "%20")) });
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The faults of a resource.
pub(crate) fn problems_of(resource: &Value) -> Vec<String> {
    if let Some(mesh) = resource.get("meshConfig") {
        return problems("meshConfig", mesh);
    }
    let word = |key: &str| resource[key].as_str().unwrap_or_default();
    let name = format!("{} {}", word("apiVersion"), word("kind"));
    let mut problems = problems(&name, &resource["spec"]);
    problems.extend(self::problems("NAME", &resource["metadata"]));
    problems
}

/// Every resource in the files of a folder, with its file.
pub(crate) fn resources(folder: &Path) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(resources(&path));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("\nstatic_resources:\n") {
            continue;
        }
        for document in text.split("\n---\n") {
            let value = serde_saphyr::from_str(document).unwrap();
            found.push((path.display().to_string(), value));
        }
    }
    found
}

#[test]
fn every_shipped_resource_has_only_keys_that_its_kind_has() {
    let found = resources(&tools::root().join("envoy"));
    assert!(found.len() >= 15, "{}", found.len());
    for (path, resource) in &found {
        assert_eq!(problems_of(resource), Vec::<String>::new(), "{path}: {resource}");
    }
}

#[test]
fn a_misspelt_key_is_found() {
    let found = resources(&tools::root().join("envoy/gateway"));
    let (_, mut policy) = found.into_iter().find(|(_, r)| r["kind"] == "SecurityPolicy").unwrap();
    policy["spec"]["extAuth"]["failopen"] = json!(true);
    assert!(problems_of(&policy).iter().any(|problem| problem.contains("failopen")));
    policy["kind"] = json!("SecurityPolice");
    assert!(problems_of(&policy).iter().any(|problem| problem.contains("does not know")));
}

/// P2, P9, P10, P11, P15: what must not be left to a default is said, and what must not be set is not.
#[test]
fn the_set_ups_fail_closed_and_in_time() {
    let found = resources(&tools::root().join("envoy"));
    let asked = |pointer: &str| found.iter().find_map(|(_, r)| r.pointer(pointer)).unwrap();
    let provider = asked("/meshConfig/extensionProviders/0/envoyExtAuthzGrpc");
    assert_eq!((&provider["failOpen"], &provider["timeout"]), (&json!(false), &json!("0.25s")));
    let ext_auth = asked("/spec/extAuth");
    assert_eq!((&ext_auth["failOpen"], &ext_auth["timeout"]), (&json!(false), &json!("250ms")));
    assert_eq!(ext_auth["statusOnError"], 503, "an outage does not look like a denial");
    assert_eq!(
        provider["statusOnError"], "503",
        "text: a number makes all of the mesh configuration invalid"
    );
    let client = asked("/spec/tls/clientValidation/mode");
    assert_eq!(client, "RequireAndVerify", "what Envoy did not verify is not forwarded");
    for (settings, never) in [
        (provider, ["clearRouteCache", "includeRequestBodyInCheck"]),
        (ext_auth, ["recomputeRoute", "bodyToExtAuth"]),
    ] {
        assert!(never.iter().all(|key| settings.get(key).is_none()), "{settings}");
    }
    assert!(ext_auth.get("headersToExtAuth").is_none(), "P13: what is not seen is not removed");
}
