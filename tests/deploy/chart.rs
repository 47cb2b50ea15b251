//! The chart: what it renders is valid for Kubernetes, holds together, and refuses what cannot be meant.

use std::path::PathBuf;

use countersign::config::{Config, Overrides};
use serde_json::Value;

use crate::foreign;
use crate::tools::{self, Said};

pub(crate) const CHART: &str = "deploy/chart";
pub(crate) const MINIMAL: &str = "deploy/chart/ci/minimal-values.yaml";
pub(crate) const FULL: &str = "deploy/chart/ci/full-values.yaml";
pub(crate) const CLUSTER: &str = "deploy/chart/ci/cluster-values.yaml";
pub(crate) const KEDA: &str = "deploy/chart/ci/keda-values.yaml";
pub(crate) const NODE: &str = "deploy/chart/ci/node-values.yaml";
pub(crate) const CI: [&str; 5] = [MINIMAL, FULL, CLUSTER, KEDA, NODE];

/// Kinds that are not Kubernetes' own, which its schemas do not know.
const FOREIGN: [&str; 4] = ["ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject"];

/// `helm template` with these values; `None` where there is no helm.
pub(crate) fn template(values: &str, more: &[&str]) -> Option<Said> {
    let mut args = vec!["template", "auth", CHART, "--namespace", "auth", "--values", values];
    args.extend(more);
    tools::run("helm", &args)
}

/// The manifests that the chart renders.
pub(crate) fn rendered(values: &str, more: &[&str]) -> Option<Vec<Value>> {
    let said = template(values, more)?;
    assert!(said.ok, "{}", said.stderr);
    let documents = said.stdout.split("\n---\n");
    let parsed = documents.map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    Some(parsed.filter(|manifest| !manifest.is_null()).collect())
}

/// The only manifest of a kind whose name ends like this.
pub(crate) fn one<'a>(manifests: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |m: &&Value| m["kind"] == kind && text(m, "/metadata/name").ends_with(name);
    manifests.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} *{name}"))
}

pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {value}"))
}

/// The settings file that a release mounts.
pub(crate) fn settings(manifests: &[Value]) -> &str {
    text(one(manifests, "ConfigMap", "-settings"), "/data/countersign.yaml")
}

fn pod(manifests: &[Value]) -> &Value {
    &one(manifests, "Deployment", "")["spec"]["template"]
}

#[test]
fn the_chart_lints() {
    for values in CI {
        let Some(said) = tools::run("helm", &["lint", "--strict", CHART, "--values", values])
        else {
            return;
        };
        assert!(said.ok, "{values}: {}{}", said.stdout, said.stderr);
    }
}

#[test]
fn every_manifest_is_valid_for_kubernetes() {
    for values in CI {
        let Some(said) = template(values, &[]) else { return };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &said.stdout).unwrap();
        let path = file.path().to_str().unwrap();
        let Some(judged) = tools::run("kubernetes-validate", &["--strict", path]) else { return };
        let told = format!("{}{}", judged.stdout, judged.stderr);
        assert!(judged.ok, "{values}: {told}");
        let manifests = rendered(values, &[]).unwrap();
        let passed = told.matches(" passed for resource ").count();
        let theirs = manifests.iter().filter(|m| FOREIGN.contains(&text(m, "/kind")));
        let others = theirs.clone().count();
        assert_eq!(passed + others, manifests.len(), "each is judged, by one or the other: {told}");
        for manifest in theirs {
            assert_eq!(foreign::problems_of(manifest), Vec::<String>::new(), "{manifest}");
        }
    }
}

/// P18, P79: what would leave the listener open, or would not run, is refused before anything is installed.
#[test]
fn values_that_cannot_be_meant_are_refused() {
    for (set, told) in [
        ("replcas=3", "replcas"),
        ("admin.port=99999", "admin.port"),
        ("listener.host=countersign.example.com", "listener.host"),
        ("image.digest=latest", "image.digest"),
        ("redis.url=redis://user:password@host:6379", "redis.url"),
        ("redis.onLoss=allow", "redis.onLoss"),
        ("redis.forgetful=maybe", "redis.forgetful"),
        ("redis.sentinel.urls[0]=http://a", "redis.sentinel.urls"),
        ("topologySpread[0].whenUnsatisfiable=Never", "topologySpread"),
        ("env[0].name=LD_PRELOAD", "env.0.name"),
        ("settings.listener.address=0.0.0.0:1", "settings.listener"),
        ("settings.documents[0]=/tmp", "settings"),
        ("settings.log.levle=debug", "settings.log"),
        ("settings.deadline=soon", "settings.deadline"),
        ("settings.listener.peerSources.xfcc=maybe", "settings.listener.peerSources.xfcc"),
        ("listener.tls.secretName=", "the listener has no TLS"),
        ("listener.tls.clients.spiffe=null", "name the Envoys that may ask"),
        ("terminationGracePeriodSeconds=30", "less than the 54"),
        (
            "redis.cluster[0]=rediss://other:6379",
            "more than one of `url`, `cluster` and `sentinel.urls`",
        ),
    ] {
        let Some(said) = template(FULL, &["--set", set]) else { return };
        assert!(!said.ok && said.stderr.contains(told), "{set}: {}", said.stderr);
    }
    let Some(said) = template(MINIMAL, &["--set", "documentConfigMaps=null"]) else { return };
    assert!(!said.ok && said.stderr.contains("no documents"), "{}", said.stderr);
}

/// The server reads the settings that the chart writes: with everything on, and with next to nothing.
#[test]
fn the_server_accepts_the_settings_that_are_rendered() {
    for (values, more) in [
        (MINIMAL, &[][..]),
        (MINIMAL, &["--set", "listener.host=127.0.0.1,listener.insecureAllowPlaintext=false"]),
        (MINIMAL, &["--set", "listener.host=[::],admin.host=[::]"]),
        (FULL, &[]),
        (CLUSTER, &[]),
        (KEDA, &[]),
        (NODE, &[]),
        (FULL, &["--set", "redis.url=,redis.cluster[0]=rediss://a:6379"]),
        (
            FULL,
            &[
                "--set",
                "redis.url=,redis.sentinel.urls[0]=rediss://a:26379,redis.sentinel.master=uses,redis.sentinel.password.secretName=s",
            ],
        ),
    ] {
        let Some(manifests) = rendered(values, more) else { return };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), settings(&manifests)).unwrap();
        let config = Config::load(Some(file.path()), &Overrides::default());
        let config = config.unwrap_or_else(|error| panic!("{values} {more:?}: {error}"));
        assert_eq!(config.state_folder, Some(PathBuf::from("/var/lib/countersign")));
        assert_eq!(config.listener.tls.is_some(), [FULL, CLUSTER].contains(&values));
    }
}

/// Every file that settings, documents and arguments name is in a folder that is mounted, and what is mounted is there.
#[test]
fn what_is_pointed_to_is_mounted() {
    let Some(manifests) = rendered(FULL, &[]) else { return };
    let documents = one(&manifests, "ConfigMap", "-documents").to_string();
    let spec = &pod(&manifests)["spec"];
    let container = &spec["containers"][0];
    let said = format!("{} {documents} {}", settings(&manifests), container["args"]);
    let mounts = container["volumeMounts"].as_array().unwrap();
    let folders: Vec<&str> = mounts.iter().map(|mount| text(mount, "/mountPath")).collect();
    let mut named = 0;
    for after in said.split("/etc/countersign/").skip(1) {
        let tail = after.split(|c: char| !c.is_alphanumeric() && !"/-_.".contains(c)).next();
        let path = format!("/etc/countersign/{}", tail.unwrap());
        assert!(folders.iter().any(|folder| path.starts_with(folder)), "{path}: {folders:?}");
        named += 1;
    }
    assert!(named >= 10, "{named} paths");
    let volumes: Vec<&str> =
        spec["volumes"].as_array().unwrap().iter().map(|v| text(v, "/name")).collect();
    assert!(mounts.iter().all(|mount| volumes.contains(&text(mount, "/name"))));
    assert_eq!(mounts.len(), volumes.len());
    let writable = mounts.iter().filter(|mount| mount["readOnly"] != true);
    assert!(writable.map(|mount| text(mount, "/mountPath")).eq(["/var/lib/countersign"]));
}

/// Settings are read at the start, so that a change has to roll the pods; documents are taken up while it runs.
#[test]
fn a_change_of_settings_rolls_the_pods_and_one_of_documents_does_not() {
    let Some(before) = rendered(FULL, &[]) else { return };
    let after = |set| rendered(FULL, &["--set", set]).unwrap();
    let documents = after("documents.orders\\.yaml=changed");
    assert_eq!(pod(&before), pod(&documents));
    assert_ne!(before, documents);
}

#[test]
fn the_pod_may_do_nothing_that_it_need_not() {
    let Some(manifests) = rendered(MINIMAL, &[]) else { return };
    let spec = &pod(&manifests)["spec"];
    let container = &spec["containers"][0]["securityContext"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"][0], "ALL");
    assert!(!manifests.iter().any(|m| text(m, "/kind").contains("Role")), "it asks for no rights");
}

#[test]
fn the_version_is_that_of_the_crate() {
    let chart: Value = serde_saphyr::from_str(&tools::read("deploy/chart/Chart.yaml")).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
