//! Who may connect, and what happens when certificates change.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::clock::UnixTime;

pub(in crate::envoy) struct Ca(pub(in crate::envoy) CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(in crate::envoy) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(in crate::envoy) fn issue(&self, sans: Vec<SanType>) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    pub(in crate::envoy) fn client(&self, uri: &str) -> (String, String) {
        self.issue(vec![SanType::URI(uri.try_into().unwrap())])
    }

    pub(in crate::envoy) fn server(&self) -> (String, String) {
        self.issue(vec![SanType::DnsName("countersign.test".try_into().unwrap())])
    }
}

pub(in crate::envoy) fn options(folder: &TempDir) -> TlsOptions {
    TlsOptions {
        certificate: "cert.pem".into(),
        key: "key.pem".into(),
        client_authorities: "clients.pem".into(),
        clients: serde_json::from_str(
            r#"{"spiffe": ["spiffe://prod.example/ns/istio-ingress/sa/*"]}"#,
        )
        .unwrap(),
    }
    .relative_to(folder.path())
}

pub(in crate::envoy) fn write(folder: &TempDir, server: &(String, String), clients: &Ca) {
    for (name, text) in
        [("cert.pem", &server.0), ("key.pem", &server.1), ("clients.pem", &clients.0.pem())]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
}

/// A client with this certificate, and the authorities that it trusts.
pub(in crate::envoy) fn client_config(server_ca: &Ca, client: &(String, String)) -> ClientConfig {
    ClientConfig::builder()
        .with_root_certificates(roots(Path::new("ca"), server_ca.0.pem().as_bytes()).unwrap())
        .with_client_auth_cert(
            certificates(Path::new("c"), client.0.as_bytes()).unwrap(),
            private_key(Path::new("k"), client.1.as_bytes()).unwrap(),
        )
        .unwrap()
}

/// True if a client with this certificate is handed to the server.
async fn admitted(tls: &Arc<Tls>, server_ca: &Ca, client: &(String, String)) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = client_config(server_ca, client);
    let connecting = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("countersign.test").unwrap();
        // In TLS 1.3 the client learns of a refusal when it reads.
        if let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            let _ = stream.read_u8().await;
        }
    };
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        tls.shake_hands(stream).await.is_ok()
    };
    tokio::select! {
        admitted = accepting => admitted,
        () = connecting => false,
    }
}

/// P18, P47: a certificate of the right authority is not enough, the name must be on the list.
#[tokio::test]
async fn only_listed_clients_of_the_right_authority_are_admitted() {
    let (folder, ca, other) = (tempfile::tempdir().unwrap(), Ca::new(), Ca::new());
    write(&folder, &ca.server(), &ca);
    let tls = Arc::new(Tls::load(options(&folder)).unwrap());
    let ingress = "spiffe://prod.example/ns/istio-ingress/sa/gateway";
    assert!(admitted(&tls, &ca, &ca.client(ingress)).await);
    assert!(!admitted(&tls, &ca, &ca.client("spiffe://prod.example/ns/web/sa/frontend")).await);
    assert!(!admitted(&tls, &ca, &other.client(ingress)).await);
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    assert!(
        !admitted(&tls, &ca, &ca.issue(vec![uri(ingress), uri("spiffe://prod.example/x")])).await
    );
}

#[tokio::test]
async fn a_changed_authority_counts_for_the_next_connection() {
    let (folder, ca, new) = (tempfile::tempdir().unwrap(), Ca::new(), Ca::new());
    write(&folder, &ca.server(), &ca);
    let tls = Arc::new(Tls::load(options(&folder)).unwrap());
    assert_eq!(tls.reload(), Ok(false));
    let ingress = "spiffe://prod.example/ns/istio-ingress/sa/gateway";
    write(&folder, &ca.server(), &new);
    assert_eq!(tls.reload(), Ok(true));
    assert!(!admitted(&tls, &ca, &ca.client(ingress)).await);
    assert!(admitted(&tls, &ca, &new.client(ingress)).await);
}

#[test]
fn files_that_cannot_be_used_are_named_and_change_nothing() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    assert!(Tls::load(options(&folder)).unwrap_err().contains("cert.pem"));
    write(&folder, &ca.server(), &ca);
    let tls = Tls::load(options(&folder)).unwrap();
    for (file, text) in
        [("key.pem", "secret canary"), ("clients.pem", "nothing"), ("cert.pem", "nothing")]
    {
        let path = folder.path().join(file);
        let good = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let error = tls.reload().unwrap_err();
        assert!(error.contains(file) && !error.contains("canary"), "{error}");
        assert_eq!(tls.status().problem, Some(error));
        fs::write(&path, good).unwrap();
    }
    assert_eq!(tls.reload(), Ok(false));
    assert_eq!(tls.status().problem, None);
    assert!(tls.status().validity.not_after > UnixTime::from_secs(1_800_000_000));
}

#[test]
fn an_empty_list_of_clients_is_refused() {
    assert!(serde_json::from_str::<AllowedClients>("{}").is_err());
    assert!(serde_json::from_str::<AllowedClients>(r#"{"spiffe": ["spiffe://*"]}"#).is_err());
}
