//! The chart in clusters as they are: values that real ones need, and values that would be accepted and then not work.

use serde_json::{Value, json};

use crate::chart::{
    CI, CLUSTER, FULL, KEDA, MINIMAL, NODE, one, rendered, settings, template, text,
};
use crate::tools;

/// Every key of the values, as `--set` writes it, of which a template may see nothing: the schema does not ask for it.
fn optional(values: &Value, schema: &Value, above: &str, found: &mut Vec<String>) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (key, value) in values.as_object().into_iter().flatten() {
        let name = format!("{above}{}", key.replace('.', "\\."));
        match required.contains(&json!(key)) {
            true => optional(value, &schema["properties"][key], &format!("{name}."), found),
            false => found.push(name),
        }
    }
}

/// P524: `null` takes a default away. The schema refuses it by the name of the value, or it means nothing; no template fails.
#[test]
fn a_value_that_is_null_is_refused_by_its_name_or_means_nothing() {
    let values = serde_saphyr::from_str(&tools::read("deploy/chart/values.yaml")).unwrap();
    let schema = serde_json::from_str(&tools::read("deploy/chart/values.schema.json")).unwrap();
    let mut found = Vec::new();
    optional(&values, &schema, "", &mut found);
    assert!(found.len() >= 60, "{found:?}");
    // Values that others of the same file ask for.
    let needed = ["documents", "documentConfigMaps", "secrets"];
    let needed = |key: &&String| needed.contains(&key.as_str()) || key.starts_with("listener.tls.");
    for values in [MINIMAL, FULL, CLUSTER] {
        let nulls = found.iter().filter(|key| !needed(key)).map(|key| format!("{key}=null"));
        let nulls = nulls.filter(|set| values != CLUSTER || set != "authorities=null");
        let nulls = nulls.filter(|set| values != CLUSTER || set != "autoscaling.metrics=null");
        let nulls = nulls.filter(|set| values != CLUSTER || !set.starts_with("extraVolume"));
        let nulls = nulls.collect::<Vec<_>>();
        let all = nulls.join(",");
        let of_settings =
            ["settings.listener=null", "settings.listener.drain=null"].map(String::from);
        let one_by_one = nulls.iter().filter(|set| !set.contains('.') && values == FULL);
        for set in one_by_one.chain(&of_settings).chain([&all]) {
            let Some(said) = template(values, &["--set", set]) else { return };
            assert!(said.ok, "{values} {set}: {}", said.stderr);
        }
    }
    let missing = template(FULL, &["--set", "probes.liveness=null,redis.timeout=null"]).unwrap();
    for named in ["liveness is required", "timeout is required"] {
        assert!(!missing.ok && missing.stderr.contains(named), "{}", missing.stderr);
    }
}

/// P524: accepted, and then the pods do not start, are not reached, or are not rolled.
#[test]
fn what_would_not_work_is_refused() {
    for (values, set, told) in [
        (FULL, "documentConfigMaps[0]=chart", "`documentConfigMaps` has `chart`"),
        (FULL, "podAnnotations.checksum/settings=x", "podAnnotations"),
        (FULL, "podLabels.app\\.kubernetes\\.io/name=x", "podLabels"),
        (FULL, "podLabels.app\\.kubernetes\\.io/instance=x", "podLabels"),
        (FULL, "podLabels.helm\\.sh/chart=x", "podLabels"),
        (FULL, "serviceMonitor.labels.app\\.kubernetes\\.io/name=x", "serviceMonitor.labels"),
        (FULL, "prometheusRule.labels.helm\\.sh/chart=x", "prometheusRule.labels"),
        (FULL, "fullnameOverride=1st", "fullnameOverride"),
        (FULL, "fullnameOverride=Countersign", "fullnameOverride"),
        (FULL, "nameOverride=a.b", "nameOverride"),
        (FULL, "admin.port=9001", "have to differ"),
        (CLUSTER, "settings.assertion.publish=0.0.0.0:9002", "have to differ"),
        (CLUSTER, "listener.host=0.0.0.0", "the Services have IPv6 addresses"),
        (CLUSTER, "settings.audit.file=/tmp/audit.jsonl", "`settings.audit.file`"),
        (CLUSTER, "secrets=null", "/etc/countersign/secrets/assertion`"),
        (CLUSTER, "authorities=null", "/etc/countersign/authorities/mesh.pem`"),
        (
            CLUSTER,
            "authorities.mesh.secret.name=a,authorities.mesh.secret.key=b",
            "authorities.mesh",
        ),
        (CLUSTER, "extraVolumes[0].name=settings", "extraVolumes.0.name"),
        (
            CLUSTER,
            "extraVolumeMounts[0].mountPath=/etc/countersign/",
            "extraVolumeMounts.0.mountPath",
        ),
        (
            CLUSTER,
            "extraVolumeMounts[0].mountPath=/etc/countersign/tls",
            "extraVolumeMounts.0.mountPath",
        ),
        (CLUSTER, "lifecycle.preStop.sleep.seconds=20", "less than the 49"),
        (CLUSTER, "admin.host=127.0.0.1", "`admin.host` is loopback"),
        (NODE, "admin.host=[::1]", "`admin.host` is loopback"),
        (CLUSTER, "extraContainers[0].name=countersign", "extraContainers.0.name"),
        (CLUSTER, "autoscaling.metrics=null", "nothing to scale by"),
        (CLUSTER, "autoscaling.minReplicas=11", "more than `autoscaling.maxReplicas`"),
        (CLUSTER, "kind=DaemonSet", "`autoscaling` is for a Deployment"),
        (CLUSTER, "kind=StatefulSet", "kind"),
        (KEDA, "autoscaling.keda.prometheus=", "`autoscaling.keda.prometheus` is empty"),
        (NODE, "listener.tls.secretName=a", "a Unix socket has no `listener.tls`"),
        (NODE, "listener.socket.name=../sock", "listener.socket.name"),
        (NODE, "podSecurityContext.runAsUser=0", "podSecurityContext.runAsUser"),
        (NODE, "podSecurityContext.runAsNonRoot=false", "podSecurityContext"),
    ] {
        let Some(said) = template(values, &["--set", set]) else { return };
        assert!(!said.ok && said.stderr.contains(told), "{set}: {}", said.stderr);
    }
    let release = ["template", "1.2", "deploy/chart", "--values", MINIMAL];
    let Some(said) = tools::run("helm", &release) else { return };
    assert!(!said.ok && said.stderr.contains("set `fullnameOverride`"), "{}", said.stderr);
}

/// A document is mounted as it was written, byte for byte.
#[test]
fn documents_are_rendered_as_they_are() {
    for written in [
        "  indented: 1\n",
        "\n\n a: 1",
        "# comment\n\ta: 1\n",
        "a: |\n  b  \n\n",
        "x: '{{ y }}'\r\n",
        "1",
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), written).unwrap();
        let set = format!("documents.odd\\.yaml={}", file.path().display());
        let Some(manifests) = rendered(FULL, &["--set-file", &set]) else { return };
        let documents = one(&manifests, "ConfigMap", "-documents");
        assert_eq!(documents["data"]["odd.yaml"], written);
    }
}

/// A text that looks like a number is a text, wherever it stands.
#[test]
fn names_of_digits_are_texts() {
    let names = [
        "listener.tls.secretName",
        "admin.revocations.secretName",
        "redis.password.secretName",
        "redis.tls.secretName",
        "secrets.webhooks",
        "documentConfigMaps[0]",
        "documentSecrets[0]",
        "serviceAccount.name",
        "priorityClassName",
        "podLabels.team",
        "image.tag",
    ];
    let set = names.map(|name| format!("{name}=12345")).join(",");
    let Some(said) = template(FULL, &["--set-string", &set]) else { return };
    assert!(said.ok, "{}", said.stderr);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &said.stdout).unwrap();
    let path = file.path().to_str().unwrap();
    let Some(judged) = tools::run("kubernetes-validate", &["--strict", path]) else { return };
    assert!(judged.ok, "{}{}", judged.stdout, judged.stderr);
    let pod = &one(&rendered(FULL, &["--set-string", &set]).unwrap(), "Deployment", "")["spec"]["template"]["spec"].clone();
    let secrets = pod["volumes"].as_array().unwrap().iter();
    let secrets: Vec<_> = secrets.filter_map(|volume| volume["secret"].get("secretName")).collect();
    assert!(
        secrets.len() >= 6 && secrets.iter().all(|name| **name == json!("12345")),
        "{secrets:?}"
    );
}

/// Keys of assertions are published where `publish` says, and upstreams reach them there.
#[test]
fn published_keys_can_be_fetched() {
    let Some(manifests) = rendered(CLUSTER, &[]) else { return };
    let container = &one(&manifests, "Deployment", "")["spec"]["template"]["spec"]["containers"][0];
    let ports = container["ports"].as_array().unwrap();
    assert!(ports.contains(&json!({ "name": "keys", "containerPort": 9003 })), "{ports:?}");
    let service = one(&manifests, "Service", "-keys");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "keys");
    let ingress = one(&manifests, "NetworkPolicy", "")["spec"]["ingress"].as_array().unwrap();
    assert!(ingress.iter().any(|rule| rule["ports"][0]["port"] == "keys"), "{ingress:?}");
    let set = "settings.assertion.publish=127.0.0.1:9003";
    let local = rendered(CLUSTER, &["--set", set]).unwrap();
    assert!(!local.iter().any(|m| text(m, "/metadata/name").ends_with("-keys")));
}

/// On OpenShift the numbers of users are the namespace's own; with a socket there is no port of the listener.
#[test]
fn other_kinds_of_clusters_and_of_pods() {
    let Some(manifests) = rendered(KEDA, &[]) else { return };
    let deployment = one(&manifests, "Deployment", "");
    let security = &deployment["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(
        *security,
        json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } })
    );
    let scaled = one(&manifests, "ScaledObject", "");
    let query = text(scaled, "/spec/triggers/1/metadata/query");
    let expected = "sum(rate(countersign_decisions_total{namespace=\"auth\",pod=~\"auth-countersign-[-0-9a-z]+\"}[2m]))";
    assert_eq!(query, expected);
    assert_eq!(scaled["spec"]["triggers"][1]["metadata"]["threshold"], "8000");

    let manifests = rendered(NODE, &[]).unwrap();
    let spec = &one(&manifests, "DaemonSet", "")["spec"];
    assert_eq!(spec["updateStrategy"]["rollingUpdate"]["maxSurge"], 0, "one socket, one process");
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{ "name": "admin", "containerPort": 9002 }]));
    let written: Value = serde_saphyr::from_str(settings(&manifests)).unwrap();
    assert_eq!(written["listener"]["address"], "unix:///run/countersign/ext_authz.sock");
    assert_eq!(written["listener"]["socket"]["group"], 1337);
    let services: Vec<_> = manifests.iter().filter(|m| m["kind"] == "Service").collect();
    assert_eq!(services.len(), 1, "{services:?}");
}

/// Another program's number of replicas is left alone.
#[test]
fn replicas_are_one_programs_to_set() {
    let replicas = |values, set: &str| {
        Some(
            one(&rendered(values, &["--set", set])?, "Deployment", "")["spec"]
                .get("replicas")
                .cloned(),
        )
    };
    let Some(fixed) = replicas(MINIMAL, "replicas=3") else { return };
    assert_eq!(fixed, Some(json!(3)));
    assert_eq!(replicas(MINIMAL, "replicas=null").unwrap(), None);
    assert_eq!(replicas(MINIMAL, "autoscaling.enabled=true").unwrap(), None);
}

/// Each alert leads to its section of the runbook, wherever the repository is read.
#[test]
fn alerts_have_addresses() {
    let Some(manifests) = rendered(CLUSTER, &[]) else { return };
    let groups = one(&manifests, "PrometheusRule", "")["spec"]["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let mut seen = 0;
    for rule in rules {
        let runbook = text(rule, "/annotations/runbook");
        let url = text(rule, "/annotations/runbook_url");
        assert_eq!(url, format!("https://git.example.com/countersign/blob/main/{runbook}"));
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
    let dashboard = one(&manifests, "ConfigMap", "-dashboard");
    let board: Value = serde_json::from_str(text(dashboard, "/data/countersign.json")).unwrap();
    assert_eq!(
        board,
        serde_json::from_str::<Value>(&tools::read("deploy/dashboard.json")).unwrap()
    );
}

/// `helm test` runs a pod that no Service leads to.
#[test]
fn the_pod_of_the_test_is_no_replica() {
    for values in CI {
        let Some(manifests) = rendered(values, &[]) else { return };
        let pod = one(&manifests, "Pod", "-check");
        let labels = &pod["metadata"]["labels"];
        for service in manifests.iter().filter(|m| m["kind"] == "Service") {
            let selector = service["spec"]["selector"].as_object().unwrap();
            assert!(
                selector.iter().any(|(key, value)| labels.get(key) != Some(value)),
                "{service}"
            );
        }
        let container = &pod["spec"]["containers"][0];
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert_eq!(mounts.len(), pod["spec"]["volumes"].as_array().unwrap().len());
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    }
}
