//! The folders in which pages are played.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use countersign::clock::{Clock as _, SystemClock, UnixTime};
use serde_json::json;

use super::root;
use crate::testbed::envoy_binary::{EnvoyBinary, Search};
use crate::testbed::mint::Issuer;
use crate::testbed::ports::free_port;
use crate::testbed::{Folder, Pki};

/// The place in which the reader of a page is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// In an empty folder.
    Empty,
    /// In a checkout of the repository.
    Checkout,
    /// In an empty folder, with the shipped file of Envoy, and Envoy on the PATH.
    Tutorial,
    /// In the folder of a server that runs, with what happened in its audit log.
    Server,
    /// Beside the shipped files of Envoy, Istio and Envoy Gateway, and an Envoy that runs.
    Mesh,
}

pub(super) struct Stage {
    folder: PathBuf,
    programs: PathBuf,
    ports: Vec<(&'static str, u16)>,
    server: Option<Child>,
    _kept: Folder,
}

/// The ports of the pages.
const PORTS: [&str; 5] = ["9001", "9002", "8443", "8080", "9901"];

const SETTINGS: &str = "\
listener: { address: '127.0.0.1:9001', peerSources: { sourceCertificate: true, xfcc: true } }
documents: [./policies]
audit: { file: ./audit.jsonl }
admin: { address: '127.0.0.1:9002', revocations: { tokenFile: admin.token } }
";

const FRONTEND: &str = "spiffe://prod.example/ns/web/sa/frontend";

/// A case for `--case`, beside the documents that `explain` is tested with.
const SUITE: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: PolicySuite
metadata: { name: writing }
spec:
  peers: { web: { trustDomain: prod, spiffe: 'spiffe://prod.example/ns/web/sa/front' } }
  tokens: { reader: { issuer: corp, claims: { sub: alice, scope: 'orders:read' } } }
  cases:
    - name: a reader cannot write
      request: { method: POST, host: orders.example.com, path: /v1/orders }
      peer: web
      token: reader
      expect: { decision: deny, reason: scope_missing }
";

impl Setting {
    /// The programs of its pages, beside ours and Envoy.
    const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Empty => &["bash", "openssl"],
            Self::Checkout => &["bash"],
            Self::Tutorial => &["bash", "curl", "openssl", "python3"],
            Self::Server => &["bash", "curl", "jq"],
            Self::Mesh => &["bash", "curl"],
        }
    }
}

impl Stage {
    /// `None` where a program is missing that the page needs; under `CI=true` that fails.
    pub(super) fn set(setting: Setting) -> Option<Self> {
        countersign::cli::install_crypto();
        let missing = setting.programs().iter().find(|program| !is_there(program));
        if let Some(program) = missing {
            return skip(&format!("`{program}` is not on the PATH"));
        }
        let kept = Folder::temporary().unwrap();
        let (folder, programs) = (kept.join("reader"), kept.join("bin"));
        for path in [&folder, &programs] {
            fs::create_dir_all(path).unwrap();
        }
        let mut stage = Self { folder, programs, ports: free_ports(), server: None, _kept: kept };
        stage.provide_countersign();
        match setting {
            Setting::Empty => {}
            Setting::Checkout => stage.check_out(),
            Setting::Tutorial => stage.provide_envoy()?,
            Setting::Server => stage.serve(),
            Setting::Mesh => stage.proxy()?,
        }
        Some(stage)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn programs(&self) -> &Path {
        &self.programs
    }

    /// `text` with free ports for those that pages have.
    pub(super) fn with_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (shown, free)| {
            text.replace(&format!(":{shown}"), &format!(":{free}"))
                .replace(&format!("/{shown}/"), &format!("/{free}/"))
                .replace(&format!("\", {shown})"), &format!("\", {free})"))
        })
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `countersign` on the PATH, which finds the admin listener without being asked, as it does on the port of the pages.
    fn provide_countersign(&self) {
        let (own, admin) = (env!("CARGO_BIN_EXE_countersign"), self.ports[1].1);
        let script = format!(
            "#!/bin/sh\ncase $1 in revoke | revocations) set -- \"$@\" --admin http://127.0.0.1:{admin} ;; esac\nexec '{own}' \"$@\"\n"
        );
        self.provide("countersign", &script);
    }

    fn provide(&self, name: &str, script: &str) {
        let path = self.programs.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn check_out(&self) {
        for name in ["policies", "docs", "envoy"] {
            symlink(root().join(name), self.folder.join(name)).unwrap();
        }
    }

    fn provide_envoy(&self) -> Option<()> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
        let search = Search { program: std::env::var_os("ENVOY").map(PathBuf::from), cache };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match runtime.block_on(EnvoyBinary::find(&search)) {
            // Beside other Envoys on this machine.
            Ok(found) => self.provide(
                "envoy",
                &format!(
                    "#!/bin/sh\nexec '{}' --use-dynamic-base-id \"$@\"\n",
                    found.program().display()
                ),
            ),
            Err(error) => return skip(&error.to_string()),
        }
        self.write("sidecar-mtls.yaml", fs::read(root().join("envoy/sidecar-mtls.yaml")).unwrap());
        Some(())
    }

    /// A server with what it decided before.
    fn serve(&mut self) {
        let now = SystemClock.now();
        self.write_documents(now);
        self.write("countersign.yaml", self.with_ports(SETTINGS));
        self.write_audit(now);
        self.write("envoy.yaml", fs::read(root().join("envoy/sidecar-mtls.yaml")).unwrap());
        let log = fs::File::create(self.folder.join("countersign.log")).unwrap();
        let server = self.countersign(&[]).stderr(log).stdout(Stdio::null()).spawn();
        self.server = Some(server.unwrap());
        self.answers(&format!("{}/readyz", self.ports[1].1), "countersign.log");
    }

    /// Waits until a server answers, whose log is in the file `log`.
    fn answers(&self, port_and_path: &str, log: &str) {
        let page = format!("http://127.0.0.1:{port_and_path}");
        let asked = Command::new("curl")
            .args(["-sf", "--retry", "60", "--retry-delay", "1", "--retry-all-errors", &page])
            .output()
            .unwrap();
        let log = fs::read_to_string(self.folder.join(log)).unwrap();
        assert!(asked.status.success(), "{log}");
    }

    /// The shipped files of meshes, and an Envoy that has the one for it.
    fn proxy(&mut self) -> Option<()> {
        let pki = Pki::new(SystemClock.now()).unwrap();
        pki.write(&Folder::named(&self.folder).unwrap()).unwrap();
        self.provide_envoy()?;
        let shipped = |name: &str| fs::read_to_string(root().join("envoy").join(name)).unwrap();
        self.write("mesh.yaml", shipped("istio/mesh-config.yaml"));
        let policies = shipped("istio/authorization-policies.yaml");
        self.write("istio.yaml", format!("{policies}\n---\n{}", shipped("istio/gateways.yaml")));
        self.write("gateway.yaml", shipped("gateway/envoy-gateway.yaml"));
        let ports: Vec<_> = self.ports.iter().map(|(_, free)| free.to_string()).collect();
        let filled = [
            ("NODE_ID", "orders-1"),
            ("NODE_CLUSTER", "orders"),
            ("COUNTERSIGN_PORT", ports[0].as_str()),
            ("LISTEN_ADDRESS", "127.0.0.1"),
            ("LISTEN_PORT", ports[2].as_str()),
            ("SERVICE_ADDRESS", "127.0.0.1"),
            ("SERVICE_PORT", ports[3].as_str()),
            ("ADMIN_PORT", ports[4].as_str()),
            ("TRUST_CHAIN_VERIFICATION", "ACCEPT_UNTRUSTED"),
            ("SERVER_CERTIFICATE_FILE", "envoy/envoy.pem"),
            ("SERVER_KEY_FILE", "envoy/envoy.key"),
            ("CLIENT_CA_FILE", "ca/prod.pem"),
        ];
        let fill = |text: String, (name, value): &(&str, &str)| {
            text.replace(&format!("${{{name}}}"), value)
        };
        self.write("envoy.yaml", filled.iter().fold(shipped("sidecar-mtls.yaml"), fill));
        let log = fs::File::create(self.folder.join("envoy.log")).unwrap();
        let envoy = Command::new(self.programs.join("envoy"))
            .current_dir(&self.folder)
            .args(["--config-path", "envoy.yaml"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.server = Some(envoy.unwrap());
        self.answers(&format!("{}/ready", ports[4]), "envoy.log");
        Some(())
    }

    fn countersign(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .current_dir(&self.folder)
            .args(["serve", "--config", "countersign.yaml"])
            .args(more);
        command
    }

    fn write_documents(&self, now: UnixTime) {
        let pki = Pki::new(now).unwrap();
        pki.write(&Folder::named(&self.folder).unwrap()).unwrap();
        let issuer = Issuer::new(now).unwrap();
        self.write("keys/corp.jwks.json", issuer.key_set().unwrap());
        self.write("token.jwt", &issuer.tokens(&pki).unwrap().bearer);
        self.write("leaf.pem", pki.reports.pem());
        self.write("policies/all.yaml", include_str!("../../explain/documents.yaml"));
        self.write("policies/suite.yaml", SUITE);
        self.write("admin.token", "0123456789abcdef0123456789abcdef");
        let check = json!({ "sourceCertificate": pki.frontend.pem(), "sourcePrincipal": FRONTEND });
        self.write("check.json", check.to_string());
    }

    /// Two denials, by the documents that are in force.
    fn write_audit(&self, now: UnixTime) {
        let checked = self.countersign(&["--check"]).output().unwrap();
        let said = String::from_utf8(checked.stdout).unwrap();
        let (_, revision) = said.trim().rsplit_once(' ').unwrap();
        let token = json!({
            "issuer_name": "corp", "issuer": "https://login.example.com", "subject": "alice",
            "audiences": ["orders"], "scopes": ["orders:read"], "binding": "none",
        });
        let record = json!({
            "decision_id": "5c3a9be1f02a41d09c6a4f1f0f3f3a55",
            "time": now.to_rfc3339(),
            "decision": "deny",
            "reason": "scope_missing",
            "detail": "the token does not have scope `orders:write`",
            "policy": "orders",
            "rule": "write",
            "revision": revision,
            "request": { "method": "POST", "host": "orders.example.com", "path": "/v1/orders" },
            "peer": { "trust_domain": "prod", "spiffe": FRONTEND, "evidence": "full" },
            "tokens": [token],
        });
        let id = "0".repeat(32);
        let revoked = json!({
            "decision_id": id, "time": now.to_rfc3339(), "decision": "deny", "reason": "token_revoked",
        });
        self.write("audit.jsonl", format!("{record}\n{revoked}\n"));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn is_there(program: &str) -> bool {
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search).any(|folder| folder.join(program).is_file())
}

fn skip<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    eprintln!("SKIPPED: {why}");
    None
}

/// Ports that were free a moment ago, all of them others.
fn free_ports() -> Vec<(&'static str, u16)> {
    PORTS.into_iter().map(|own| (own, free_port().unwrap())).collect()
}
