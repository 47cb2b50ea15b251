//! The start that `countersign init --dev` writes, run as its page says: the first allow and the first denial.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::testbed::Folder;
use crate::testbed::envoy::{Bootstrap, Envoy};
use crate::testbed::http1::{Connection, Request};
use crate::testbed::server::{Addresses, Server};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt as _, AsyncRead};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::envoy;

const HOST: &str = "service.example.com";

/// The status of the answer to alice's item, asked for with the token of `user`, or without a certificate and a token.
async fn status(folder: &Folder, envoy: &Envoy, user: Option<&str>) -> u16 {
    asked(folder, envoy.listener(), user).await
}

/// The same of the Envoy at `address`.
async fn asked(folder: &Folder, address: SocketAddr, user: Option<&str>) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config =
        config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let config = match user {
        None => config.with_no_client_auth(),
        Some(_) => {
            let leaf = CertificateDer::from_pem_file(folder.join("dev/front.pem")).unwrap();
            let key = PrivateKeyDer::from_pem_file(folder.join("dev/front.key")).unwrap();
            config.with_client_auth_cert(vec![leaf], key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = Request::get(HOST, "/users/alice/items/1");
    let request = match user {
        None => request,
        Some(user) => {
            let token = folder.join(&format!("dev/{user}.jwt"));
            request.bearer(&std::fs::read_to_string(token).unwrap())
        }
    };
    Connection::new(stream).send(&request).await.unwrap().status
}

/// P590: what `init` writes is a mesh that works: Envoy takes the configuration, and the policy decides.
#[tokio::test]
async fn the_start_runs_behind_a_real_envoy() {
    let Some(binary) = envoy::find() else { return };
    let folder = Folder::temporary().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
    let written = Command::new(program).args(["init", "--dev"]).current_dir(folder.path()).output();
    assert!(written.unwrap().status.success());
    let addresses = Addresses::free().unwrap();
    let read = |name| std::fs::read_to_string(folder.join(name)).unwrap();
    let (checks, admin) = (addresses.checks.port().to_string(), addresses.admin.port().to_string());
    let settings = read("countersign.yaml").replace("9001", &checks).replace("9002", &admin);
    folder.write("countersign.yaml", settings).unwrap();
    let server = Server::start(program, &folder, addresses).await.unwrap();
    let configuration =
        read("envoy.yaml").replace("port_value: 9001", &format!("port_value: {checks}"));
    let configuration = configuration.replace("port_value: 8443", "port_value: 0");
    let configuration = configuration.replace("port_value: 9901", "port_value: 0");
    let envoy = Envoy::start(&binary, &Bootstrap::new(&configuration), &folder).await.unwrap();
    assert_eq!(status(&folder, &envoy, Some("alice")).await, 200);
    assert_eq!(status(&folder, &envoy, Some("bob")).await, 403);
    assert!([401, 403].contains(&status(&folder, &envoy, None).await));
    envoy.stop().await.unwrap();
    server.stop().await.unwrap();
}

/// `countersign dev` in a folder, with what it prints.
struct Dev {
    process: tokio::process::Child,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
    seen: Vec<String>,
}

impl Dev {
    fn start(folder: &Path, envoy: &Path) -> Self {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["dev", "--envoy"]).arg(envoy).arg(folder).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (send, lines) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(pass_on(process.stdout.take().unwrap(), send.clone()));
        tokio::spawn(pass_on(process.stderr.take().unwrap(), send));
        Self { process, lines, seen: Vec::new() }
    }

    /// Waits for a line with `part`.
    async fn says(&mut self, part: &str) -> String {
        let found = async {
            loop {
                let line = self.lines.recv().await?;
                self.seen.push(line.clone());
                if line.contains(part) {
                    return Some(line);
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), found).await;
        found.ok().flatten().unwrap_or_else(|| panic!("{part} is not in {:#?}", self.seen))
    }
}

async fn pass_on(from: impl AsyncRead + Unpin, to: tokio::sync::mpsc::UnboundedSender<String>) {
    let mut lines = tokio::io::BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if to.send(line).is_err() {
            return;
        }
    }
}

/// A start of `init --dev` with free ports.
struct Start {
    folder: Folder,
    own: Addresses,
    gateway: Addresses,
}

impl Start {
    fn written() -> Self {
        let folder = Folder::temporary().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let written =
            Command::new(program).args(["init", "--dev"]).current_dir(folder.path()).output();
        assert!(written.unwrap().status.success());
        let (own, gateway) = (Addresses::free().unwrap(), Addresses::free().unwrap());
        let port = |from: &str, address: SocketAddr| {
            edit(&folder, "envoy.yaml", from, &format!("port_value: {}", address.port()));
        };
        edit(&folder, "countersign.yaml", "9001", &own.checks.port().to_string());
        edit(&folder, "countersign.yaml", "9002", &own.admin.port().to_string());
        port("port_value: 9001", own.checks);
        port("port_value: 8443", gateway.checks);
        port("port_value: 9901", gateway.admin);
        Self { folder, own, gateway }
    }
}

fn edit(folder: &Folder, name: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(text.contains(from), "{name}: {from}");
    folder.write(name, text.replace(from, to)).unwrap();
}

/// P700: an edit that is wrong stops nothing, and one that is right is in force, of documents, settings and Envoy's configuration.
#[tokio::test]
async fn dev_follows_every_edit_and_goes_on_through_wrong_ones() {
    let Some(binary) = envoy::find() else { return };
    let Start { folder, own, gateway } = Start::written();
    let edit = |name: &str, from: &str, to: &str| edit(&folder, name, from, to);
    let mut dev = Dev::start(folder.path(), binary.program());
    dev.says("countersign and Envoy run").await;
    dev.says("5 cases: 5 passed, 0 failed").await;
    assert_eq!(asked(&folder, gateway.checks, Some("alice")).await, 200);
    dev.says("  allow  ").await;
    edit("documents/policy.yaml", "scopes: [", "scope: [");
    dev.says("did you mean `scopes`?").await;
    assert_eq!(asked(&folder, gateway.checks, Some("alice")).await, 200);
    edit("countersign.yaml", "shownHeaders: every", "shownHeaders: some");
    dev.says("the server goes on with the settings that it has").await;
    edit("documents/policy.yaml", "scope: [\"items:read\"]", "scopes: [\"items:write\"]");
    dev.says("5 cases: 4 passed, 1 failed").await;
    edit("countersign.yaml", "shownHeaders: some", "shownHeaders: every # as before");
    dev.says("countersign started again").await;
    assert_eq!(asked(&folder, gateway.checks, Some("alice")).await, 403);
    dev.says("scope_missing").await;
    edit("envoy.yaml", "static_resources:", "static_resource:");
    dev.says("Envoy does not take `envoy.yaml`").await;
    assert_eq!(asked(&folder, gateway.checks, Some("alice")).await, 403);
    edit("envoy.yaml", "static_resource:", "static_resources: # as before");
    dev.says("Envoy started again").await;
    assert_eq!(asked(&folder, gateway.checks, Some("alice")).await, 403);

    let interrupt = format!("kill -INT {}", dev.process.id().unwrap());
    assert!(Command::new("sh").arg("-c").arg(interrupt).status().unwrap().success());
    assert_eq!(dev.process.wait().await.unwrap().code(), Some(0));
    assert!(
        TcpStream::connect(own.admin).await.is_err()
            && TcpStream::connect(gateway.checks).await.is_err()
    );
}

/// The exit code and the messages of a `dev` that does not run.
fn refused(folder: &Folder, envoy: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["dev", "--envoy"]).arg(envoy).arg(folder.path());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// P734, P735, P736, P737: `dev` says what the server refuses and what stays in force, finds what weakens its Envoy, runs once in a
/// folder, and names the processes that have its addresses.
#[tokio::test]
async fn dev_says_what_is_refused_and_who_has_its_addresses() {
    let Some(binary) = envoy::find() else { return };
    let Start { folder, own, gateway } = Start::written();
    edit(&folder, "envoy.yaml", "failure_mode_allow: false", "failure_mode_allow: true");
    let mut dev = Dev::start(folder.path(), binary.program());
    dev.says("countersign and Envoy run").await;
    dev.says("warning[fails-open]").await;
    dev.says("Envoy runs with a setting in `envoy.yaml` that weakens authorization").await;
    let first = dev.says("of the documents is in force").await;
    let revision = first.split_whitespace().nth(1).unwrap().to_owned();

    let log = std::fs::read(folder.join("dev/envoy.log")).unwrap();
    let (code, said) = refused(&folder, binary.program());
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains(&format!("as process {}", dev.process.id().unwrap())), "{said}");
    let now = std::fs::read(folder.join("dev/envoy.log")).unwrap();
    assert!(now.starts_with(&log), "the log of the first one");

    edit(&folder, "documents/policy.yaml", "- { name: health", "# - { name: health");
    dev.says("waits for a confirmation").await;
    edit(&folder, "documents/policy.yaml", "# - { name: health", "- { name: health");
    dev.says(&format!("revision {revision} of the documents is in force")).await;
    edit(&folder, "documents/policy.yaml", "scopes: [", "scope: [");
    dev.says(&format!("does not take the edited documents: revision {revision} stays")).await;

    // Killed, it cannot end its programs.
    dev.process.kill().await.unwrap();
    let (code, said) = refused(&folder, binary.program());
    assert_eq!(code, Some(5), "{said}");
    let settings = ["`listener.address` in `countersign.yaml`", "`envoy.yaml:"];
    let addresses = [own.checks, own.admin, gateway.checks, gateway.admin];
    let addresses = addresses.map(|own| own.to_string());
    for part in addresses.iter().map(String::as_str).chain(settings) {
        assert!(said.contains(part), "{part} in {said}");
    }
    let processes = said.split("`kill ").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(processes.split(' ').count(), 2, "{said}");
    let end = format!("kill -9 {processes}");
    assert!(Command::new("sh").arg("-c").arg(end).status().unwrap().success());
}
