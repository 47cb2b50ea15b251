//! The start that `countersign init --dev` writes, run as its page says: the first allow and the first denial.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::testbed::Folder;
use crate::testbed::envoy::{Bootstrap, Envoy};
use crate::testbed::http1::{Connection, Request};
use crate::testbed::server::{Addresses, Server};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::envoy;

const HOST: &str = "service.example.com";

/// The status of the answer to alice's item, asked for with the token of `user`, or without a certificate and a token.
async fn status(folder: &Folder, envoy: &Envoy, user: Option<&str>) -> u16 {
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
    let stream = TcpStream::connect(envoy.listener()).await.unwrap();
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
    let addresses = Addresses::free().await.unwrap();
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
