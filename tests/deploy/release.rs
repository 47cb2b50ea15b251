//! A release without a cluster: the chart is rendered, its volumes are laid out as the kubelet would, and the container's
//! command is run.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::testbed::http1::{Connection, Request, Response};
use crate::testbed::mint::Issuer;
use crate::testbed::server::Addresses;
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, SystemClock};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::chart::{FULL, one, rendered, text};

/// Stands in `team-billing`, the ConfigMap that another team made.
const BILLING: &str = r#"apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: billing }
spec:
  target: { hosts: [billing.example.com] }
  rules:
    - name: health
      effect: allow
      on: { methods: [GET], paths: [/health] }
      public: true
"#;

/// The container's process. It is killed when this value goes.
struct Pod(Child);

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Files = BTreeMap<String, String>;

/// Mounts `files` at `path` as the kubelet does: a folder with a time in its name behind the link `..data`.
fn mount(path: &Path, files: &Files) {
    let data = path.join("..2026_11_22");
    std::fs::create_dir_all(&data).unwrap();
    symlink("..2026_11_22", path.join("..data")).unwrap();
    for (name, contents) in files {
        std::fs::write(data.join(name), contents).unwrap();
        symlink(Path::new("..data").join(name), path.join(name)).unwrap();
    }
}

/// The files of the Secrets and the foreign ConfigMap that the values name.
fn elsewhere(pki: &Pki) -> BTreeMap<&'static str, Files> {
    let folder = Folder::temporary().unwrap();
    pki.write(&folder).unwrap();
    let tls = |name: &str| std::fs::read_to_string(folder.join(&format!("tls/{name}"))).unwrap();
    let files = |list: &[(&str, String)]| -> Files {
        list.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect()
    };
    let own = [("tls.crt", tls("countersign.pem")), ("tls.key", tls("countersign.key"))];
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef";
    BTreeMap::from([
        ("countersign-tls", files(&[&own[..], &[("ca.crt", pki.ca().pem())]].concat())),
        ("countersign-admin", files(&[("token", secret.to_owned())])),
        ("countersign-webhooks", files(&[("hmac", secret.to_owned())])),
        ("team-billing", files(&[("billing.yaml", BILLING.to_owned())])),
    ])
}

/// Lays out every volume of the Deployment below `folder`.
fn mount_all(manifests: &[Value], elsewhere: &BTreeMap<&str, Files>, folder: &Path) {
    let inside =
        |text: &str| text.replace("/etc/countersign", &format!("{}/etc", folder.display()));
    let spec = &one(manifests, "Deployment", "")["spec"]["template"]["spec"];
    for volume in spec["volumes"].as_array().unwrap() {
        let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
        let at = mounts.iter().find(|mount| mount["name"] == volume["name"]).unwrap();
        let source =
            volume["configMap"]["name"].as_str().or(volume["secret"]["secretName"].as_str());
        let Some(source) = source else { continue };
        let rendered = manifests
            .iter()
            .find(|m| m["kind"] == "ConfigMap" && m["metadata"]["name"] == source)
            .map(|m| serde_json::from_value::<Files>(m["data"].clone()).unwrap());
        let files = rendered.or_else(|| elsewhere.get(source).cloned());
        let files = files.unwrap_or_else(|| panic!("no template makes `{source}`"));
        let files = files.into_iter().map(|(name, text)| {
            let text =
                text.replace("/var/lib/countersign", &folder.join("state").display().to_string());
            (name, inside(&text))
        });
        mount(Path::new(&inside(text(at, "/mountPath"))), &files.collect());
    }
}

async fn get(address: std::net::SocketAddr, path: &str) -> Option<Response> {
    let stream = TcpStream::connect(address).await.ok()?;
    Connection::new(stream).send(&Request::get("kubelet", path)).await.ok()
}

/// The chart's own command, with its settings, documents, certificates and secrets where it mounts them, starts, is alive
/// and ready by its own probes, and ends with 0 after SIGTERM.
#[tokio::test]
async fn a_release_starts_and_is_ready_by_its_own_probes() {
    countersign::cli::install_crypto();
    let now = SystemClock.now();
    let (pki, issuer) = (Pki::new(now).unwrap(), Issuer::new(now).unwrap());
    let folder = Folder::temporary().unwrap();
    let ca = folder.write("prod.pem", pki.ca().pem()).unwrap();
    let keys = folder.write("corp.jwks.json", issuer.key_set().unwrap()).unwrap();
    let addresses = Addresses::free().unwrap();
    let (listener, admin) = (addresses.checks.port(), addresses.admin.port());
    let set = format!(
        "listener.host=127.0.0.1,listener.port={listener},admin.host=127.0.0.1,admin.port={admin},redis.url=,settings.listener.drain.delay=0s"
    );
    let files = format!(
        "documents.prod\\.pem={},documents.corp\\.jwks\\.json={}",
        ca.display(),
        keys.display()
    );
    let Some(manifests) = rendered(FULL, &["--set", &set, "--set-file", &files]) else { return };
    mount_all(&manifests, &elsewhere(&pki), folder.path());

    let container = &one(&manifests, "Deployment", "")["spec"]["template"]["spec"]["containers"][0];
    let args = container["args"].as_array().unwrap().iter().map(|arg| {
        let etc = folder.join("etc").display().to_string();
        arg.as_str().unwrap().replace("/etc/countersign", &etc)
    });
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut pod = Pod(command.spawn().unwrap());

    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = text(container, &format!("/{probe}/httpGet/path"));
        let mut status = None;
        for _ in 0..400 {
            status = get(addresses.admin, path).await.map(|answer| answer.status);
            if status == Some(200) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap();
        assert_eq!(status, Some(200), "{probe}: {log}");
    }
    let ready = get(addresses.admin, "/readyz?verbose").await.unwrap().text();
    assert!(ready.contains("certificate of the listener"), "{ready}");
    assert!(!ready.contains("[-]"), "{ready}");

    let id = pod.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut ended = None;
    for _ in 0..400 {
        ended = pod.0.try_wait().unwrap();
        if ended.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}
